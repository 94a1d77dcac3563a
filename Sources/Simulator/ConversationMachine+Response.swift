import Realtime

/// Responses: the frames between `response.created` and `response.done`, in the order of each dialect.
extension ConversationMachine {
    /// The response that writes to the conversation.
    var activeResponse: ResponseProduction? { responses.first { !$0.isFinished && !$0.parameters.isOutOfBand } }

    mutating func startResponse(_ parameters: ResponseParameters) {
        let response = ResponseProduction(
            id: ids.next("resp_"), parameters, context: parameters.input ?? conversation.items, dueAt: now + options.deltaDelay)
        if !parameters.isOutOfBand {
            owesResponse = false
            idleDeadline = nil
        }
        responses.append(response)
        send(
            "response.created",
            [
                (
                    "response",
                    response.json(
                        dialect: dialect, status: "in_progress", details: .null, usage: .null, conversationID: conversation.id)
                )
            ])
    }

    /// Sends the next frames of a response that is due: up to and including one delta.
    mutating func advanceResponse(_ index: Int) {
        if !responses[index].hasBegun {
            responses[index].hasBegun = true
            if dialect == .beta { sendRateLimits(responses[index]) }
        }
        guard responses[index].open != nil else {
            let position = responses[index].done.count
            if position < responses[index].outputs.count {
                openItem(index, responses[index].outputs[position])
            } else {
                endResponse(index, responses[index].ending)
            }
            return
        }
        sendDelta(index)
    }

    // MARK: opening

    private mutating func openItem(_ index: Int, _ output: Answer.Output) {
        let parameters = responses[index].parameters
        let itemID = ids.next("item_")
        let outputIndex = responses[index].done.count
        let kind: ConversationItem.Kind
        let content: ResponseProduction.OpenItem.Content
        var part: JSONValue?
        switch output {
        case .message(let text) where parameters.answersWithAudio:
            kind = .message(.assistant, [])
            content = .speech(SpokenPart(text: text, format: parameters.outputFormat))
            part = ["type": "audio", "transcript": ""]
        case .message(let text):
            kind = .message(.assistant, [])
            content = .text(pieces: Pieces.of(text), next: 0)
            part = ["type": "text", "text": ""]
        case .call(let name, let arguments):
            let callID = ids.next("call_")
            kind = .call(id: callID, name: name, arguments: "")
            content = .call(id: callID, name: name, pieces: Pieces.of(arguments), next: 0)
        }
        let item = ConversationItem(id: itemID, status: .inProgress, kind: kind)
        responses[index].open = .init(id: itemID, outputIndex: outputIndex, content: content)
        let responseID = JSONValue.string(responses[index].id)
        send(
            "response.output_item.added",
            [("response_id", responseID), ("output_index", .int(outputIndex)), ("item", item.json(dialect: dialect))])
        if !parameters.isOutOfBand {
            let follows = conversation.insert(item)
            send(
                dialect == .beta ? "conversation.item.created" : "conversation.item.added",
                [("previous_item_id", .string(orNull: follows)), ("item", item.json(dialect: dialect))])
        }
        if let part { sendPart("response.content_part.added", index, [("part", part)]) }
    }

    // MARK: deltas

    private mutating func sendDelta(_ index: Int) {
        guard let content = responses[index].open?.content else { return }
        switch content {
        case .text(let pieces, let next):
            guard next < pieces.count else { return closeItem(index, .completed) }
            guard responses[index].book(characters: pieces[next].utf8.count) else { return endResponse(index, .maximumTokens) }
            responses[index].open?.content = .text(pieces: pieces, next: next + 1)
            sendPart(name("text.delta"), index, deltaMembers(pieces[next]))
            paceDelta(index)
        case .call(let callID, let name, let pieces, let next):
            guard next < pieces.count else { return closeItem(index, .completed) }
            guard responses[index].book(characters: pieces[next].utf8.count) else { return endResponse(index, .maximumTokens) }
            responses[index].open?.content = .call(id: callID, name: name, pieces: pieces, next: next + 1)
            let members = itemMembers(index, withContentIndex: false) + [("call_id", .string(callID))] + deltaMembers(pieces[next])
            send("response.function_call_arguments.delta", members)
            paceDelta(index)
        case .speech(var part):
            let step = part.next()
            responses[index].open?.content = .speech(part)
            sendSpeech(index, step)
        }
    }

    private mutating func sendSpeech(_ index: Int, _ step: SpokenPart.Step) {
        switch step {
        case .request(let text):
            nextTicket += 1
            let parameters = responses[index].parameters
            responses[index].requestedSpeech = nextTicket
            speak(
                SpeechRequest(
                    ticket: nextTicket, text: text, voice: parameters.voice.lexeme, format: parameters.outputFormat, speed: parameters.speed
                ))
        case .blocked:
            responses[index].awaitsSpeech = true
        case .transcript(let text):
            guard responses[index].book(characters: text.utf8.count) else { return endResponse(index, .maximumTokens) }
            sendPart(name("audio_transcript.delta"), index, deltaMembers(text))
            paceDelta(index)
        case .audio(let chunk):
            guard !chunk.isEmpty else { return }
            let milliseconds = responses[index].parameters.outputFormat.milliseconds(ofBytes: chunk.count)
            guard responses[index].book(milliseconds: milliseconds) else { return endResponse(index, .maximumTokens) }
            sendPart(name("audio.delta"), index, [("delta", .raw(Base64.quoted(chunk)))])
            paceDelta(index)
        case .end:
            closeItem(index, .completed)
        }
    }

