import EventLog
import Realtime

/// Which content is wanted of a session's events: one response's or one item's, its speech or its words.
struct ProducedSelection: Sendable, Hashable {
    enum Content: Sendable { case speech, words }

    let content: Content
    /// Nil for an item that no response is known of.
    let response: String?
    /// Nil for all items of the response.
    let item: String?

    /// What the event says of that content. Both spellings of the protocol are read.
    func read(_ event: LoggedEvent) -> ProducedEvent {
        guard let event = ServerEvent(event.frame) else { return .other }
        switch (event.name, content) {
        case (.responseAudioDelta, .speech), (.responseOutputAudioDelta, .speech), (.responseTextDelta, .words),
            (.responseOutputTextDelta, .words), (.responseAudioTranscriptDelta, .words), (.responseOutputAudioTranscriptDelta, .words):
            guard let part = part(of: event), let delta = event.json["delta"]?.stringBytes else { return .other }
            return .delta(part, ProducedDelta(delta, content))
        case (.responseAudioDone, .speech), (.responseOutputAudioDone, .speech), (.responseTextDone, .words),
            (.responseOutputTextDone, .words), (.responseAudioTranscriptDone, .words), (.responseOutputAudioTranscriptDone, .words):
            return part(of: event).map(ProducedEvent.partDone) ?? .other
        case (.responseOutputItemDone, _):
            return part(of: event).map { .itemDone($0.item) } ?? .other
        case (.conversationItemTruncated, .speech):
            guard let id = event.itemID, let milliseconds = event.json["audio_end_ms"]?.int else { return .other }
            return .truncated(id, milliseconds: milliseconds)
        case (.responseDone, _):
            guard let response, event.responseID == response else { return .other }
            return .responseDone(hasFailed: event.json["response"]?["status"]?.string == "failed")
        default:
            return .other
        }
    }

    private func part(of event: ServerEvent) -> ProducedPart? {
        guard let id = event.itemID, item == nil || id == item, response == nil || event.responseID == response else { return nil }
        return ProducedPart(item: id, index: event.json["content_index"]?.int ?? 0)
    }
}

/// One content part of an item.
struct ProducedPart: Hashable, Sendable {
    let item: String
    let index: Int
}

/// What an event says of the content that is wanted.
enum ProducedEvent: Sendable {
    case delta(ProducedPart, ProducedDelta)
    case partDone(ProducedPart)
    case itemDone(String)
    /// Of any item: which one it is of is looked at later.
    case truncated(String, milliseconds: Int)
    case responseDone(hasFailed: Bool)
    case other
}

/// A piece of speech or of words as its event spells it.
struct ProducedDelta: Sendable {
    /// Read from the frame's own bytes unless it is spelt with escapes.
    private let text: ArraySlice<UInt8>
    private let content: ProducedSelection.Content

    /// - Parameter text: of the JSON string, decoded.
    init(_ text: ArraySlice<UInt8>, _ content: ProducedSelection.Content) {
        self.text = text
        self.content = content
    }

    /// What ``bytes()`` gives, without decoding.
    var byteCount: Int { content == .speech ? Base64.decodedCount(text) : text.count }

    /// Nil if it is speech and no base64.
    func bytes() -> [UInt8]? { content == .speech ? Base64.decoded(text) : Array(text) }
}
