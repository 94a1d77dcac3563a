import EventLog
import Realtime
import Webhooks

/// Makes the frames of one command out of a caller's client event: checks what can be checked without upstream, puts the bridge's
/// ids on it, and says what will answer it. The caller's bytes are spliced, never re-encoded.
struct CommandBuilder {
    let machine: SessionStateMachine
    /// Which webhooks tools may have; nil: none.
    var rules: WebhookRules?
    /// The bridge's ids on the command are made of it: who knows it can tell them again.
    var mark = UInt64.random(in: .min ... .max)

    struct Prepared {
        var type: String
        var commands: [Command]
        var itemID: String?
        var clampedFrom: Int?
    }

    /// The protocol's limit for `item.id` and `item.call_id` (PROTOCOL.md section 3).
    private static let maximumIDCharacters = 32
    /// Audio per append frame, whatever the caller sent.
    static let maximumAppendBytes = 256 << 10
    static let maximumAppendCharacters = maximumAppendBytes / 3 * 4

    /// Upstream connections take no larger message.
    private static let maximumFrameBytes = 32 << 20

    func build(_ event: JSON, firstID: CommandID, rejectIfActive: Bool) throws(SessionError) -> Prepared {
        let prepared = try prepare(event, firstID: firstID, rejectIfActive: rejectIfActive)
        guard prepared.commands.allSatisfy({ $0.event.frame.count <= Self.maximumFrameBytes }) else {
            throw SessionError(.invalidValue, "the event is larger than the \(Self.maximumFrameBytes >> 20) MiB that upstream is sent")
        }
        return prepared
    }

    private func prepare(_ event: JSON, firstID: CommandID, rejectIfActive: Bool) throws(SessionError) -> Prepared {
        guard event.kind == .object, let type = event["type"]?.string else {
            throw SessionError(.missingRequiredParameter, "an event is a JSON object with a string 'type'", param: "type")
        }
        let eventID = try newEventID(callers: event["event_id"])
        let (event, webhooks) = try ToolWebhooks.taken(from: event, under: rules)
        switch ClientEventName(rawValue: type) {
        case .sessionUpdate, .transcriptionSessionUpdate:
            let session = try object(event, "session")
            var prepared = one(type, firstID, .sessionUpdate, ClientEvent(name: type, eventID: eventID, splicing: event))
            prepared.commands[0].webhooks = webhooks
            // What kind of session it is says the event's name alone.
            prepared.commands[0].configuration =
                type == ClientEventName.transcriptionSessionUpdate.rawValue
                ? SessionUpdate.naming(.transcription, in: session) : Array(session.lexeme)
            return prepared
        case .conversationItemCreate:
            return try createItem(event, eventID, firstID)
        case .conversationItemDelete:
            let item = try string(event, "item_id")
            return one(type, firstID, .itemDelete(itemID: item), ClientEvent(name: type, eventID: eventID, splicing: event), itemID: item)
        case .conversationItemRetrieve:
            let item = try string(event, "item_id")
            return one(type, firstID, .itemRetrieve(itemID: item), ClientEvent(name: type, eventID: eventID, splicing: event), itemID: item)
        case .conversationItemTruncate:
            return try truncateItem(event, eventID, firstID)
        case .inputAudioBufferAppend:
            return try appendAudio(event, eventID, firstID)
        case .inputAudioBufferCommit:
            return one(type, firstID, .audioCommit, ClientEvent(name: type, eventID: eventID, splicing: event))
        case .inputAudioBufferClear:
            return one(type, firstID, .audioClear, ClientEvent(name: type, eventID: eventID, splicing: event))
        case .responseCreate:
            return try createResponse(event, eventID, firstID, rejectIfActive: rejectIfActive)
        case .responseCancel:
            if let id = event["response_id"], id.kind != .string, !id.isNull { throw wrongType("response_id", "a string") }
            let target = try machine.cancelTarget(event["response_id"]?.string)
            return one(
                type, firstID, .responseCancel(responseID: target), ClientEvent(name: type, eventID: eventID, splicing: event))
        case .outputAudioBufferClear, nil:
            return one(type, firstID, .unacknowledged, ClientEvent(name: type, eventID: eventID, splicing: event))
        }
    }

    private func one(
        _ type: String, _ id: CommandID, _ kind: Command.Kind, _ event: ClientEvent, itemID: String? = nil
    ) -> Prepared {
        Prepared(type: type, commands: [Command(id: id, kind: kind, event: event)], itemID: itemID)
    }

