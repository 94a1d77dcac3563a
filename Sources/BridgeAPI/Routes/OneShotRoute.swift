import HTTPServer
import Realtime
import Sessions
import Upstream

/// `POST /v1/responses`: a response without a session of the caller's.
///
/// The bridge makes a session for it, out of whose sight the caller need not know that there is one; all else is as with any response.
enum OneShotRoute {
    static func create(_ api: BridgeAPI, _ call: APICall) async throws -> Response {
        let fields = try BodyFields(try await call.body.collect())
        var new = NewSession()
        new.connectingLimit = call.prefer.wait.map { .seconds($0) }
        (new.model, new.upstream) = (try SessionRoutes.model(fields), try fields.string("upstream"))
        new.dialect = try call.dialect() ?? api.configuration.dialect
        let upstream = try api.directory.upstream(for: new)
        let view = DialectView(of: upstream.dialect, in: new.dialect)
        let asked = try NewResponse(withoutSession: fields, dialect: view.shown, isOutOfBand: upstream.profile.supportsOutOfBand)
        let answering = try ResponseRoutes.Answering(asked, call)
        let events = (asked.items + [asked.firstItem].compactMap(\.self) + [asked.event]).map {
            ClientEventTranslation($0, from: view).event
        }
        let session = try await SessionStep.session(call, api, steps: asked.items.count + 2) {
            $0
        } make: { id in
            new.id = id
            return try await api.directory.createOneShot(new, submitting: events, isKept: call.once != nil, by: call.caller)
        }
        var commands = Commands(api, call, of: session, in: view)
        commands.place = "response"
        do {
            try await add(asked.items, commands)
            // A session that is asked for nothing is nothing.
            call.once?.undoneSoFar()
            var response = try await ResponseRoutes.answer(to: asked, answering, commands)
            if response.headers["location"] == nil { response.headers.set("location", place(of: session)) }
            return response
        } catch {
            if await session.endUnlessAsked() { call.once?.undoneSoFar() }
            guard var known = error as? APIError,
                [.badGateway, .gatewayTimeout, .tooManyRequests].contains(known.status)
                    || [SessionError.Code.outcomeUnknown.rawValue, ProducedAnswers.responseHasNoAudio].contains(known.code)
            else { throw error }
            // What has become of it, or becomes of it yet, can be read.
            known.headers["location"] = place(of: session)
            throw known
        }
    }

    /// Adds what the response is to answer, all of it within the time that one command has.
    /// - Throws: what an item was refused with. Nothing was asked for then, and where nobody knows what became of an item it says so.
    private static func add(_ items: [JSON], _ commands: Commands) async throws {
        let prefer = commands.call.prefer
        let end = ContinuousClock.now + prefer.limit(default: Commands.defaultWait)
        for (index, item) in items.enumerated() {
            let receipt = try await commands.submit(item)
            let outcome = await receipt.confirmed(within: max(.zero, end - ContinuousClock.now))
            let metrics = commands.api.metrics
            switch commands.noted(outcome, of: receipt) {
            case .confirmed: metrics.command(receipt.type, .confirmed)
            case .accepted: metrics.command(receipt.type, .accepted)
            case .failed(let error):
                metrics.command(receipt.type, .failed)
                var known = commands.failure(error, of: receipt)
                if let param = known.param, param.hasPrefix("item") { known.param = "input[\(index)]" + param.dropFirst("item".count) }
                if error.code == .upstreamLost { known = unasked(known) }
                throw known
            case nil:
                metrics.command(receipt.type, .late)
                // Who does not wait is not kept from going on: they stay in their order.
                if prefer.isAsync { continue }
                throw unasked(
                    APIError(.gatewayTimeout, code: "upstream_timeout", "Upstream has not taken 'input[\(index)]' in time.", param: "input")
                )
            }
        }
    }

    /// The session ends, and the item with it: nothing was paid for.
    private static func unasked(_ error: APIError) -> APIError {
        var error = error
        error.message += " The response was not asked for, and the request may be repeated."
        error.retry = .after(seconds: 1)
        return error
    }

    private static func place(of session: Session) -> String { "/v1/sessions/\(session.id)" }
}
