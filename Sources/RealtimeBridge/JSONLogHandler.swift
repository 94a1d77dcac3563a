import Foundation
import Logging
import Realtime

/// Log lines as JSON objects on standard error, one a line, for collectors.
struct JSONLogHandler: LogHandler {
    var logLevel: Logger.Level = .info
    var metadata: Logger.Metadata = [:]
    let label: String

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var members: [(String, JSONValue)] = [
            ("time", .string(Date().formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true)))),
            ("level", .string(event.level.rawValue)),
            ("message", .string("\(event.message)")),
            ("label", .string(label)),
        ]
        let facts = metadata.merging(event.metadata ?? [:]) { _, new in new }
        for (key, value) in facts.sorted(by: { $0.key < $1.key }) { members.append((key, .string("\(value)"))) }
        if let error = event.error { members.append(("error", .string("\(error)"))) }
        // One write per line: lines of different threads do not mix.
        FileHandle.standardError.write(Data(JSONValue.object(members).bytes + [0x0A]))
    }
}
