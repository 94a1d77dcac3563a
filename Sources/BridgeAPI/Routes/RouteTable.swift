/// Every route of the bridge. Routing, 405 with `Allow`, the refusal of unknown query names, OPTIONS, and the test that holds
/// `openapi.json` against the bridge all read this table.
enum RouteTable {
    private static let session = "/v1/sessions/{session}"
    private static let page = ["limit", "after", "before", "order"]
    private static let dialect = ["dialect"]
    private static let stream = StreamRequest.queryNames.sorted() + dialect
    /// Of several sessions there are no pages.
    private static let streamOfSeveral = ["session"] + stream.filter { !["limit", "wait"].contains($0) }

    static let routes: [Route] = [
        Route(.post, "/v1/sessions", "createSession", query: dialect, body: .json, takesKey: true, handler: SessionRoutes.create),
        Route(.get, "/v1/sessions", "listSessions", query: page + ["status", "metadata."] + dialect, handler: SessionRoutes.list),
        Route(.get, session, "getSession", query: dialect, handler: SessionRoutes.get),
        Route(.patch, session, "updateSession", query: dialect, body: .json, honoursPrefer: true, handler: SessionRoutes.update),
        Route(.delete, session, "deleteSession", query: ["keep"] + dialect, handler: SessionRoutes.delete),

        Route(
            .post, session + "/items", "createItem", query: dialect, body: .json, honoursPrefer: true, takesKey: true,
            handler: ItemRoutes.create),
        Route(.get, session + "/items", "listItems", query: page + dialect, handler: ItemRoutes.list),
        Route(.get, session + "/items/{item}", "getItem", query: ["source"] + dialect, honoursPrefer: true, handler: ItemRoutes.get),
        Route(.delete, session + "/items/{item}", "deleteItem", query: dialect, honoursPrefer: true, handler: ItemRoutes.delete),
        Route(
            .post, session + "/items/{item}/truncate", "truncateItem", query: dialect, body: .json, honoursPrefer: true, takesKey: true,
            handler: ItemRoutes.truncate),
        Route(.get, session + "/items/{item}/audio", "getItemAudio", query: dialect, readsAccept: true, handler: AudioRoutes.item),

        Route(
            .post, session + "/input_audio", "appendInputAudio", query: ["commit", "respond"] + dialect, body: .jsonOrSound,
            honoursPrefer: true, takesKey: true, readsAccept: true, handler: InputAudioRoutes.append),
        // What `curl -T` sends.
        Route(
            .put, session + "/input_audio", "streamInputAudio", query: ["commit", "respond"] + dialect, body: .jsonOrSound,
            honoursPrefer: true, readsAccept: true, handler: InputAudioRoutes.append),
        Route(
            .post, session + "/input_audio/commit", "commitInputAudio", query: dialect, body: .json, honoursPrefer: true, takesKey: true,
            handler: InputAudioRoutes.commit),
        Route(.delete, session + "/input_audio", "clearInputAudio", query: dialect, honoursPrefer: true, handler: InputAudioRoutes.clear),

        Route(
            .post, session + "/responses", "createResponse", query: dialect, body: .json, honoursPrefer: true, takesKey: true,
            readsAccept: true, handler: ResponseRoutes.create),
        Route(.get, session + "/responses", "listResponses", query: page + dialect, handler: ResponseRoutes.list),
        Route(
            .get, session + "/responses/{response}", "getResponse", query: ["stream", "after"] + dialect, isEventStream: true,
            readsAccept: true, handler: ResponseRoutes.get),
        Route(
            .get, session + "/responses/{response}/audio", "getResponseAudio", query: dialect, readsAccept: true,
            handler: AudioRoutes.response),
        Route(
            .post, session + "/responses/{response}/cancel", "cancelResponse", query: dialect, body: .json, honoursPrefer: true,
            takesKey: true,
            handler: ResponseRoutes.cancel),
        Route(
            .post, session + "/interrupt", "interrupt", query: dialect, body: .json, honoursPrefer: true, takesKey: true,
            handler: InterruptRoute.interrupt),

        Route(
            .get, session + "/function_calls", "listFunctionCalls", query: page + ["status"] + dialect, handler: FunctionCallRoutes.list),
        Route(
            .post, session + "/function_calls/{call}/output", "answerFunctionCall", query: dialect, body: .json, honoursPrefer: true,
            takesKey: true, handler: FunctionCallRoutes.answer),
        Route(.get, session + "/transcript", "getTranscript", query: dialect, readsAccept: true, handler: TranscriptRoutes.get),

        Route(
            .get, session + "/events", "streamEvents", query: stream, isEventStream: true, readsAccept: true, handler: EventStreamRoutes.get
        ),
        Route(
            .post, session + "/events", "sendEvents", query: stream, body: .jsonOrLines, honoursPrefer: true, takesKey: true,
            isEventStream: true,
            readsAccept: true, handler: EventStreamRoutes.post),

        Route(
            .get, "/v1/events", "streamSessions", query: streamOfSeveral, repeatable: ["session"], isEventStream: true,
            readsAccept: true, handler: EventStreamRoutes.getSeveral),

        Route(
            .post, "/v1/responses", "createOneShotResponse", query: dialect, body: .json, honoursPrefer: true, takesKey: true,
            readsAccept: true, handler: OneShotRoute.create),

        Route(.get, "/v1/upstreams", "listUpstreams", handler: UpstreamRoutes.list),

        Route(.get, "/livez", "getLiveness", access: .probe, query: ["verbose"], handler: ServiceRoutes.liveness),
        Route(.get, "/readyz", "getReadiness", access: .probe, query: ["verbose"], handler: ServiceRoutes.readiness),
        Route(.get, "/metrics", "getMetrics", handler: ServiceRoutes.metrics),
        Route(.get, "/openapi.json", "getOpenAPI", access: .open, handler: ServiceRoutes.openAPI),
        Route(.get, "/", "getPlayground", access: .open, handler: ServiceRoutes.playground),
    ]

    enum Match {
        case route(Route, parameters: [String: String])
        /// The path exists, not with this method.
        case otherMethods(allow: String)
        case none
    }

    /// - Parameter method: as sent; HEAD is answered as GET, without the body.
    static func match(method: String, path: [String]) -> Match {
        var methods: [Route.Method] = []
        for route in routes {
            guard let parameters = route.match(path) else { continue }
            if method == route.method.rawValue || (method == "HEAD" && route.method == .get) {
                return .route(route, parameters: parameters)
            }
            methods.append(route.method)
        }
        return methods.isEmpty ? .none : .otherMethods(allow: allow(methods))
    }

    /// The value of `Allow` for a path of which these methods are known.
    private static func allow(_ methods: [Route.Method]) -> String {
        let names = methods.flatMap { $0 == .get ? ["GET", "HEAD"] : [$0.rawValue] } + ["OPTIONS"]
        return names.joined(separator: ", ")
    }
}
