import EventLog
import HTTPServer
import Realtime
import Sessions

/// `/v1/sessions/{session}/events`: reading them, and sending client events as they are.
enum EventStreamRoutes {
    private static let types: [(type: String, format: StreamRequest.Format)] = [
        ("text/event-stream", .eventStream), ("application/x-ndjson", .lines), ("application/json", .page),
    ]

    static func get(_ api: BridgeAPI, _ call: APICall) async throws -> Response {
        try await open(call, format: try format(call), api)
    }

    /// With a body it sends events. Without one it reads them, for the sake of tunnels that hold back what GET answers.
    static func post(_ api: BridgeAPI, _ call: APICall) async throws -> Response {
        if call.head.hasBody {
            if let name = call.head.query.first(where: { $0.name != "dialect" })?.name {
                throw APIError(
                    .badRequest, code: "unknown_parameter",
                    "The query parameter '\(name.prefix(64))' is for reading events, without a body.",
                    param: String(name.prefix(64)))
            }
            return try await ClientEventRoutes.send(api, call)
        }
        guard call.accept.first(of: types.map(\.type)) != nil else {
            throw APIError(
                .badRequest, code: "missing_body",
                "Send an event, an array of them, or lines; or ask for the stream with 'Accept: text/event-stream'.")
        }
        return try await open(call, format: try format(call), api)
    }

    /// Sessions on one stream; each of them costs a reader.
    private static let maximumSessions = 32

    /// `/v1/events`: the events of several sessions, each wrapped with its session's id.
    static func getSeveral(_ api: BridgeAPI, _ call: APICall) async throws -> Response {
        let format = try format(call)
        guard format != .page else {
            throw APIError(
                .badRequest, code: "form_not_available",
                "Events of several sessions come as 'text/event-stream' or 'application/x-ndjson'; pages are those of one session.",
                param: "accept")
        }
        let ids = call.head.query.filter { $0.name == "session" }.map(\.value)
        guard !ids.isEmpty else {
            throw APIError(
                .badRequest, code: "missing_required_parameter", "Name the sessions: '?session=rts_…&session=rts_…'.", param: "session")
        }
        guard ids.count <= maximumSessions else {
            throw APIError(
                .badRequest, code: "invalid_value", "At most \(maximumSessions) sessions are on one stream.", param: "session")
        }
        guard Set(ids).count == ids.count else {
            throw APIError(.badRequest, code: "invalid_value", "A session is named twice.", param: "session")
        }
        let request = try request(call, format)
        var views: [HistoryView] = []
        for id in ids.sorted() {
            let session: Session
            do throws(SessionError) {
                session = try await api.directory.session(id, for: call.caller)
            } catch {
                guard error.code == .sessionNotFound else { throw error }
                throw SessionError(error.code, error.message, param: "session")
            }
            views.append(HistoryView(history: session.history, dialects: try call.view(of: await session.record)))
        }
        return try await api.streams.respond(to: request, of: views)
    }

    private static func request(_ call: APICall, _ format: StreamRequest.Format) throws(APIError) -> StreamRequest {
        do throws(StreamRequestError) {
            return try StreamRequest(format: format, query: call.head.query, headers: call.head.headers)
        } catch {
            throw APIError(.badRequest, code: "invalid_value", error.description, param: error.parameter)
        }
    }

    private static func format(_ call: APICall) throws(APIError) -> StreamRequest.Format {
        if let named = call.accept.first(of: types.map(\.type)) { return types.first { $0.type == named }?.format ?? .eventStream }
        // Whoever takes only what is not offered is better served by a stream than by a refusal.
        return .eventStream
    }

    private static func open(_ call: APICall, format: StreamRequest.Format, _ api: BridgeAPI) async throws -> Response {
        let commands = try await Commands(api, call)
        var request = try request(call, format)
        // The body of HEAD is never pulled, and nobody waits for it.
        if call.head.method == "HEAD" { request.wait = .zero }
        return try await api.streams.respond(to: request, of: commands.history)
    }
}