    private func newEventID(callers: JSON?) throws(SessionError) -> String {
        guard let callers, !callers.isNull else { return BridgeEventID.make(random: mark, callers: nil) }
        guard let id = callers.string else { throw wrongType("event_id", "a string") }
        guard id.count <= BridgeEventID.maximumCallersCharacters else {
            throw SessionError(
                .stringAboveMaxLength, "'event_id' is longer than \(BridgeEventID.maximumCallersCharacters) characters", param: "event_id")
        }
        return BridgeEventID.make(random: mark, callers: id)
    }

    private func createItem(_ event: JSON, _ eventID: String, _ firstID: CommandID) throws(SessionError) -> Prepared {
        let item = try object(event, "item")
        var splice = JSONSplice(event)
        splice.set("event_id", of: event, to: JSONValue.string(eventID).bytes)
        let id: String
        if let given = item["id"], !given.isNull {
            id = try shortID(given, "item.id")
            try machine.refuseDuplicate(itemID: id)
        } else {
            id = Self.itemID(mark)
            splice.set("id", of: item, to: JSONValue.string(id).bytes)
        }
        var call: String?
        // What upstream made it takes back, if it is not OpenAI's: some servers' are longer.
        if let given = item["call_id"], !given.isNull {
            call = if let known = given.string, machine.projection.call(known) != nil { known } else { try shortID(given, "item.call_id") }
        }
        let answered = item["type"]?.string == "function_call_output" ? call : nil
        if let answered { try machine.refuseSecondAnswer(toCall: answered) }
        let frame = splice.bytes
        let name = ClientEventName.conversationItemCreate.rawValue
        let client = ClientEvent(name: name, eventID: eventID, frame: frame)
        var prepared = one(name, firstID, .itemCreate(itemID: id), client, itemID: id)
        prepared.commands[0].answersCall = answered
        if Self.holdsMedia(item) { prepared.commands[0].input = Array(item.lexeme) }
        return prepared
    }

    static func itemID(_ mark: UInt64) -> String {
        let hex = String(mark, radix: 16)
        return "item_rb" + String(repeating: "0", count: 16 - hex.count) + hex
    }

    /// Upstream does not give back the bytes of audio and images.
    private static func holdsMedia(_ item: JSON) -> Bool {
        item["content"]?.elements.contains { ["input_audio", "input_image"].contains($0["type"]?.string) } ?? false
    }

    private func truncateItem(_ event: JSON, _ eventID: String, _ firstID: CommandID) throws(SessionError) -> Prepared {
        let id = try string(event, "item_id")
        guard let end = event["audio_end_ms"]?.int, end >= 0 else {
            throw wrongType("audio_end_ms", "an integer of milliseconds, 0 or more")
        }
        var splice = JSONSplice(event)
        splice.set("event_id", of: event, to: JSONValue.string(eventID).bytes)
        if event["content_index"] == nil { splice.set("content_index", of: event, to: Array("0".utf8)) }
        var clampedFrom: Int?
        if let item = machine.projection.items[id], item.producedAudioBytes > 0 {
            // Upstream refuses a cut beyond the audio; a player's clock easily runs a little ahead of it.
            // What was cut before is gone.
            let left = min(
                AudioFormat.output(of: machine.record, machine.profile).milliseconds(bytes: item.producedAudioBytes),
                item.truncatedAtMilliseconds ?? .max)
            if end > left {
                clampedFrom = end
                splice.set("audio_end_ms", of: event, to: JSONValue.int(left).bytes)
            }
        }
        let name = ClientEventName.conversationItemTruncate.rawValue
        var prepared = one(
            name, firstID, .itemTruncate(itemID: id), ClientEvent(name: name, eventID: eventID, frame: splice.bytes), itemID: id)
        prepared.clampedFrom = clampedFrom
        return prepared
    }

