import Foundation

@testable import Realtime

/// Frames against schemas by Python's `jsonschema`, which reads all that the published ones say.
enum SchemaCheck {
    /// - Parameter schemas: a folder of bundles, or `openapi.json`.
    /// - Returns: what is wrong, each thing once; nil if it cannot be run here, which is said on standard error.
    static func problems(of frames: [(dialect: Dialect, bytes: [UInt8])], by schemas: URL) throws -> [String]? {
        let lines = frames.map { Array("{\"dialect\":\"\($0.dialect.rawValue)\",\"frame\":".utf8) + $0.bytes + Array("}".utf8) }
        let input = FileManager.default.temporaryDirectory.appending(path: "frames-\(UUID().uuidString).jsonl")
        let output = FileManager.default.temporaryDirectory.appending(path: "frames-\(UUID().uuidString).txt")
        // A frame may have line breaks between its tokens.
        try Data(lines.map { $0.map { $0 == 0x0A ? 0x20 : $0 } }.joined(separator: [0x0A])).write(to: input)
        try Data().write(to: output)
        defer { for file in [input, output] { try? FileManager.default.removeItem(at: file) } }
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        let python = ProcessInfo.processInfo.environment["REALTIME_TEST_PYTHON"] ?? "python3"
        process.arguments = [python, Payload.root.appending(path: "Tests/Tools/validate_frames.py").path, schemas.path, input.path]
        process.standardOutput = try FileHandle(forWritingTo: output)
        try process.run()
        process.waitUntilExit()
        let text = try String(contentsOf: output, encoding: .utf8)
        switch process.terminationStatus {
        case 77: Payload.leaveOut("Python's jsonschema is not installed")
        case 127: Payload.leaveOut("\(python) is not installed")
        case 0: return []
        case 1 where text.hasSuffix("problems\n"):
            // Each is followed by an indented example; the last line counts.
            return text.split(separator: "\n").dropLast().filter { !$0.hasPrefix("    ") }.map(String.init)
        default: return ["the check itself failed: \(text)"]
        }
        return nil
    }
}
