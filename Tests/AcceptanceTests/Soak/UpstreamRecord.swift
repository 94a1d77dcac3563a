import Foundation

/// What the simulator's `--record` says about each of its connections: the conversation as it stands there, and the audio it was sent.
///
/// Rebuilt from the frames alone, with Foundation's JSON: it shares no code with what it checks.
struct UpstreamRecord {
    struct Line: Decodable {
        struct Frame: Decodable {
            struct Session: Decodable { let id: String? }

            let type: String
            let eventID: String?
            let session: Session?
            let item: RecordedItem?
            let itemID: String?
            let previousItemID: String?
            let audio: String?
            let transcript: String?
            let audioStart: Int?
            let audioEnd: Int?

            enum CodingKeys: String, CodingKey {
                case type, session, item, audio, transcript
                case eventID = "event_id"
                case itemID = "item_id"
                case previousItemID = "previous_item_id"
                case audioStart = "audio_start_ms"
                case audioEnd = "audio_end_ms"
            }
        }

        let time: Double
        let connection: Int?
        let direction: String?
        let mark: String?
        let code: Int?
        let frame: Frame?
    }

    struct Connection {
        let number: Int
        let openedAt: Double
        var goneAt: Double?
        /// How the simulator ended it, if it did: `reset`, `ended`, `stalled` or the code of its CLOSE.
        var fault: String?
        var sessionID: String?
        /// In the conversation's order.
        var items: [RecordedItem] = []
        /// All frames that it was sent, but for deltas.
        var sent: [(type: String, eventID: String)] = []
        /// Cut by `conversation.item.truncated`; what is left of their words is only known to the server.
        var truncated: Set<String> = []
        /// All that was appended, 16 bits at 24 kHz.
        var appended = Data()
        /// The bytes of the caller's audio items: as they were created, or where in ``appended`` they were committed from.
        var audio: [String: Data] = [:]
        /// Of items that were committed here, not created.
        var committed: [String: Range<Int>] = [:]

        private var bufferStart = 0
        private var spoken: [String: (start: Int, end: Int)] = [:]
        private var offered: [String: Data] = [:]

        init(number: Int, openedAt: Double) {
            self.number = number
            self.openedAt = openedAt
        }
    }

    static let bytesPerMillisecond = 48

    private(set) var connections: [Connection] = []
    /// Handshakes answered with 503.
    private(set) var refusals = 0

    init(contentsOf file: URL) throws {
        try self.init(Data(contentsOf: file))
    }

    /// - Parameter text: JSON lines; a last one without its end is being written and left out.
    init(_ text: Data) throws {
        let decoder = JSONDecoder()
        let newline = UInt8(ascii: "\n")
        var byNumber: [Int: Int] = [:]
        let whole = text.lastIndex(of: newline).map { text[...$0] } ?? Data()
        for line in whole.split(separator: newline) {
            let line = try decoder.decode(Line.self, from: Data(line))
            guard let number = line.connection else {
                refusals += line.mark == "refused" ? 1 : 0
                continue
            }
            if byNumber[number] == nil {
                byNumber[number] = connections.count
                connections.append(Connection(number: number, openedAt: line.time))
            }
            guard let index = byNumber[number] else { continue }
            try connections[index].take(line)
        }
    }

    /// Frames that the session's stream should have shown and did not: on each of its connections every one from the first that it showed
    /// (those before gave it the conversation), to the last if the bridge left by itself, else to the last that it showed.
    /// - Parameter shown: `event_id`s of the stream.
    func unshown(_ shown: Set<String>) -> [String] {
        connections.flatMap { connection -> [String] in
            guard let first = connection.sent.firstIndex(where: { shown.contains($0.eventID) }),
                let last = connection.sent.lastIndex(where: { shown.contains($0.eventID) })
            else { return [] }
            return connection.sent[first...(connection.fault == nil ? connection.sent.endIndex - 1 : last)]
                .filter { !shown.contains($0.eventID) }
                .map { "connection \(connection.number): \($0.type) \($0.eventID)" }
        }
    }

    /// The connection whose `session.created` had this id.
    func connection(of sessionID: String) -> Connection? {
        connections.first { $0.sessionID == sessionID }
    }
}

