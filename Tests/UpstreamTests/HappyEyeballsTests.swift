import NIOCore
import NIOPosix
import TestSupport
import Testing
import Upstream

/// A name with addresses of both families (RFC 8305): the one that answers is used, soon.
@Suite(.serialized, .timeLimit(.minutes(1)), .enabled(if: Loopback.hasIPv6, "this machine has no ::1"))
struct HappyEyeballsTests {
    /// Far less than a connect timeout, far more than the quarter of a second that IPv6 is given.
    private static let soon = Duration.seconds(5)

    private func expectSession(from server: ScriptedServer, resolver: FixedResolver) async throws {
        let started = ContinuousClock.now
        let endpoint = server.endpoint { $0.url = "ws://both.example:\(server.port)/" }
        let connection = try await open(endpoint, by: resolver.connector)
        #expect(connection.created == Array(created.utf8))
        #expect(ContinuousClock.now - started < Self.soon)
    }

    @Test(arguments: ["127.0.0.1", "::1"]) func oneFamilySuffices(address: String) async throws {
        try await ScriptedServer.run(host: address) { peer in
            try await peer.openSession()
            try await peer.drain()
        } client: { server in
            let place = try SocketAddress(ipAddress: address, port: server.port)
            try await expectSession(
                from: server,
                resolver: FixedResolver(v4: [place].filter { $0.protocol == .inet }, v6: [place].filter { $0.protocol == .inet6 }))
        }
    }

    @Test func ipv4IsUsedWhenIPv6Refuses() async throws {
        let nobody = try await ScriptedServer.run(host: "::1") { peer in
        } client: { server in
            server.port
        }
        try await ScriptedServer.run { peer in
            try await peer.openSession()
            try await peer.drain()
        } client: { server in
            try await expectSession(
                from: server,
                resolver: FixedResolver(
                    v4: [try SocketAddress(ipAddress: "127.0.0.1", port: server.port)],
                    v6: [try SocketAddress(ipAddress: "::1", port: nobody)]))
        }
    }

    /// Most broken IPv6 is like this: nothing comes back at all.
    @Test func ipv4IsUsedWhenIPv6SwallowsEverything() async throws {
        let hole = try await BlackHole()
        defer { hole.close() }
        try await ScriptedServer.run { peer in
            try await peer.openSession()
            try await peer.drain()
        } client: { server in
            try await expectSession(
                from: server,
                resolver: FixedResolver(
                    v4: [try SocketAddress(ipAddress: "127.0.0.1", port: server.port)],
                    v6: [try SocketAddress(ipAddress: "::1", port: hole.port)]))
        }
    }

    @Test func ipv4IsUsedWhenTheNameServerNeverAnswersForIPv6() async throws {
        let answer = MultiThreadedEventLoopGroup.singleton.next().makePromise(of: [SocketAddress].self)
        try await ScriptedServer.run { peer in
            try await peer.openSession()
            try await peer.drain()
        } client: { server in
            try await expectSession(
                from: server,
                resolver: FixedResolver(v4: [try SocketAddress(ipAddress: "127.0.0.1", port: server.port)], v6Answer: answer.futureResult))
        }
        answer.succeed([])
    }

    @Test func ipv6IsUsedWhenBothAnswer() async throws {
        try await ScriptedServer.run(host: "::1") { peer in
            try await peer.openSession()
            try await peer.drain()
        } client: { v6 in
            try await ScriptedServer.run { peer in
                Issue.record("IPv4 was used")
            } client: { v4 in
                try await expectSession(
                    from: v6,
                    resolver: FixedResolver(
                        v4: [try SocketAddress(ipAddress: "127.0.0.1", port: v4.port)],
                        v6: [try SocketAddress(ipAddress: "::1", port: v6.port)]))
            }
        }
    }

    /// A loser's failure, or its silence, says nothing as long as another address is left; when none is, the wait is bounded.
    @Test func nothingButBlackHolesTimesOut() async throws {
        let hole = try await BlackHole()
        defer { hole.close() }
        let resolver = FixedResolver(v6: [try SocketAddress(ipAddress: "::1", port: hole.port)])
        let error = try await refusal(
            of: UpstreamEndpoint(name: "hole", url: "ws://both.example/", handshakeTimeout: .milliseconds(400)), by: resolver.connector)
        #expect(error.code == .handshakeTimeout)
        #expect(
            error.message
                == "the upstream 'hole' (ws://both.example/) was not reached within 0.4 seconds; check its host and port, and firewalls on the way"
        )
    }

    @Test func anIPv6AddressInTheURLIsConnectedTo() async throws {
        try await ScriptedServer.run(host: "::1") { peer in
            try await peer.openSession()
            #expect(peer.request.contains("\r\nHost: [::1]:"))
            try await peer.drain()
        } client: { server in
            let connection = try await server.connect { $0.url = "ws://[::1]:\(server.port)/" }
            #expect(connection.created == Array(created.utf8))
        }
    }

    @Test func anIPv6AddressInASecureURLIsConnectedToAndVerified() async throws {
        try await OpenSSLServer.run(.address6, address: "::1") { peer in
            try await peer.openSession()
        } client: { server in
            let connection = try await open(server.endpoint(host: "[::1]"))
            #expect(connection.created == Array(created.utf8))
        }
    }
}

enum Loopback {
    static let hasIPv6: Bool = {
        let listener = try? ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton).bind(host: "::1", port: 0).wait()
        listener?.close(promise: nil)
        return listener != nil
    }()
}

/// A port of ::1 that answers nothing: its queue has room for one connection that nobody accepts, and that one is there.
struct BlackHole {
    let port: Int
    private let listener: any Channel
    private let filler: any Channel

    init() async throws {
        listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 0)
            .serverChannelOption(.autoRead, value: false)
            .bind(host: "::1", port: 0).get()
        port = listener.localAddress?.port ?? 0
        filler = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton).connect(host: "::1", port: port).get()
    }

    func close() {
        filler.close(promise: nil)
        listener.close(promise: nil)
    }
}
