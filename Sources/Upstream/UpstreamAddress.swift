/// A `ws://` or `wss://` URL taken apart. Strict: what is odd is refused, since it would go into the request line.
struct UpstreamAddress: Equatable {
    var isSecure: Bool
    /// Name or IP address, without brackets.
    var host: String
    var port: Int
    /// Path and query, as sent.
    var target: String
    /// The value of `Host`: without the port if it is the scheme's own.
    private(set) var authority = ""
    /// What a proxy is asked for (RFC 9112, 3.2.3).
    var authorityWithPort: String { "\(bracketedHost):\(port)" }
    private var bracketedHost: String { host.contains(":") ? "[\(host)]" : host }

    init(_ url: String) throws(UpstreamError) {
        // The URL itself is not repeated: some servers take the key in the query.
        func refused(_ why: String) -> UpstreamError { UpstreamError(.invalidEndpoint, "the upstream URL cannot be used: \(why)") }

        guard url.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw refused("it has spaces or characters that must be percent-encoded")
        }
        guard let schemeEnd = url.firstRange(of: "://") else { throw refused("it must start with ws:// or wss://") }
        switch url[..<schemeEnd.lowerBound].lowercased() {
        case "ws": isSecure = false
        case "wss": isSecure = true
        default: throw refused("it must start with ws:// or wss://")
        }
        guard !url.contains("#") else { throw refused("it has a fragment") }

        let rest = url[schemeEnd.upperBound...]
        let authorityEnd = rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex
        let written = rest[..<authorityEnd]
        guard !written.contains("@") else { throw refused("it has user information; credentials go into a header") }

        let place: HostAndPort
        do throws(HostAndPort.Fault) {
            place = try HostAndPort(written)
        } catch {
            throw refused(error.complaint)
        }
        host = place.host
        let standardPort = isSecure ? 443 : 80
        port = place.port ?? standardPort
        let path = rest[authorityEnd...]
        target = path.first == "/" ? String(path) : "/\(path)"
        authority = port == standardPort ? bracketedHost : authorityWithPort
    }
}
