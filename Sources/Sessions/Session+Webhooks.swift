import EventLog
import Realtime
import Webhooks

// The session's side of its tools' webhooks: which calls are made, what is said of them, and where their outputs go.
extension Session {
    /// From now on calls whose tools have a webhook are made, those that were owed before among them.
    func startWebhooks() {
        callsWebhooks = true
        callWebhooks()
    }

    func callWebhooks() {
        guard callsWebhooks, let webhooks, isTelling, !lacksCredential else { return }
        for call in machine.beginWebhooks() { webhookTasks.add { await self.run(call, webhooks) } }
        if let call = machine.callToGoOnFrom {
            machine.webhookRuns.response?.isAsked = true
            webhookTasks.add { await self.goOn(from: call) }
        }
    }

    /// Upstream would take an output only from the caller, whose own credential is gone with the process that had it.
    private var lacksCredential: Bool { bearer == nil && owner?.hasPrefix(Caller.bearerOwnerPrefix) == true }

    private var isTelling: Bool { !isBroken && !isRetired && !isStopped && !machine.record.status.hasEnded }

    private func run(_ call: WebhookCall, _ webhooks: Webhooks) async {
        let output = await webhooks.output(of: call) { await self.tell($0, of: call) }
        let end = if let output { await give(output, to: call, webhooks) } else { WebhookRuns.End.answered }
        machine.webhookRuns.ended(call.callID, end)
        // Others of this session may have waited for it.
        callWebhooks()
    }

    /// - Returns: whether the step is stored; of a beginning, also whether the call still wants its output.
    private func tell(_ step: Webhooks.Step, of call: WebhookCall) async -> Bool {
        guard isTelling else { return false }
        if case .started = step, !machine.isOpen(call: call.callID) { return false }
        act(machine.logged(BridgeEvent.tool(step, of: call)))
        // With the call's own events before it: what a crash takes back must not have been called for.
        guard await flush() else { return false }
        // That may have taken long.
        if case .started = step { return isTelling && machine.isOpen(call: call.callID) }
        return true
    }

    // MARK: The output

    /// Between the times that an output is given: two minutes in all, so that an upstream that is restarted is survived.
    private static let pauses = [1, 2, 4, 8, 15, 30, 60].map { Duration.seconds($0) }
    /// A larger output does not wait in memory for an upstream that is away: the call can be made again.
    private static let heldBytes = 64 << 10
    /// Upstream's answer comes, or the connection is given up, long before.
    private static let answerLimit = Duration.seconds(600)

    private func give(_ output: Webhooks.Output, to call: WebhookCall, _ webhooks: Webhooks) async -> WebhookRuns.End {
        var error = await givenInTime(output.text, to: call, webhooks)
        if let refusal = error, refusal.code.isRefusal {
            // Such as one that is too long for it. The model is told that instead of nothing.
            say("the output was refused: \(refusal.message)", output.attempt, of: call)
            error = await givenInTime(Webhooks.output(ofError: "the output of this function was refused"), to: call, webhooks)
            if let error, error.code.isRefusal { return .refused }
        }
        guard let error else { return .answered }
        switch error.code {
        case .callAlreadyAnswered, .callNotFound, .sessionClosed, .sessionFailed, .shuttingDown:
            return .answered
        default:
            say("the output could not be given to upstream: \(error.message)", output.attempt, of: call)
            // What the connection did not do is not its fault: the call may be made again on the same one.
            return .notGiven(generation: machine.record.generation - (error.code.isOurs ? 1 : 0))
        }
    }

    private func givenInTime(_ output: String, to call: WebhookCall, _ webhooks: Webhooks) async -> SessionError? {
        var error = await given(output, to: call)
        for pause in Self.pauses {
            guard let failure = error, failure.code.passes, failure.code.isOurs || output.utf8.count <= Self.heldBytes,
                await webhooks.pause(pause)
            else { break }
            error = await given(output, to: call)
        }
        return error
    }

    /// - Returns: nil if upstream has it, or nobody wants it any more.
    private func given(_ output: String, to call: WebhookCall) async -> SessionError? {
        guard machine.isOpen(call: call.callID) else { return nil }
        let item: JSONValue = ["type": "function_call_output", "call_id": .string(call.callID), "output": .string(output)]
        let event = JSON.parse(
            written: JSONValue.object([("type", .string(ClientEventName.conversationItemCreate.rawValue)), ("item", item)]).bytes)
        do throws(SessionError) {
            let given = try await answer(call: call.callID, with: event, goingOn: true, by: Caller(owner: owner, seesAll: true))
            machine.webhookRuns.gave(call.callID)
            if case .failed(let error) = await given.output.confirmed(within: Self.answerLimit) { return error }
            if let response = given.response, machine.webhookRuns.response?.call == call.callID {
                webhookTasks.add { await self.follow(response, after: call.callID) }
            }
            return nil
        } catch {
            return error
        }
    }

    // MARK: The response that follows

    /// Asks for a response that was lost: with a connection, or with the process.
    private func goOn(from call: String) async {
        do throws(SessionError) {
            guard isTelling, let response = try await goOn(fromAnswered: call, by: Caller(owner: owner, seesAll: true)) else { return }
            await follow(response, after: call)
        } catch {
            machine.responseFailed(after: call, isLost: error.code.passes)
        }
    }

    /// It may wait for outputs that only clients have.
    private func follow(_ response: CommandReceipt, after call: String) async {
        while !Task.isCancelled, isTelling {
            switch await response.confirmed(within: Self.answerLimit) {
            case nil: continue
            case .failed(let error) where isTelling:
                machine.responseFailed(after: call, isLost: error.code.passes)
                act([])
                await flush()
                return
            default: return
            }
        }
    }

    private func say(_ error: String, _ attempt: Int, of call: WebhookCall) {
        guard isTelling else { return }
        act(machine.logged(BridgeEvent.tool(.failed(attempt: attempt, error: error, willRetry: false), of: call)))
    }
}

extension SessionError.Code {
    /// Refused here for a while, whatever the connection does.
    fileprivate var isOurs: Bool { self == .tooManyCommands || self == .storeUnavailable }
    fileprivate var isRefusal: Bool { self == .refusedByUpstream || self == .invalidValue }
}

extension BridgeEvent {
    fileprivate static func tool(_ step: Webhooks.Step, of call: WebhookCall) -> [UInt8] {
        switch step {
        case .started(let attempt):
            toolStarted(callID: call.callID, name: call.name, webhookID: call.id, attempt: attempt)
        case .completed(let attempt, let status, let duration):
            toolCompleted(
                callID: call.callID, name: call.name, webhookID: call.id, attempt: attempt, status: status,
                durationMilliseconds: duration.milliseconds)
        case .failed(let attempt, let error, let willRetry):
            toolFailed(callID: call.callID, name: call.name, webhookID: call.id, attempt: attempt, error: error, willRetry: willRetry)
        }
    }
}
