import EventLog
import HTTPServer
import Realtime

/// What the bridge says of itself: health, metrics, its contract, its page.
enum ServiceRoutes {
    static func liveness(_ api: BridgeAPI, _ call: APICall) async throws -> Response {
        guard try call.flag("verbose") else { return .json(["status": "ok"]) }
        return .json(["status": "ok", "version": .string(api.configuration.version)])
    }

    static func readiness(_ api: BridgeAPI, _ call: APICall) async throws -> Response {
        let checks = [("store", api.log.isHealthy), ("accepting", !api.streams.registry.isDraining)]
        let isReady = checks.allSatisfy(\.1)
        var answer: [(String, JSONValue)] = [("status", .string(isReady ? "ok" : "unavailable"))]
        if try call.flag("verbose") {
            answer.append(("checks", .object(checks.map { ($0.0, .string($0.1 ? "ok" : "failing")) })))
        }
        return .json(.object(answer), status: isReady ? 200 : 503)
    }

    static func metrics(_ api: BridgeAPI, _ call: APICall) async throws -> Response {
        let counts = api.metrics.counts
        let sessions = try await api.log.sessionCounts()
        let streams = api.streams.registry.gauges
        let log = api.log.metrics
        var page = MetricsPage()
        page.add("sessions_live", .gauge, "Sessions that have not ended.", sessions.live)
        page.add("sessions_stored", .gauge, "Sessions whose history is kept.", sessions.stored)
        page.add("one_shots_stored", .gauge, "Responses without a session that are kept.", sessions.oneShots)
        page.add("streams_open", .gauge, "Event streams open now.", streams.open)
        page.add("streams_opened_total", .counter, "Event streams opened.", streams.opened)
        page.add("streams_refused_total", .counter, "Event streams refused for a limit or the drain.", streams.refused)
        page.add(
            "http_requests_total", .counter, "Requests answered, by route and status.",
            counts.requests.sorted { ($0.key.operation, $0.key.status) < ($1.key.operation, $1.key.status) }
                .map { ([("route", $0.key.operation), ("status", String($0.key.status))], $0.value) })
        page.add(
            "commands_total", .counter, "Client events given to sessions, by type and outcome.",
            counts.commands.sorted { ($0.key.type, $0.key.outcome.rawValue) < ($1.key.type, $1.key.outcome.rawValue) }
                .map { ([("type", $0.key.type), ("outcome", $0.key.outcome.rawValue)], $0.value) })
        page.add("request_bodies_bytes", .gauge, "Request bodies in memory.", api.bodies.used)
        page.add("log_commits_total", .counter, "Transactions of the event log.", log.commits)
        page.add("log_failed_commits_total", .counter, "Transactions that the store refused, tries included.", log.failedCommits)
        page.add("log_events_total", .counter, "Events stored.", log.events)
        page.add("log_bytes_total", .counter, "Bytes stored with them, overhead included.", log.bytes)
        page.add("log_waiting_entries", .gauge, "Entries that wait for their transaction.", log.waitingEntries)
        page.add("log_healthy", .gauge, "1 while commits succeed.", api.log.isHealthy ? 1 : 0)
        page.add(api.poolStatus())
        return Response(
            status: 200, headers: ["content-type": "text/plain; version=0.0.4; charset=utf-8", "cache-control": "no-store"],
            body: .bytes(Array(page.text.utf8)))
    }

    static func openAPI(_ api: BridgeAPI, _ call: APICall) async throws -> Response {
        Response(
            status: 200, headers: ["content-type": "application/json", "cache-control": "no-cache"],
            body: .bytes(OpenAPIDocument.bytes))
    }

    static func playground(_ api: BridgeAPI, _ call: APICall) async throws -> Response {
        PlaygroundPage.response
    }
}
