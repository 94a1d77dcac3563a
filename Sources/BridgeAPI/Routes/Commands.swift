import EventLog
import HTTPServer
import Realtime
import Sessions

/// How handlers find a session, give it commands, and wait for what upstream says.
struct Commands: Sendable {
    let api: BridgeAPI
    let call: APICall
    let session: Session
    /// How the caller spells, and is shown, what concerns the session.
    let view: DialectView

    /// Seconds; `Prefer: wait` says otherwise.
    static let defaultWait = 10
    static let defaultResponseWait = 120

    /// - Throws: 404 also for a session that is another caller's; 400 for a dialect there is not.
    init(_ api: BridgeAPI, _ call: APICall) async throws {
        self.api = api
        self.call = call
        session = try await api.directory.session(call.parameter("session"), for: call.caller)
        view = try call.view(of: await session.record)
    }

    var history: HistoryView { HistoryView(history: session.history, dialects: view) }

    /// What became of a command within the time the caller gives it.
    enum Result: Sendable {
        case confirmed(ServerEvent, EventPosition)
        /// Written, and upstream does not acknowledge it, or the caller does not wait.
        case accepted
    }

    enum Stage: Sendable { case written, confirmed, finished }

    /// A session reconnects with the credential of its last command. One that is everybody's must not take up a caller's own, which
    /// everybody would use from then on.
    private var submitter: Caller {
        let caller = call.caller
        guard session.owner != caller.owner else { return caller }
        return Caller(owner: caller.owner, seesAll: caller.seesAll, seesOwnerless: caller.seesOwnerless)
    }

    /// - Parameter event: in the caller's dialect.
    func submit(_ event: JSON, rejectIfActive: Bool = false) async throws -> CommandReceipt {
        let translation = ClientEventTranslation(event, from: view)
        do {
            var receipt = try await once(translation.event) { step throws(SessionError) in
                try await session.submit(translation.event, by: submitter, rejectIfActive: rejectIfActive, as: step)
            }
            receipt.leftOut = translation.leftOut
            return receipt
        } catch {
            api.metrics.command(event["type"]?.string, .refused)
            throw error
        }
    }

    /// With an `Idempotency-Key`: what was submitted by an earlier request is not submitted again, and has the same receipt.
    private func once(
        _ event: JSON, _ submit: (CommandStep?) async throws(SessionError) -> CommandReceipt
    ) async throws -> CommandReceipt {
        guard let request = call.once else { return try await submit(nil) }
        switch try await request.next(mark: CommandStep.newMark()) {
        case .begun(let id, let mark, let note):
            if case .refused(let error) = note { throw error }
            return try await session.receipt(
                of: event, begunAs: CommandStep(id: id, mark: mark), wasAccepted: note == .accepted)
        case .new(let id, let mark):
            do {
                return try await submit(CommandStep(id: id, mark: mark))
            } catch {
                request.note(.refused(error), of: id)
                throw error
            }
        }
    }

    /// Remembers what no event will tell of a command: that its caller was told that it was sent, or that it never was.
    func noted(_ outcome: CommandOutcome?, of receipt: CommandReceipt) -> CommandOutcome? {
        guard let step = receipt.step, let outcome else { return outcome }
        switch outcome {
        case .accepted: call.once?.note(.accepted, of: step)
        case .failed(let error) where !receipt.wasSent: call.once?.note(.refused(error), of: step)
        case .confirmed, .failed: break
        }
        return outcome
    }

    /// Submits and waits as the caller prefers.
    func perform(_ event: JSON, until stage: Stage = .confirmed) async throws -> (receipt: CommandReceipt, result: Result) {
        let receipt = try await submit(event)
        return (receipt, try await result(of: receipt, until: stage))
    }

    /// - Parameter seconds: the wait where the caller says nothing.
    /// - Throws: 504 once the wait is over, unless the caller also takes a receipt; what upstream refused.
    func result(
        of receipt: CommandReceipt, until stage: Stage, wait seconds: Int = Commands.defaultWait
    ) async throws -> Result {
        let prefer = call.prefer
        let limit = prefer.limit(default: seconds)
        // A receipt is for what was sent; a frame that could not be is an error even for those who do not wait for more.
        if prefer.isAsync, prefer.wait == nil {
            return try read(await receipt.written(within: limit), receipt, orLate: nil, isFinal: false)
        }
        let outcome =
            switch stage {
            case .written: await receipt.written(within: limit)
            case .confirmed: await receipt.confirmed(within: limit)
            case .finished: await receipt.finished(within: limit)
            }
        if outcome == nil, !prefer.isAsync { try await withdraw(receipt) }
        return try read(outcome, receipt, orLate: prefer.isAsync ? .accepted : nil)
    }

    /// What waits for a connection when its caller's time is over is not sent later: the caller can ask again.
    private func withdraw(_ receipt: CommandReceipt) async throws(APIError) {
        guard await session.withdraw(receipt) else { return }
        let error = SessionError(.upstreamUnavailable, "no upstream connection could be had in time; nothing was sent")
        _ = try read(.failed(error), receipt, orLate: nil)
    }

    /// Waits for upstream whatever the caller prefers: something else depends on it.
    func confirmation(of receipt: CommandReceipt) async throws {
        _ = try read(await receipt.confirmed(within: .seconds(Self.defaultWait)), receipt, orLate: nil)
    }

    /// - Parameter isFinal: false if the caller only asked for a receipt, whatever may be known already.
    private func read(
        _ outcome: CommandOutcome?, _ receipt: CommandReceipt, orLate late: Result?, isFinal: Bool = true
    ) throws(APIError) -> Result {
        switch noted(outcome, of: receipt) {
        case .confirmed(let event, let position):
            api.metrics.command(receipt.type, .confirmed)
            return isFinal ? .confirmed(event, position) : .accepted
        case .accepted:
            api.metrics.command(receipt.type, .accepted)
            return .accepted
        case .failed(let error):
            api.metrics.command(receipt.type, .failed)
            throw failure(error, of: receipt)
        case nil:
            api.metrics.command(receipt.type, .late)
            guard let late else { throw Self.late(receipt) }
            return late
        }
    }

    func failure(_ error: SessionError, of receipt: CommandReceipt) -> APIError {
        ErrorTable.answer(to: error.shown(in: view), passesBearer: call.passesBearer, wasTaken: true, eventID: receipt.eventID)
    }

    static func late(_ receipt: CommandReceipt) -> APIError {
        APIError(
            .gatewayTimeout, code: "upstream_timeout",
            "Upstream has not answered in time; what becomes of it will stand on the session's event stream.",
            eventID: ErrorTable.callers(receipt.eventID), retry: .never)
    }

    /// 202 for a command whose outcome the caller does not wait for.
    /// - Parameter place: of the client event's member that is the request's body.
    static func accepted(_ receipt: CommandReceipt, inside place: String? = nil) -> Response {
        .json(
            .object(
                [
                    ("object", "realtime.command"), ("event_id", .string(ErrorTable.callers(receipt.eventID))),
                    ("type", .string(receipt.type)),
                    ("status", "accepted"), ("item_id", .string(orNull: receipt.itemID)),
                ] + Warnings.members(receipt.leftOut, inside: place)), status: 202)
    }
}
