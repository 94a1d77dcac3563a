import Foundation
import NIOConcurrencyHelpers
import TestSupport
import Testing
import Upstream

@Suite(.serialized, .timeLimit(.minutes(1)))
struct ProxyTunnelTests {
    private static let credentials = "Basic \(Data("user:geheim12".utf8).base64EncodedString())"

    /// An endpoint behind the proxy that `server` plays.
    private static func endpoint(
        _ server: ScriptedServer, url: String = "ws://far.example/v1/realtime", authorization: String? = credentials,
        timeout: Duration = patience
    ) -> UpstreamEndpoint {
        UpstreamEndpoint(
            name: "far", url: url, headers: [("Authorization", "Bearer sk-test-0123456789")],
            proxy: UpstreamProxy(host: "127.0.0.1", port: server.port, authorization: authorization), handshakeTimeout: timeout)
    }

    /// The name is looked up by the proxy only: here nobody knows it.
    @Test(arguments: [1, 4096]) func aSessionRunsThroughATunnel(pieceBytes: Int) async throws {
        try await ScriptedServer.run { peer in
            try await peer.readRequest()
            #expect(
                peer.request
                    == "CONNECT far.example:80 HTTP/1.1\r\nHost: far.example:80\r\nProxy-Authorization: \(Self.credentials)\r\n\r\n")
            // Headers that would speak of a body mean nothing here, and other answers may come first (RFC 9110, 9.3.6 and 15.2).
            let answer = Array(
                "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.0 200 Connection established\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
                    .utf8)
            for start in stride(from: 0, to: answer.count, by: pieceBytes) {
                try await peer.send(Array(answer[start..<min(start + pieceBytes, answer.count)]))
            }
            try await peer.openSession()
            #expect(peer.request.hasPrefix("GET /v1/realtime HTTP/1.1\r\nHost: far.example\r\n"))
            #expect(!peer.request.lowercased().contains("proxy-authorization"))
            try await peer.send(text: "got \(peer.receive().text)")
            try await peer.drain()
        } client: { proxy in
            let connection = try await open(Self.endpoint(proxy))
            #expect(connection.created == Array(created.utf8))
            try await connection.sendText("hello")
            #expect(try await connection.nextText() == "got hello")
        }
    }

    /// TLS goes from end to end: the proxy sees the name and port of the server, and nothing else.
    @Test func tlsRunsInsideTheTunnel() async throws {
        try await OpenSSLServer.run(.good) { peer in
            try await peer.openSession()
            try await peer.send(.text("got \(peer.receive().text)"))
        } client: { server in
            let seen = NIOLockedValueBox<[UInt8]>([])
            try await ScriptedServer.run { peer in
                try await Self.tunnel(&peer, to: server.port, seen)
                #expect(peer.request.hasPrefix("CONNECT localhost:\(server.port) HTTP/1.1\r\n"))
            } client: { proxy in
                let connection = try await open(
                    server.endpoint {
                        $0.headers = [("Authorization", "Bearer sk-test-0123456789")]
                        $0.proxy = UpstreamProxy(host: "127.0.0.1", port: proxy.port)
                    })
                try await connection.sendText("hello")
                #expect(try await connection.nextText() == "got hello")
                let bytes = seen.withLockedValue { $0 }
                #expect(bytes.first == 0x16)
                #expect(bytes.firstRange(of: Array("sk-test".utf8)) == nil)
            }
        }
    }

    @Test func theServersCertificateIsCheckedThroughTheTunnel() async throws {
        try await OpenSSLServer.run(.wrongHost) { server in
            try await ScriptedServer.run { peer in
                try await Self.tunnel(&peer, to: server.port, NIOLockedValueBox([]))
            } client: { proxy in
                let error = try await refusal(of: server.endpoint { $0.proxy = UpstreamProxy(host: "127.0.0.1", port: proxy.port) })
                #expect(error.code == .tlsFailed)
                #expect(error.message.hasPrefix("the certificate of localhost is for another host"))
            }
        }
    }

    private static func tunnel(_ peer: inout WebSocketPeer<TCPWire>, to port: Int, _ seen: NIOLockedValueBox<[UInt8]>) async throws {
        try await peer.readRequest()
        let far = try await TCPWire.connect(to: port)
        try await peer.send(Array("HTTP/1.1 200 OK\r\n\r\n".utf8))
        await Relay.pass(between: peer.wire, and: far, chunkBytes: 4096, seen)
    }

    @Test func anIPv6AddressIsAskedForInBrackets() async throws {
        try await ScriptedServer.run { peer in
            try await peer.readRequest()
            #expect(peer.request == "CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n\r\n")
        } client: { proxy in
            _ = try await refusal(of: Self.endpoint(proxy, url: "wss://[2001:db8::1]/", authorization: nil))
        }
    }

    /// What comes in the segment of the 200 is the server's already.
    @Test func bytesBehindTheProxysAnswerAreNotLost() async throws {
        try await ScriptedServer.run { peer in
            try await peer.readRequest()
            try await peer.send(Array("HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 429 Too Many\r\n\r\n".utf8))
            try await peer.drain()
        } client: { proxy in
            let error = try await refusal(of: Self.endpoint(proxy))
            #expect(error.code == .refusedAtHandshake(status: 429))
        }
    }

    @Test(arguments: [
        (407, "Proxy-Authenticate: Basic realm=\"x\"\r\n", true, "it did not accept the credentials; check user and password"),
        (407, "Proxy-Authenticate: Basic realm=\"x\"\r\n", false, "it wants credentials; put them into the proxy's URL"),
        (407, "Proxy-Authenticate: Negotiate\r\nProxy-Authenticate: NTLM\r\n", true, "another kind of credentials than Basic"),
        (407, "", false, "it wants credentials"),
        (403, "", true, "it does not allow this; have its administrator allow the upstream"),
        (401, "", true, "it does not allow this"),
        (400, "", true, "it does not take CONNECT"),
        (405, "", true, "it does not take CONNECT"),
        (501, "", true, "it does not take CONNECT"),
        (502, "", true, "it cannot reach the upstream"),
        (503, "", true, "it cannot reach the upstream"),
        (504, "", true, "the upstream did not answer it in time"),
        (429, "", true, "try again later"),
        (302, "Location: http://login.evil.example/?geheim12\r\n", true, "a 2xx was expected"),
        (101, "Upgrade: websocket\r\nConnection: Upgrade\r\n", true, "a 2xx was expected"),
    ])
    func theProxysRefusalNamesTheProxyAndAdvises(status: Int, headers: String, hasCredentials: Bool, advice: String) async throws {
        try await ScriptedServer.run { peer in
            try await peer.readRequest()
            try await peer.send(Array("HTTP/1.1 \(status) geheim12\r\n\(headers)Content-Length: 8\r\n\r\nTOPSECRE".utf8))
            try await peer.drain()
        } client: { proxy in
            let error = try await refusal(of: Self.endpoint(proxy, authorization: hasCredentials ? Self.credentials : nil))
            #expect(error.code == .refusedByProxy(status: status))
            #expect(error.message.hasPrefix("the proxy 127.0.0.1:\(proxy.port) did not open a tunnel to far.example:80 (\(status)): "))
            #expect(error.message.contains(advice), "\(error.message)")
            for secret in ["geheim12", "TOPSECRE", "evil", Self.credentials] { #expect(!error.debugDescription.contains(secret)) }
        }
    }

    @Test(arguments: [
        "SSH-2.0-OpenSSH_9.2\r\n", "\u{15}\u{3}\u{3}\u{0}\u{2}", "HTTP/1.1 2000 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
    ])
    func garbageIsNoProxysAnswer(answer: String) async throws {
        try await ScriptedServer.run { peer in
            try await peer.readRequest()
            try await peer.send(Array(answer.utf8))
            try await peer.drain()
        } client: { proxy in
            let error = try await refusal(of: Self.endpoint(proxy))
            #expect(error.code == .refusedByProxy(status: 0))
            #expect(error.message.contains("the proxy 127.0.0.1:\(proxy.port) did not answer CONNECT in HTTP"))
        }
    }

    @Test(arguments: ["", "HTTP/1.1 200 OK\r\nX: "]) func aProxyThatHangsIsNamedWhenTheTimeIsOver(answer: String) async throws {
        try await ScriptedServer.run { peer in
            // The client may leave at any point of this.
            guard (try? await peer.readRequest()) != nil else { return }
            try? await peer.send(Array(answer.utf8))
            try await peer.drain()
        } client: { proxy in
            let error = try await refusal(of: Self.endpoint(proxy, timeout: .milliseconds(500)))
            #expect(error.code == .handshakeTimeout)
            #expect(
                error.message
                    == "the proxy 127.0.0.1:\(proxy.port) did not open a tunnel to far.example:80 within 0.5 seconds; check the proxy")
        }
    }

    @Test func aServerThatHangsBehindTheTunnelIsNotBlamedOnTheProxy() async throws {
        try await ScriptedServer.run { peer in
            try await peer.readRequest()
            try await peer.send(Array("HTTP/1.1 200 OK\r\n\r\n".utf8))
            try await peer.drain()
        } client: { proxy in
            let error = try await refusal(of: Self.endpoint(proxy, url: "wss://far.example/", timeout: .seconds(1)))
            #expect(error.code == .handshakeTimeout)
            #expect(error.message.hasPrefix("far.example took the connection but did not finish the TLS handshake"))
        }
    }

    @Test(arguments: [true, false]) func aProxyThatLeavesIsNamed(byReset: Bool) async throws {
        try await ScriptedServer.run { peer in
            try await peer.readRequest()
            if byReset { try await peer.wire.reset() }
        } client: { proxy in
            let error = try await refusal(of: Self.endpoint(proxy))
            #expect(error.code == .unreachable)
            #expect(error.message.contains("the proxy 127.0.0.1:\(proxy.port)"))
        }
    }

    @Test func aProxyThatIsNotThereIsNamed() async throws {
        let gone = try await ScriptedServer.run { peer in
        } client: { server in
            Self.endpoint(server)
        }
        let refused = try await refusal(of: gone)
        #expect(refused.code == .unreachable)
        #expect(refused.message == "the proxy \(try #require(gone.proxy)) cannot be reached: connection refused")
        var unknown = gone
        // Of which no name server is asked, who could take its time: a part of a name has at most 63 bytes.
        let name = String(repeating: "x", count: 64) + ".invalid"
        unknown.proxy?.host = name
        let unresolved = try await refusal(of: unknown)
        #expect(unresolved.code == .dnsFailed)
        #expect(unresolved.message.hasPrefix("the proxy \(name):"))
    }

    @Test(arguments: [
        UpstreamProxy(host: "127.0.0.1", port: 3128, authorization: "Basic geheim12\r\nX-Evil: 1"),
        UpstreamProxy(host: "127.0.0.1", port: 70000), UpstreamProxy(host: "127.0.0.1", port: 0), UpstreamProxy(host: "", port: 3128),
    ])
    func aProxyThatCannotBeIsRefused(proxy: UpstreamProxy) async throws {
        let error = try await refusal(of: UpstreamEndpoint(name: "x", url: "ws://far.example/", proxy: proxy))
        #expect(error.code == .invalidEndpoint)
        #expect(!error.debugDescription.contains("geheim12"))
    }
}
