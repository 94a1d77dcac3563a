import Realtime

/// One entry of a conversation.
struct ConversationItem: Sendable {
    enum Role: String, Sendable { case user, assistant, system }
    enum Status: String, Sendable { case inProgress = "in_progress", completed, incomplete }

    enum Part: Sendable {
        case inputText(String)
        /// `bytes` are in the input format of their time; nil once they were dropped to bound memory.
        case inputAudio(bytes: [UInt8]?, milliseconds: Int, transcript: String?)
        case inputImage(JSON)
        case text(String)
        /// The bytes went out in deltas and are not kept.
        case audio(transcript: String, milliseconds: Int)
    }

    enum Kind: Sendable {
        case message(Role, [Part])
        case call(id: String, name: String, arguments: String)
        case callOutput(callID: String, output: String)
    }

    var id: String
    var status: Status
    var kind: Kind

    /// - Parameter withAudio: `conversation.item.retrieved` alone returns the caller's audio.
    func json(dialect: Dialect, withAudio: Bool = false) -> JSONValue {
        var members: [(String, JSONValue)] = [("id", .string(id))]
        // GA frames on the wire have no `object` in items, whatever the documentation shows.
        if dialect == .beta { members.append(("object", "realtime.item")) }
        switch kind {
        case .message(let role, let parts):
            members += [
                ("type", "message"), ("status", .string(status.rawValue)), ("role", .string(role.rawValue)),
                ("content", .array(parts.map { $0.json(dialect: dialect, withAudio: withAudio) })),
            ]
        case .call(let callID, let name, let arguments):
            members += [
                ("type", "function_call"), ("status", .string(status.rawValue)), ("name", .string(name)), ("call_id", .string(callID)),
                ("arguments", .string(arguments)),
            ]
        case .callOutput(let callID, let output):
            members += [
                ("type", "function_call_output"), ("status", .string(status.rawValue)), ("call_id", .string(callID)),
                ("output", .string(output)),
            ]
        }
        return .object(members)
    }

    var hasAssistantAudio: Bool {
        guard case .message(.assistant, let parts) = kind else { return false }
        return parts.contains { if case .audio = $0 { true } else { false } }
    }

    /// Bytes of audio this item holds.
    var audioByteCount: Int {
        guard case .message(_, let parts) = kind else { return 0 }
        return parts.reduce(0) { if case .inputAudio(let bytes?, _, _) = $1 { $0 + bytes.count } else { $0 } }
    }

    mutating func dropAudioBytes() {
        guard case .message(let role, let parts) = kind else { return }
        kind = .message(
            role,
            parts.map {
                if case .inputAudio(_, let milliseconds, let transcript) = $0 {
                    .inputAudio(bytes: nil, milliseconds: milliseconds, transcript: transcript)
                } else {
                    $0
                }
            })
    }

    mutating func setTranscript(_ text: String, part index: Int) {
        guard case .message(let role, var parts) = kind, parts.indices.contains(index),
            case .inputAudio(let bytes, let milliseconds, _) = parts[index]
        else { return }
        parts[index] = .inputAudio(bytes: bytes, milliseconds: milliseconds, transcript: text)
        kind = .message(role, parts)
    }

    /// Cuts assistant audio and the transcript of the part that was cut, in proportion.
    mutating func truncate(part index: Int, toMilliseconds end: Int) throws(ProtocolError) {
        guard case .message(.assistant, var parts) = kind else {
            throw .invalidValue("item_id", "Only model output audio messages can be truncated.")
        }
        guard parts.indices.contains(index), case .audio(let transcript, let milliseconds) = parts[index] else {
            throw .invalidValue("content_index", "Only model output audio messages can be truncated.")
        }
        guard end <= milliseconds else {
            throw .invalidValue("audio_end_ms", "Audio content of \(milliseconds)ms is already shorter than \(end)ms")
        }
        let kept = milliseconds == 0 ? 0 : transcript.count * end / milliseconds
        parts[index] = .audio(transcript: String(transcript.prefix(kept)), milliseconds: end)
        kind = .message(.assistant, parts)
    }
}

extension ConversationItem.Part {
    func json(dialect: Dialect, withAudio: Bool) -> JSONValue {
        switch self {
        case .inputText(let text): ["type": "input_text", "text": .string(text)]
        case .inputAudio(let bytes, _, let transcript):
            if withAudio, let bytes {
                ["type": "input_audio", "audio": .raw(Base64.quoted(bytes[...])), "transcript": .string(orNull: transcript)]
            } else {
                ["type": "input_audio", "transcript": .string(orNull: transcript)]
            }
        case .inputImage(let raw): JSONValue(raw)
        case .text(let text): ["type": dialect == .ga ? "output_text" : "text", "text": .string(text)]
        case .audio(let transcript, _): ["type": dialect == .ga ? "output_audio" : "audio", "transcript": .string(transcript)]
        }
    }
}
