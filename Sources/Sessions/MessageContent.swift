import EventLog
import Realtime

/// A message's content as `conversation.item.create` takes it in one dialect: what of it can be carried, and in which form.
struct MessageContent {
    private(set) var parts: [JSONValue] = []
    private(set) var tokens = 0
    private var missing: ItemLoss?
    private var otherForm: ItemAlteration?

    /// Why there is nothing to carry; nil if there is something.
    var loss: ItemLoss? { parts.isEmpty ? missing ?? .empty : nil }

    /// How what is carried differs from what the message was.
    var alteration: String? { missing?.rawValue ?? otherForm?.rawValue }

    // MARK: The caller's words

    /// - Parameters:
    ///   - item: the item as upstream spells it, without the bytes of audio.
    ///   - input: what the caller gave for it, if that is still there.
    ///   - inputFormat: the one in which the new connection takes audio; what was committed in another one would be noise there, and is
    ///     not given again.
    static func user(_ item: JSON, input: ItemInput?, inputFormat: AudioFormat) -> MessageContent {
        var content = MessageContent()
        let stored = item["content"]?.elements ?? []
        var source = stored
        var committed: [UInt8]?
        switch input {
        case .audio(let bytes, let format):
            if format == inputFormat.encoding { committed = bytes }
            if source.isEmpty { content.addAudio(encoded: nil, committed: committed, transcript: nil, inputFormat) }
        case .item(let bytes):
            // The caller's own parts are what upstream was given; only a transcript can have come to them since.
            let own = (try? JSON.parse(bytes, maximumDepth: 256, refusingDuplicates: false))?["content"]?.elements ?? []
            if !own.isEmpty { source = own }
        case nil:
            break
        }
        for (index, part) in source.enumerated() {
            switch part["type"]?.string {
            case "input_audio", "audio":
                let transcript = (part["transcript"] ?? (stored.indices.contains(index) ? stored[index]["transcript"] : nil))?.string
                let encoded = part["audio"].flatMap { $0.string?.isEmpty == false ? $0 : nil }
                content.addAudio(encoded: encoded, committed: encoded == nil ? committed : nil, transcript: transcript, inputFormat)
                // A buffer that was committed became one part.
                if encoded == nil { committed = nil }
            case "input_image":
                content.addImage(part)
            default:
                content.addText(part["text"], as: "input_text")
            }
        }
        return content
    }

    /// Whether a part of the item is not in the item itself, so that the caller's input is needed to make it again.
    static func lacksInput(_ item: JSON) -> Bool {
        let parts = item["content"]?.elements ?? []
        return parts.isEmpty
            || parts.contains { part in
                switch part["type"]?.string {
                case "input_audio", "audio": (part["audio"]?.string ?? "").isEmpty
                case "input_image": part["image_url"]?.string == nil
                default: false
                }
            }
    }

    private mutating func addAudio(encoded: JSON?, committed: [UInt8]?, transcript: String?, _ format: AudioFormat) {
        let audio: JSONValue
        let byteCount: Int
        if let encoded {
            audio = JSONValue(encoded)
            byteCount = Base64.decodedCount(encoded.lexeme.dropFirst().dropLast())
        } else if let committed {
            audio = .raw([UInt8(ascii: "\"")] + Base64.encoded(committed[...]) + [UInt8(ascii: "\"")])
            byteCount = committed.count
        } else if let transcript, !transcript.isBlank {
            add(text: transcript, as: "input_text")
            otherForm = .audioAsTranscript
            return
        } else {
            missing = missing ?? .audioNotKept
            return
        }
        var members: [(String, JSONValue)] = [("type", "input_audio"), ("audio", audio)]
        // Not shown to the model, but upstream's item then reads as it did.
        if let transcript { members.append(("transcript", .string(transcript))) }
        parts.append(.object(members))
        tokens += TokenEstimate.userAudio(bytes: byteCount, format)
    }

    private mutating func addImage(_ part: JSON) {
        guard let url = part["image_url"], url.kind == .string else {
            missing = missing ?? .imageNotKept
            return
        }
        var members: [(String, JSONValue)] = [("type", "input_image"), ("image_url", JSONValue(url))]
        if let detail = part["detail"], !detail.isNull { members.append(("detail", JSONValue(detail))) }
        parts.append(.object(members))
        tokens += TokenEstimate.image
    }

    // MARK: Other words

    static func system(_ item: JSON) -> MessageContent {
        var content = MessageContent()
        for part in item["content"]?.elements ?? [] { content.addText(part["text"], as: "input_text") }
        return content
    }

    /// - Parameter heard: where the item's audio was cut and how long it was before; nil if it was not.
    static func assistant(_ item: JSON, dialect: Dialect, heard: (milliseconds: Int, ofMilliseconds: Int)?) -> MessageContent {
        var content = MessageContent()
        let name = dialect == .ga ? "output_text" : "text"
        let stored = item["content"]?.elements ?? []
        var transcripts = stored.map { $0["text"]?.string == nil ? $0["transcript"]?.string ?? "" : "" }
        let spokeWords = transcripts.contains { !$0.isBlank }
        if let heard {
            transcripts = HeardText.cut(
                transcripts, heardMilliseconds: heard.milliseconds, producedMilliseconds: heard.ofMilliseconds)
        }
        for (part, transcript) in zip(stored, transcripts) {
            if !transcript.isBlank {
                content.add(text: transcript, as: name)
                content.otherForm = heard == nil ? .audioAsText : .cutWhereHeard
            } else if let text = part["text"]?.string, !text.isBlank {
                content.add(text: text, as: name)
            } else if !["text", "output_text", "audio", "output_audio"].contains(part["type"]?.string) {
                content.missing = .notReplayable
            }
        }
        if heard != nil, spokeWords {
            if content.parts.isEmpty { content.missing = .notHeard }
            content.otherForm = .cutWhereHeard
        }
        return content
    }

    private mutating func addText(_ text: JSON?, as type: String) {
        guard let text = text?.string else {
            missing = missing ?? .notReplayable
            return
        }
        add(text: text, as: type)
    }

    private mutating func add(text: String, as type: String) {
        parts.append(["type": .string(type), "text": .string(text)])
        tokens += TokenEstimate.text(text)
    }
}

extension String {
    fileprivate var isBlank: Bool { allSatisfy(\.isWhitespace) }
}
