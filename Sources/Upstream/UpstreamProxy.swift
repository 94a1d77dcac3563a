import Foundation

/// An HTTP proxy that opens a tunnel to the server (CONNECT, RFC 9110, 9.3.6); what goes through it is TLS from end to end for `wss://`.
///
/// Printing one never shows its credentials.
package struct UpstreamProxy: Sendable, Hashable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Name or IP address, without brackets.
    package var host: String
    package var port: Int
    /// The value of `Proxy-Authorization`, e.g. `Basic dXNlcjpwYXNz`; nil sends none. Goes to the proxy only, never to the server.
    package var authorization: String?

    package init(host: String, port: Int, authorization: String? = nil) {
        self.host = host
        self.port = port
        self.authorization = authorization
    }

    /// `host:port`.
    package var description: String { "\(host.contains(":") ? "[\(host)]" : host):\(port)" }
    package var debugDescription: String { description }
    /// Without this `dump` and a failed expectation would print the credentials.
    package var customMirror: Mirror { Mirror(self, children: ["description": description]) }
}

extension UpstreamProxy {
    /// The proxy that the environment names for a server, by the rules of curl (curl(1), ENVIRONMENT); nil: none, connect directly.
    ///
    /// `wss://`: `https_proxy`, else `HTTPS_PROXY`. `ws://`: `http_proxy` only, because a CGI program's client can set `HTTP_PROXY` by a header.
    /// Then `all_proxy`, `ALL_PROXY`. An empty variable is as good as none.
    /// `no_proxy`, else `NO_PROXY`, lists exceptions: see ``ProxyExceptions``. The value is `[http://][user:password@]host[:port]`, user and
    /// password percent-encoded; they are sent as Basic. Without a port it is 1080, as for curl.
    /// - Parameter url: the server's, as in ``UpstreamEndpoint/url``.
    /// - Throws: `.invalidEndpoint` naming the variable, never its value: one that cannot be read, a proxy spoken to by TLS or SOCKS, or a bad `url`.
    package static func from(environment: [String: String], for url: String) throws(UpstreamError) -> UpstreamProxy? {
        let address = try UpstreamAddress(url)
        func first(_ names: [String]) -> (name: String, value: String)? {
            for name in names {
                if let value = environment[name], !value.isEmpty { return (name, value) }
            }
            return nil
        }
        let names = (address.isSecure ? ["https_proxy", "HTTPS_PROXY"] : ["http_proxy"]) + ["all_proxy", "ALL_PROXY"]
        guard let variable = first(names) else { return nil }
        if let exceptions = first(["no_proxy", "NO_PROXY"]), ProxyExceptions(exceptions.value).contain(address) { return nil }
        return try UpstreamProxy(variable.value, from: variable.name)
    }

    /// - Parameter source: what an error calls the place that the URL stood in, e.g. a variable or a setting.
    /// - Throws: `.invalidEndpoint`; the URL itself is not repeated, since it may hold a password.
    package init(_ url: String, from source: String) throws(UpstreamError) {
        func refused(_ why: String) -> UpstreamError { UpstreamError(.invalidEndpoint, "the proxy of \(source) cannot be used: \(why)") }

        guard url.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw refused("its URL has spaces or characters that must be percent-encoded")
        }
        var rest = url[...]
        if let schemeEnd = rest.firstRange(of: "://") {
            switch rest[..<schemeEnd.lowerBound].lowercased() {
            case "http": break
            case "https":
                throw refused("TLS to the proxy itself is not supported; use its http:// port (what goes through is encrypted anyway)")
            case "socks", "socks4", "socks4a", "socks5", "socks5h":
                throw refused("SOCKS is not supported; name an HTTP proxy, or list the upstream's host in NO_PROXY")
            default: throw refused("its URL must start with http://")
            }
            rest = rest[schemeEnd.upperBound...]
        }
        rest = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        // The last one: a password may hold an @ that nobody has encoded.
        if let at = rest.lastIndex(of: "@") {
            let credentials = rest[..<at].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map {
                String($0).removingPercentEncoding
            }
            guard let user = credentials[0], let password = credentials.count == 2 ? credentials[1] : "" else {
                throw refused("user or password are not percent-encoded; a % is written %25")
            }
            authorization = "Basic " + Data("\(user):\(password)".utf8).base64EncodedString()
            rest = rest[rest.index(after: at)...]
        } else {
            authorization = nil
        }
        do throws(HostAndPort.Fault) {
            let place = try HostAndPort(rest)
            host = place.host
            port = place.port ?? 1080
        } catch {
            throw refused(error.complaint)
        }
    }
}
