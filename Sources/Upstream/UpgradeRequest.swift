import NIOCore
import NIOHTTP1
import NIOWebSocket

/// The GET that asks for the upgrade, checked before anything is opened, and the judge of its answer.
struct UpgradeRequest: Sendable {
    let address: UpstreamAddress
    private let server: String
    private let headers: HTTPHeaders
    /// The sub-protocols offered; the server may choose one of them or none.
    private let protocols: [String]
    /// Knows the key and what the server must make of it.
    private let upgrader: NIOWebSocketClientUpgrader

    /// What the handshake says itself; a second one would contradict it. Extensions are not offered, since none is understood.
    private static let reserved: Set<String> = [
        "host", "connection", "upgrade", "content-length", "transfer-encoding", "sec-websocket-key", "sec-websocket-version",
        "sec-websocket-extensions", "sec-websocket-accept",
    ]

    init(_ endpoint: UpstreamEndpoint) throws(UpstreamError) {
        address = try UpstreamAddress(endpoint.url)
        server = endpoint.server
        upgrader = NIOWebSocketClientUpgrader(upgradePipelineHandler: { channel, _ in channel.eventLoop.makeSucceededVoidFuture() })
        var headers = HTTPHeaders([("Host", address.authority), ("Connection", "Upgrade"), ("Upgrade", "websocket")])
        upgrader.addCustom(upgradeRequestHeaders: &headers)
        for (name, value) in endpoint.headers {
            guard !name.isEmpty, name.utf8.allSatisfy(\.isHeaderNameByte) else {
                throw UpstreamError(.invalidEndpoint, "a header name of the upstream has characters that HTTP does not allow")
            }
            guard !Self.reserved.contains(name.lowercased()) else {
                throw UpstreamError(.invalidEndpoint, "the header \(name) belongs to the WebSocket handshake and cannot be set")
            }
            // A line break here would let a value add headers of its own.
            guard value.utf8.allSatisfy({ ($0 >= 0x20 && $0 != 0x7F) || $0 == 0x09 }) else {
                throw UpstreamError(
                    .invalidEndpoint, "the value of the header \(name) has control characters; often a line break after the key")
            }
            headers.add(name: name, value: value)
        }
        self.headers = headers
        protocols = headers[canonicalForm: "Sec-WebSocket-Protocol"].map(String.init)
    }

    var bytes: ByteBuffer {
        let lines = ["GET \(address.target) HTTP/1.1"] + headers.map { "\($0.name): \($0.value)" } + ["", ""]
        return ByteBuffer(string: lines.joined(separator: "\r\n"))
    }

    /// Why this answer does not open a WebSocket (RFC 6455, 4.1); nil if it does.
    func fault(of response: HTTPResponseHead) -> UpstreamError? {
        guard response.status == .switchingProtocols else { return ConnectFailure.refused(by: server, status: Int(response.status.code)) }
        func bad(_ what: String) -> UpstreamError { UpstreamError(.badUpgrade, "\(server) answered 101, but \(what)") }
        func has(_ token: String, in name: String) -> Bool {
            response.headers[canonicalForm: name].contains { $0.lowercased() == token }
        }
        guard has("websocket", in: "Upgrade"), has("upgrade", in: "Connection") else {
            return bad("not as a WebSocket server does; is there a proxy between?")
        }
        guard upgrader.shouldAllowUpgrade(upgradeResponse: response) else {
            return bad("to another request: its Sec-WebSocket-Accept is wrong")
        }
        guard response.headers["Sec-WebSocket-Extensions"].isEmpty else { return bad("chose an extension that was not offered") }
        guard response.headers[canonicalForm: "Sec-WebSocket-Protocol"].map(String.init).allSatisfy(protocols.contains) else {
            return bad("chose a sub-protocol that was not offered")
        }
        return nil
    }
}