extension UpstreamRecord.Connection {
    mutating func take(_ line: UpstreamRecord.Line) throws {
        switch line.mark {
        case "gone": goneAt = line.time
        case "closing": fault = fault ?? line.code.map { String($0) }
        case "reset", "ended", "stalled": fault = line.mark
        default: break
        }
        guard let frame = line.frame else { return }
        if line.direction == "in" { takeIncoming(frame) } else { try takeOutgoing(frame) }
    }

    private mutating func takeIncoming(_ frame: UpstreamRecord.Line.Frame) {
        switch frame.type {
        case "input_audio_buffer.append":
            // What is not base64 the server refuses.
            appended.append(frame.audio.flatMap { Data(base64Encoded: $0) } ?? Data())
        case "conversation.item.create":
            let parts = frame.item?.content ?? []
            guard let id = frame.item?.id, parts.contains(where: \.isInputAudio) else { return }
            offered[id] = parts.reduce(into: Data()) { $0.append($1.audio.flatMap { Data(base64Encoded: $0) } ?? Data()) }
        default: break
        }
    }

    private mutating func takeOutgoing(_ frame: UpstreamRecord.Line.Frame) throws {
        if let eventID = frame.eventID, !frame.type.hasSuffix(".delta") { sent.append((frame.type, eventID)) }
        switch frame.type {
        case "session.created", "transcription_session.created": sessionID = frame.session?.id
        case "conversation.item.added", "conversation.item.created":
            guard let item = frame.item, let id = item.id else { throw UnreadableRecord(what: "an added item without an id") }
            guard !items.contains(where: { $0.id == id }) else { throw UnreadableRecord(what: "\(id) was added twice") }
            items.insert(item, at: try place(after: frame.previousItemID))
            if let bytes = offered.removeValue(forKey: id), committed[id] == nil { audio[id] = bytes }
        case "conversation.item.done", "response.output_item.done":
            // Out-of-band responses have items that are not in the conversation.
            guard let item = frame.item, let place = items.firstIndex(where: { $0.id == item.id }) else { return }
            items[place] = item
        case "conversation.item.deleted":
            guard let place = items.firstIndex(where: { $0.id == frame.itemID }) else {
                throw UnreadableRecord(what: "\(frame.itemID ?? "nothing") was deleted and was not there")
            }
            items.remove(at: place)
        case "conversation.item.truncated": truncated.insert(frame.itemID ?? "")
        case "conversation.item.input_audio_transcription.completed":
            guard let place = items.firstIndex(where: { $0.id == frame.itemID }), items[place].content?.isEmpty == false else { return }
            items[place].content?[0].transcript = frame.transcript
        case "input_audio_buffer.speech_started":
            spoken[frame.itemID ?? ""] = (frame.audioStart ?? 0, frame.audioStart ?? 0)
        case "input_audio_buffer.speech_stopped":
            spoken[frame.itemID ?? ""]?.end = frame.audioEnd ?? 0
        case "input_audio_buffer.committed": commit(frame.itemID ?? "")
        case "input_audio_buffer.cleared": bufferStart = appended.count
        default: break
        }
    }

    private func place(after id: String?) throws -> Int {
        guard let id else { return 0 }
        guard let place = items.firstIndex(where: { $0.id == id }) else {
            throw UnreadableRecord(what: "an item was put after \(id), which is not there")
        }
        return place + 1
    }

    /// Detection commits what it named; a client all that it appended since.
    private mutating func commit(_ id: String) {
        var range = bufferStart..<appended.count
        if let turn = spoken.removeValue(forKey: id) {
            let end = min(turn.end * UpstreamRecord.bytesPerMillisecond, appended.count)
            range = min(turn.start * UpstreamRecord.bytesPerMillisecond, end)..<end
        }
        bufferStart = range.upperBound
        committed[id] = range
        audio[id] = appended.subdata(in: range)
    }
}

/// A record that contradicts itself.
struct UnreadableRecord: Error, CustomStringConvertible {
    let what: String

    var description: String { "the upstream's record: \(what)" }
}
