import Foundation
import NIOConcurrencyHelpers
import TestSupport

/// A program started by a test. Its standard output is read as lines, its standard error is kept, and each wait has a bound.
///
/// Whoever starts one ends it: ``kill()`` in a `defer` does no harm after it has ended by itself.
final class ChildProcess: Sendable {
    /// How it ended: its exit code, or 128 and the signal, as shells count.
    typealias ExitCode = Int32

    private let process: Process
    private let input = Pipe()
    private let lines = Mailbox<String>("a line from the program")
    private let ended = Mailbox<ExitCode>("the end of the program")
    private let errorsEnded = Mailbox<Void>("the end of the program's standard error")
    private let errors: Collected

    /// - Parameter environment: beside the test's own variables.
    init(_ program: URL, _ arguments: [String], environment: [String: String] = [:], folder: URL? = nil) throws {
        let process = Process()
        let output = Pipe()
        let errorOutput = Pipe()
        process.executableURL = program
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { _, new in new }
        process.currentDirectoryURL = folder
        process.standardInput = input
        process.standardOutput = output
        process.standardError = errorOutput
        let collected = Collected()
        errors = collected
        let lines = lines
        let errorsEnded = errorsEnded
        let splitter = NIOLockedValueBox(LineSplitter())
        let ended = ended
        process.terminationHandler = { process in
            ended.put(process.terminationReason == .uncaughtSignal ? 128 + process.terminationStatus : process.terminationStatus)
        }
        self.process = process
        try process.run()
        Self.read(output.fileHandleForReading) { bytes in
            for line in splitter.withLockedValue({ $0.add(bytes) }) { lines.put(line) }
        }
        Self.read(errorOutput.fileHandleForReading) { bytes in
            collected.add(bytes)
            if bytes.isEmpty { errorsEnded.put(()) }
        }
    }

    /// Hands over what comes, on a thread of its own, and nothing at the end.
    ///
    /// Not by `readabilityHandler`: when a program ends soon after its start, libdispatch's event loop crashes on the closed pipe.
    private static func read(_ handle: FileHandle, _ take: @escaping @Sendable (Data) -> Void) {
        Thread.detachNewThread {
            var buffer = [UInt8](repeating: 0, count: 16 * 1024)
            while true {
                let count = Glibc.read(handle.fileDescriptor, &buffer, buffer.count)
                if count < 0, errno == EINTR { continue }
                take(Data(buffer[..<max(0, count)]))
                if count <= 0 { return }
            }
        }
    }

    /// All that was written to standard error so far.
    var errorText: String { errors.text }

    /// The next line of standard output, without its end.
    /// - Throws: `WaitedTooLong`, also if the program has ended and there is no line left.
    func nextLine(within limit: Duration = .seconds(20)) async throws -> String {
        try await lines.next(within: limit)
    }

    /// Writes to standard input.
    func write(_ text: String) throws {
        try input.fileHandleForWriting.write(contentsOf: Data(text.utf8))
    }

    func signal(_ signal: Int32) {
        if process.isRunning { Glibc.kill(process.processIdentifier, signal) }
    }

    /// Ends it at once, without a chance to tidy up; returns before it is gone.
    func kill() { signal(SIGKILL) }

    /// Waits for the end; may be asked more than once. ``errorText`` is then all that it wrote.
    func exit(within limit: Duration = .seconds(20)) async throws -> ExitCode {
        let code = try await ended.next(within: limit)
        ended.put(code)
        // The end may be known before its last words are read. A child that it left behind may hold them open.
        if (try? await errorsEnded.next(within: .seconds(1))) != nil { errorsEnded.put(()) }
        return code
    }
}

/// Bytes that came in pieces.
private final class Collected: Sendable {
    private let bytes = NIOLockedValueBox(Data())

    func add(_ data: Data) { bytes.withLockedValue { $0.append(data) } }

    var text: String { bytes.withLockedValue { String(decoding: $0, as: UTF8.self) } }
}

/// Pieces of text in, whole lines out.
private struct LineSplitter {
    private var rest = Data()

    mutating func add(_ data: Data) -> [String] {
        rest.append(data)
        var lines: [String] = []
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            lines.append(String(decoding: rest[rest.startIndex..<end], as: UTF8.self))
            rest = Data(rest[rest.index(after: end)...])
        }
        return lines
    }
}
