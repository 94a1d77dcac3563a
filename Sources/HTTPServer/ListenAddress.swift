/// Where a server listens: a TCP host and port, or a Unix socket.
///
/// Text form, read by ``init(parsing:)`` and written by `description`: `127.0.0.1:8080`, `[::1]:0`, `localhost:8080`, `unix:/path`.
/// Port 0 lets the system pick one; ``HTTPServer/start()`` returns what it picked.
package enum ListenAddress: Sendable, Equatable, CustomStringConvertible {
    /// `host` is a name or a numeric address, IPv6 without its brackets.
    case tcp(host: String, port: UInt16)
    case unix(path: String)

    /// - Throws: ``ListenAddressError`` naming what is wrong with the text; the user has to change it.
    package init(parsing text: String) throws(ListenAddressError) {
        if text.hasPrefix("unix:") {
            let path = String(text.dropFirst("unix:".count))
            guard !path.isEmpty, !path.utf8.contains(0) else { throw ListenAddressError(text: text, problem: "the path is missing") }
            self = .unix(path: path)
            return
        }
        guard let colon = text.lastIndex(of: ":") else {
            throw ListenAddressError(text: text, problem: "the port is missing; write host:port or unix:/path")
        }
        let digits = text[text.index(after: colon)...]
        guard !digits.isEmpty, digits.utf8.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }), let port = UInt16(digits) else {
            throw ListenAddressError(text: text, problem: "the port must be a number from 0 to 65535")
        }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            throw ListenAddressError(text: text, problem: "an IPv6 address is written in brackets, as in [::1]:8080")
        }
        guard !host.isEmpty else { throw ListenAddressError(text: text, problem: "the host is missing") }
        self = .tcp(host: String(host), port: port)
    }

    /// Whether only this machine can reach the address. True for Unix sockets; for names only `localhost`, which is not resolved here.
    package var isLoopback: Bool {
        switch self {
        case .unix: true
        case .tcp(let host, _): host.lowercased() == "localhost" || host == "::1" || Self.isIPv4Loopback(host)
        }
    }

    package var description: String {
        switch self {
        case .unix(let path): "unix:\(path)"
        case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        }
    }

    /// A host name may begin with `127.` as well, so all four numbers have to be there.
    private static func isIPv4Loopback(_ host: String) -> Bool {
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }
}

/// A listen address that cannot be read.
package struct ListenAddressError: Error, Equatable, CustomStringConvertible {
    package let text: String
    package let problem: String

    package var description: String { "bad listen address \"\(text)\": \(problem)" }
}
