package import Realtime
package import Upstream

/// One Realtime server as the operator configured it, from which each connection's endpoint is made.
package struct UpstreamConfiguration: Sendable {
    package let name: String
    /// `ws://` or `wss://`; a `model` query item is added unless there is one.
    package let url: String
    package let dialect: Dialect
    package let tls: UpstreamTLS
    /// Used when a session does not name one; upstreams retire models several times a year, so none is built in.
    package let defaultModel: String?
    /// The server's own credential; nil where callers bring theirs.
    package let apiKey: String?

    package init(name: String, url: String, dialect: Dialect, tls: UpstreamTLS, defaultModel: String?, apiKey: String?) {
        self.name = name
        self.url = url
        self.dialect = dialect
        self.tls = tls
        self.defaultModel = defaultModel
        self.apiKey = apiKey
    }

    /// - Parameter bearer: the caller's own credential, which goes before the server's.
    func endpoint(model: String?, bearer: String?) -> UpstreamEndpoint {
        var address = url
        if let model, !Self.namesModel(url) {
            address += (url.contains("?") ? "&" : "?") + "model=" + Self.percentEncoded(model)
        }
        var headers: [(name: String, value: String)] = []
        if let credential = bearer ?? apiKey { headers.append(("Authorization", "Bearer \(credential)")) }
        // Fatal at OpenAI since May 2026, needed by some servers that still speak the beta spelling.
        if dialect == .beta { headers.append(("OpenAI-Beta", "realtime=v1")) }
        return UpstreamEndpoint(name: name, url: address, headers: headers, tls: tls)
    }

    private static func namesModel(_ url: String) -> Bool {
        let query = url.split(separator: "?", maxSplits: 1).dropFirst().first ?? ""
        return query.split(separator: "&").contains { ["model=", "deployment=", "intent=", "call_id="].contains(where: $0.hasPrefix) }
    }

    /// RFC 3986 section 2.3: all but unreserved characters as percent escapes.
    private static func percentEncoded(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF")
        return text.utf8.reduce(into: "") { out, byte in
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"):
                out.append(Character(Unicode.Scalar(byte)))
            default:
                out += "%\(digits[Int(byte >> 4)])\(digits[Int(byte & 15)])"
            }
        }
    }
}
