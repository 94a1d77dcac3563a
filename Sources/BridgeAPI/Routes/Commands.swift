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
    var view: DialectView
    /// The bridge made the session for this request.
    let isOneShot: Bool
    /// The client event's member that the request's body is: errors name the body's fields.
    var place: String?

    /// Seconds; `Prefer: wait` says otherwise.
    static let defaultWait = 10
    static let defaultResponseWait = 120

    /// - Throws: 404 also for a session that is another caller's; 400 for a dialect there is not.
    init(_ api: BridgeAPI, _ call: APICall) async throws {
        self.api = api
        self.call = call
        session = try await api.directory.session(call.parameter("session"), for: call.caller)
        view = try call.view(of: await session.record)
        isOneShot = false
    }

    /// Of a session that the bridge made for this request.
    init(_ api: BridgeAPI, _ call: APICall, of session: Session, in view: DialectView) {
        self.api = api
        self.call = call
        self.session = session
        self.view = view
        isOneShot = true
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

    /// - Parameters:
    ///   - event: in the caller's dialect.
    ///   - limit: until when it waits for commands before it to be answered, if the session takes no more; nil: not at all.
    func submit(
        _ event: JSON, rejectIfActive: Bool = false, waitingUntil limit: ContinuousClock.Instant? = nil
    ) async throws -> CommandReceipt {
        let translation = ClientEventTranslation(event, from: view, voiceDetection: await session.voiceDetectionType)
        var receipt = try await once(event["type"]?.string) { steps throws(SessionError) in
            try await session.submit(translation.event, by: submitter, rejectIfActive: rejectIfActive, waitingUntil: limit, as: steps.first)
        }
        receipt.leftOut = translation.leftOut
        return receipt
    }

    /// Asks for a response, now or when its turn comes.
    func ask(for asked: NewResponse) async throws -> AskedResponse {
        let translation = ClientEventTranslation(asked.event, from: view)
        let item = asked.firstItem.map { ClientEventTranslation($0, from: view).event }
        var response = try await once(ClientEventName.responseCreate.rawValue) { steps throws(SessionError) in
            try await session.ask(for: translation.event, after: item, ifActive: asked.ifActive, by: submitter, as: steps.first)
        }
        response.response.leftOut = translation.leftOut
        return response
    }

    /// Gives a function call its output.
    /// - Parameter output: the `conversation.item.create`, in the caller's dialect.
    func answer(call id: String, with output: JSON, goingOn: Bool) async throws -> (output: CommandReceipt, response: CommandReceipt?) {
        let event = ClientEventTranslation(output, from: view).event
        return try await once(ClientEventName.conversationItemCreate.rawValue, steps: goingOn ? 2 : 1) { steps throws(SessionError) in
            try await session.answer(call: id, with: event, goingOn: goingOn, by: submitter, as: steps)
        }
    }

    func interrupt(playedMilliseconds: Int?, itemID: String?) async throws -> Interruption {
        try await once(ClientEventName.responseCancel.rawValue, steps: playedMilliseconds == nil ? 1 : 2) { steps throws(SessionError) in
            let interruption = try await session.interrupt(
                playedMilliseconds: playedMilliseconds, itemID: itemID, by: submitter, as: steps)
            // Nothing was stopped, and nothing will be by a repetition.
            if interruption.cancel == nil, let step = steps.first { call.once?.note(.needless, of: step.id) }
            if interruption.cut == nil, steps.count == 2 { call.once?.note(.needless, of: steps[1].id) }
            return interruption
        }
    }

    /// Gives the session commands, as steps of the request if it has an `Idempotency-Key`: what was begun by an earlier request is not
    /// begun again, and the session then gives the receipts that it gave.
    private func once<Taken>(
        _ type: String?, steps count: Int = 1, _ take: ([CommandStep]) async throws(SessionError) -> Taken
    ) async throws -> Taken {
        var steps: [CommandStep] = []
        do {
            if let request = call.once { for _ in 0..<count { steps.append(try await Self.nextStep(of: request)) } }
        } catch {
            // Of those before it nothing was sent either.
            call.once?.undone(steps.filter { !$0.wasBegun }.map(\.id))
            throw error
        }
        do throws(SessionError) {
            return try await take(steps)
        } catch {
            api.metrics.command(type, .refused)
            // What was begun before may have been carried out, whatever keeps it from being told of now.
            let begun = steps.filter { !$0.wasBegun }.map(\.id)
            if error.code.passes || error.code == .shuttingDown {
                call.once?.unsent(begun)
            } else {
                for step in begun { call.once?.note(.refused(error), of: step) }
            }
            throw error
        }
    }

    /// - Throws: what the step was refused with.
    private static func nextStep(of request: IdempotentRequest) async throws -> CommandStep {
        switch try await request.next(mark: CommandStep.newMark()) {
        case .begun(_, _, .refused(let error)): throw error
        case .begun(let id, let mark, let note):
            CommandStep(id: id, mark: mark, wasBegun: true, wasAccepted: note == .accepted, wasNeedless: note == .needless)
        case .new(let id, let mark): CommandStep(id: id, mark: mark)
        }
    }

    /// Remembers what no event will tell of a command: that its caller was told that it was sent, or that it never was.
    func noted(_ outcome: CommandOutcome?, of receipt: CommandReceipt) -> CommandOutcome? {
        switch outcome {
        case .accepted: for step in receipt.steps { call.once?.note(.accepted, of: step) }
        case .failed where !receipt.wasSent: call.once?.unsent(receipt.steps)
        case .confirmed, .failed, nil: break
        }
        return outcome
    }

    /// What was sent for a command that was not carried out has been taken back: as if nothing had been sent.
    func undone(_ receipt: CommandReceipt) async {
        guard case .failed(let error) = await receipt.confirmed(within: .zero), error.upstream == nil else { return }
        call.once?.undone(receipt.steps)
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
        // A client that left has not changed its mind.
        if outcome == nil, !prefer.isAsync, !Task.isCancelled { try await withdraw(receipt) }
        return try read(outcome, receipt, orLate: prefer.isAsync ? .accepted : nil)
    }

    /// What waits for a connection, or for its turn, when its caller's time is over is not sent later: the caller can ask again.
    private func withdraw(_ receipt: CommandReceipt) async throws(APIError) {
        let (isQueued, isItemMissing) = await (session.isQueued(receipt), session.waitsForItem(receipt))
        let error =
            isItemMissing
            ? SessionError(
                .upstreamUnavailable, "upstream did not take the item that the response is to answer in time; it was not asked for")
            : isQueued
                ? SessionError(.responseQueueTimeout, "the response's turn did not come in time; it was not asked for", param: "if_active")
                : SessionError(.upstreamUnavailable, "no upstream connection could be had in time; nothing was sent")
        guard await session.withdraw(receipt, because: error) else { return }
        _ = try read(.failed(error), receipt, orLate: nil)
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
        var answer = ErrorTable.answer(
            to: error.shown(in: view), passesBearer: call.passesBearer, wasTaken: true, eventID: receipt.eventID)
        if let place, let param = answer.param, param.hasPrefix("\(place).") { answer.param = String(param.dropFirst(place.count + 1)) }
        return answer
    }

    static func late(_ receipt: CommandReceipt) -> APIError {
        APIError(
            .gatewayTimeout, code: "upstream_timeout",
            "Upstream has not answered in time; what becomes of it will stand on the session's event stream.",
            eventID: ErrorTable.callers(receipt.eventID), retry: .never)
    }

    /// 202 for a command whose outcome the caller does not wait for.
    /// - Parameters:
    ///   - place: of the client event's member that is the request's body.
    ///   - isQueued: upstream has not been sent it, since its turn has not come.
    static func accepted(_ receipt: CommandReceipt, inside place: String? = nil, isQueued: Bool = false) -> Response {
        .json(view(receipt, inside: place, isQueued: isQueued), status: 202)
    }

    static func view(_ receipt: CommandReceipt, inside place: String? = nil, isQueued: Bool = false) -> JSONValue {
        .object(
            [
                ("object", "realtime.command"), ("event_id", .string(ErrorTable.callers(receipt.eventID))),
                ("type", .string(receipt.type)),
                ("status", isQueued ? "queued" : "accepted"), ("item_id", .string(orNull: receipt.itemID)),
            ] + Warnings.members(receipt.leftOut, inside: place))
    }
}
