import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import TestSupport
import Testing
import Upstream

/// Against the real `openssl s_server`. One after the other: a dozen of its processes at once starve two cores.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct TLSTests {
    @Test(
        arguments: [["-tls1_2"], ["-tls1_3"], ["-alpn", "http/1.1"]], [(TestCertificates.Kind.good, "localhost"), (.address, "127.0.0.1")])
    func aSessionRunsOverTLS(options: [String], server: (kind: TestCertificates.Kind, host: String)) async throws {
        try await OpenSSLServer.run(server.kind, options: options) { peer in
            try await peer.openSession()
            let frame = try await peer.receive()
            try await peer.send(.text("got \(frame.text)"))
            #expect(try await peer.receive().closeCode == 1000)
            try await peer.send(.close(1000))
        } client: { openssl in
            let connection = try await open(openssl.endpoint(host: server.host))
            #expect(connection.created == Array(created.utf8))
            try await connection.sendText("hello")
            #expect(try await connection.nextText() == "got hello")
            try await connection.closeAndWait()
            #expect(try await connection.end().kind == .closedByUs)
        }
    }

    @Test func largeMessagesCrossRecords() async throws {
        let text = (0..<300_000).map { UInt8(0x20 + $0 % 90) }
        try await OpenSSLServer.run(.good) { peer in
            try await peer.openSession()
            try await peer.send(.frame(1, peer.receive().payload))
        } client: { server in
            let connection = try await open(server.endpoint())
            try await connection.send(text)
            #expect(try await connection.nextInbound() == .frame(text))
        }
    }

    @Test func theKeyIsNotSentToAServerThatIsNotTrusted() async throws {
        try await OpenSSLServer.run(.wrongHost) { peer in
            await #expect(throws: (any Error).self) { _ = try await peer.wire.received.next(within: .milliseconds(300)) }
        } client: { server in
            _ = try await refusal(of: server.endpoint { $0.headers = [("Authorization", "Bearer sk-x")] })
        }
    }

    @Test func aMissingFileOfAuthoritiesIsNamed() async throws {
        let error = try await refusal(
            of: UpstreamEndpoint(name: "x", url: "wss://localhost:1/", tls: UpstreamTLS(caFile: "/nonexistent.pem")))
        #expect(error.code == .tlsFailed)
        #expect(error.message.contains("--upstream-ca") && error.message.contains("/nonexistent.pem"))
    }

    @Test(arguments: ["HTTP/1.1 400 Bad Request\r\n\r\n", "\u{15}\u{3}\u{3}", "SSH-2.0-OpenSSH_9.2\r\n"])
    func aServerThatSpeaksNoTLSIsNamed(answer: String) async throws {
        try await ScriptedServer.run { peer in
            _ = try await peer.wire.read()
            try await peer.send(Array(answer.utf8))
        } client: { server in
            let error = try await server.refusal { $0.url.replace("ws://", with: "wss://") }
            #expect(error.code == .tlsFailed)
            #expect(error.message.contains("TLS on this port"))
        }
    }

    @Test func aStalledTLSHandshakeTimesOut() async throws {
        try await ScriptedServer.run { peer in
            try await peer.drain()
        } client: { server in
            let error = try await server.refusal {
                $0.url.replace("ws://", with: "wss://")
                $0.handshakeTimeout = .milliseconds(150)
            }
            #expect(error.code == .handshakeTimeout)
        }
    }

    /// In the middle of the server's first record, where reading for more would wait for ever.
    @Test func aTLSHandshakeThatStallsHalfwayTimesOut() async throws {
        try await ScriptedServer.run { peer in
            // The client may leave at any point of this.
            guard try await peer.wire.read() != nil else { return }
            try? await peer.send([0x16, 0x03, 0x03, 0x00, 0x7A, 0x02, 0x00])
            try await peer.drain()
        } client: { server in
            let error = try await server.refusal {
                $0.url.replace("ws://", with: "wss://")
                $0.handshakeTimeout = .milliseconds(500)
            }
            #expect(error.code == .handshakeTimeout)
            #expect(error.message.contains("did not finish the TLS handshake within 0.5 seconds"))
        }
    }

    @Test func anEndWithoutCloseNotifyIsALossThatSaysSo() async throws {
        try await OpenSSLServer.run(.good) { peer in
            try await peer.openSession()
        } client: { server in
            let connection = try await open(server.endpoint())
            server.kill()
            let end = try await connection.end()
            #expect(end.kind == .lost)
            #expect(end.reason == "localhost cut the connection without a TLS close-notify")
        }
    }

    @Test func aCloseNotifyWithoutCloseIsALossToo() async throws {
        try await OpenSSLServer.run(.good) { peer in
            try await peer.openSession()
            try peer.wire.close()
        } client: { server in
            let end = try await open(server.endpoint()).end()
            #expect(end == UpstreamEnd(.lost, reason: "connection ended without CLOSE"))
        }
    }

    /// Through a relay that passes each byte on alone.
    @Test func everythingArrivesAlsoByteByByte() async throws {
        try await OpenSSLServer.run(.good) { peer in
            try await peer.openSession()
            try await peer.send(.text("got \(peer.receive().text)"))
        } client: { server in
            try await Relay.run(to: server.port, chunkBytes: 1) { port, _ in
                let connection = try await open(server.endpoint(port: port))
                try await connection.sendText("hello")
                #expect(try await connection.nextText() == "got hello")
            }
        }
    }

    @Test func closingSendsACloseNotify() async throws {
        try await OpenSSLServer.run(.good, options: ["-tls1_2"]) { peer in
            try await peer.openSession()
            #expect(try await peer.receive().closeCode == 1000)
            try await peer.send(.close(1000))
        } client: { server in
            try await Relay.run(to: server.port, chunkBytes: 4096) { port, sent in
                let connection = try await open(server.endpoint(port: port))
                try await connection.closeAndWait()
                // TLS 1.2 shows record types: the last record is an alert. The relay may be a moment behind.
                let deadline = ContinuousClock.now + patience
                while recordTypes(sent.withLockedValue { $0 }).last != 21, ContinuousClock.now < deadline {
                    try await Task.sleep(for: .milliseconds(5))
                }
                #expect(recordTypes(sent.withLockedValue { $0 }).last == 21)
            }
        }
    }

    private func recordTypes(_ bytes: [UInt8]) -> [UInt8] {
        var types: [UInt8] = []
        var position = 0
        while position + 5 <= bytes.count {
            types.append(bytes[position])
            position += 5 + Int(bytes[position + 3]) << 8 + Int(bytes[position + 4])
        }
        return types
    }
}

