import Foundation
import TestSupport

@testable import Realtime

/// Frames against schemas by Python's `jsonschema`, which reads all that the published ones say.
enum SchemaCheck {
    /// - Parameter schemas: a folder of bundles, or `openapi.json`.
    /// - Returns: what is wrong, each thing once; nil if it cannot be run here, which is said on standard error.
    static func problems(of frames: [(Dialect, [UInt8])], by schemas: URL) async throws -> [String]? {
        let outcome = try await PythonTool.withFile(holding: PayloadRecord.lines(frames)) {
            try await PythonTool("validate_frames.py")(schemas.path, $0.path)
        }
        guard let outcome, outcome.status != 0 else { return outcome.map { _ in [] } }
        guard outcome.status == 1, outcome.text.hasSuffix("problems\n") else { return ["the check itself failed: \(outcome.errors)"] }
        // Each is followed by an indented example; the last line counts.
        return outcome.text.split(separator: "\n").dropLast().filter { !$0.hasPrefix("    ") }.map(String.init)
    }
}
