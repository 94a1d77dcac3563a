import Realtime

/// What one upstream connection was sent and has said, as far as whoever has it next could notice.
///
/// It knows what leaves nothing behind, and takes everything else for something that does.
struct ConnectionUse: Equatable, Sendable {
    private var link: LinkID = 0
    private var plainResponses = 0
    /// The one that the server has told of.
    private var responseID: String?
    /// Anything else: there may be an item, a configuration, audio, or something that is still to come.
    private var hasTraces = false

    /// Everything that goes to a connection's socket is noted here first.
    mutating func note(_ outgoing: SessionStateMachine.Outgoing, on id: LinkID) {
        guard isLatest(id) else { return }
        if case .command(let command) = outgoing, command.isPlainResponse { plainResponses += 1 } else { hasTraces = true }
    }

    /// So is everything that a connection says behind its `session.created`, but for heartbeats.
    /// - Parameter event: nil: a frame that is none.
    mutating func heard(_ event: ServerEvent?, on id: LinkID) {
        guard isLatest(id), !hasTraces else { return }
        hasTraces = !isOfTheResponse(event)
    }

    /// Nothing went over it but one response outside of the conversation, of which nothing goes on behind its end.
    func isOneResponseWithoutTraces(on id: LinkID) -> Bool { link == id && plainResponses == 1 && !hasTraces }

    /// Links rise: what went over an earlier one does not matter any more.
    private mutating func isLatest(_ id: LinkID) -> Bool {
        if id > link {
            self = ConnectionUse()
            link = id
        }
        return id == link
    }

    private mutating func isOfTheResponse(_ event: ServerEvent?) -> Bool {
        guard let event, let name = event.name else { return false }
        // Beta servers say the one right behind `session.created`.
        if name == .rateLimitsUpdated || name == .conversationCreated { return true }
        guard Self.plainEvents.contains(name), let id = event.responseID else { return false }
        if name == .responseCreated { responseID = responseID ?? id }
        guard id == responseID else { return false }
        switch name {
        case .responseOutputItemAdded, .responseOutputItemDone: return event.json["item"].map(Self.isPlain) ?? false
        case .responseDone: return event.json["response"]?["output"]?.elements.allSatisfy(Self.isPlain) ?? true
        default: return true
        }
    }

    private static func isPlain(_ item: JSON) -> Bool { ["message", "function_call", "reasoning"].contains(item["type"]?.string) }

    /// Those of a response in which the server itself calls nothing.
    private static let plainEvents: Set<ServerEventName> = [
        .responseCreated, .responseDone, .responseOutputItemAdded, .responseOutputItemDone, .responseContentPartAdded,
        .responseContentPartDone, .responseTextDelta, .responseTextDone, .responseOutputTextDelta, .responseOutputTextDone,
        .responseAudioDelta, .responseAudioDone, .responseOutputAudioDelta, .responseOutputAudioDone, .responseAudioTranscriptDelta,
        .responseAudioTranscriptDone, .responseOutputAudioTranscriptDelta, .responseOutputAudioTranscriptDone,
        .responseFunctionCallArgumentsDelta, .responseFunctionCallArgumentsDone,
    ]
}

/// Responses of which nothing goes on behind their end: the server is asked to say something, and to call nothing for it.
///
/// A call of a server's own tool (`mcp`) may end after `response.done` (PROTOCOL.md section 5); a stored prompt may bring such tools with it.
enum PlainResponse {
    /// - Parameter response: of a `response.create`.
    static func isAsked(by response: JSON) -> Bool {
        response.members.allSatisfy { name, value in
            if value.isNull { return true }
            return switch name {
            case "tools": value.kind == .array && value.elements.allSatisfy { $0["type"]?.string == "function" }
            case "tool_choice": value.string != nil || value["type"]?.string == "function"
            case "input": value.kind == .array && value.elements.allSatisfy { $0["type"]?.string.map(items.contains) ?? false }
            default: settings.contains(name)
            }
        }
    }

    private static let items: Set<String> = ["message", "function_call", "function_call_output", "reasoning", "item_reference"]

    private static let settings: Set<String> = [
        "conversation", "metadata", "instructions", "modalities", "output_modalities", "voice", "audio", "output_audio_format",
        "temperature",
        "max_output_tokens", "max_response_output_tokens", "parallel_tool_calls", "reasoning",
    ]
}