/// A TCP relay in front of a server, that cuts the server's bytes in small pieces and remembers the client's.
enum Relay {
    static func run(
        to port: Int, chunkBytes: Int, client: @escaping @Sendable (_ port: Int, _ sent: NIOLockedValueBox<[UInt8]>) async throws -> Void
    ) async throws {
        let sent = NIOLockedValueBox<[UInt8]>([])
        try await ScriptedServer.run { peer in
            await pass(between: peer.wire, and: try await TCPWire.connect(to: port), chunkBytes: chunkBytes, sent)
        } client: { server in
            try await client(server.port, sent)
        }
    }

    /// Passes bytes both ways until both sides have ended.
    static func pass(between outer: TCPWire, and inner: TCPWire, chunkBytes: Int, _ sent: NIOLockedValueBox<[UInt8]>) async {
        await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                while let bytes = try await outer.read() {
                    sent.withLockedValue { $0 += bytes }
                    try await inner.write(bytes)
                }
                try? await inner.channel.close()
            }
            group.addTask {
                while let bytes = try await inner.read() {
                    for start in stride(from: 0, to: bytes.count, by: chunkBytes) {
                        try await outer.write(Array(bytes[start..<min(start + chunkBytes, bytes.count)]))
                    }
                }
            }
            // What cannot be passed on because one side has left is not the relay's failure.
            while let result = await group.nextResult() { _ = result }
        }
    }
}
