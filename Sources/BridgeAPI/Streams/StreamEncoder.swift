import EventLog
import Realtime

/// How an event is spelt for its readers; the raw value keys the rendering that they share.
enum EventRendering: Int {
    /// With `event:`.
    case eventStream = 1
    /// Without it.
    case message = 2
    /// `{"id","created_at","event"}`, on one line.
    case entry = 3
    /// ``EventHead``.
    case head = 4
}

extension LoggedEvent {
    /// Made once per event and spelling.
    func rendered(_ rendering: EventRendering) -> [UInt8] {
        self.rendering(rendering.rawValue) {
            let event = ServerEvent(frame)
            // A frame that is no event is never logged; were there one it would be shown as it is.
            let shown = event.map(NativeView.frame) ?? frame
            switch rendering {
            case .eventStream:
                return StreamEncoder.serverSentEvent(id: position.description, type: event?.type, frame: shown)
            case .message:
                return StreamEncoder.serverSentEvent(id: position.description, type: nil, frame: shown)
            case .entry:
                return StreamEncoder.entry(
                    id: position.description, createdAt: createdAtMilliseconds / 1000, frame: shown)
            case .head:
                return EventHead(type: event?.type ?? "", responseID: event?.responseID).bytes
            }
        }
    }

    var head: EventHead { EventHead(rendered: rendered(.head)) }
}

/// Writes streams in their two formats: `text/event-stream` (WHATWG HTML, section 9.2.6) and JSON lines.
enum StreamEncoder {
    static func serverSentEvent(id: String?, type: String?, frame: [UInt8]) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(frame.count + 64 + (type?.utf8.count ?? 0))
        if let id {
            out += "id: ".utf8
            out += id.utf8
            out.append(lineFeed)
        }
        if let type, isFit(type) {
            out += "event: ".utf8
            out += type.utf8
            out.append(lineFeed)
        }
        forEachLine(of: frame) { line in
            out += "data: ".utf8
            out += line
            out.append(lineFeed)
        }
        out.append(lineFeed)
        return out
    }

    /// `retry: N\nid: C\n\n`: sets the client's cursor without firing a message.
    static func priming(retryMilliseconds: Int, id: String) -> [UInt8] {
        Array("retry: \(retryMilliseconds)\nid: \(id)\n\n".utf8)
    }

    static func cursor(_ position: EventPosition) -> [UInt8] {
        Array("id: \(position)\n\n".utf8)
    }

    static func retry(milliseconds: Int) -> [UInt8] {
        Array("retry: \(milliseconds)\n\n".utf8)
    }

    static let heartbeat = Array(": keep-alive\n\n".utf8)

    /// A page's element and, with a line feed, a line. `id` is nil for a gap.
    static func entry(id: String?, createdAt: Int, frame: [UInt8]) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(frame.count + 64)
        out += #"{"id":"#.utf8
        JSONValue.string(orNull: id).write(into: &out)
        out += #","created_at":"#.utf8
        JSONValue.int(createdAt).write(into: &out)
        out += #","event":"#.utf8
        var isFirst = true
        forEachLine(of: frame) { line in
            if !isFirst { out.append(UInt8(ascii: " ")) }
            isFirst = false
            out += line
        }
        out.append(UInt8(ascii: "}"))
        return out
    }

    /// The pieces between CR, LF and CRLF, at least one: each would end a field's line.
    private static func forEachLine(of frame: [UInt8], _ body: (ArraySlice<UInt8>) -> Void) {
        var start = 0
        while let end = frame[start...].firstIndex(where: { $0 == lineFeed || $0 == carriageReturn }) {
            body(frame[start..<end])
            let isPair = frame[end] == carriageReturn && end + 1 < frame.count && frame[end + 1] == lineFeed
            start = end + (isPair ? 2 : 1)
        }
        body(frame[start...])
    }

    /// Upstream names its events; what could end the line or be another field is not written.
    private static func isFit(_ type: String) -> Bool {
        1...64 ~= type.utf8.count
            && type.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                    UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
                    true
                default: false
                }
            }
    }

    static let lineFeed = UInt8(ascii: "\n")
    private static let carriageReturn = UInt8(ascii: "\r")
}
