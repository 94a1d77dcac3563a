import NIOCore
import NIOHTTP1

/// The CONNECT that asks a proxy for a tunnel (RFC 9110, 9.3.6), checked before anything is opened, and the judge of its answer.
struct ProxyTunnelRequest: Sendable {
    let proxy: UpstreamProxy
    /// `host:port` at the far end.
    let destination: String

    init(_ proxy: UpstreamProxy, to address: UpstreamAddress) throws(UpstreamError) {
        guard (1...65535).contains(proxy.port), !proxy.host.isEmpty else {
            throw UpstreamError(.invalidEndpoint, "the proxy needs a host and a port from 1 to 65535")
        }
        // A line break here would let the value add headers of its own.
        guard proxy.authorization?.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) ?? true else {
            throw UpstreamError(.invalidEndpoint, "the credentials of the proxy have control characters; often a line break at their end")
        }
        self.proxy = proxy
        destination = address.authorityWithPort
    }

    var bytes: ByteBuffer {
        let credentials = proxy.authorization.map { "Proxy-Authorization: \($0)\r\n" } ?? ""
        return ByteBuffer(string: "CONNECT \(destination) HTTP/1.1\r\nHost: \(destination)\r\n\(credentials)\r\n")
    }

    /// Why this answer opens no tunnel; nil if it does. Any 2xx does.
    func fault(of response: HTTPResponseHead) -> UpstreamError? {
        let status = Int(response.status.code)
        guard !(200..<300).contains(status) else { return nil }
        return UpstreamError(
            .refusedByProxy(status: status),
            "the proxy \(proxy) did not open a tunnel to \(destination) (\(status)): \(advice(status, response.headers))")
    }

    private func advice(_ status: Int, _ headers: HTTPHeaders) -> String {
        switch status {
        case 407: askedForCredentials(headers)
        case 400, 405, 501: "it does not take CONNECT; check that it is an HTTP proxy"
        case 401, 403: "it does not allow this; have its administrator allow the upstream, or name the upstream in NO_PROXY"
        case 404, 500, 502, 503: "it cannot reach the upstream; check the host in the upstream URL, and the proxy's own network"
        case 504: "the upstream did not answer it in time; check the host in the upstream URL, and the proxy's own network"
        case 429: "it has too many requests; try again later"
        default: "a 2xx was expected; check that it is an HTTP proxy"
        }
    }

    private func askedForCredentials(_ headers: HTTPHeaders) -> String {
        let offered = headers["Proxy-Authenticate"]
        guard offered.isEmpty || offered.contains(where: { $0.lowercased().contains("basic") }) else {
            return "it wants another kind of credentials than Basic, which is the only kind supported"
        }
        return proxy.authorization == nil
            ? "it wants credentials; put them into the proxy's URL (http://user:password@host:port)"
            : "it did not accept the credentials; check user and password in the proxy's URL"
    }

    // MARK: No answer

    func timedOut(_ limit: Duration) -> UpstreamError {
        UpstreamError(.handshakeTimeout, "the proxy \(proxy) did not open a tunnel to \(destination) within \(limit); check the proxy")
    }

    var spokeNoHTTP: UpstreamError {
        UpstreamError(
            .refusedByProxy(status: 0),
            "the proxy \(proxy) did not answer CONNECT in HTTP; check its host and port, and that it is an HTTP proxy")
    }

    var left: UpstreamError {
        UpstreamError(
            .unreachable,
            "the proxy \(proxy) closed the connection instead of opening a tunnel to \(destination); check that it is an HTTP proxy")
    }

    func broke(_ error: any Error) -> UpstreamError {
        UpstreamError(.unreachable, "the connection to the proxy \(proxy) broke: \(ConnectFailure.shortReason(error))", cause: error)
    }
}
