import EventLog
import Realtime

// Commands that an earlier request gave, perhaps to an earlier run of the process.
extension Session {
    /// The receipt of such a command: the live one while upstream still owes an answer, else what the log tells. What nobody knows has
    /// failed as `.outcomeUnknown`.
    ///
    /// The event that answered a command was committed with its step, and nothing is ever answered that was not committed.
    /// - Parameter event: as it was submitted.
    /// - Throws: `.storeUnavailable`.
    func receipt(of event: JSON, begunAs step: CommandStep) async throws(SessionError) -> CommandReceipt {
        if let live = live(step) { return live }
        // After the look at what is live: what is answered by now is on its way into the log, and the log is read after that.
        let (answer, isAnswered) = try await reading { () async throws(EventLogError) in
            let seq = try await self.log.request(step.id.request)?.steps.first { $0.number == step.id.number }?.answerSeq
            return (try await self.answer(to: event, seq), seq != nil)
        }
        let receipt = CommandReceipt(recorded: step, event, answer: answer?.event)
        receipt.sentPromise.fulfil(())
        let type = ClientEventName(rawValue: receipt.type)
        switch (answer, type) {
        case (nil, _):
            if step.wasAccepted { receipt.writtenPromise.fulfil(.accepted) }
            if step.wasAccepted, Self.isNeverAnswered(type) { receipt.settle(.accepted) }
            receipt.settle(.failed(Self.unknown(isAnswered: isAnswered, itemID: receipt.itemID)))
        case (let answer?, _) where answer.event.name == .error:
            receipt.settle(.refused(RealtimeError(answer.event.json["error"])), answer.event, answer.position, .success(()))
        case (let answer?, .responseCreate):
            receipt.settle(.confirmed, answer.event, answer.position, .success(()))
            let end = try await reading { () async throws(EventLogError) in try await self.end(ofResponse: answer.event.responseID) }
            if let end {
                receipt.settle(.finished, end.event, end.position, .success(()))
            } else {
                receipt.finishedPromise.fulfil(.failed(Self.unknown(isAnswered: true)))
            }
        case (let answer?, _):
            receipt.settle(.confirmed, answer.event, answer.position, .success(()))
        }
        return receipt
    }

    /// The same of a command that the bridge made; nil if there was nothing to do.
    func receipt(of name: ClientEventName, begunAs step: CommandStep) async throws(SessionError) -> CommandReceipt? {
        guard !step.wasNeedless else { return nil }
        return try await receipt(
            of: JSON.parse(written: JSONValue.object([("type", .string(name.rawValue))]).bytes), begunAs: step)
    }

    /// The same of a response and what it was to answer.
    func asked(for response: JSON, after item: JSON?, begunAs step: CommandStep) async throws(SessionError) -> AskedResponse {
        var receipt = try await receipt(of: response, begunAs: step)
        var removal: CommandReceipt?
        if let item {
            let builder = builder(for: step)
            receipt.itemID = item["item"]?["id"]?.string ?? CommandBuilder.itemID(builder.next.mark)
            removal = removed(receipt.itemID, BridgeEventID.make(random: builder.next.next.mark, callers: nil))
        }
        return AskedResponse(response: receipt, isQueued: isQueued(receipt), removal: removal)
    }

    /// The receipt of the deletion of an item that was added for a response.
    private func removed(_ itemID: String?, _ eventID: String) -> CommandReceipt {
        if let live = receipts.values.first(where: { $0.eventID == eventID }) { return live }
        let receipt = CommandReceipt(
            eventID: eventID, type: ClientEventName.conversationItemDelete.rawValue, itemID: itemID, clampedFrom: nil, frames: 1)
        switch itemID.flatMap({ machine.projection.items[$0]?.isDeleted }) {
        case nil: receipt.settle(.accepted)
        case false: receipt.settle(.failed(Self.unknown(isAnswered: false)))
        case true:
            // Upstream's own words stand in the log, and nobody is shown these.
            let event = ServerEvent(JSONValue.object([("type", "conversation.item.deleted"), ("item_id", .string(orNull: itemID))]).bytes)
            receipt.settle(event.map { .confirmed($0, history.tail) } ?? .accepted)
        }
        return receipt
    }

    private func live(_ step: CommandStep) -> CommandReceipt? {
        guard var live = receipts.values.first(where: { $0.steps.contains(step.id) }) else { return nil }
        live.steps = [step.id]
        return live
    }

    private func reading<Value: Sendable>(
        _ read: () async throws(EventLogError) -> Value
    ) async throws(SessionError) -> Value {
        do throws(EventLogError) {
            return try await read()
        } catch {
            throw SessionError(.storeUnavailable, "the session's history cannot be read at the moment")
        }
    }

    static func isNeverAnswered(_ type: ClientEventName?) -> Bool {
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

    private static func unknown(isAnswered: Bool, itemID: String? = nil) -> SessionError {
        SessionError(
            .outcomeUnknown,
            isAnswered
                ? "an earlier request with this key was carried out, but its outcome is not kept any more"
                : "an earlier request with this key was cut off, and may or may not have been carried out; it is not sent again. See the "
                    + (itemID.map { "session for the item '\($0)'" } ?? "session's items and responses"))
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
            steps: [step.id])
    }
}
