import Upstream

/// The URL of a webhook, taken apart. Strict: what two programs could read in two ways is refused, since one of them checks and the other
/// acts.
package struct WebhookURL: Sendable, Equatable {
    package let isSecure: Bool
    /// Name in lower case, or IP address, without brackets and without the dot that makes a name absolute.
    package let host: String
    /// The host as it is to be looked up: with the dot of a name that is absolute, so that no search domain is tried before it.
    let nameToLookUp: String
    package let port: Int
    /// The segments of the path as they are spelt; one empty one for `/`.
    let segments: [Substring]
    /// Path and query, as sent.
    package let target: String
    /// The value of `Host`: without the port if it is the scheme's own.
    package let authority: String

    /// What may be logged and shown: scheme, host and port. Path and query often are the secret of a webhook.
    package var place: String { "\(isSecure ? "https" : "http")://\(authority)" }

    package static let maximumCharacters = 2_048

    /// - Throws: why it cannot be used, in words that go on after "the URL …" and repeat nothing of it.
    package init(_ url: String) throws(WebhookRefusal) {
        guard url.utf8.count <= Self.maximumCharacters else {
            throw WebhookRefusal("is longer than \(Self.maximumCharacters) characters")
        }
        guard url.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && !Self.unsafe.contains($0) }) else {
            throw WebhookRefusal("has characters that must be percent-encoded")
        }
        guard let schemeEnd = url.firstRange(of: "://") else { throw WebhookRefusal("must start with https://") }
        switch url[..<schemeEnd.lowerBound].lowercased() {
        case "http": isSecure = false
        case "https": isSecure = true
        default: throw WebhookRefusal("must start with https://")
        }
        guard !url.contains("#") else { throw WebhookRefusal("has a fragment, which is never sent") }
        let rest = url[schemeEnd.upperBound...]
        let authorityEnd = rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex
        let written = rest[..<authorityEnd]
        guard !written.contains("@") else { throw WebhookRefusal("has user information; the signature says who calls") }
        let place: HostAndPort
        do throws(HostAndPort.Fault) {
            place = try HostAndPort(written)
        } catch {
            throw WebhookRefusal("cannot be used: \(error.complaint)")
        }
        host = try Self.checked(place.host, isBracketed: written.first == "[")
        // Not every resolver knows the absolute form of this machine's own name.
        nameToLookUp = place.host.last == "." && host != "localhost" ? host + "." : host
        let standardPort = isSecure ? 443 : 80
        port = place.port ?? standardPort
        let bracketed = host.contains(":") ? "[\(host)]" : host
        authority = port == standardPort ? bracketed : "\(bracketed):\(port)"
        let tail = rest[authorityEnd...]
        target = tail.first == "/" ? String(tail) : "/\(tail)"
        let path = target.prefix { $0 != "?" }
        segments = path.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
        try Self.check(segments)
    }

    /// `<`, `>`, `"`, `\`, `^`, `` ` ``, `{`, `|`, `}`: no URI has them (RFC 3986, 2), and some programs read `\` as `/`.
    private static let unsafe = Set("<>\"\\^`{|}".utf8)

    private static func checked(_ written: String, isBracketed: Bool) throws(WebhookRefusal) -> String {
        if isBracketed {
            // As the address it is: `[::FFFF:7f00:1]` and `[::ffff:127.0.0.1]` are the same.
            guard let address = IPAddressBytes(written), address.bytes.count == 16 else {
                throw WebhookRefusal("has a host in brackets that is no IPv6 address")
            }
            return address.description
        }
        var name = written.lowercased()
        if name.last == "." { name.removeLast() }
        let isName = !name.isEmpty && name.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { !$0.isEmpty }
        guard isName, name.utf8.allSatisfy(\.isHostNameByte) else {
            throw WebhookRefusal("has a host that is neither a name nor an address")
        }
        return name
    }

    /// A path that servers may take for another one than it is spelt could leave the prefix that allows it.
    private static func check(_ segments: [Substring]) throws(WebhookRefusal) {
        for (index, segment) in segments.enumerated() {
            guard let decoded = decoded(segment) else { throw WebhookRefusal("has a percent sign that is no escape in its path") }
            // Among them longer spellings of dots and slashes, which some servers take for those.
            guard String(validating: decoded, as: UTF8.self) != nil else {
                throw WebhookRefusal("has an encoded character that is not UTF-8 in its path")
            }
            if segment.isEmpty, index < segments.count - 1 { throw WebhookRefusal("has an empty segment in its path") }
            guard decoded.allSatisfy({ $0 >= 0x20 && $0 != 0x7F && !Self.escaping.contains($0) }) else {
                throw WebhookRefusal("has an encoded slash, backslash, percent sign or control character in its path")
            }
            // Some servers take what follows a semicolon, or blanks, away before they look at the dots.
            let name = decoded.prefix { $0 != UInt8(ascii: ";") }.filter { $0 != UInt8(ascii: " ") }
            guard name != [dot], name != [dot, dot] else { throw WebhookRefusal("has a segment of dots in its path") }
        }
    }

    private static let dot = UInt8(ascii: ".")
    private static let escaping = Set("/\\%".utf8)

    private static func decoded(_ segment: Substring) -> [UInt8]? {
        var decoded: [UInt8] = []
        var rest = Array(segment.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                decoded.append(byte)
                continue
            }
            guard rest.count >= 2, let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16), rest.first != plus else {
                return nil
            }
            decoded.append(value)
            rest = rest.dropFirst(2)
        }
        return decoded
    }

    /// Swift's integers take a sign.
    private static let plus = UInt8(ascii: "+")
}

/// Why a URL or an entry of the allow-list cannot be used. Safe to show: repeats no path.
package struct WebhookRefusal: Error, Sendable, Equatable, CustomStringConvertible {
    package let message: String

    init(_ message: String) { self.message = message }

    package var description: String { message }
}

extension UInt8 {
    fileprivate var isHostNameByte: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"),
            UInt8(ascii: "."):
            true
        default: false
        }
    }
}
