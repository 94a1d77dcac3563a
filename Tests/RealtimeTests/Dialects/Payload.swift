import Foundation
import TestSupport

@testable import Realtime

/// A payload of the protocol that somebody wrote or caught.
struct Payload: Sendable, CustomStringConvertible {
    let id: String
    let dialect: Dialect
    let direction: EventCatalog.Direction
    let bytes: [UInt8]

    var description: String { id }

    /// Those that were written for this project.
    static let examples = read(PythonTool.root.appending(path: "Tests/Fixtures/examples.jsonl"))

    /// The reference of the protocol, which is not part of this repository: `REALTIME_REFERENCE`, else beside the package.
    static let referenceFolder: URL? = {
        let named = ProcessInfo.processInfo.environment["REALTIME_REFERENCE"]
        let folder = named.map { URL(filePath: $0) } ?? PythonTool.root.appending(path: "../shared/protocol/reference")
        return FileManager.default.fileExists(atPath: folder.appending(path: "schemas.ga.json").path) ? folder : nil
    }()

    /// From the published descriptions and from captures; none where the reference is not there.
    static let reference = referenceFolder.map { read($0.appending(path: "examples.reference.jsonl")) } ?? []

    /// Payloads of the two dialects, from lines of `{"id","dialect","direction","payload"}`.
    private static func read(_ file: URL) -> [Payload] {
        guard let text = try? String(contentsOf: file, encoding: .utf8) else { return [] }
        return text.split(separator: "\n").compactMap { line in
            guard let entry = try? JSON.parse(String(line)), let dialect = entry["dialect"]?.string.flatMap(Dialect.init),
                let id = entry["id"]?.string, let payload = entry["payload"]
            else { return nil }
            return Payload(
                id: id, dialect: dialect, direction: entry["direction"]?.string == "client" ? .client : .server,
                bytes: Array(payload.lexeme))
        }
    }

    static func leaveOut(_ why: String) {
        FileHandle.standardError.write(Data("RealtimeTests: a check was left out: \(why)\n".utf8))
    }
}
