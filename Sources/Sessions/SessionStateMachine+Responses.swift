import EventLog
import Realtime

// Responses one after the other: whose turn it is, and what becomes of those that wait. They are woken by whatever ends a response, a
// switch of connections included, since each of these ends in ``flush(at:)``.
extension SessionStateMachine {
    /// An answer to a creation, or to an item, that does not come in this time holds up nobody else; in milliseconds.
    static let responsePatience = 30_000
    /// Upstream refuses for a response that it has not told of: when it is asked again, and how often.
    private static let retryWait = 1_000
    private static let maximumUnfoundedRefusals = 3

    private static let alreadyActive = "conversation_already_has_active_response"

    /// Takes a planned response: asks for it now, or when its turn comes.
    mutating func take(_ planned: PlannedResponse, at now: Int) throws(SessionError) -> [Action] {
        // Beside the conversation any number run at a time.
        guard planned.create.kind.isCreationInConversation else { return try take(planned.create, at: now) }
        try refuseUnlessTaking(planned.create, at: now)
        guard planned.ifActive == .reject || !responses.isFull else {
            throw SessionError(
                .responseQueueFull, "\(ResponseQueue.maximumWaiting) responses of this session already wait for their turn",
                param: "if_active")
        }
        lastActivityAt = now
        if oneShot != nil { oneShot = .asked }
        responses.append(planned)
        return advanceResponses(at: now) + flushOrOpen(at: now)
    }

    /// Puts the first that waits on its way if its turn has come, and stops the response that one which interrupts waits for.
    mutating func advanceResponses(at now: Int) -> [Action] {
        var actions: [Action] = []
        while let first = responses.waiting.first {
            if case .open(let id) = link, let active = projection.activeResponse, responses.cancelled != active.id,
                responses.waiting.contains(where: \.interrupts)
            {
                responses.cancelled = active.id
                actions.append(sending(.command(.ownRequest(.responseCancel, [("response_id", .string(active.id))])), on: id))
            }
            // One that does not wait was let in because nothing ran.
            let isLetIn = first.ifActive == .reject && !first.isItemAdded
            if isLetIn || isFree(for: first, at: now) {
                switch responses.begin() {
                case .add(let item): queue.append(item)
                case .ask(let create): queue.append(create)
                }
            } else if first.ifActive == .reject {
                // Another one slipped in while its item was added.
                _ = responses.removeWaiting(first.id)
                let error = SessionError(.responseActive, "another response has begun meanwhile; wait for it or cancel it")
                actions += dropped(first, removingItem: true) + [.fail([first.id], error)]
            } else {
                break
            }
        }
        return actions
    }

    /// Nothing stands in the way of a response in the default conversation, as far as can be known.
    private func isFree(for planned: PlannedResponse, at now: Int) -> Bool {
        guard projection.activeResponse == nil, responses.adding == nil, !isCreationQueued else { return false }
        if let retryAt = responses.retryAt, now < retryAt, planned.ifActive != .reject { return false }
        return newestCreation.map { now >= $0 + Self.responsePatience } ?? true
    }

    private var isCreationQueued: Bool { queue.all.contains { $0.kind.isCreationInConversation } }

    /// When upstream was last asked for a response that it has neither begun nor refused.
    private var newestCreation: Int? { matcher.unanswered.filter { $0.kind.isCreationInConversation }.map(\.sentAt).max() }

    /// The planned response is over without having begun. Its item goes again, if the conversation has it.
    private mutating func dropped(_ planned: PlannedResponse, removingItem: Bool) -> [Action] {
        guard let removal = planned.removal, let item = planned.itemID else { return [] }
        let isThere = projection.items[item].map { !$0.isDeleted } ?? unanswered.contains { $0.kind == .itemCreate(itemID: item) }
        guard removingItem, isThere, !link.isEnded else { return [.accept([removal.id])] }
        if let settled = settledHere(removal, at: lastActivityAt) { return settled }
        queue.append(removal)
        return []
    }

    // MARK: What upstream says

    /// Follows what an event has answered.
    /// - Returns: who is to be told of it, which those that go back into the queue are not; and what else follows.
    mutating func followed(
        _ matches: [ReplyMatcher.Match], _ event: ServerEvent
    ) -> (answers: [(command: CommandID, stage: ReplyMatcher.Stage)], actions: [Action]) {
        var answers: [(command: CommandID, stage: ReplyMatcher.Stage)] = []
        var actions: [Action] = []
        for match in matches {
            let id = match.command.id
            if responses.adding?.item?.id == id {
                guard case .refused = match.stage else {
                    responses.itemAdded()
                    continue
                }
                if let planned = responses.removeAdding(item: id) {
                    answers.append((planned.id, match.stage))
                    actions += dropped(planned, removingItem: false)
                }
                continue
            }
            if let planned = responses.removeAsked(id) {
                if case .refused(let error) = match.stage {
                    if error.code == Self.alreadyActive, goesBack(planned) { continue }
                    actions += dropped(planned, removingItem: planned.isItemAdded)
                } else {
                    actions += dropped(planned, removingItem: false)
                }
            }
            answers.append((id, match.stage))
            actions += cutBehind(match, event)
        }
        return (answers, actions)
    }

