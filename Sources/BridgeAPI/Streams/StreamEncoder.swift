import EventLog
import Realtime

/// How the frames of an event are written for its readers; the raw value is part of the key of what they share.
enum EventRendering: Int {
    /// With `event:`.
    case eventStream = 1
    /// Without it.
    case message = 2
    /// `{"id","created_at","event"}`, on one line.
    case entry = 3
    /// ``EventHead``.
    case head = 4
    /// The frame itself.
    case bare = 5
}

/// The events of one session as some of its readers see them.
struct HistoryView: Sendable {
    let history: SessionHistory
    let dialects: DialectView

    /// The event's frames in their order; made once per event, dialect and rendering.
    func frames(of event: LoggedEvent, _ rendering: EventRendering) -> [[UInt8]] {
        let key = rendering.rawValue << 1 | (dialects.shown == .beta ? 0 : 1)
        return event.rendering(key) {
            let frames = shown(event)
            return frames.indices.map { index in
                let frame = frames[index]
                let id = FrameID(event.position, remaining: frames.count - 1 - index).description
                return switch rendering {
                case .eventStream: StreamEncoder.serverSentEvent(id: id, type: frame.type, frame: frame.bytes)
                case .message: StreamEncoder.serverSentEvent(id: id, type: nil, frame: frame.bytes)
                case .entry: StreamEncoder.entry(id: id, createdAt: event.createdAtMilliseconds / 1000, frame: frame.bytes)
                case .bare: frame.bytes
                case .head: EventHead(type: frame.type, responseID: frame.responseID).bytes
                }
            }
        }
    }

    func heads(of event: LoggedEvent) -> [EventHead] {
        frames(of: event, .head).map { EventHead(rendered: $0) }
    }

    private func shown(_ event: LoggedEvent) -> [ViewFrame] {
        // A frame that is no event is never logged; were there one it would be shown as it is.
        guard let server = ServerEvent(event.frame) else { return [ViewFrame(type: "", responseID: nil, bytes: event.frame)] }
        return dialects.frames(of: server, isOutOfBand: history.isOutOfBand)
    }
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

    static func cursor(_ id: some CustomStringConvertible) -> [UInt8] {
        Array("id: \(id)\n\n".utf8)
    }

    /// An event of one of several sessions.
    static func wrapped(_ frame: [UInt8], of session: String) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(frame.count + 64)
        out += #"{"session_id":"#.utf8
        JSONValue.string(session).write(into: &out)
        out += #","event":"#.utf8
        out += frame
        out.append(UInt8(ascii: "}"))
        return out
    }

    static func retry(milliseconds: Int) -> [UInt8] {
        Array("retry: \(milliseconds)\n\n".utf8)
    }

    static let heartbeat = Array(": keep-alive\n\n".utf8)

    /// A page's element and, with a line feed, a line. `id` is nil for a gap.
    /// - Parameter session: nil where there is only one.
    static func entry(id: String?, createdAt: Int, session: String? = nil, frame: [UInt8]) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(frame.count + 64)
        out += #"{"id":"#.utf8
        JSONValue.string(orNull: id).write(into: &out)
        out += #","created_at":"#.utf8
        JSONValue.int(createdAt).write(into: &out)
        if let session {
            out += #","session_id":"#.utf8
            JSONValue.string(session).write(into: &out)
        }
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
