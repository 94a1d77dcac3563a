import TestSupport
import Testing
import Upstream

@Suite(.timeLimit(.minutes(1)))
struct EndTests {
    @Test(arguments: [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4004, 4999] as [UInt16])
    func theServersCloseIsEchoedAndReported(code: UInt16) async throws {
        try await ScriptedServer.run { peer in
            try await peer.openSession()
            try await peer.send(.text("last") + .close(code, "bye sk-abcdef123"))
            let echo = try await peer.receive()
            #expect(echo.opcode == 8 && echo.closeCode == code)
        } client: { server in
            let connection = try await server.connect()
            #expect(try await connection.nextText() == "last")
            let end = UpstreamEnd(.closedByPeer, code: code, reason: "bye sk-***")
            #expect(try await connection.nextInbound() == .ended(end))
            #expect(try await connection.nextInbound() == .ended(end))
            await #expect { try await connection.send([]) } throws: { ($0 as? UpstreamError)?.code == .closed }
        }
    }

    @Test func aCloseWithoutACodeHasNone() async throws {
        try await ScriptedServer.run { peer in
            try await peer.openSession()
            try await peer.send(.frame(8, []))
            #expect(try await peer.receive().opcode == 8)
            try await peer.drain()
        } client: { server in
            let outcome = try await server.connect().end()
            #expect(outcome == UpstreamEnd(.closedByPeer))
        }
    }

    /// RFC 6455, 5.5.1: there is one CLOSE from each side, and nothing after it.
    @Test func nothingIsSentOrReadBehindACLOSE() async throws {
        try await ScriptedServer.run { peer in
            try await peer.openSession()
            try await peer.send(.close(1001) + .text("too late") + .frame(9, []) + .close(4000))
            #expect(try await peer.receive().closeCode == 1001)
            await #expect(throws: PeerGone.self) { try await peer.receive() }
        } client: { server in
            let connection = try await server.connect()
            #expect(try await connection.nextInbound() == .ended(UpstreamEnd(.closedByPeer, code: 1001)))
            await #expect { try await connection.sendText("too late too") } throws: { ($0 as? UpstreamError)?.code == .closed }
        }
    }

    /// What may not be on the wire is sent as 1000; RFC 6455, 7.4.
    @Test(arguments: [(1000, 1000), (3000, 3000), (1005, 1000), (1006, 1000), (0, 1000), (65535, 1000)] as [(UInt16, UInt16)])
    func ourCloseCodeIsOneThatMayBeSent(given: UInt16, sent: UInt16) async throws {
        try await ScriptedServer.run { peer in
            try await peer.openSession()
            #expect(try await peer.receive().closeCode == sent)
            try await peer.send(.close(sent))
        } client: { server in
            try await server.connect().closeAndWait(code: given)
        }
    }

    @Test func ourCloseWaitsForTheServers() async throws {
        try await ScriptedServer.run { peer in
            try await peer.openSession()
            let close = try await peer.receive()
            #expect(close.closeCode == 1001)
            #expect(close.closeReason == "rollover")
            try await peer.send(.text("crossing") + .close(1001))
            try await peer.drain()
        } client: { server in
            let connection = try await server.connect()
            try await connection.closeAndWait(code: 1001, reason: "rollover")
            #expect(try await connection.nextText() == "crossing")
            #expect(try await connection.end() == UpstreamEnd(.closedByUs, code: 1001, reason: "rollover"))
            try await connection.closeAndWait(code: 1000, reason: "again")
        }
    }

    @Test func ourCloseIsBoundedWhenTheServerIgnoresIt() async throws {
        try await ScriptedServer.run { peer in
            try await peer.openSession()
            try await peer.drain()
        } client: { server in
            let connection = try await server.connect()
            let started = ContinuousClock.now
            try await connection.closeAndWait(code: 1000, reason: "")
            #expect(ContinuousClock.now - started < patience / 2)
            #expect(try await connection.end().kind == .closedByUs)
        }
    }

    @Test func anEndOfStreamWithoutCloseIsALoss() async throws {
        try await ScriptedServer.run { peer in
            try await peer.openSession()
        } client: { server in
            let end = try await server.connect().end()
            #expect(end.kind == .lost && end.code == nil)
        }
    }

    @Test func aResetIsALoss() async throws {
        try await ScriptedServer.run { peer in
            try await peer.openSession()
            #expect(try await peer.receive().text == "go")
            try await peer.wire.reset()
        } client: { server in
            let connection = try await server.connect()
            try await connection.sendText("go")
            #expect(try await connection.end().kind == .lost)
        }
    }

    @Test func droppingTheConnectionClosesTheSocket() async throws {
        let closed = Mailbox<Void>("the socket's end")
        try await ScriptedServer.run { peer in
            try await peer.openSession()
            try await peer.drain()
            closed.put(())
        } client: { server in
            _ = try await server.connect()
            try await closed.next()
        }
    }

    @Test func cancellingTheReaderEndsTheConnection() async throws {
        let closed = Mailbox<Void>("the socket's end")
        try await ScriptedServer.run { peer in
            try await peer.openSession()
            try await peer.drain()
            closed.put(())
        } client: { server in
            let connection = try await server.connect()
            let reader = Task { await connection.next() }
            reader.cancel()
            #expect(await reader.value == .ended(UpstreamEnd(.closedByUs)))
            try await closed.next()
        }
    }

    @Test func aSilentServerIsPingedAndThenGivenUp() async throws {
        try await ScriptedServer.run { peer in
            try await peer.openSession()
            #expect(try await peer.receive().opcode == 9)
            try await peer.drain()
        } client: { server in
            let connection = try await server.connect {
                $0.pingInterval = .milliseconds(50)
                $0.pingTimeout = .milliseconds(100)
            }
            #expect(try await connection.end().kind == .pingTimeout)
        }
    }

    @Test func aServerThatAnswersPingsIsKept() async throws {
        try await ScriptedServer.run { peer in
            try await peer.openSession()
            for _ in 0..<5 {
                let ping = try await peer.receive()
                #expect(ping.opcode == 9)
                try await peer.send(.frame(10, ping.payload))
            }
            try await peer.send(text: "still here")
            try await peer.drain()
        } client: { server in
            let connection = try await server.connect {
                $0.pingInterval = .milliseconds(30)
                $0.pingTimeout = patience
            }
            #expect(try await connection.nextText() == "still here")
        }
    }
}
