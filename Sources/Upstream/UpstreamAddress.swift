/// A `ws://` or `wss://` URL taken apart. Strict: what is odd is refused, since it would go into the request line.
struct UpstreamAddress: Equatable {
    var isSecure: Bool
    /// Name or IP address, without brackets.
    var host: String
    var port: Int
    /// Path and query, as sent.
    var target: String
    /// The value of `Host`.
    var authority: String

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

        let portText: Substring?
        if written.first == "[" {
            guard let bracket = written.firstIndex(of: "]") else { throw refused("a bracket is not closed") }
            host = String(written[written.index(after: written.startIndex)..<bracket])
            let tail = written[written.index(after: bracket)...]
            guard tail.isEmpty || tail.first == ":" else { throw refused("its host cannot be read") }
            portText = tail.isEmpty ? nil : tail.dropFirst()
        } else {
            let parts = written.split(separator: ":", omittingEmptySubsequences: false)
            guard parts.count <= 2 else { throw refused("an IPv6 address needs brackets") }
            host = String(parts[0])
            portText = parts.count == 2 ? parts[1] : nil
        }
        guard !host.isEmpty else { throw refused("it has no host") }

        let standardPort = isSecure ? 443 : 80
        if let portText {
            guard let number = Int(portText), (1...65535).contains(number) else {
                throw refused("its port is not a number from 1 to 65535")
            }
            port = number
        } else {
            port = standardPort
        }
        let bracketed = host.contains(":") ? "[\(host)]" : host
        authority = port == standardPort ? bracketed : "\(bracketed):\(port)"
        let path = rest[authorityEnd...]
        target = path.first == "/" ? String(path) : "/\(path)"
    }
}
