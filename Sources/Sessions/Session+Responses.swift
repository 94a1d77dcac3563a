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
    /// Nobody has to wait: once taken it goes its way, until the session is closed or it is taken back by ``withdraw(_:)``. Responses
    /// outside of the conversation run beside all others and wait for nobody.
    /// - Parameters:
    ///   - response: a `response.create`, in upstream's dialect.
    ///   - item: a `conversation.item.create`.
    /// - Throws: what was wrong with it, `.responseActive`, or `.responseQueueFull`; then nothing was sent.
    package func ask(
        for response: JSON, after item: JSON?, ifActive: IfActive, by caller: Caller
    ) async throws(SessionError) -> AskedResponse {
        try await admit()
        let first = nextCommand
        let planned = try commandBuilder.plan(response, after: item, ifActive: ifActive, firstID: first)
        let actions = try machine.take(planned, at: Self.now)
        nextCommand = first + 3
        adopt(caller)
        let receipt = CommandReceipt(planned.create, itemID: planned.itemID)
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

    /// Stops the response in progress, if there is one, and then cuts what it said at what was heard.
    ///
    /// Both are carried out whoever waits. Doing it again, or too late, changes nothing.
    /// - Parameters:
    ///   - playedMilliseconds: how much of the item was heard; nil: nothing is cut. More than was produced is all of it.
    ///   - itemID: nil: the last answer with sound.
    /// - Throws: `.itemNotFound`, or `.invalidValue` for an item that is no answer; then nothing was sent.
    package func interrupt(
        playedMilliseconds: Int?, itemID: String?, by caller: Caller
    ) async throws(SessionError) -> Interruption {
        try await admit()
        if let itemID { try machine.refuseCut(of: itemID) }
        adopt(caller)
        let first = nextCommand
        var cut: PlannedCut?
        if let playedMilliseconds { cut = PlannedCut(id: first + 1, playedMilliseconds: playedMilliseconds, itemID: itemID) }
        let step = try machine.interrupt(first, cutting: cut, at: Self.now)
        nextCommand = first + 2
        let cancel = step.cancel.map { CommandReceipt($0, itemID: nil) }
        receipts[first] = cancel
        var cutting: CommandReceipt?
        if let cut, step.isCutPlanned {
            cutting = CommandReceipt(cutting: cut)
            receipts[cut.id] = cutting
        }
        act(step.actions)
        return Interruption(cancel: cancel, cut: cutting)
    }
}

extension CommandReceipt {
    fileprivate init(_ command: Command, itemID: String?) {
        self.init(
            eventID: command.event.eventID, type: command.event.name, itemID: itemID, clampedFrom: nil, frames: 1,
            writtenPromise: Promise(), confirmedPromise: Promise(), finishedPromise: Promise())
    }

    fileprivate init(cutting cut: PlannedCut) {
        self.init(
            eventID: cut.eventID, type: ClientEventName.conversationItemTruncate.rawValue, itemID: cut.itemID, clampedFrom: nil, frames: 1,
            writtenPromise: Promise(), confirmedPromise: Promise(), finishedPromise: Promise())
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
        let addition = try build(item, firstID: firstID, rejectIfActive: false)
        guard let itemID = addition.itemID else { return planned }
        planned.item = addition.commands[0]
        let eventID = BridgeEventID.make(random: .random(in: .min ... .max), callers: nil)
        planned.removal = Command(
            id: firstID + 2, kind: .itemDelete(itemID: itemID),
            event: ClientEvent(.conversationItemDelete, eventID: eventID, [("item_id", .string(itemID))]))
        return planned
    }
}
