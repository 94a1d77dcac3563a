import Foundation
import Realtime
import Sessions

/// A transcript in its three forms.
enum TranscriptView {
    static func json(_ transcript: Transcript, session: String) -> JSONValue {
        .object([
            ("object", "realtime.transcript"), ("session_id", .string(session)), ("duration_ms", .int(transcript.lengthMilliseconds)),
            (
                "data",
                .array(
                    transcript.entries.map { entry in
                        .object([
                            ("item_id", .string(entry.itemID)), ("role", .string(entry.role)), ("text", .string(orNull: entry.text)),
                            ("status", .string(orNull: entry.status)), ("spoken", .bool(entry.isSpoken)),
                            ("start_ms", .int(orNull: entry.milliseconds?.lowerBound)),
                            ("end_ms", .int(orNull: entry.milliseconds?.upperBound)), ("truncated", .bool(entry.isCut)),
                            ("response_id", .string(orNull: entry.responseID)),
                        ])
                    })
            ),
        ])
    }

    /// For reading: `role: words`, the further lines of a text indented.
    static func text(_ transcript: Transcript) -> String {
        transcript.entries.map { entry in
            let words = entry.text.map { $0.split(whereSeparator: \.isNewline).joined(separator: "\n    ") } ?? "[not transcribed]"
            return "\(entry.role): \(words)\(entry.isCut ? " [cut]" : "")\n"
        }.joined()
    }

    /// WebVTT (W3C): a cue for everything that sounded and whose words are known. What was typed has no time, and is left out.
    static func webVTT(_ transcript: Transcript) -> String {
        transcript.entries.reduce(into: "WEBVTT\n") { out, entry in
            guard let times = entry.milliseconds, !times.isEmpty, let text = entry.text else { return }
            // An empty line would end the cue.
            let words = text.split(whereSeparator: \.isNewline).joined(separator: "\n")
            guard !words.isEmpty else { return }
            let id = entry.itemID.utf8.allSatisfy(isPlain) ? "\n\(entry.itemID)" : ""
            out += "\(id)\n\(clock(times.lowerBound)) --> \(clock(times.upperBound))\n<v \(entry.role)>\(escaped(words))\n"
        }
    }

    private static func clock(_ milliseconds: Int) -> String {
        let seconds = milliseconds / 1_000
        return String(format: "%02d:%02d:%02d.%03d", seconds / 3_600, seconds / 60 % 60, seconds % 60, milliseconds % 1_000)
    }

    private static func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
    }

    /// Ids that clients gave may be anything; those that could be read as something else in a cue are not written.
    private static func isPlain(_ byte: UInt8) -> Bool {
        UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte || UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte
            || UInt8(ascii: "A")...UInt8(ascii: "Z") ~= byte || byte == UInt8(ascii: "_")
    }
}