    private func appendAudio(_ event: JSON, _ eventID: String, _ firstID: CommandID) throws(SessionError) -> Prepared {
        guard let audio = event["audio"], let text = audio.stringBytes else { throw wrongType("audio", "a base64 string") }
        guard !text.isEmpty else { throw SessionError(.invalidAudio, "'audio' is empty", param: "audio") }
        // Checked here, so that an `invalid_value` of upstream's is never blamed on another command.
        if let fault = Base64.firstFault(in: text) {
            throw SessionError(.invalidAudio, "'audio' is not valid base64: see character \(fault)", param: "audio")
        }
        let format = AudioFormat.input(of: machine.record, machine.profile)
        let bytes = Base64.decodedCount(text)
        guard bytes.isMultiple(of: format.bytesPerSample) else {
            throw SessionError(.invalidAudio, "\(bytes) bytes are not whole \(format.bytesPerSample)-byte samples", param: "audio")
        }
        let name = ClientEventName.inputAudioBufferAppend.rawValue
        let chunk = Self.maximumAppendCharacters
        var commands: [Command] = []
        var start = text.startIndex
        while start < text.endIndex {
            let end = min(start + chunk, text.endIndex)
            var splice = JSONSplice(event)
            let id = start == text.startIndex ? eventID : try CommandBuilder(machine: machine).newEventID(callers: event["event_id"])
            splice.set("event_id", of: event, to: JSONValue.string(id).bytes)
            splice.replace(audio, with: [UInt8(ascii: "\"")] + text[start..<end] + [UInt8(ascii: "\"")])
            commands.append(
                Command(
                    id: firstID + commands.count, kind: .audioAppend, event: ClientEvent(name: name, eventID: id, frame: splice.bytes),
                    audio: Base64.decoded(text[start..<end])))
            start = end
        }
        return Prepared(type: name, commands: commands)
    }

    private func createResponse(
        _ event: JSON, _ eventID: String, _ firstID: CommandID, rejectIfActive: Bool
    ) throws(SessionError) -> Prepared {
        let response = event["response"]
        if let response, response.kind != .object { throw wrongType("response", "an object") }
        try machine.refuseResponseOfTranscription()
        let isOutOfBand = response?["conversation"]?.string == "none"
        if isOutOfBand { try machine.refuseOutOfBandUnlessSupported() }
        if rejectIfActive, !isOutOfBand { try machine.refuseSecondActiveResponse() }
        let token = String(mark, radix: 36)
        let stamped: [UInt8]
        do throws(CorrelationToken.Refusal) {
            if let response, let alone = try? JSON.parse(Array(response.lexeme), maximumDepth: 256) {
                stamped = try CorrelationToken.stamp(alone, token: token)
            } else {
                stamped = JSONValue.object([("metadata", [CorrelationToken.key: .string(token)])]).bytes
            }
        } catch {
            throw SessionError(.invalidValue, error.words, param: "metadata")
        }
        var splice = JSONSplice(event)
        splice.set("event_id", of: event, to: JSONValue.string(eventID).bytes)
        splice.set("response", of: event, to: stamped)
        let name = ClientEventName.responseCreate.rawValue
        var prepared = one(
            name, firstID, .responseCreate(token: token, isOutOfBand: isOutOfBand),
            ClientEvent(name: name, eventID: eventID, frame: splice.bytes))
        prepared.commands[0].isPlainResponse = isOutOfBand && response.map(PlainResponse.isAsked) ?? false
        return prepared
    }

    private func object(_ event: JSON, _ name: String) throws(SessionError) -> JSON {
        guard let value = event[name] else { throw SessionError(.missingRequiredParameter, "'\(name)' is missing", param: name) }
        guard value.kind == .object else { throw wrongType(name, "an object") }
        return value
    }

    private func string(_ event: JSON, _ name: String) throws(SessionError) -> String {
        guard let value = event[name] else { throw SessionError(.missingRequiredParameter, "'\(name)' is missing", param: name) }
        guard let text = value.string else { throw wrongType(name, "a string") }
        return text
    }

    private func shortID(_ value: JSON, _ name: String) throws(SessionError) -> String {
        guard let id = value.string, !id.isEmpty else { throw wrongType(name, "a string that is not empty") }
        guard id.count <= Self.maximumIDCharacters else {
            throw SessionError(.stringAboveMaxLength, "'\(name)' is longer than \(Self.maximumIDCharacters) characters", param: name)
        }
        return id
    }

    private func wrongType(_ name: String, _ expected: String) -> SessionError {
        SessionError(.invalidValue, "'\(name)' must be \(expected)", param: name)
    }
}

extension CorrelationToken.Refusal {
    fileprivate var words: String {
        switch self {
        case .metadataIsNoObject: "'metadata' must be an object of strings"
        case .tooManyPairs(let count):
            "'metadata' has \(count) pairs; a response may have \(CorrelationToken.maximumPairs)"
        case .reservedKey: "'metadata' must not use the key '\(CorrelationToken.key)', which is the bridge's"
        case .noRoom: "16 metadata pairs leave no room for the bridge's own: shorten one of them to 400 characters, or leave one out"
        }
    }
}
