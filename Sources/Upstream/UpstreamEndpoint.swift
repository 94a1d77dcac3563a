/// Where and how to reach one Realtime server.
///
/// Printing one never shows a header's value: `Authorization` and `api-key` are secrets. What is added here is also compared in `PoolKey`, or
/// connections that differ in it are mistaken for each other.
package struct UpstreamEndpoint: Sendable, CustomStringConvertible {
    /// What log lines and errors call this server; not a secret.
    package var name: String
    /// `ws://` or `wss://` with path and query; the model is already in the query where the server wants it there. No user information, no fragment.
    package var url: String
    /// Sent with the upgrade request as they are, the credentials among them.
    package var headers: [(name: String, value: String)]
    package var tls: UpstreamTLS
    /// nil: the server is connected to directly. ``UpstreamProxy/from(environment:for:)`` finds the one that the environment names.
    package var proxy: UpstreamProxy?
    /// A second event, by its `type`, without which this server's session is not ready, e.g. `conversation.created`; nil: the session's own suffices.
    package var awaitedEvent: String?
    /// From the start of the name look-up to the session being ready, the proxy's part included. 10 s: a far server answers in 2 s even when it is loaded.
    package var handshakeTimeout: Duration
    /// Silence after which we ask whether the peer is alive. 20 s is what OpenAI's server does; NAT entries live longer than that.
    package var pingInterval: Duration
    /// How long after our ping the peer may stay silent.
    package var pingTimeout: Duration
    /// Bound of one message, either way. 32 MiB: a retrieved item carries its whole audio in base64.
    package var maximumMessageBytes: Int
    /// Whether a connection made for one caller may be given to another. Only where the credential is the server's own: what a caller's own
    /// credential opened is for that caller alone.
    package var sharesConnections: Bool
    /// How long the server lets a session live, for servers that do not say so in `session.created`. nil: not known.
    package var maximumAge: Duration?

    package init(
        name: String,
        url: String,
        headers: [(name: String, value: String)] = [],
        tls: UpstreamTLS = UpstreamTLS(),
        proxy: UpstreamProxy? = nil,
        awaitedEvent: String? = nil,
        handshakeTimeout: Duration = .seconds(10),
        pingInterval: Duration = .seconds(20),
        pingTimeout: Duration = .seconds(20),
        maximumMessageBytes: Int = 32 << 20,
        sharesConnections: Bool = false,
        maximumAge: Duration? = nil
    ) {
        self.name = name
        self.url = url
        self.headers = headers
        self.tls = tls
        self.proxy = proxy
        self.awaitedEvent = awaitedEvent
        self.handshakeTimeout = handshakeTimeout
        self.pingInterval = pingInterval
        self.pingTimeout = pingTimeout
        self.maximumMessageBytes = maximumMessageBytes
        self.sharesConnections = sharesConnections
        self.maximumAge = maximumAge
    }

    /// Name, URL without its query (some servers take the key there), and the names of the headers.
    package var description: String {
        "\(name) \(place) headers: \(headers.map(\.name).joined(separator: ", "))"
    }

    /// How messages call this server.
    var server: String { "the upstream '\(name)' (\(place))" }

    /// The URL without its query, and without what looks like a key in the rest.
    package var place: String {
        Secrets.masked(String(url.prefix { $0 != "?" }))
    }
}

extension UpstreamEndpoint {
    /// The credentials in here, to be taken out of what the server says.
    var secrets: [String] {
        let inHeaders = headers.filter { Self.namesSecret($0.name) }.flatMap { $0.value.split(separator: " ").map(String.init) }
        let query = url.split(separator: "?", maxSplits: 1).dropFirst().first ?? ""
        let inQuery = query.split(separator: "&").compactMap { item -> String? in
            let parts = item.split(separator: "=", maxSplits: 1)
            return parts.count == 2 && Self.namesSecret(String(parts[0])) ? String(parts[1]) : nil
        }
        return inHeaders + inQuery
    }

    private static func namesSecret(_ name: String) -> Bool {
        let name = name.lowercased()
        return ["auth", "key", "token", "secret", "cookie"].contains { name.contains($0) }
    }
}

extension UpstreamEndpoint: CustomDebugStringConvertible, CustomReflectable {
    package var debugDescription: String { description }
    /// Without this `dump` and a failed expectation would print the credentials.
    package var customMirror: Mirror { Mirror(self, children: ["description": description]) }
}
