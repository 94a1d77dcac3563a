import Realtime
import TestSupport

/// The server's half of a trace: sends what the server says there, byte for byte, and waits where it is the client's turn.
///
/// A server gives back some of what it was sent, and the bridge puts ids of its own on that. So these places are not as in the trace:
/// - the id of an item that the client created without one, wherever it is named;
/// - `error.event_id`, if it names an event of the client's;
/// - `metadata` of a response that was asked for, in `response.created` and `response.done`;
/// - `audio_end_ms` of a truncation, since the bridge does not send one that lies beyond the audio there is.
///
/// And it holds the bridge to its word: a client's event must come as it was posted, but for the bridge's ids.
struct TracePlayer {
    private let trace: Trace
    private let record: TraceRecord
    /// What the server is to be sent, by the place among the client's events, where that is not the trace's own event.
    private let expected: [Int: JSON]
    /// Whether the client posts in the server's own dialect; translated events are compared as values, not by their bytes.
    private let isNative: Bool

    /// The bridge's ids of the client's events, by the client's own.
    private var eventIDs: [String: String] = [:]
    /// Ids that the bridge chose, of items that are not confirmed yet.
    private var createdItems: [String] = []
    private var askedMetadata: [[UInt8]] = []
    private var metadata: [String: [UInt8]] = [:]
    private var audioEnd: [UInt8]?

    init(_ trace: Trace, _ record: TraceRecord, isNative: Bool = true, expected: [Int: JSON] = [:]) {
        self.trace = trace
        self.record = record
        self.isNative = isNative
        self.expected = expected
    }

    /// Plays the trace on one connection, until the client has closed it.
    mutating func play(on peer: inout WebSocketPeer<TCPWire>) async throws {
        try await peer.send(peer.upgradeAnswer())
        var turn = 0
        for event in trace.events {
            switch event.sender {
            case .server:
                try await peer.send(text: String(decoding: adapted(event), as: UTF8.self))
            case .client:
                defer { turn += 1 }
                if event.isRefusedByTheBridge { continue }
                guard let received = try await Self.next(from: &peer) else { throw ClientFault(what: "CLOSE instead of \(event.type)") }
                try take(received, for: expected[turn] ?? event.payload)
            }
        }
        if let more = try await Self.next(from: &peer) { throw ClientFault(what: "what is not in the trace: \(more.words)") }
    }

    /// The client's next event; nil if it closed instead, which is answered.
    private static func next(from peer: inout WebSocketPeer<TCPWire>) async throws -> JSON? {
        while true {
            let frame = try await peer.receive()
            switch frame.opcode {
            case 1: return try JSON.parse(frame.payload)
            case 8:
                try await peer.send(WebSocketPeer<TCPWire>.frame(8, frame.payload))
                return nil
            case 9: try await peer.send(WebSocketPeer<TCPWire>.frame(10, frame.payload))
            default: throw ClientFault(what: "a frame with opcode \(frame.opcode)")
            }
        }
    }

    // MARK: The client's events

    private mutating func take(_ received: JSON, for traced: JSON) throws {
        let payload = try JSON.parse(record.inBridgesIDs(traced.source))
        var splice = JSONSplice(payload)
        guard let eventID = received["event_id"], let id = eventID.string, id.hasPrefix("event_rb"),
            BridgeEventID.callers(in: id) == payload["event_id"]?.string
        else { throw ClientFault(what: "another event_id than the bridge's with the caller's in it: \(received.words)") }
        splice.set("event_id", of: payload, to: Array(eventID.lexeme))
        if let callers = payload["event_id"]?.string { eventIDs[callers] = id }
        switch payload["type"]?.string {
        case "conversation.item.create":
            if let item = payload["item"], item["id"] == nil, let chosen = received["item"]?["id"] {
                splice.set("id", of: item, to: Array(chosen.lexeme))
                createdItems.append(chosen.string ?? "")
            }
        case "response.create":
            let token = received["response"].flatMap(CorrelationToken.read) ?? "none"
            let asked = try JSON.parse(payload["response"].map { Array($0.lexeme) } ?? Array("{}".utf8))
            splice.set("response", of: payload, to: try CorrelationToken.stamp(asked, token: token))
            if let sent = received["response"]?["metadata"] { askedMetadata.append(Array(sent.lexeme)) }
        case "conversation.item.truncate":
            guard let end = received["audio_end_ms"], let most = payload["audio_end_ms"]?.int, (0...most).contains(end.int ?? -1) else {
                throw ClientFault(what: "a cut beyond the one asked for: \(received.words)")
            }
            splice.set("audio_end_ms", of: payload, to: Array(end.lexeme))
            audioEnd = Array(end.lexeme)
        default: break
        }
        let wanted = try JSON.parse(splice.bytes)
        let isSame = isNative ? received.source == wanted.source : Self.normal(received) == Self.normal(wanted)
        guard isSame else { throw ClientFault(what: "\(received.words) instead of \(wanted.words)") }
    }

    /// The value without its spelling: members by name, no space.
    private static func normal(_ json: JSON) -> String {
        switch json.kind {
        case .object: "{" + json.members.sorted { $0.name < $1.name }.map { "\($0.name):\(normal($0.value))" }.joined(separator: ",") + "}"
        case .array: "[" + json.elements.map(normal).joined(separator: ",") + "]"
        default: String(decoding: json.lexeme, as: UTF8.self)
        }
    }

    // MARK: The server's events

    /// What is sent; what is to be seen of it goes into the record.
    private mutating func adapted(_ event: Trace.Event) throws -> [UInt8] {
        let payload = event.payload
        var sent = JSONSplice(payload)
        var shown = JSONSplice(payload)
        switch event.type {
        case "conversation.item.created", "conversation.item.added":
            if !createdItems.isEmpty, let id = payload["item"]?["id"]?.string { record.rename(id, to: createdItems.removeFirst()) }
        case "response.created", "response.done":
            guard let response = payload["response"], let id = response["id"]?.string, let traced = response["metadata"] else { break }
            if event.type == "response.created", !askedMetadata.isEmpty { metadata[id] = askedMetadata.removeFirst() }
            if let given = metadata[id] { sent.replace(traced, with: given) }
        case "conversation.item.truncated":
            guard let traced = payload["audio_end_ms"], let audioEnd else { break }
            sent.replace(traced, with: audioEnd)
            shown.replace(traced, with: audioEnd)
        case "error":
            guard let traced = payload["error"]?["event_id"], let id = traced.string.flatMap({ eventIDs[$0] }) else { break }
            sent.replace(traced, with: JSONValue.string(id).bytes)
        default: break
        }
        record.show(shown.bytes)
        return record.inBridgesIDs(sent.bytes)
    }
}

extension JSON {
    fileprivate var words: String { String(decoding: lexeme, as: UTF8.self) }
}
