import Testing
import Upstream

@Suite(.timeLimit(.minutes(1)))
struct HandshakeTests {
    @Test func sessionCreatedInTheSegmentOfThe101IsNotLost() async throws {
        try await ScriptedServer.run { peer in
            try await peer.wire.write(peer.upgradeAnswer() + .text(created) + .text("second"))
            try await peer.drain()
        } client: { server in
            let connection = try await server.connect()
            #expect(connection.created == Array(created.utf8))
            #expect(try await connection.nextText() == "second")
        }
    }

    @Test func everythingArrivesAlsoByteByByte() async throws {
        try await ScriptedServer.run { peer in
            let bytes = try await peer.upgradeAnswer() + .text(created) + .text("zwölf")
            for byte in bytes { try await peer.send([byte]) }
            try await peer.drain()
        } client: { server in
            let connection = try await server.connect()
            #expect(connection.created == Array(created.utf8))
            #expect(try await connection.nextText() == "zwölf")
        }
    }

    @Test func requestCarriesPathHeadersAndNoExtension() async throws {
        try await ScriptedServer.run { peer in
            try await peer.openSession()
            try await peer.send(text: peer.request)
            try await peer.drain()
        } client: { server in
            let connection = try await server.connect()
            let request = try #require(try await connection.nextText()).lowercased()
            #expect(request.hasPrefix("get /v1/realtime?model=test http/1.1\r\nhost: 127.0.0.1:\(server.port)\r\n"))
            #expect(request.contains("\r\nauthorization: bearer sk-test-0123456789\r\n"))
            #expect(request.contains("\r\nupgrade: websocket\r\n"))
            #expect(request.contains("\r\nsec-websocket-version: 13\r\n"))
            #expect(!request.contains("sec-websocket-extensions"))
        }
    }

