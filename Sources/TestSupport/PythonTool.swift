package import Foundation
package import Realtime

/// A script of `Tests/Tools`, run by a Python that has what `requirements.txt` there names.
///
/// `REALTIME_TEST_PYTHON` names that Python, as `deploy/test` does; else it is the one of `.build-python` beside the package, else
/// whatever `python3` is. A script that misses a package exits 77 by agreement.
package struct PythonTool: Sendable {
    package struct Outcome: Sendable {
        package let status: Int32
        package let output: [UInt8]
        package let errors: String

        package var text: String { String(decoding: output, as: UTF8.self) }
    }

    /// The package's folder.
    package static let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..").standardizedFileURL
    private static let exitWithoutPackage: Int32 = 77
    /// Of `env` without a program.
    private static let exitWithoutPython: Int32 = 127

    private let script: URL

    package init(_ name: String) {
        script = Self.root.appending(path: "Tests/Tools").appending(path: name)
    }

    private static var python: String {
        if let named = ProcessInfo.processInfo.environment["REALTIME_TEST_PYTHON"] { return named }
        let own = root.appending(path: ".build-python/bin/python").path
        return FileManager.default.isExecutableFile(atPath: own) ? own : "python3"
    }

    /// Runs it to its end.
    /// - Returns: nil if there is no such Python, which is then said on standard error: the check was left out.
    package func callAsFunction(_ arguments: String...) async throws -> Outcome? {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [Self.python, script.path] + arguments
        process.standardInput = FileHandle.nullDevice
        let (output, errors) = (Pipe(), Pipe())
        process.standardOutput = output
        process.standardError = errors
        let ended = Mailbox<Int32>("the end of \(script.lastPathComponent)")
        process.terminationHandler = { ended.put($0.terminationStatus) }
        try process.run()
        async let printed = Self.all(of: output)
        async let complaints = Self.all(of: errors)
        let outcome = Outcome(
            status: try await ended.next(within: .seconds(120)), output: await printed,
            errors: String(decoding: await complaints, as: UTF8.self))
        guard outcome.status == Self.exitWithoutPackage || outcome.status == Self.exitWithoutPython else { return outcome }
        let why = "Python does not have what Tests/Tools/requirements.txt names"
        FileHandle.standardError.write(Data("a check by \(script.lastPathComponent) was left out: \(why)\n".utf8))
        return nil
    }

    private static func all(of pipe: Pipe) async -> [UInt8] {
        await withCheckedContinuation { continuation in
            Thread.detachNewThread {
                continuation.resume(returning: Array((try? pipe.fileHandleForReading.readToEnd()) ?? Data()))
            }
        }
    }
}

extension PythonTool {
    /// Runs `judge_events.py` over payloads, each with its dialect.
    package static func judge(_ payloads: some Sequence<(Dialect, [UInt8])>, atLeast kinds: Int = 1) async throws -> Outcome? {
        try await withFile(holding: PayloadRecord.lines(payloads)) {
            try await PythonTool("judge_events.py")("--at-least", String(kinds), $0.path)
        }
    }

    /// A file for as long as the body runs.
    package static func withFile<Result>(holding bytes: [UInt8], _ body: (URL) async throws -> Result) async throws -> Result {
        let file = FileManager.default.temporaryDirectory.appending(path: "events-\(UUID().uuidString).jsonl")
        try Data(bytes).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        return try await body(file)
    }
}
