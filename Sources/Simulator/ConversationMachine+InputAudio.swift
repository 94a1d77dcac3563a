import Realtime

/// Audio from the caller: the buffer, its turns, and what is said about them.
extension ConversationMachine {
    static let maximumAppendBytes = 15 << 20
    private static let minimumCommitMilliseconds = 100.0

    mutating func appendAudio(_ fields: Fields) throws(ProtocolError) {
        try fields.allowOnly(["type", "event_id", "audio"])
        guard let value = fields["audio"] else { throw .missing("audio") }
        // The inside of the string: base64 needs no escapes, so an escaped string is not base64 either.
        guard value.kind == .string, let bytes = Base64.decode(value.lexeme.dropFirst().dropLast()) else {
            throw .invalidValue("audio", "Invalid 'audio': expected base64-encoded audio bytes.")
        }
        guard bytes.count <= Self.maximumAppendBytes else {
            throw .invalidValue("audio", "Invalid 'audio': expected at most \(Self.maximumAppendBytes) bytes of audio.")
        }
        guard let findings = input.append(bytes) else {
            throw .invalidValue("audio", "The input audio buffer is full: commit or clear it.")
        }
        for finding in findings {
            switch finding {
            case .started(let millisecond): speechStarted(at: millisecond)
            case .stopped(let millisecond): speechStopped(at: millisecond)
            }
        }
    }

    mutating func commitAudio(_ fields: Fields) throws(ProtocolError) {
        try fields.allowOnly(["type", "event_id"])
        guard input.milliseconds >= Self.minimumCommitMilliseconds else {
            let tenths = Int(input.milliseconds * 100)
            throw ProtocolError(
                code: "input_audio_buffer_commit_empty",
                message: "Error committing input audio buffer: buffer too small. Expected at least 100ms of audio, but buffer only has "
                    + "\(tenths / 100).\(tenths % 100 < 10 ? "0" : "")\(tenths % 100)ms of audio.",
                param: nil)
        }
        let id = speechItemID ?? ids.next("item_")
        speechItemID = nil
        commit(input.take(), itemID: id)
    }

    mutating func clearAudio(_ fields: Fields) throws(ProtocolError) {
        try fields.allowOnly(["type", "event_id"])
        input.clear()
        speechItemID = nil
        send("input_audio_buffer.cleared", [])
    }

    // MARK: turns

    private mutating func speechStarted(at millisecond: Int) {
        input.dropAudio(before: millisecond)
        let id = ids.next("item_")
        speechItemID = id
        idleDeadline = nil
        send(
            "input_audio_buffer.speech_started",
            [("audio_start_ms", .int(max(millisecond, input.startPosition))), ("item_id", .string(id))])
        guard settings.kind == .conversation, settings.turnDetection?.interruptResponse ?? false,
            let index = responses.firstIndex(where: { !$0.isFinished && !$0.parameters.isOutOfBand })
        else { return }
        endResponse(index, .turnDetected)
        responses.removeAll { $0.isFinished }
    }

    private mutating func speechStopped(at millisecond: Int) {
        let id = speechItemID ?? ids.next("item_")
        speechItemID = nil
        send("input_audio_buffer.speech_stopped", [("audio_end_ms", .int(millisecond)), ("item_id", .string(id))])
        commit(input.take(upTo: millisecond), itemID: id)
        answerTurn()
    }

    /// Nobody spoke for `idle_timeout_ms` after the last answer had been heard: the silence becomes a turn.
    mutating func idleTimedOut() {
        idleDeadline = nil
        guard !input.isSpeaking, activeResponse == nil else { return }
        let id = ids.next("item_")
        send(
            "input_audio_buffer.timeout_triggered",
            [("audio_start_ms", .int(input.startPosition)), ("audio_end_ms", .int(input.position)), ("item_id", .string(id))])
        commit(input.take(), itemID: id)
        answerTurn()
    }

    private mutating func answerTurn() {
        guard settings.kind == .conversation, settings.turnDetection?.createResponse ?? false else { return }
        owesResponse = true
        if activeResponse == nil { respondToTurn() }
    }

    mutating func respondToTurn() {
        owesResponse = false
        guard activeResponse == nil, responses.count < Self.maximumResponses else { return }
        startResponse(ResponseParameters(settings))
    }

    private mutating func commit(_ bytes: [UInt8], itemID: String) {
        let milliseconds = settings.inputFormat.milliseconds(ofBytes: bytes.count)
        send("input_audio_buffer.committed", [("previous_item_id", .string(orNull: conversation.lastID)), ("item_id", .string(itemID))])
        let item = ConversationItem(
            id: itemID, status: .completed,
            kind: .message(.user, [.inputAudio(bytes: bytes, milliseconds: milliseconds, transcript: nil)]))
        let follows = conversation.insert(item)
        announce(item, follows: follows)
        guard let transcription = settings.transcription else { return }
        let samples = settings.inputFormat.samples(bytes[...])
        let isSpeech = stride(from: 0, to: samples.count, by: 1024).contains { start in
            VoiceActivityDetector.probability(of: Array(samples[start..<min(start + 1024, samples.count)])) >= 0.5
        }
        transcriptions.append(
            InputTranscription(
                itemID: itemID, model: transcription.model, milliseconds: milliseconds, isSpeech: isSpeech, dueAt: now + options.deltaDelay)
        )
    }

    // MARK: transcription

    mutating func advanceTranscription(_ index: Int) {
        let itemID: [(String, JSONValue)] = [("item_id", .string(transcriptions[index].itemID)), ("content_index", 0)]
        let prefix = "conversation.item.input_audio_transcription"
        transcriptions[index].dueAt = now + options.deltaDelay
        switch transcriptions[index].next() {
        case .delta(let text): send("\(prefix).delta", itemID + [("delta", .string(text))])
        case .completed(let text, let usage):
            if var item = conversation.item(transcriptions[index].itemID) {
                item.setTranscript(text, part: 0)
                conversation.replace(item)
            }
            send("\(prefix).completed", itemID + [("transcript", .string(text)), ("usage", usage)])
        case .failed:
            send(
                "\(prefix).failed",
                itemID + [
                    (
                        "error",
                        [
                            "type": "transcription_error", "code": "audio_unintelligible",
                            "message": "The audio could not be transcribed.", "param": .null,
                        ]
                    )
                ])
        }
    }
}
