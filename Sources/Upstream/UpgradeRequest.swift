import NIOCore
import NIOHTTP1

/// The GET that asks for the upgrade, checked before anything is opened.
struct UpgradeRequest: Sendable {
    let address: UpstreamAddress
    let head: HTTPRequestHead
    /// The sub-protocols offered; the server may choose one of them or none.
    let protocols: [String]

    /// What the handshake says itself; a second one would contradict it. Extensions are not offered, since none is understood.
    private static let reserved: Set<String> = [
        "host", "connection", "upgrade", "content-length", "transfer-encoding", "sec-websocket-key", "sec-websocket-version",
        "sec-websocket-extensions", "sec-websocket-accept",
    ]

    init(_ endpoint: UpstreamEndpoint) throws(UpstreamError) {
        address = try UpstreamAddress(endpoint.url)
        var headers = HTTPHeaders([("Host", address.authority)])
        for (name, value) in endpoint.headers {
            guard !name.isEmpty, name.utf8.allSatisfy(\.isHeaderNameByte) else {
                throw UpstreamError(.invalidEndpoint, "a header name of the upstream has characters that HTTP does not allow")
            }
            guard !Self.reserved.contains(name.lowercased()) else {
                throw UpstreamError(.invalidEndpoint, "the header \(name) belongs to the WebSocket handshake and cannot be set")
            }
            // A line break here would let a value add headers of its own.
            guard value.utf8.allSatisfy({ ($0 >= 0x20 && $0 != 0x7F) || $0 == 0x09 }) else {
                throw UpstreamError(.invalidEndpoint, "the value of the header \(name) has control characters; often a line break after the key")
            }
            headers.add(name: name, value: value)
        }
        protocols = headers[canonicalForm: "Sec-WebSocket-Protocol"].map(String.init)
        head = HTTPRequestHead(version: .http1_1, method: .GET, uri: address.target, headers: headers)
    }

    /// Why a 101 is none (RFC 6455, 4.1); nil if it is one. The accept value was compared by the upgrader.
    func fault(of response: HTTPResponseHead) -> UpstreamError? {
        guard response.headers[canonicalForm: "Connection"].contains(where: { $0.lowercased() == "upgrade" }) else {
            return UpstreamError(.badUpgrade, "upstream answered 101 without Connection: Upgrade; is there a proxy between?")
        }
        guard response.headers["Sec-WebSocket-Extensions"].isEmpty else {
            return UpstreamError(.badUpgrade, "upstream chose a WebSocket extension that was not offered")
        }
        let chosen = response.headers[canonicalForm: "Sec-WebSocket-Protocol"].map(String.init)
        guard chosen.allSatisfy(protocols.contains) else {
            return UpstreamError(.badUpgrade, "upstream chose a sub-protocol that was not offered")
        }
        return nil
    }
}

extension UInt8 {
    /// RFC 9110, 5.6.2: token.
    fileprivate var isHeaderNameByte: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        default: "!#$%&'*+-.^_`|~".utf8.contains(self)
        }
    }
}
