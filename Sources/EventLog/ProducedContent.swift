import Realtime

/// The text of items that are being produced, as far as its deltas have come.
///
/// Upstream spells an item's content when it finishes the item. If the response ends before, this is all that is known of an answer that
/// somebody has been hearing or reading. It has no rows: it is read from the events again where it is needed after a restart
/// (``EventLog/storedSession(_:withProducedContent:)``).
struct ProducedContent: Sendable {
    /// More than any model answers at once; what comes beyond is not collected.
    static let maximumBytesPerItem = 1 << 20
    static let maximumPartsPerItem = 16

    fileprivate struct Part {
        let index: Int
        let kind: Kind
        /// The inside of a JSON string, as it was spelt: a character may come in two halves, each the escape of a surrogate.
        var text: [UInt8]
    }

    /// How a part is spelt in a finished item, by the name of its deltas.
    fileprivate enum Kind {
        case betaText, text, betaAudio, audio

        init?(_ delta: ServerEventName?) {
            switch delta {
            case .responseTextDelta: self = .betaText
            case .responseOutputTextDelta: self = .text
            case .responseAudioTranscriptDelta: self = .betaAudio
            case .responseOutputAudioTranscriptDelta: self = .audio
            default: return nil
            }
        }

        var type: String {
            switch self {
            case .betaText: "text"
            case .text: "output_text"
            case .betaAudio: "audio"
            case .audio: "output_audio"
            }
        }

        var textMember: String {
            switch self {
            case .betaText, .text: "text"
            case .betaAudio, .audio: "transcript"
            }
        }
    }

    fileprivate struct Item {
        var parts: [Part] = []
        var bytes = 0
        var isFull = false
    }

    private var items: [String: Item] = [:]

    /// Takes a delta of text or of a transcript; nothing happens with other events. Costs as much as the delta is long.
    mutating func add(_ event: ServerEvent, to id: String) {
        guard let kind = Kind(event.name), let delta = event.json["delta"], delta.kind == .string else { return }
        items[id, default: Item()].add(delta.lexeme.dropFirst().dropLast(), kind, at: event.json["content_index"]?.int ?? 0)
    }

    mutating func remove(_ id: String) {
        items[id] = nil
    }

    /// Writes what was collected of an item as its content, unless the item says something itself.
    func complete(_ item: JSON, of id: String, in splice: inout JSONSplice) {
        guard let parts = items[id]?.parts, !parts.isEmpty, Self.saysNothing(item["content"]) else { return }
        let quote = [UInt8(ascii: "\"")]
        let content = parts.sorted { $0.index < $1.index }.map { part in
            JSONValue.object([("type", .string(part.kind.type)), (part.kind.textMember, .raw(quote + part.text + quote))])
        }
        splice.set("content", of: item, to: JSONValue.array(content).bytes)
    }

    private static func saysNothing(_ content: JSON?) -> Bool {
        (content?.elements ?? []).allSatisfy { part in
            ["text", "transcript"].allSatisfy { part[$0]?.string?.isEmpty ?? true }
        }
    }
}

extension ProducedContent.Item {
    fileprivate mutating func add(_ text: ArraySlice<UInt8>, _ kind: ProducedContent.Kind, at index: Int) {
        // Once something is left out, what comes after it would not follow on what is there.
        guard !isFull else { return }
        isFull = bytes + text.count > ProducedContent.maximumBytesPerItem
        guard !isFull else { return }
        if let known = parts.firstIndex(where: { $0.index == index }) {
            guard parts[known].kind == kind else { return }
            parts[known].text += text
        } else {
            guard parts.count < ProducedContent.maximumPartsPerItem else { return }
            parts.append(ProducedContent.Part(index: index, kind: kind, text: Array(text)))
        }
        bytes += text.count
    }
}
