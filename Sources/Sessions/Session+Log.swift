import EventLog
import Logging
import Realtime

// The session's side of the log: what is appended, and who is told once it is stored.
extension Session {
    /// One event for the log; whom it answers is told once it is committed, so that a 2xx can always be read back.
    /// - Parameter actions: what follows from the event; what that settles is in the same commit, so that nobody who was shown the one misses the
    ///   other.
    func enqueue(_ append: SessionStateMachine.Append, followedBy actions: ArraySlice<SessionStateMachine.Action>) {
        var steps: [StepID] = []
        var answered: [(receipt: CommandReceipt, stage: ReplyMatcher.Stage)] = []
        for answer in append.answers {
            guard let receipt = receipts[answer.command] else { continue }
            answered.append((receipt, answer.stage))
            let isRunningResponse = answer.stage == .confirmed && receipt.type == ClientEventName.responseCreate.rawValue
            if !isRunningResponse { receipts[answer.command] = nil }
            // What ends a response is found by the response; what answers the command is that it was created.
            let isEndOfResponse = answer.stage == .finished && receipt.type == ClientEventName.responseCreate.rawValue
            if !isEndOfResponse { steps += receipt.steps }
        }
        let position = history.position(ofSeq: append.seq)
        let event = append.event
        let told = answered
        history.append(
            LogEntry(
                seq: append.seq, frame: append.frame, createdAtMilliseconds: Self.wallClock, changes: append.changes,
                answeredSteps: steps, settledSteps: settled(by: actions), record: append.record
            ) { [weak self, tasks] result in
                if case .failure = result, let self { tasks.add { await self.storeFailed() } }
                for (receipt, stage) in told { receipt.settle(stage, event, position, result) }
            })
    }

    /// What could not be stored does not exist: the session lets go of upstream and is loaded anew from what is stored.
    private func storeFailed() {
        guard !isBroken else { return }
        isBroken = true
        logger.error("the session's events could not be stored")
        for id in links.keys { endLink(id) }
        let error = SessionError(.storeUnavailable, "the session's history cannot be stored at the moment")
        for (id, receipt) in receipts { settle(id, receipt, .failed(error)) }
        tellOfRoom()
        tasks.add { await self.broken(self.id) }
    }
}

extension CommandReceipt {
    func settle(_ outcome: CommandOutcome) {
        writtenPromise.fulfil(outcome)
        confirmedPromise.fulfil(outcome)
        finishedPromise.fulfil(outcome)
    }

    func settle(
        _ stage: ReplyMatcher.Stage, _ event: ServerEvent?, _ position: EventPosition, _ stored: Result<Void, EventLogError>
    ) {
        guard case .success = stored, let event else {
            return settle(.failed(SessionError(.storeUnavailable, "upstream's answer could not be stored")))
        }
        switch stage {
        case .confirmed where type == ClientEventName.responseCreate.rawValue:
            writtenPromise.fulfil(.accepted)
            confirmedPromise.fulfil(.confirmed(event, position))
        case .confirmed, .finished:
            settle(.confirmed(event, position))
        case .refused(let error):
            settle(.failed(SessionError(.refusedByUpstream, error.message, param: error.param, upstream: error)))
        }
    }
}
