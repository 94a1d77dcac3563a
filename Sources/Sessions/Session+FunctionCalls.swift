import EventLog
package import Realtime

// Function calls and their outputs.
extension Session {
    /// Gives a function call its output, and has a response asked for once every call of the same turn has its own.
    ///
    /// The turn goes on whether or not anybody still waits. It waits for a response in progress to end.
    /// - Parameters:
    ///   - output: the `conversation.item.create`, in upstream's dialect.
    ///   - goingOn: false leaves asking for the response to others.
    ///   - steps: what the output and the response are remembered as; see ``submit(_:by:rejectIfActive:as:)``.
    /// - Returns: the item's receipt, and the response's if one is to be asked for; outputs of one turn have the same.
    /// - Throws: `.callNotFound`, `.callAlreadyAnswered`, and what ``submit(_:by:rejectIfActive:as:)`` throws.
    package func answer(
        call: String, with output: JSON, goingOn: Bool, by caller: Caller, as steps: [CommandStep] = []
    ) async throws(SessionError) -> (output: CommandReceipt, response: CommandReceipt?) {
        if let given = steps.first, given.wasBegun {
            let taken = try await receipt(of: output, begunAs: given)
            guard goingOn else { return (taken, nil) }
            guard !steps[1].wasBegun, case .confirmed = await taken.confirmed(within: .zero) else {
                return (taken, try await receipt(of: Self.responseCreate, begunAs: steps[1]))
            }
            // Only the output was given.
            return (taken, try await goOn(fromAnswered: call, by: caller, as: steps[1]))
        }
        try await admit()
        guard let turn = machine.projection.turn(ofCall: call) else {
            throw SessionError(.callNotFound, "there is no function call '\(call.prefix(64))' in this session")
        }
        do throws(SessionError) {
            try machine.refuseSecondAnswer(toCall: call)
        } catch {
            throw SessionError(error.code, error.message)
        }
        guard goingOn else {
            let prepared = try builder(for: steps.first).build(output, firstID: nextCommand, rejectIfActive: false)
            return (try take(prepared, as: steps.first, by: caller), nil)
        }
        let request = try request(for: turn, as: steps.last)
        let prepared = try builder(for: steps.first).build(output, firstID: nextCommand + 1, rejectIfActive: false)
        let taken = try take(prepared, as: steps.first, by: caller)
        return (taken, goOn(from: call, of: turn, with: request, as: steps.last))
    }

    /// Has the response asked for that follows a call's output.
    /// - Returns: nil if there is no such call any more.
    func goOn(
        fromAnswered call: String, by caller: Caller, as step: CommandStep? = nil
    ) async throws(SessionError) -> CommandReceipt? {
        try await admit()
        adopt(caller)
        guard let turn = machine.projection.turn(ofCall: call) else { return nil }
        let request = try request(for: turn, as: step)
        nextCommand += 1
        let response = goOn(from: call, of: turn, with: request, as: step)
        act([])
        return response
    }

    /// Before the output is sent, so that nothing can be refused any more once it is.
    private func request(for turn: String, as step: CommandStep?) throws(SessionError) -> CommandBuilder.Prepared {
        guard machine.turns.request(of: turn) != nil || machine.turns.waiting.count < ToolTurns.maximumWaiting else {
            throw SessionError(
                .tooManyCommands, "\(ToolTurns.maximumWaiting) turns of this session already wait for outputs of their calls")
        }
        return try builder(for: step).build(Self.responseCreate, firstID: nextCommand, rejectIfActive: false)
    }

    private func goOn(
        from call: String, of turn: String, with request: CommandBuilder.Prepared, as step: CommandStep?
    ) -> CommandReceipt {
        let command = machine.turns.request(of: turn) ?? request.commands[0]
        var response = receipts[command.id] ?? receipt(for: request, as: nil)
        let own = step.map { [$0.id] } ?? []
        response.steps += own
        receipts[command.id] = response
        machine.turns.add(call, to: turn, request: command)
        response.steps = own
        return response
    }

    private static let responseCreate: JSON = {
        guard let event = try? JSON.parse(#"{"type":"response.create"}"#) else { preconditionFailure("no JSON") }
        return event
    }()

    /// What the response after a call's output waits for: ids of calls of the same turn that have none, else that of the response in
    /// progress. Empty if it waits for nothing.
    package func waitedFor(afterCall call: String) -> [String] {
        let calls = callsWaitedFor(afterCall: call)
        return calls.isEmpty ? [machine.projection.activeResponse?.id].compactMap { $0 } : calls
    }

    /// Calls of the same turn that have no output.
    package func callsWaitedFor(afterCall call: String) -> [String] { machine.callsWaitedFor(afterCall: call) }
}
