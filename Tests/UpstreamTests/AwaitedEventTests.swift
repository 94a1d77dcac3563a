import TestSupport
import Testing
import Upstream

/// Servers whose session is ready only after a second event. Whatever the order, each frame reaches the reader once.
@Suite(.timeLimit(.minutes(1)))
struct AwaitedEventTests {
    private static let awaited = #"{"type":"conversation.created","conversation":{"id":"conv_1"}}"#
    private static let ping = #"{"type":"ping"}"#
    private static let error = #"{"type":"error","error":{"type":"server_error","code":"busy","message":"no room"}}"#
    private static let change: @Sendable (inout UpstreamEndpoint) -> Void = { $0.awaitedEvent = "conversation.created" }

    struct Row: Sendable {
        var sent: [String]
        /// What the reader finds behind `created`.
        var read: [String]
    }

    @Test(
        arguments: [
            Row(sent: [created, awaited, "next"], read: [awaited, "next"]),
            Row(sent: [created, ping, "not json", awaited, "next"], read: [ping, "not json", awaited, "next"]),
            Row(sent: [ping, created, awaited, "next"], read: [awaited, "next"]),
            // Out of order: the frame is not lost, only told after the session's own.
            Row(sent: [awaited, created, "next"], read: [awaited, "next"]),
            Row(sent: [awaited, ping, created, "next"], read: [awaited, "next"]),
            Row(sent: [created, awaited, awaited, created, "next"], read: [awaited, awaited, created, "next"]),
            // An error that is followed by readiness was no refusal.
            Row(sent: [created, error, awaited, "next"], read: [error, awaited, "next"]),
            Row(sent: [created, error, error, awaited, "next"], read: [error, error, awaited, "next"]),
        ], [true, false])
    func theSessionIsReadyAfterTheSecondEvent(row: Row, inOneSegment: Bool) async throws {
        try await ScriptedServer.run { peer in
            let answer = try await peer.upgradeAnswer()
            if inOneSegment {
                try await peer.send(answer + row.sent.flatMap { [UInt8].text($0) })
            } else {
                try await peer.send(answer)
                for text in row.sent { try await peer.send(text: text) }
            }
            try await peer.drain()
        } client: { server in
            let connection = try await server.connect(Self.change)
            #expect(connection.created == Array(created.utf8))
            for text in row.read { #expect(try await connection.nextText() == text) }
        }
    }

    @Test func theSecondEventIsWaitedFor() async throws {
        let isConnected = Mailbox<Void>("connect to return")
        let mayGoOn = Mailbox<Void>("the test")
        try await ScriptedServer.run { peer in
            try await peer.openSession()
            // A pong proves that the frames before have been seen.
            try await peer.send(.frame(9, []))
            #expect(try await peer.receive().opcode == 10)
            #expect(isConnected.pending.isEmpty)
            try await peer.send(text: Self.awaited)
            try await mayGoOn.next()
        } client: { server in
            _ = try await server.connect(Self.change)
            isConnected.put(())
            mayGoOn.put(())
        }
    }

    @Test(arguments: [
        (
            [created],
            ") opened the WebSocket but sent no conversation.created within 1.0 seconds; does this upstream really send it?"
        ),
        (
            [awaited],
            ") opened the WebSocket but sent no session.created within 1.0 seconds; is its URL that of a Realtime endpoint?"
        ),
    ])
    func whatIsMissingIsNamedWhenTheTimeIsOver(sent: [String], message: String) async throws {
        try await ScriptedServer.run { peer in
            try await peer.send(peer.upgradeAnswer() + sent.flatMap { [UInt8].text($0) })
            #expect(try await peer.receive().closeCode == 1000)
            try await peer.drain()
        } client: { server in
            let error = try await server.refusal {
                Self.change(&$0)
                // What is sent must have been seen by then.
                $0.handshakeTimeout = .seconds(1)
            }
            #expect(error.code == .handshakeTimeout)
            #expect(error.message.hasSuffix(message), "\(error.message)")
        }
    }

    @Test(arguments: [true, false]) func aServerMayStillRefuseBetweenTheTwo(closes: Bool) async throws {
        try await ScriptedServer.run { peer in
            try await peer.send(peer.upgradeAnswer() + .text(created) + .text(Self.error) + (closes ? .close(4000, "busy") : []))
            try await peer.drain()
        } client: { server in
            let error = try await server.refusal(Self.change)
            #expect(error.code == .refused(closeCode: closes ? 4000 : nil, errorType: "server_error", errorCode: "busy"))
            #expect(error.upstreamError == Array(Self.error.utf8))
        }
    }

    @Test func aServerThatLeavesBetweenTheTwoHasClosed() async throws {
        try await ScriptedServer.run { peer in
            try await peer.openSession()
        } client: { server in
            let error = try await server.refusal(Self.change)
            #expect(error.code == .closed)
        }
    }

    /// Whoever names the session's own event as awaited waits for nothing more.
    @Test func theSessionsOwnEventSuffices() async throws {
        try await ScriptedServer.run { peer in
            try await peer.openSession()
            try await peer.drain()
        } client: { server in
            let connection = try await server.connect { $0.awaitedEvent = "session.created" }
            #expect(connection.created == Array(created.utf8))
        }
    }
}
