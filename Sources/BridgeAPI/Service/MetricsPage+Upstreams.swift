import Upstream

extension MetricsPage {
    /// How the connections to each upstream do; the labels are the names of configured upstreams, so they are few.
    mutating func add(_ upstreams: [UpstreamPoolStatus]) {
        let upstreams = upstreams.sorted { $0.name < $1.name }
        func each(_ value: (UpstreamPoolStatus) -> Int) -> [(labels: [(String, String)], value: Int)] {
            upstreams.map { ([("upstream", $0.name)], value($0)) }
        }
        func each(
            _ label: String, _ values: (UpstreamPoolStatus) -> [(String, Int)]
        ) -> [(labels: [(String, String)], value: Int)] {
            upstreams.flatMap { status in values(status).map { ([("upstream", status.name), (label, $0.0)], $0.1) } }
        }
        add(
            "upstream_connections", .gauge, "Upstream connections, by what they are at.",
            each("state") { [("warm", $0.warm), ("leased", $0.leased), ("settling", $0.settling), ("opening", $0.opening)] })
        add("upstream_waiting", .gauge, "Callers that wait for a handshake's turn.", each(\.waiting))
        add("upstream_pool_hits_total", .counter, "Callers that got a warm connection.", each(\.hits))
        add("upstream_pool_misses_total", .counter, "Callers that waited for a handshake and need not have.", each(\.misses))
        add(
            "upstream_pool_returned_total", .counter, "Connections given back that another caller could have.", each(\.returned))
        add("upstream_handshakes_total", .counter, "Handshakes that opened a session.", each(\.handshakes))
        add("upstream_handshake_failures_total", .counter, "Handshakes that did not.", each(\.handshakeFailures))
        add(
            "upstream_handshake_milliseconds", .gauge, "Of the last 128 handshakes that opened a session.",
            each("quantile") { status in status.handshakeMilliseconds.map { [("0.5", $0.p50), ("0.99", $0.p99)] } ?? [] })
        add("upstream_consecutive_failures", .gauge, "Failures in a row.", each(\.consecutiveFailures))
        add(
            "upstream_backing_off", .gauge, "1 while the pool waits before it tries again.",
            each { $0.backOffUntilMilliseconds == nil ? 0 : 1 })
        add(
            "upstream_circuit_open", .gauge, "1 while the upstream is left alone after many failures.",
            each { $0.circuit == .closed ? 0 : 1 })
    }
}