    @Test(arguments: [301, 302, 400, 401, 403, 404, 429, 500, 503])
    func otherStatusesAreRefusalsWithAdvice(status: Int) async throws {
        try await ScriptedServer.run { peer in
            _ = try await peer.upgradeAnswer()
            try await peer.send(
                Array("HTTP/1.1 \(status) Nope\r\nLocation: https://evil.example/sk-secret\r\nContent-Length: 8\r\n\r\nTOPSECRE".utf8))
            try await peer.drain()
        } client: { server in
            let error = try await server.refusal()
            #expect(error.code == .refusedAtHandshake(status: status))
            #expect(error.message.contains("\(status)"))
            for secret in ["evil", "TOPSECRE", "sk-"] { #expect(!error.debugDescription.contains(secret)) }
        }
    }

    @Test(arguments: [
        "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n",
        "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        "HTTP/1.1 101 S\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
    ])
    func aWrong101IsABadUpgrade(answer: String) async throws {
        try await ScriptedServer.run { peer in
            _ = try await peer.upgradeAnswer()
            try await peer.send(Array(answer.utf8))
            try await peer.drain()
        } client: { server in
            let error = try await server.refusal()
            #expect(error.code == .badUpgrade)
        }
    }

    @Test(arguments: ["Sec-WebSocket-Extensions: permessage-deflate\r\n", "Sec-WebSocket-Protocol: chat\r\n"])
    func choosingWhatWasNotOfferedIsABadUpgrade(header: String) async throws {
        try await ScriptedServer.run { peer in
            try await peer.wire.write(peer.upgradeAnswer(extraHeaders: header) + .text(created))
            try await peer.drain()
        } client: { server in
            let error = try await server.refusal()
            #expect(error.code == .badUpgrade)
        }
    }

    @Test func anOfferedSubProtocolMayBeChosen() async throws {
        try await ScriptedServer.run { peer in
            try await peer.wire.write(peer.upgradeAnswer(extraHeaders: "Sec-WebSocket-Protocol: realtime\r\n") + .text(created))
            try await peer.drain()
        } client: { server in
            _ = try await server.connect { $0.headers = [("Sec-WebSocket-Protocol", "realtime, openai-insecure-api-key.sk-x")] }
        }
    }

    @Test func errorAndCloseAfterThe101AreARefusal() async throws {
        let event =
            #"{"type":"error","error":{"type":"invalid_request_error","code":"invalid_api_key","message":"Incorrect API key: sk-test-*****6789."}}"#
        try await ScriptedServer.run { peer in
            try await peer.wire.write(
                peer.upgradeAnswer() + .text(event) + .close(3000, "invalid_request_error.invalid_api_key"))
            try await peer.drain()
        } client: { server in
            let error = try await server.refusal()
            #expect(error.code == .refused(closeCode: 3000, errorType: "invalid_request_error", errorCode: "invalid_api_key"))
            #expect(error.message.contains("Incorrect API key: sk-***."))
            #expect(error.message.contains("close 3000"))
            let kept = String(decoding: try #require(error.upstreamError), as: UTF8.self)
            #expect(kept == event.replacing("sk-test-*****6789", with: "sk-***"))
        }
    }

    /// 101, `error`, CLOSE and the end of the stream in one turn of the client's event loop, which NIO's own upgrade handlers lose.
    @Test func aRefusalIsReadAlsoWhenTheStreamEndsWithIt() async throws {
        for _ in 0..<50 {
            try await ScriptedServer.run { peer in
                try await peer.wire.write(peer.upgradeAnswer() + .text(#"{"type":"error","error":{"code":"c"}}"#) + .close(4000))
            } client: { server in
                let error = try await server.refusal()
                #expect(error.code == .refused(closeCode: 4000, errorType: nil, errorCode: "c"))
            }
        }
    }

    @Test func aCloseAloneIsARefusal() async throws {
        try await ScriptedServer.run { peer in
            try await peer.wire.write(peer.upgradeAnswer() + .close(4000))
            try await peer.drain()
        } client: { server in
            let error = try await server.refusal()
            #expect(error.code == .refused(closeCode: 4000, errorType: nil, errorCode: nil))
        }
    }

    @Test func anErrorWithoutCloseIsARefusalAfterASecond() async throws {
        try await ScriptedServer.run { peer in
            try await peer.wire.write(peer.upgradeAnswer() + .text(#"{"type":"error","error":{"type":"server_error","code":null}}"#))
            #expect(try await peer.receive().closeCode == 1000)
            try await peer.drain()
        } client: { server in
            let started = ContinuousClock.now
            let error = try await server.refusal()
            #expect(error.code == .refused(closeCode: nil, errorType: "server_error", errorCode: nil))
            #expect(ContinuousClock.now - started < patience / 2)
        }
    }

    @Test func anErrorThatIsFollowedByTheSessionIsNone() async throws {
        try await ScriptedServer.run { peer in
            try await peer.wire.write(peer.upgradeAnswer() + .text(#"{"type":"error","error":"odd"}"#) + .text(created))
            try await peer.send(text: "next")
            try await peer.drain()
        } client: { server in
            let connection = try await server.connect()
            #expect(connection.created == Array(created.utf8))
            #expect(try await connection.nextText() == "next")
        }
    }

    @Test func otherEventsBeforeTheSessionAreSkipped() async throws {
        let transcription = #"{"type":"transcription_session.created"}"#
        try await ScriptedServer.run { peer in
            try await peer.wire.write(
                peer.upgradeAnswer() + .text(#"{"type":"ping"}"#) + .text("not json") + .text(transcription))
            try await peer.drain()
        } client: { server in
            let outcome = try await server.connect().created
            #expect(outcome == Array(transcription.utf8))
        }
    }

    @Test(arguments: [true, false])
    func aStalledHandshakeTimesOut(answersUpgrade: Bool) async throws {
        try await ScriptedServer.run { peer in
            // The client may leave at any point of this.
            guard let answer = try? await peer.upgradeAnswer() else { return }
            if answersUpgrade { try? await peer.send(answer) }
            try await peer.drain()
        } client: { server in
            let error = try await server.refusal { $0.handshakeTimeout = .milliseconds(150) }
            #expect(error.code == .handshakeTimeout)
        }
    }

    @Test func aServerThatLeavesBeforeTheAnswerIsUnreachable() async throws {
        try await ScriptedServer.run { peer in
            _ = try await peer.upgradeAnswer()
        } client: { server in
            let error = try await server.refusal()
            #expect(error.code == .unreachable)
        }
    }

    @Test func aServerThatLeavesAfterThe101HasClosed() async throws {
        try await ScriptedServer.run { peer in
            try await peer.send(peer.upgradeAnswer())
        } client: { server in
            let error = try await server.refusal()
            #expect(error.code == .closed)
        }
    }

    @Test func nobodyListeningIsUnreachable() async throws {
        let url = try await ScriptedServer.run { peer in
        } client: { server in
            server.url
        }
        let error = try await refusal(of: UpstreamEndpoint(name: "gone", url: url))
        #expect(error.code == .unreachable)
        #expect(error.message.contains("connection refused"))
    }

    @Test func anUnknownNameIsADNSFailure() async throws {
        // RFC 6761: names under .invalid never resolve.
        #expect(try await refusal(of: UpstreamEndpoint(name: "none", url: "ws://nowhere.invalid/")).code == .dnsFailed)
    }

    @Test func cancellingConnectClosesTheSocket() async throws {
        try await ScriptedServer.run { peer in
            try await peer.drain()
        } client: { server in
            let connecting = Task {
                do throws(UpstreamError) {
                    _ = try await connector.connect(to: server.endpoint())
                    return nil as UpstreamError.Code?
                } catch {
                    return error.code
                }
            }
            connecting.cancel()
            #expect(await connecting.value == .cancelled)
        }
    }

    @Test(arguments: [
        ("Host", "x"), ("sec-websocket-extensions", "permessage-deflate"), ("X-A", "b\r\nX-C: d"), ("X A", "b"), ("", "b"),
    ])
    func headersThatWouldBendTheRequestAreRefused(name: String, value: String) async throws {
        let endpoint = UpstreamEndpoint(name: "x", url: "ws://127.0.0.1:1/", headers: [(name, value)])
        let error = try await refusal(of: endpoint)
        #expect(error.code == .invalidEndpoint)
        #expect(!error.message.contains(value))
    }
}

extension [UInt8] {
    static func text(_ text: String) -> [UInt8] { WebSocketPeer<TCPWire>.text(text) }
    static func close(_ code: UInt16, _ reason: String = "") -> [UInt8] { WebSocketPeer<TCPWire>.close(code, reason) }
    static func frame(_ opcode: UInt8, _ payload: [UInt8], isFinal: Bool = true, reserved: UInt8 = 0, mask: Bool = false) -> [UInt8] {
        WebSocketPeer<TCPWire>.frame(opcode, payload, isFinal: isFinal, reserved: reserved, mask: mask)
    }
}
