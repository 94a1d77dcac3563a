package import EventLog
package import Realtime

// Commands that an earlier request gave, perhaps to an earlier run of the process.
extension Session {
    /// The receipt of such a command: the live one while upstream still owes an answer, else what the log tells. What nobody knows has
    /// failed as `.outcomeUnknown`.
    ///
    /// The event that answered a command was committed with its step, and nothing is ever answered that was not committed.
    /// - Parameters:
    ///   - event: as it was submitted.
    ///   - wasAccepted: its caller was told that it had been sent.
    /// - Throws: `.unavailable`.
    package func receipt(of event: JSON, begunAs step: CommandStep, wasAccepted: Bool) async throws(EventLogError) -> CommandReceipt {
        if let live = receipts.values.first(where: { $0.step == step.id }) { return live }
        // After the look at what is live: what is answered by now is on its way into the log, and the log is read after that.
        let recorded = try await log.request(step.id.request)?.steps.first { $0.number == step.id.number }
        let answer = try await answer(to: event, recorded?.answerSeq)
        let receipt = CommandReceipt(recorded: step, event, answer: answer?.event)
        receipt.sentPromise.fulfil(())
        let type = ClientEventName(rawValue: receipt.type)
        switch (answer, type) {
        case (nil, _):
            if wasAccepted { receipt.writtenPromise.fulfil(.accepted) }
            if wasAccepted, Self.isNeverAnswered(type) { receipt.settle(.accepted) }
            receipt.settle(.failed(Self.unknown(isAnswered: recorded?.answerSeq != nil)))
        case (let answer?, _) where answer.event.name == .error:
            receipt.settle(.refused(RealtimeError(answer.event.json["error"])), answer.event, answer.position, .success(()))
        case (let answer?, .responseCreate):
            receipt.settle(.confirmed, answer.event, answer.position, .success(()))
            if let end = try await end(ofResponse: answer.event.responseID) {
                receipt.settle(.finished, end.event, end.position, .success(()))
            } else {
                receipt.finishedPromise.fulfil(.failed(Self.unknown(isAnswered: true)))
            }
        case (let answer?, _):
            receipt.settle(.confirmed, answer.event, answer.position, .success(()))
        }
        return receipt
    }

    private static func isNeverAnswered(_ type: ClientEventName?) -> Bool {
        type == nil || type == .inputAudioBufferAppend || type == .outputAudioBufferClear
    }

    private typealias Logged = (event: ServerEvent, position: EventPosition)

    private func answer(to event: JSON, _ seq: Int?) async throws(EventLogError) -> Logged? {
        if let seq { return try await logged(seq) }
        // A cancel is answered by the end of the response, whoever brings it about: after a crash, the bridge.
        guard event["type"]?.string == ClientEventName.responseCancel.rawValue else { return nil }
        return try await end(ofResponse: event["response_id"]?.string)
    }

    private func end(ofResponse id: String?) async throws(EventLogError) -> Logged? {
        guard let id, let seq = try await log.response(id, of: self.id)?.doneSeq else { return nil }
        return try await logged(seq)
    }

    /// Nil for what retention has removed.
    private func logged(_ seq: Int) async throws(EventLogError) -> Logged? {
        guard let logged = try await history.page(after: seq - 1, limit: 1, maximumBytes: .max).first, logged.position.seq == seq,
            let event = ServerEvent(logged.frame)
        else { return nil }
        return (event, logged.position)
    }

    private static func unknown(isAnswered: Bool) -> SessionError {
        SessionError(
            .outcomeUnknown,
            isAnswered
                ? "an earlier request with this key was carried out, but its outcome is not kept any more"
                : "an earlier request with this key was cut off, and may or may not have been carried out; it is not sent again. Look for "
                    + "its event_id on the session's stream")
    }
}

extension CommandReceipt {
    /// What can be told of a command again from its event and its step.
    fileprivate init(recorded step: CommandStep, _ event: JSON, answer: ServerEvent?) {
        let type = event["type"]?.string ?? ""
        let isCreation = type == ClientEventName.conversationItemCreate.rawValue
        let given = isCreation ? event["item"]?["id"]?.string : event["item_id"]?.string
        let audio = type == ClientEventName.inputAudioBufferAppend.rawValue ? event["audio"]?.string?.utf8.count ?? 0 : 0
        let asked = event["audio_end_ms"]?.int
        let cut = type == ClientEventName.conversationItemTruncate.rawValue ? answer?.json["audio_end_ms"]?.int : nil
        self.init(
            eventID: BridgeEventID.make(random: step.mark, callers: event["event_id"]?.string), type: type,
            itemID: isCreation ? answer?.itemID ?? given ?? CommandBuilder.itemID(step.mark) : given,
            clampedFrom: asked.flatMap { asked in cut.flatMap { $0 < asked ? asked : nil } },
            frames: max(1, (audio + CommandBuilder.maximumAppendCharacters - 1) / CommandBuilder.maximumAppendCharacters),
            step: step.id, writtenPromise: Promise(), confirmedPromise: Promise(), finishedPromise: Promise())
    }
}