    /// A response that upstream began by itself was faster.
    private mutating func goesBack(_ planned: PlannedResponse) -> Bool {
        guard planned.ifActive != .reject else { return false }
        var planned = planned
        if projection.activeResponse == nil {
            planned.unfoundedRefusals += 1
            guard planned.unfoundedRefusals <= Self.maximumUnfoundedRefusals else { return false }
            responses.retryAt = lastFrameAt + Self.retryWait
        }
        responses.putBack(planned)
        return true
    }

    // MARK: Time

    /// When one that waits may go on without an event of upstream's.
    var responsesDeadline: Int? {
        if let item = responses.adding?.item {
            return matcher.unanswered.first { $0.id == item.id }.map { $0.sentAt + Self.responsePatience }
        }
        guard !responses.waiting.isEmpty, projection.activeResponse == nil, !isCreationQueued else { return nil }
        return [responses.retryAt, newestCreation.map { $0 + Self.responsePatience }].compactMap { $0 }.max()
    }

    /// ``responsesDeadline`` has come.
    mutating func responsesOverdue(at now: Int) -> [Action] {
        responses.retryAt = nil
        var actions: [Action] = []
        if let item = responses.adding?.item?.id, let planned = responses.removeAdding(item: item) {
            let error = SessionError(.upstreamTimeout, "upstream has not said whether it took the item that the response is to answer")
            actions += dropped(planned, removingItem: true) + [.fail([planned.id], error)]
        }
        return actions + flush(at: now)
    }

    // MARK: Given up

    /// Takes back a command that upstream was not sent; nil if it may have been. What was planned on it goes too.
    mutating func withdraw(_ id: CommandID, because error: SessionError, at now: Int) -> [Action]? {
        var actions: [Action] = []
        if let planned = responses.removeWaiting(id) {
            actions = dropped(planned, removingItem: planned.isItemAdded)
        } else if let item = responses.adding?.item?.id, responses.adding?.id == id, let planned = responses.removeAdding(item: item) {
            let isUnsent = queue.remove(item) { $0.sendings == 0 }
            actions = dropped(planned, removingItem: !isUnsent)
        } else {
            let call = queue.all.first { $0.id == id }?.answersCall
            guard queue.remove(id, where: { $0.sendings == 0 }) else { return nil }
            // Nobody goes on from an output that was not given, and nothing is cut behind what was not stopped.
            if let call, let request = turns.remove(call) { actions.append(.fail([request.id], error)) }
            if let planned = responses.removeAsked(id) { actions = dropped(planned, removingItem: planned.isItemAdded) }
            if let cut = cuts.removeValue(forKey: id) { actions.append(.fail([cut.id], error)) }
        }
        return actions + flush(at: now)
    }

    /// Commands that are over without upstream's answer, and what was planned on them.
    /// - Parameter wereSent: upstream may have carried them out, so that a response may still come of them, which needs its item.
    mutating func failed(_ ids: [CommandID], _ error: SessionError, wereSent: Bool) -> [Action] {
        var told: [CommandID] = []
        var actions: [Action] = []
        for id in ids {
            if let planned = responses.removeAdding(item: id) {
                told.append(planned.id)
                actions += dropped(planned, removingItem: false)
            } else if let planned = responses.removeAsked(id) {
                actions += dropped(planned, removingItem: planned.isItemAdded && !wereSent)
            }
            told.append(id)
            if let cut = cuts.removeValue(forKey: id) { told.append(cut.id) }
        }
        return (told.isEmpty ? [] : [.fail(told, error)]) + actions
    }

    /// Those whose turn does not come.
    mutating func failWaitingResponses(_ error: SessionError) -> [Action] {
        let waiting = responses.removeAllWaiting()
        guard !waiting.isEmpty else { return [] }
        return [.fail(waiting.map(\.id), error)] + waiting.flatMap { dropped($0, removingItem: $0.isItemAdded) }
    }
}

extension Command.Kind {
    /// One that writes to the default conversation, which has one at a time.
    var isCreationInConversation: Bool {
        if case .responseCreate(_, isOutOfBand: false) = self { true } else { false }
    }
}
