package import Realtime

/// A response that was asked for.
package struct AskedResponse: Sendable {
    package var response: CommandReceipt
    /// It waits for its turn.
    package let isQueued: Bool
    /// The deletion of the item that was added for it, which happens if the response is refused; `accepted` if there is nothing to
    /// delete. Nil if no item was to be added.
    package let removal: CommandReceipt?
}

/// What an interruption does.
package struct Interruption: Sendable {
    /// Nil if no response was in progress.
    package let cancel: CommandReceipt?
    /// The cut follows the cancel; `accepted` if there turns out to be nothing to cut, nil if that is known already.
    package let cut: CommandReceipt?
}

extension Session {
    /// Asks for a response, now or when its turn comes, and adds what it is to answer right before.
    ///
    /// Nobody has to wait: once taken it goes its way, until the session is closed or it is taken back by ``withdraw(_:because:)``. Responses
    /// outside of the conversation run beside all others and wait for nobody.
    /// - Parameters:
    ///   - response: a `response.create`, in upstream's dialect.
    ///   - item: a `conversation.item.create`.
    ///   - step: what all of it is remembered as; see ``submit(_:by:rejectIfActive:as:)``.
    /// - Throws: what was wrong with it, `.responseActive`, or `.responseQueueFull`; then nothing was sent.
    package func ask(
        for response: JSON, after item: JSON?, ifActive: IfActive, by caller: Caller, as step: CommandStep? = nil
    ) async throws(SessionError) -> AskedResponse {
        if let step, step.wasBegun { return try await asked(for: response, after: item, begunAs: step) }
        try await admit()
        let first = nextCommand
        let planned = try builder(for: step).plan(response, after: item, ifActive: ifActive, firstID: first)
        let actions = try machine.take(planned, at: Self.now)
        nextCommand = first + 3
        adopt(caller)
        let receipt = CommandReceipt(planned.create, itemID: planned.itemID, as: step)
        receipts[planned.id] = receipt
        var removal: CommandReceipt?
        if let command = planned.removal {
            removal = CommandReceipt(command, itemID: planned.itemID)
            receipts[command.id] = removal
        }
        act(actions)
        return AskedResponse(response: receipt, isQueued: machine.responses.waiting.contains { $0.id == planned.id }, removal: removal)
    }

    /// How many responses wait for their turn.
    package var queuedResponses: Int { machine.responses.waiting.count }

    /// Whether a response has not been asked for yet, since another one runs or its item is on its way.
    package func isQueued(_ receipt: CommandReceipt) -> Bool {
        receipts.first { $0.value.eventID == receipt.eventID }.map { machine.responses.holds($0.key) } ?? false
    }

    /// Whether a response has not been asked for since upstream has not yet said that it took the item before it.
    package func waitsForItem(_ receipt: CommandReceipt) -> Bool {
        receipts.first { $0.value.eventID == receipt.eventID }.map { machine.responses.adding?.id == $0.key } ?? false
    }

    /// Stops the response in progress, if there is one, and then cuts what it said at what was heard.
    ///
    /// Both are carried out whoever waits. Doing it again, or too late, changes nothing.
    /// - Parameters:
    ///   - playedMilliseconds: how much of the item was heard; nil: nothing is cut. More than was produced is all of it.
    ///   - itemID: nil: the last answer with sound.
    ///   - steps: what the stop and the cut are remembered as; see ``submit(_:by:rejectIfActive:as:)``.
    /// - Throws: `.itemNotFound`, or `.invalidValue` for an item that is no answer; then nothing was sent.
    package func interrupt(
        playedMilliseconds: Int?, itemID: String?, by caller: Caller, as steps: [CommandStep] = []
    ) async throws(SessionError) -> Interruption {
        if steps.first?.wasBegun == true {
            return Interruption(
                cancel: try await receipt(of: .responseCancel, begunAs: steps[0]),
                // One that was not begun, or is not any more, was needless.
                cut: steps.count == 2 && steps[1].wasBegun ? try await receipt(of: .conversationItemTruncate, begunAs: steps[1]) : nil)
        }
        try await admit()
        if let itemID { try machine.refuseCut(of: itemID) }
        adopt(caller)
        let first = nextCommand
        var cut: PlannedCut?
        if let playedMilliseconds {
            cut = PlannedCut(
                id: first + 1, eventID: BridgeEventID.make(random: builder(for: steps.last).mark, callers: nil),
                playedMilliseconds: playedMilliseconds, itemID: itemID)
        }
        let step = try machine.interrupt(first, mark: builder(for: steps.first).mark, cutting: cut, at: Self.now)
        nextCommand = first + 2
        let cancel = step.cancel.map { CommandReceipt($0, itemID: nil, as: steps.first) }
        receipts[first] = cancel
        var cutting: CommandReceipt?
        if let cut, step.isCutPlanned {
            cutting = CommandReceipt(cutting: cut, as: steps.last)
            receipts[cut.id] = cutting
        }
        act(step.actions)
        return Interruption(cancel: cancel, cut: cutting)
    }
}

extension CommandReceipt {
    fileprivate init(_ command: Command, itemID: String?, as step: CommandStep? = nil) {
        self.init(
            eventID: command.event.eventID, type: command.event.name, itemID: itemID, clampedFrom: nil, frames: 1,
            steps: step.map { [$0.id] } ?? [])
    }

    fileprivate init(cutting cut: PlannedCut, as step: CommandStep?) {
        self.init(
            eventID: cut.eventID, type: ClientEventName.conversationItemTruncate.rawValue, itemID: cut.itemID, clampedFrom: nil, frames: 1,
            steps: step.map { [$0.id] } ?? [])
    }
}

extension CommandBuilder {
    /// - Parameters:
    ///   - item: a `conversation.item.create`.
    ///   - firstID: the first of three.
    func plan(
        _ response: JSON, after item: JSON?, ifActive: IfActive, firstID: CommandID
    ) throws(SessionError) -> PlannedResponse {
        let prepared = try build(response, firstID: firstID + 1, rejectIfActive: ifActive == .reject)
        var planned = PlannedResponse(create: prepared.commands[0], ifActive: ifActive)
        guard let item else { return planned }
        let addition = try next.build(item, firstID: firstID, rejectIfActive: false)
        guard let itemID = addition.itemID else { return planned }
        planned.item = addition.commands[0]
        let eventID = BridgeEventID.make(random: next.next.mark, callers: nil)
        planned.removal = Command(
            id: firstID + 2, kind: .itemDelete(itemID: itemID),
            event: ClientEvent(.conversationItemDelete, eventID: eventID, [("item_id", .string(itemID))]))
        return planned
    }

    /// For a command that goes with this one's.
    var next: CommandBuilder {
        var next = self
        next.mark &+= 1
        return next
    }
}