    private mutating func paceDelta(_ index: Int) {
        responses[index].dueAt = now + options.deltaDelay
    }

    // MARK: closing

    /// Closes the open part and item with their done frames.
    private mutating func closeItem(_ index: Int, _ status: ConversationItem.Status) {
        guard let open = responses[index].open else { return }
        let kind: ConversationItem.Kind
        switch open.content {
        case .text(let pieces, let next):
            let text = pieces[..<next].joined()
            kind = .message(.assistant, [.text(text)])
            sendPart(name("text.done"), index, [("text", .string(text))])
            sendPart("response.content_part.done", index, [("part", ["type": "text", "text": .string(text)])])
        case .speech(let part):
            let milliseconds = responses[index].parameters.outputFormat.milliseconds(ofBytes: part.sentBytes)
            kind = .message(.assistant, [.audio(transcript: part.transcript, milliseconds: milliseconds)])
            sendPart(name("audio.done"), index, [])
            sendPart(name("audio_transcript.done"), index, [("transcript", .string(part.transcript))])
            sendPart("response.content_part.done", index, [("part", ["type": "audio", "transcript": .string(part.transcript)])])
        case .call(let callID, let callName, let pieces, let next):
            let arguments = pieces[..<next].joined()
            kind = .call(id: callID, name: callName, arguments: arguments)
            send(
                "response.function_call_arguments.done",
                itemMembers(index, withContentIndex: false)
                    + [("call_id", .string(callID)), ("name", .string(callName)), ("arguments", .string(arguments))])
        }
        let item = ConversationItem(id: open.id, status: status, kind: kind)
        if !responses[index].parameters.isOutOfBand {
            conversation.replace(item)
            if dialect == .ga {
                send(
                    "conversation.item.done",
                    [("previous_item_id", .string(orNull: conversation.previousID(of: item.id))), ("item", item.json(dialect: .ga))])
            }
        }
        send(
            "response.output_item.done",
            [
                ("response_id", .string(responses[index].id)), ("output_index", .int(open.outputIndex)),
                ("item", item.json(dialect: dialect)),
            ])
        responses[index].open = nil
        responses[index].done.append(item)
    }

    /// Ends a response in any state with all the frames that are owed.
    mutating func endResponse(_ index: Int, _ ending: ResponseProduction.Ending) {
        closeItem(index, .incomplete)
        responses[index].isFinished = true
        responses[index].awaitsSpeech = false
        let response = responses[index]
        let usage: JSONValue
        if case .failed = ending {
            usage = .null
        } else {
            // Cancelled before any output, nothing is billed.
            let isFree = response.done.isEmpty && ending.status == "cancelled"
            usage = Tokens.usage(
                input: isFree ? .init() : response.inputTokens, output: isFree ? .init() : response.outputTokens, dialect: dialect)
        }
        send(
            "response.done",
            [
                (
                    "response",
                    response.json(
                        dialect: dialect, status: ending.status, details: ending.details, usage: usage, conversationID: conversation.id)
                )
            ])
        if dialect == .ga, ending.status == "completed" || ending.status == "incomplete" { sendRateLimits(response) }
        guard !response.parameters.isOutOfBand, ending.status != "cancelled" else { return }
        // The caller has to hear the answer before silence counts.
        if let idle = settings.turnDetection?.idleTimeoutMilliseconds {
            idleDeadline = now + .milliseconds(response.audioMilliseconds + idle)
        }
    }

    // MARK: spelling

    /// `text.delta` is `response.text.delta` in beta, `response.output_text.delta` in GA.
    private func name(_ suffix: String) -> String { dialect == .beta ? "response.\(suffix)" : "response.output_\(suffix)" }

    private func itemMembers(_ index: Int, withContentIndex: Bool) -> [(String, JSONValue)] {
        let open = responses[index].open
        let members: [(String, JSONValue)] = [
            ("response_id", .string(responses[index].id)), ("item_id", .string(open?.id ?? "")),
            ("output_index", .int(open?.outputIndex ?? 0)),
        ]
        return withContentIndex ? members + [("content_index", 0)] : members
    }

    private mutating func sendPart(_ type: String, _ index: Int, _ members: [(String, JSONValue)]) {
        send(type, itemMembers(index, withContentIndex: true) + members)
    }

    /// GA pads text deltas against reading their lengths off the wire.
    private func deltaMembers(_ text: String) -> [(String, JSONValue)] {
        let delta: (String, JSONValue) = ("delta", .string(text))
        guard dialect == .ga else { return [delta] }
        return [delta, ("obfuscation", .string(String("q7Lw0ZtKc2Vd9XhB".prefix(max(1, 16 - text.utf8.count % 16)))))]
    }

    private mutating func sendRateLimits(_ response: ResponseProduction) {
        let limit = 40_000
        let reserved = min(limit, response.inputTokens.total + max(response.outputTokens.total, 64))
        let tokens: JSONValue = [
            "name": "tokens", "limit": .int(limit), "remaining": .int(limit - reserved),
            "reset_seconds": .double(Double(reserved * 60) / Double(limit)),
        ]
        let requests: JSONValue = ["name": "requests", "limit": 500, "remaining": 499, "reset_seconds": 0.12]
        send("rate_limits.updated", [("rate_limits", dialect == .beta ? [requests, tokens] : [tokens])])
    }
}
