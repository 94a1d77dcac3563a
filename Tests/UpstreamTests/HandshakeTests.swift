import TestSupport
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

    /// From the 101 to the CLOSE, with every length a frame can be written in.
    @Test func everythingArrivesAlsoByteByByte() async throws {
        let long = String(repeating: "y", count: 300)
        try await ScriptedServer.run { peer in
            let euro = Array("€".utf8)
            let before = try await peer.upgradeAnswer(extraHeaders: "X-Served-By: a\r\n") + .text(created) + .text("zwölf") + .text(long)
            for byte in before + .frame(1, euro[..<1] + [], isFinal: false) + .frame(9, [7]) { try await peer.send([byte]) }
            let pong = try await peer.receive()
            #expect(pong.opcode == 10 && pong.payload == [7])
            for byte in .frame(0, Array(euro[1...])) + .close(1001, "bye") as [UInt8] { try await peer.send([byte]) }
            #expect(try await peer.receive().closeCode == 1001)
        } client: { server in
            let connection = try await server.connect()
            #expect(connection.created == Array(created.utf8))
            for text in ["zwölf", long, "€"] { #expect(try await connection.nextText() == text) }
            #expect(try await connection.end() == UpstreamEnd(.closedByPeer, code: 1001, reason: "bye"))
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

    /// The body is not shown: it may be of any size and echo anything.
    @Test(arguments: [200, 204, 301, 302, 303, 307, 308, 400, 401, 403, 404, 426, 429, 500, 502, 503])
    func otherStatusesAreRefusalsWithAdvice(status: Int) async throws {
        let body = #"{"error":{"message":"Incorrect API key sk-secret TOPSECRET","code":"invalid_api_key"}}"#
        try await ScriptedServer.run { peer in
            _ = try await peer.upgradeAnswer()
            try await peer.send(
                Array(
                    "HTTP/1.1 \(status) TOPSECRET\r\nContent-Type: application/json\r\nWWW-Authenticate: Bearer error=\"TOPSECRET\"\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
                        .utf8))
            try await peer.drain()
        } client: { server in
            let error = try await server.refusal()
            #expect(error.code == .refusedAtHandshake(status: status))
            #expect(error.message.hasPrefix("the upstream 'test' (\(server.url.prefix { $0 != "?" })) answered \(status): "))
            for secret in ["TOPSECRE", "sk-", "invalid_api_key"] { #expect(!error.debugDescription.contains(secret)) }
        }
    }

    /// Azure puts the key into the address that it redirects to.
    @Test(arguments: [301, 302, 303, 307, 308]) func aRedirectIsNeitherFollowedNorShown(status: Int) async throws {
        try await ScriptedServer.run { peer in
            Issue.record("the redirect was followed")
        } client: { elsewhere in
            try await ScriptedServer.run { peer in
                _ = try await peer.upgradeAnswer()
                try await peer.send(Array("HTTP/1.1 \(status) Found\r\nLocation: \(elsewhere.url)&api-key=sk-secret\r\n\r\n".utf8))
                try await peer.drain()
            } client: { server in
                let error = try await server.refusal()
                #expect(error.code == .refusedAtHandshake(status: status))
                #expect(error.message.contains("a redirect, which is not followed; configure the final address as the upstream URL"))
                for text in ["\(elsewhere.port)", "sk-", "Location"] { #expect(!error.debugDescription.contains(text)) }
            }
        }
    }

    /// A body that never ends keeps nobody waiting.
    @Test func theBodyOfARefusalIsNotWaitedFor() async throws {
        try await ScriptedServer.run { peer in
            _ = try await peer.upgradeAnswer()
            try await peer.send(Array("HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n".utf8))
            try await peer.drain()
        } client: { server in
            let error = try await server.refusal()
            #expect(error.code == .refusedAtHandshake(status: 503))
        }
    }

    @Test(arguments: [
        "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n",
        "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        "HTTP/1.1 101 S\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ACCEPT\r\n\r\n",
        "HTTP/1.1 101 S\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ACCEPT\r\n\r\n",
        "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ACCEPT\r\n\r\n",
        "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: close\r\nSec-WebSocket-Accept: ACCEPT\r\n\r\n",
        "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: accept\r\n\r\n",
        "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ACCEPT\r\nSec-WebSocket-Accept: x\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
    ])
    func aWrong101IsABadUpgrade(answer: String) async throws {
        try await ScriptedServer.run { peer in
            _ = try await peer.upgradeAnswer()
            let (accept, otherCase) = (
                peer.accept, String(peer.accept.map { $0.isLowercase ? Character($0.uppercased()) : Character($0.lowercased()) })
            )
            try await peer.send(
                Array(answer.replacing("ACCEPT", with: accept).replacing("Accept: accept", with: "Accept: \(otherCase)").utf8)
                    + .text(created))
            try await peer.drain()
        } client: { server in
            let error = try await server.refusal()
            #expect(error.code == .badUpgrade)
        }
    }

    @Test(arguments: [
        "HTTP/1.1 101 S\r\nupgrade: WebSocket\r\nCONNECTION: keep-alive, upgrade\r\nsec-websocket-accept:ACCEPT\r\n\r\n",
        "HTTP/1.1 101\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept:\t ACCEPT \r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ACCEPT\r\n\r\n",
        "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-Long: LONG\r\nSec-WebSocket-Accept: ACCEPT\r\n\r\n",
    ])
    func aGood101MayBeWrittenInManyWays(answer: String) async throws {
        try await ScriptedServer.run { peer in
            _ = try await peer.upgradeAnswer()
            let long = String(repeating: "x", count: 60 << 10)
            try await peer.send(Array(answer.replacing("ACCEPT", with: peer.accept).replacing("LONG", with: long).utf8) + .text(created))
            try await peer.drain()
        } client: { server in
            let connection = try await server.connect()
            #expect(connection.created == Array(created.utf8))
        }
    }

    /// One header without end, headers without end, and announcements of an answer without end: none of them fills memory.
    @Test(arguments: [("X: ", "xxxxxxxxxxxxxxxx"), ("", "X: y\r\n"), ("", "HTTP/1.1 100 Continue\r\n\r\n")])
    func anAnswerWithoutEndIsNotReadToTheEnd(start: String, endless: String) async throws {
        try await ScriptedServer.run { peer in
            _ = try await peer.upgradeAnswer()
            let isAnnouncement = endless.hasPrefix("HTTP")
            try await peer.send(Array(((isAnnouncement ? "" : "HTTP/1.1 101 S\r\n") + start).utf8))
            let more = Array(String(repeating: endless, count: 1000).utf8)
            // Until the client has had enough: then writing fails.
            while (try? await peer.send(more)) != nil {}
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
        // A name may have no part of more than 63 bytes, so that no name server is asked, who could take its time.
        let name = String(repeating: "x", count: 64) + ".invalid"
        #expect(try await refusal(of: UpstreamEndpoint(name: "none", url: "ws://\(name)/")).code == .dnsFailed)
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
