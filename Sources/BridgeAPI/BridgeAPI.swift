package import EventLog
import Foundation
package import HTTPServer
package import Logging
import Realtime
package import Sessions
package import Upstream

/// The contract over HTTP: lets requests in, finds their route, and turns what comes of it into answers.
///
/// From: `HTTPServer`. To: `SessionDirectory` (commands), `EventLog` (what is stored).
package final class BridgeAPI: HTTPHandler {
    let configuration: BridgeAPIConfiguration
    let directory: SessionDirectory
    let log: EventLog
    let upstreams: [UpstreamConfiguration]
    let poolStatus: @Sendable () -> [UpstreamPoolStatus]
    let streams: EventStreams
    let metrics = RequestMetrics()
    let bodies: BodyBudget
    let uploads = AudioUploads()
    let surveys = ProducedSurveys()
    /// Nil: compressed sound is not taken.
    let soundFiles: (any SoundFileDecoding)?
    private let keyed: KeyedRequests
    private let admission: Admission
    private let rules: BrowserRules
    private let logger: Logger

    /// - Parameters:
    ///   - log: the directory's own.
    ///   - upstreams: the directory's own, to be listed; the first one is the default.
    ///   - poolStatus: what is known of their connections now, by the upstreams' names; must not block.
    ///   - soundFiles: takes compressed sound; nil: none is taken.
    package init(
        configuration: BridgeAPIConfiguration, directory: SessionDirectory, log: EventLog, upstreams: [UpstreamConfiguration],
        poolStatus: @escaping @Sendable () -> [UpstreamPoolStatus], soundFiles: (any SoundFileDecoding)? = nil, logger: Logger
    ) {
        self.configuration = configuration
        self.upstreams = upstreams
        self.poolStatus = poolStatus
        self.soundFiles = soundFiles
        self.directory = directory
        self.log = log
        self.logger = logger
        let limits = StreamRegistry.Configuration(
            perSession: configuration.maximumStreamsPerSession, total: configuration.maximumStreams,
            maximumAge: configuration.maximumStreamAge)
        streams = EventStreams(registry: StreamRegistry(configuration: limits), logger: logger)
        keyed = KeyedRequests(log: log)
        bodies = BodyBudget(limitBytes: configuration.maximumBodyBytesTogether)
        rules = BrowserRules(
            allowedHosts: configuration.allowedHosts, listenHosts: configuration.listen.compactMap(\.hostName),
            corsOrigins: configuration.corsOrigins, hasKeys: !configuration.keys.isEmpty)
        admission = Admission(
            rules: rules,
            authentication: Authentication(keys: configuration.keys, credentials: configuration.credentials, secret: log.secret),
            maximumBodyBytes: configuration.maximumBodyBytes)
    }

    /// Heartbeats, the ends of long-lived streams, and the sessions' word of their viewers, until the task is cancelled.
    package func run() async {
        await withDiscardingTaskGroup { group in
            group.addTask { await self.streams.registry.run() }
            group.addTask { await self.reportViewers() }
        }
    }

    /// One at a time, each with the number as it is by then, so that the last one a session hears is the true one.
    private func reportViewers() async {
        for await _ in streams.registry.viewerChanges {
            for id in streams.registry.takeViewerChanges() {
                // Not there any more: nothing to tell.
                guard let session = try? await directory.session(id, for: Caller(owner: nil, seesAll: true)) else { continue }
                await session.viewersChanged(streams.registry.viewers(of: id))
            }
        }
    }

    /// From here on `/readyz` is 503, open streams end with a `retry:` and new ones are refused. Commands go on.
    package func drain() {
        streams.registry.drain()
    }

    // MARK: The server's calls

    package func refusal(of head: RequestHead) -> Response? {
        let started = ContinuousClock.now
        return answeredByHead(admission.decide(head), head, since: started)
    }

    /// The whole way of one request.
    package func respond(to request: Request) async -> Response {
        let head = request.head
        let started = ContinuousClock.now
        let decision = admission.decide(head)
        guard case .admitted(let route, let parameters, let caller) = decision else {
            guard let response = answeredByHead(decision, head, since: started) else { preconditionFailure("neither admitted nor refused") }
            return response
        }
        let call = APICall(
            head: head, route: route, parameters: parameters, caller: caller,
            body: BodyReader(limitBytes: configuration.maximumBodyBytes, budget: bodies, body: request.body))
        var response = await answer(call)
        if route.readsAccept { response.headers.add("vary", "accept") }
        return finished(response, head, operation: route.operation, since: started)
    }

    package func answered(_ head: RequestHead, status: Int) {
        metrics.answered(operation: RouteTable.operation(of: head), status: status)
    }

    /// Nil for what was admitted.
    private func answeredByHead(
        _ decision: Admission.Decision, _ head: RequestHead, since started: ContinuousClock.Instant
    ) -> Response? {
        switch decision {
        case .admitted: nil
        case .options(let allow): finished(options(head, allow: allow), head, operation: "options", since: started)
        case .refused(let error, let route):
            finished(refusal(error, head, route), head, operation: route?.operation ?? "none", since: started)
        }
    }

    private func answer(_ call: APICall) async -> Response {
        do {
            // Before anything is done: not every handler has something to show.
            _ = try call.dialect()
            return try await keyed.once(call) { call in
                var response = try await call.route.handler(self, call)
                if call.route.honoursPrefer, let applied = call.prefer.applied { response.headers.add("preference-applied", applied) }
                return response
            }
        } catch {
            if let known = ErrorTable.knownAnswer(to: error, passesBearer: call.passesBearer) {
                return refusal(known, call.head, call.route)
            }
            logger.error(
                "a handler failed", metadata: ["bridge.route": "\(call.route.operation)", "bridge.error": "\(String(reflecting: error))"])
            let unknown = APIError(.internalError, code: "internal_error", "The bridge has a fault; its log says more.", retry: .never)
            return refusal(unknown, call.head, call.route)
        }
    }

    private func options(_ head: RequestHead, allow: String) -> Response {
        var response = Response(status: 204, headers: ["allow": allow])
        for (name, value) in rules.preflightHeaders(for: head, allow: allow) { response.headers.add(name, value) }
        return response
    }

    /// An EventSource stops for good at any refusal, so one that passes is told to it inside a stream.
    private func refusal(_ error: APIError, _ head: RequestHead, _ route: Route?) -> Response {
        if route?.isEventStream == true, Accept.isEventSource(head),
            EventStreams.isForEventSource(accept: head.headers["accept"], status: error.status.rawValue)
        {
            return streams.passingRefusal(code: error.code)
        }
        return error.response
    }

    private func finished(
        _ response: Response, _ head: RequestHead, operation: String, since started: ContinuousClock.Instant
    ) -> Response {
        var response = response
        let id = RequestID.of(head)
        response.headers.set("x-request-id", id)
        response.headers.set("x-content-type-options", "nosniff")
        for (name, value) in rules.headers(for: head) { response.headers.add(name, value) }
        // Neither path nor query: ids are in the path, and somebody may have put a key into either.
        logger.log(
            level: operation.hasSuffix("ness") ? .debug : .info, "request",
            metadata: [
                "bridge.request": "\(id)", "bridge.method": "\(head.method)", "bridge.route": "\(operation)",
                "bridge.status": "\(response.status)", "bridge.ms": "\(Self.milliseconds(ContinuousClock.now - started))",
            ])
        return response
    }

    private static func milliseconds(_ duration: Duration) -> String {
        String(format: "%.1f", duration / .milliseconds(1))
    }
}

extension ListenAddress {
    /// The host that was configured; nil for Unix sockets.
    fileprivate var hostName: String? {
        switch self {
        case .tcp(let host, _): host.contains(":") ? "[\(host)]" : host
        case .unix: nil
        }
    }
}

extension RouteTable {
    /// For metrics: few and known names, whatever is asked for.
    fileprivate static func operation(of head: RequestHead) -> String {
        if head.method == "OPTIONS" { return "options" }
        guard case .route(let route, _) = match(method: head.method, path: head.segments) else { return "none" }
        return route.operation
    }
}
