/// What an ``UpstreamPool`` knows of one upstream at one moment, in plain values for `GET /v1/upstreams` and `/metrics`.
package struct UpstreamPoolStatus: Sendable, Equatable {
    package enum Circuit: String, Sendable {
        case closed
        /// Nothing is tried.
        case open
        /// One attempt is allowed, to see whether the upstream is back.
        case halfOpen = "half_open"
    }

    /// ``UpstreamEndpoint/name``.
    package var name: String
    /// Connections that wait to be given out.
    package var warm = 0
    /// Connections given out that have neither ended nor been given back, warm ones and others.
    package var leased = 0
    /// Connections given back that are not ready yet.
    package var settling = 0
    /// Handshakes under way.
    package var opening = 0
    /// Callers waiting for a handshake's turn.
    package var waiting = 0
    /// Since the start: callers that got a warm connection.
    package var hits = 0
    /// Since the start: callers that could have had a warm connection, and had to wait for a handshake.
    package var misses = 0
    /// Since the start: connections given back that another caller could have.
    package var returned = 0
    /// Since the start: handshakes that opened a session.
    package var handshakes = 0
    /// Since the start: handshakes that did not, those given up by their caller left out.
    package var handshakeFailures = 0
    /// Of the last 128 handshakes that opened a session, from the name look-up to the session's first event. nil before the first.
    package var handshakeMilliseconds: HandshakeMilliseconds?
    /// Failures in a row that count against the upstream.
    package var consecutiveFailures = 0
    /// What the last of them was, in words fit for a caller.
    package var lastFailure: String?
    /// When the pool itself tries again, in milliseconds since 1970; nil while it is not backing off.
    package var backOffUntilMilliseconds: Int?
    package var circuit: Circuit = .closed

    package init(name: String) {
        self.name = name
    }

    package struct HandshakeMilliseconds: Sendable, Equatable {
        package var last: Int
        package var p50: Int
        package var p99: Int

        package init(last: Int, p50: Int, p99: Int) {
            self.last = last
            self.p50 = p50
            self.p99 = p99
        }
    }
}
