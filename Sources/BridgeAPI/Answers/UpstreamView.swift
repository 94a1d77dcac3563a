import Realtime
import Sessions
import Upstream

/// One upstream as its operator sees it: how it is configured, and how its connections do. Nothing secret is in it.
enum UpstreamView {
    /// - Parameter status: nil if nobody has asked for a connection yet.
    static func value(_ upstream: UpstreamConfiguration, isDefault: Bool, _ status: UpstreamPoolStatus?) -> JSONValue {
        .object([
            ("name", .string(upstream.name)), ("object", "realtime.upstream"), ("default", .bool(isDefault)),
            ("dialect", .string(upstream.dialect.rawValue)),
            ("url", .string(upstream.endpoint(model: upstream.defaultModel, bearer: nil).place)),
            ("model", .string(orNull: upstream.defaultModel)),
            ("models", .array(upstream.models.map { .string($0) })), ("pass_through", .bool(upstream.takesCallersCredential)),
            ("pool", value(status ?? UpstreamPoolStatus(name: upstream.name))),
        ])
    }

    private static func value(_ status: UpstreamPoolStatus) -> JSONValue {
        let handshake = status.handshakeMilliseconds.map { times in
            JSONValue.object([("last", .int(times.last)), ("p50", .int(times.p50)), ("p99", .int(times.p99))])
        }
        return .object([
            ("warm", .int(status.warm)), ("leased", .int(status.leased)), ("settling", .int(status.settling)),
            ("opening", .int(status.opening)),
            ("waiting", .int(status.waiting)),
            ("hits", .int(status.hits)), ("misses", .int(status.misses)), ("returned", .int(status.returned)),
            ("handshakes", .int(status.handshakes)),
            ("handshake_failures", .int(status.handshakeFailures)), ("handshake_ms", handshake ?? .null),
            ("consecutive_failures", .int(status.consecutiveFailures)), ("last_failure", .string(orNull: status.lastFailure)),
            ("back_off_until", .int(orNull: status.backOffUntilMilliseconds.map { ($0 + 999) / 1_000 })),
            ("circuit", .string(status.circuit.rawValue)),
        ])
    }
}
