/// An endpoint as an identity: connections to equal keys can stand in for each other.
///
/// Everything that shapes a connection counts, the credential and the limits too. Never printed in full, as the endpoint is not.
struct PoolKey: Sendable, Hashable, CustomStringConvertible {
    let endpoint: UpstreamEndpoint

    init(_ endpoint: UpstreamEndpoint) {
        self.endpoint = endpoint
    }

    /// The upstream it belongs to.
    var name: String { endpoint.name }
    var description: String { endpoint.description }

    static func == (left: PoolKey, right: PoolKey) -> Bool {
        let (left, right) = (left.endpoint, right.endpoint)
        return left.url == right.url && left.name == right.name && left.sharesConnections == right.sharesConnections
            && left.headers.elementsEqual(right.headers, by: ==) && left.tls == right.tls && left.proxy == right.proxy
            && left.awaitedEvent == right.awaitedEvent && left.maximumAge == right.maximumAge
            && left.maximumMessageBytes == right.maximumMessageBytes && left.handshakeTimeout == right.handshakeTimeout
            && left.pingInterval == right.pingInterval && left.pingTimeout == right.pingTimeout
    }

    func hash(into hasher: inout Hasher) {
        hasher.combine(endpoint.url)
        hasher.combine(endpoint.name)
    }
}
