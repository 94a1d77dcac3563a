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
            for item in asked.items { _ = try await commands.perform(item) }
            // A session that is asked for nothing is nothing.
            call.once?.undoneSoFar()
            var response = try await ResponseRoutes.answer(to: asked, answering, commands)
            if response.headers["location"] == nil { response.headers.set("location", place(of: session)) }
            return response
        } catch {
            if await session.endUnlessAsked() { call.once?.undoneSoFar() }
            guard var known = error as? APIError, [.badGateway, .gatewayTimeout].contains(known.status) else { throw error }
            // What has become of it, or becomes of it yet, can be read.
            known.headers["location"] = place(of: session)
            throw known
        }
    }

    private static func place(of session: Session) -> String { "/v1/sessions/\(session.id)" }
}
