import Logging
import NIOConcurrencyHelpers
import Realtime
import TestSupport
import Testing

@testable import Upstream

/// Connections that callers give back, with their frames.
@Suite(.timeLimit(.minutes(1)))
struct UpstreamPoolReturnTests {
    private let connector = HandshakesByHand()
    private let clock = HandClock()
    private let endpoint = PoolFixture.endpoint("shared")
    private let harmless: Set<String> = ["rate_limits.updated", "ping"]

    /// A pool that runs while the body does, and is stopped after it.
    private func withPool(_ limits: UpstreamPoolLimits = UpstreamPoolLimits(), _ body: (UpstreamPool) async throws -> Void) async throws {
        let pool = UpstreamPool(
            connector: connector, limits: limits, warm: [], logger: Logger(label: "test"), environment: clock.environment)
        try await withThrowingDiscardingTaskGroup { group in
            group.addTask { await pool.run() }
            let result: Result<Void, any Error>
            do { result = .success(try await body(pool)) } catch { result = .failure(error) }
            await pool.stop()
            try result.get()
        }
    }

    /// The first connection, given back by its caller; the stock's own refill is refused.
    private func givenBack(_ pool: UpstreamPool) async throws -> ScriptedConnection {
        async let connecting = pool.connect(to: endpoint)
        let server = try await connector.next().open("sess_first")
        var connection: UpstreamConnection? = try await connecting
        try await connector.next().fail()
        server.push(#"{"type":"response.done"}"#)
        #expect(try await connection?.nextText() == #"{"type":"response.done"}"#)
        await pool.takeBack(try #require(connection), harmless: harmless)
        connection = nil
        #expect(pool.status[0].leased == 0 && pool.status[0].settling == 1)
        return server
    }

    @Test func theNextCallerGetsItAndNothingOfWhatCameMeanwhile() async throws {
        try await withPool { pool in
            let server = try await givenBack(pool)
            server.push(#"{"type":"rate_limits.updated","rate_limits":[]}"#)
            clock.advance(by: 1000)
            await pool.reaches { $0.warm == 1 && $0.settling == 0 }
            server.push(#"{"type":"ping"}"#)
            let connection = try await pool.connect(to: endpoint)
            #expect(String(decoding: connection.created, as: UTF8.self).contains("sess_first"))
            server.push(#"{"type":"response.created"}"#)
            #expect(try await connection.nextText() == #"{"type":"response.created"}"#)
            #expect(pool.status[0].hits == 1 && pool.status[0].returned == 1 && pool.status[0].leased == 1)
        }
    }

    @Test(
        arguments: [
            #"{"type":"error","error":{"message":"of the caller before"}}"#, #"{"type":"response.output_text.delta","delta":"secret"}"#,
            "no event", "{}",
        ])
    func whatComesLateOfTheCallerBeforeClosesIt(frame: String) async throws {
        try await withPool { pool in
            let server = try await givenBack(pool)
            server.push(#"{"type":"ping"}"#)
            server.push(frame)
            clock.advance(by: 1000)
            #expect(try await server.waitForEnd().kind == .closedByUs)
            await pool.reaches { $0.settling == 0 }
            #expect(pool.status[0].warm == 0 && pool.status[0].returned == 0)
        }
    }

    /// It has settled, and lies in the stock; then something comes after all, and then somebody asks.
    @Test func whatComesLaterStillMakesTheNextCallerGetAnother() async throws {
        try await withPool { pool in
            let server = try await givenBack(pool)
            clock.advance(by: 1000)
            await pool.reaches { $0.warm == 1 }
            server.push(#"{"type":"error","error":{"message":"of the caller before"}}"#)
            async let connecting = pool.connect(to: endpoint)
            // The caller's own and the stock's, whichever begins first.
            for _ in 0..<2 { try await connector.next().open("sess_second") }
            #expect(String(decoding: try await connecting.created, as: UTF8.self).contains("sess_second"))
            #expect(try await server.waitForEnd().kind == .closedByUs)
            #expect(pool.status[0].leased == 1)
        }
    }

    @Test func oneThatEndsWhileItSettlesIsGone() async throws {
        try await withPool { pool in
            let server = try await givenBack(pool)
            server.end(UpstreamEnd(.closedByPeer, code: 1001))
            await pool.reaches { $0.settling == 0 }
            #expect(pool.status[0].warm == 0)
        }
    }

    @Test func stoppingClosesWhatSettles() async throws {
        let servers = NIOLockedValueBox<[ScriptedConnection]>([])
        try await withPool { pool in
            let server = try await givenBack(pool)
            servers.withLockedValue { $0.append(server) }
        }
        let server = servers.withLockedValue { $0[0] }
        #expect(try await server.waitForEnd().kind == .closedByUs)
    }

    @Test func whatIsNoneOfItsOwnIsClosed() async throws {
        try await withPool { pool in
            let server = ScriptedConnection()
            await pool.takeBack(server.clientSide(created: []), harmless: harmless)
            let end = try await server.waitForEnd()
            #expect(end.kind == .closedByUs)
        }
    }

    @Test func oneThatHasEndedIsNotTakenBack() async throws {
        try await withPool { pool in
            async let connecting = pool.connect(to: endpoint)
            let server = try await connector.next().open()
            let connection = try await connecting
            try await connector.next().fail()
            server.end(UpstreamEnd(.lost))
            await pool.reaches { $0.leased == 0 }
            await pool.takeBack(connection, harmless: harmless)
            #expect(pool.status[0].settling == 0)
        }
    }

    /// Whoever gives back what is not its own any more may have used it meanwhile: it is nobody's, and nobody gets it.
    @Test(arguments: [false, true])
    func oneThatWasGivenBackAlreadyIsNotTakenAgain(hasSettled: Bool) async throws {
        try await withPool { pool in
            async let connecting = pool.connect(to: endpoint)
            let server = try await connector.next().open("sess_first")
            let connection = try await connecting
            try await connector.next().fail()
            await pool.takeBack(connection, harmless: harmless)
            #expect(pool.status[0].settling == 1)
            if hasSettled {
                clock.advance(by: 1000)
                await pool.reaches { $0.warm == 1 && $0.settling == 0 }
            }
            await pool.takeBack(connection, harmless: harmless)
            #expect(try await server.waitForEnd().kind == .closedByUs)
            await pool.reaches { $0.warm == 0 && $0.settling == 0 }
            clock.advance(by: 1000)
            // The caller's own and perhaps one of the stock's.
            let opening = Task { while let handshake = try? await connector.next() { handshake.open("sess_second") } }
            let next = try await pool.connect(to: endpoint)
            opening.cancel()
            #expect(String(decoding: next.created, as: UTF8.self).contains("sess_second"))
            #expect(pool.status[0].leased == 1)
        }
    }

    @Test func aPlainConnectorClosesIt() async throws {
        let upstream = ScriptedUpstream([.session()])
        let connection = try await upstream.connect(to: endpoint)
        await upstream.takeBack(connection, harmless: harmless)
        #expect(try await upstream.nextConnection().waitForEnd().kind == .closedByUs)
    }

    /// Servers say something late about whoever had the connection: while it is used, while it settles, and while it lies ready. Whoever is
    /// given one never meets what was said before it asked.
    @Test func manyCallersNeverShareOneNorMeetWhatWasSaidBefore() async throws {
        let upstream = ScriptedUpstream((0..<2_000).map { .session("sess_\($0)") })
        // The clock runs as fast as it can: whoever waits for a turn must not be late by it.
        var patient = endpoint
        patient.handshakeTimeout = .seconds(86_400)
        let pool = UpstreamPool(
            connector: upstream, limits: UpstreamPoolLimits(maximum: 4, handshakesAtOnce: 4), warm: [], logger: Logger(label: "test"),
            environment: clock.environment)
        let servers = NIOLockedValueBox<[ScriptedConnection]>([])
        let said = NIOLockedValueBox(0)
        let running = Task { await pool.run() }
        let collecting = Task {
            while let server = try? await upstream.nextConnection() { servers.withLockedValue { $0.append(server) } }
        }
        let ticking = Task {
            while !Task.isCancelled {
                clock.advance(by: 50)
                await Task.yield()
            }
        }
        let inUse = NIOLockedValueBox<Set<ObjectIdentifier>>([])
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask { [patient] in
                    for round in 0..<100 {
                        let before = said.withLockedValue { $0 }
                        let connection = try await pool.connect(to: patient)
                        let id = ObjectIdentifier(connection)
                        #expect(inUse.withLockedValue { $0.insert(id).inserted }, "two callers have one connection")
                        let met = connection.takeUnread().compactMap { ServerEvent($0)?.json["delta"]?.string.flatMap(Int.init) }
                        #expect(met.allSatisfy { $0 > before }, "\(met) was said before \(before)")
                        for _ in 0..<10 { await Task.yield() }
                        inUse.withLockedValue { _ = $0.remove(id) }
                        let server = servers.withLockedValue { all in
                            Self.number(of: connection).flatMap { all.indices.contains($0) ? all[$0] : nil }
                        }
                        await pool.takeBack(connection, harmless: harmless)
                        guard let server, round.isMultiple(of: 4) else { continue }
                        // By now it settles, lies ready, or is somebody else's.
                        for _ in 0..<Int.random(in: 0..<60) { await Task.yield() }
                        said.withLockedValue { number in
                            number += 1
                            server.push("{\"type\":\"response.text.delta\",\"delta\":\"\(number)\"}")
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
        for task in [ticking, collecting] { task.cancel() }
        await pool.stop()
        await running.value
        #expect(pool.status[0].leased == 0 && pool.status[0].returned > 0)
        #expect(pool.status[0].hits + pool.status[0].misses == 800)
    }

    /// Of the script that opened it.
    private static func number(of connection: UpstreamConnection) -> Int? {
        ServerEvent(connection.created)?.json["session"]?["id"]?.string.flatMap { Int($0.dropFirst("sess_".count)) }
    }

    @Test func theRealConnectionGivesWhatIsUnreadWithoutWaiting() async throws {
        let leave = Mailbox<Void>("the word to leave")
        try await ScriptedServer.run { peer in
            try await peer.openSession()
            for text in ["one", "two", "three"] { try await peer.send(text: text) }
            try await leave.next()
        } client: { server in
            let connection = try await UpstreamTests.connector.connect(to: server.endpoint())
            #expect(try await connection.nextText() == "one")
            let ended = Mailbox<Void>("the end")
            connection.onEnd { ended.put(()) }
            leave.put(())
            try await ended.next()
            #expect(connection.takeUnread().map { String(decoding: $0, as: UTF8.self) } == ["two", "three"])
            #expect(connection.takeUnread().isEmpty)
            #expect(try await connection.end().kind == .lost)
        }
    }
}
