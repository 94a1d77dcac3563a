package import HTTPServer
package import Realtime

/// Who may use the bridge, and where its limits are.
package struct BridgeAPIConfiguration: Sendable {
    /// Whose credential goes upstream.
    package enum Credentials: String, Sendable, CaseIterable {
        /// The server's own if there are bridge keys; else the caller's bearer if one is sent, or the server's.
        case automatic = "auto"
        case server
        /// The caller's bearer, which must be sent. Not possible with bridge keys, which need the same header.
        case passThrough = "pass-through"
    }

    /// Empty: no authentication; the one who starts the bridge answers for where it listens.
    package var keys = BridgeKeys()
    package var credentials = Credentials.automatic
    /// What clients of a session are shown, where neither they nor the session says.
    package var dialect = Dialect.beta
    /// Hosts, with or without a port, that requests may name beside the loopback ones and those listened on.
    package var allowedHosts: [String] = []
    /// `scheme://host[:port]`, or `*` for any.
    package var corsOrigins: [String] = []
    /// Where the server listens, as configured; their hosts are allowed ones.
    package var listen: [ListenAddress] = []
    /// Of one request (API.md section 7).
    package var maximumBodyBytes = 22 << 20
    /// Of all requests in progress together.
    package var maximumBodyBytesTogether = 256 << 20
    /// Event streams open at the same time.
    package var maximumStreams = 10_000
    package var maximumStreamsPerSession = 64
    /// After 80 to 100 % of it a stream is closed; its client resumes.
    package var maximumStreamAge = Duration.seconds(3_600)
    /// Named in `/livez`.
    package var version: String

    package init(version: String) {
        self.version = version
    }
}
