import Logging
import NIOConcurrencyHelpers
import TestSupport
import Testing

@testable import Upstream

@Suite(.timeLimit(.minutes(1)))
struct UpstreamPoolTests {
    private let connector = HandshakesByHand()
    private let clock = HandClock()

    /// A pool that runs while the body does, and is stopped after it.
    private func withPool(
        _ limits: UpstreamPoolLimits = UpstreamPoolLimits(), warm: [UpstreamEndpoint] = [], _ body: (UpstreamPool) async throws -> Void
    ) async throws {
        let pool = UpstreamPool(
            connector: connector, limits: limits, warm: warm, logger: Logger(label: "test"), environment: clock.environment)
        try await withThrowingDiscardingTaskGroup { group in
            group.addTask { await pool.run() }
            // Also when the body throws: the group waits for `run()`.
            let result: Result<Void, any Error>
            do { result = .success(try await body(pool)) } catch { result = .failure(error) }
            await pool.stop()
            try result.get()
        }
        #expect(pool.status.allSatisfy { $0.warm == 0 && $0.waiting == 0 })
    }

    @Test func aHitCostsNoHandshakeAndBringsWhatCameMeanwhile() async throws {
        let endpoint = PoolFixture.endpoint("kept")
        try await withPool(UpstreamPoolLimits(minimum: 1), warm: [endpoint]) { pool in
            let server = try await connector.next().open("sess_warm")
            server.push("one")
            await pool.reaches { $0.warm == 1 }
            server.push("two")
            let connection = try await pool.connect(to: endpoint)
            #expect(String(decoding: connection.created, as: UTF8.self).contains("sess_warm"))
            #expect(try await connection.nextText() == "one")
            #expect(try await connection.nextText() == "two")
            #expect(pool.status[0].hits == 1)
            // Its place is filled.
            try await connector.next().open()
            await pool.reaches { $0.warm == 1 && $0.leased == 1 }
        }
    }

    @Test func aWarmOneThatEndedIsNotGivenOut() async throws {
        let endpoint = PoolFixture.endpoint("kept")
        try await withPool(UpstreamPoolLimits(minimum: 1), warm: [endpoint]) { pool in
            let server = try await connector.next().open("sess_dead")
            await pool.reaches { $0.warm == 1 }
            server.end(UpstreamEnd(.closedByPeer, code: 1001))
            await pool.reaches { $0.warm == 0 }
            async let connecting = pool.connect(to: endpoint)
            try await connector.next().open("sess_alive")
            #expect(String(decoding: try await connecting.created, as: UTF8.self).contains("sess_alive"))
            #expect(pool.status[0].hits == 0 && pool.status[0].misses == 1)
        }
    }

    /// The end of a warm connection stands in its queue; before the pool is told, on the event loop's thread, a caller comes.
    @Test func aWarmOneWhoseEndThePoolWasNotToldOfYetIsNotGivenOut() async throws {
        let endpoint = PoolFixture.endpoint("kept")
        try await withPool(UpstreamPoolLimits(minimum: 1), warm: [endpoint]) { pool in
            let isOpen = NIOLockedValueBox(true)
            let dead = UpstreamConnection(
                created: [], next: { .ended(UpstreamEnd(.lost)) }, unread: { [] }, send: { _ in }, close: { _, _ in },
                isOpen: { isOpen.withLockedValue { $0 } }, onEnd: { _ in }, abandon: {})
            try await connector.next().open(dead)
            await pool.reaches { $0.warm == 1 }
            isOpen.withLockedValue { $0 = false }
            async let connecting = pool.connect(to: endpoint)
            try await connector.next().open("sess_alive")
            #expect(try await connecting.isOpen)
            #expect(pool.status[0].leased == 1 && pool.status[0].warm == 0)
        }
    }

    @Test func aLeaseEndsWithTheConnectionWhoeverEndsIt() async throws {
        let endpoint = PoolFixture.endpoint("own", sharesConnections: false)
        try await withPool { pool in
            for way in 0..<3 {
                var connecting: Task<UpstreamConnection, any Error>? = Task { try await pool.connect(to: endpoint) }
                let server = try await connector.next().open()
                var connection = try await connecting?.value
                connecting = nil
                #expect(pool.status[0].leased == 1)
                switch way {
                case 0: server.end(UpstreamEnd(.lost))
                case 1: await connection?.close()
                default: connection = nil
                }
                await pool.reaches { $0.leased == 0 }
                withExtendedLifetime(connection) {}
            }
        }
    }

    @Test func whoIsCancelledWhileWaitingForATurnGoesAtOnce() async throws {
        let endpoint = PoolFixture.endpoint("own", sharesConnections: false)
        try await withPool(UpstreamPoolLimits(handshakesAtOnce: 1)) { pool in
            let first = Task { try await pool.connect(to: endpoint) }
            let attempt = try await connector.next()
            let second = Task { await pool.refusal(of: endpoint) }
            await pool.reaches { $0.waiting == 1 }
            second.cancel()
            #expect(await second.value == .cancelled)
            attempt.open()
            #expect(try await first.value.isOpen)
            #expect(connector.pending == 0)
        }
    }

    @Test func whoIsCancelledDuringTheHandshakeGivesItsTurnToTheNext() async throws {
        let endpoint = PoolFixture.endpoint("own", sharesConnections: false)
        try await withPool(UpstreamPoolLimits(handshakesAtOnce: 1)) { pool in
            let first = Task { await pool.refusal(of: endpoint) }
            _ = try await connector.next()
            let second = Task { try await pool.connect(to: endpoint) }
            await pool.reaches { $0.waiting == 1 }
            first.cancel()
            #expect(await first.value == .cancelled)
            try await connector.next().open()
            #expect(try await second.value.isOpen)
        }
    }

    @Test func aTurnThatDoesNotComeInTimeIsRefused() async throws {
        let endpoint = PoolFixture.endpoint("own", sharesConnections: false)
        try await withPool(UpstreamPoolLimits(handshakesAtOnce: 1)) { pool in
            let first = Task { try await pool.connect(to: endpoint) }
            let attempt = try await connector.next()
            let second = Task { await pool.refusal(of: endpoint) }
            await pool.reaches { $0.waiting == 1 }
            clock.advance(by: 10_000)
            #expect(await second.value == .handshakeTimeout)
            attempt.open()
            #expect(try await first.value.isOpen)
        }
    }

    @Test func anOpenCircuitSaysWhenToComeBackAndCloses() async throws {
        let endpoint = PoolFixture.endpoint("shared")
        try await withPool(UpstreamPoolLimits(failuresToOpenCircuit: 2)) { pool in
            for _ in 0..<2 {
                let failing = Task { await pool.refusal(of: endpoint) }
                try await connector.next().fail()
                #expect(await failing.value == .unreachable)
            }
            do throws(UpstreamError) {
                _ = try await pool.connect(to: endpoint)
                Issue.record("not refused")
            } catch {
                #expect(error.code == .circuitOpen(retryAfterMilliseconds: 1000))
                #expect(error.message == "the upstream up failed 2 times in a row (out of reach); it is tried again in 1 s")
            }
            #expect(pool.status[0].circuit == .open)
            #expect(pool.status[0].backOffUntilMilliseconds == HandClock.unixSeconds * 1000 + 1000)
            clock.advance(by: 1000)
            let probing = Task { try await pool.connect(to: endpoint) }
            try await connector.next().open()
            #expect(try await probing.value.isOpen)
            #expect(pool.status[0].circuit == .closed)
        }
    }

    @Test func aWarmOneIsReplacedBeforeItIsOldAndTheOldOneIsClosed() async throws {
        let endpoint = PoolFixture.endpoint("kept")
        try await withPool(UpstreamPoolLimits(minimum: 1, maximum: 1), warm: [endpoint]) { pool in
            let old = try await connector.next().open("sess_old", expiresAt: HandClock.unixSeconds + 20)
            await pool.reaches { $0.warm == 1 }
            clock.advance(by: 7999)
            try await connector.next().open("sess_new")
            #expect(try await old.waitForEnd().kind == .closedByUs)
            let connection = try await pool.connect(to: endpoint)
            #expect(String(decoding: connection.created, as: UTF8.self).contains("sess_new"))
        }
    }

    @Test func refillsBackOffAndTryAgain() async throws {
        let endpoint = PoolFixture.endpoint("kept")
        try await withPool(UpstreamPoolLimits(minimum: 1), warm: [endpoint]) { pool in
            for wait in [500, 1000, 2000] {
                try await connector.next().fail()
                await pool.reaches { $0.backOffUntilMilliseconds != nil }
                #expect(connector.pending == 0)
                clock.advance(by: wait)
            }
            try await connector.next().open()
            await pool.reaches { $0.warm == 1 }
        }
    }

    @Test func stoppingClosesTheWarmAndTheHalfMadeAndRefusesTheRest() async throws {
        let endpoint = PoolFixture.endpoint("kept")
        let limits = UpstreamPoolLimits(minimum: 2, handshakesAtOnce: 2)
        let pool = UpstreamPool(
            connector: connector, limits: limits, warm: [endpoint], logger: Logger(label: "test"), environment: clock.environment)
        let running = Task { await pool.run() }
        let warm = try await connector.next().open()
        await pool.reaches { $0.warm == 1 }
        // The second refill is under way; a caller takes the other handshake, the next has to wait.
        _ = try await connector.next()
        let own = PoolFixture.endpoint("own", sharesConnections: false)
        let caller = Task { try await pool.connect(to: own) }
        let callers = try await connector.next()
        let waiting = Task { await pool.refusal(of: own) }
        await pool.reaches { $0.waiting == 1 }
        await pool.stop()
        await running.value
        #expect(try await warm.waitForEnd().kind == .closedByUs)
        #expect(await waiting.value == .cancelled)
        callers.open()
        #expect(try await caller.value.isOpen)
        #expect(await pool.refusal(of: endpoint) == .cancelled)
        #expect(pool.status[0].warm == 0 && pool.status[0].opening == 0)
    }

    @Test func cancellingItsTaskStopsIt() async throws {
        let endpoint = PoolFixture.endpoint("kept")
        let pool = UpstreamPool(
            connector: connector, limits: UpstreamPoolLimits(minimum: 1), warm: [endpoint], logger: Logger(label: "test"),
            environment: clock.environment)
        let running = Task { await pool.run() }
        let warm = try await connector.next().open()
        await pool.reaches { $0.warm == 1 }
        running.cancel()
        await running.value
        #expect(try await warm.waitForEnd().kind == .closedByUs)
        #expect(await pool.refusal(of: endpoint) == .cancelled)
    }

    @Test func theRealConnectionsEndIsSeenWhileItWaitsAndItsFramesAreKept() async throws {
        let leave = Mailbox<Void>("the word to leave")
        try await ScriptedServer.run { peer in
            try await peer.openSession()
            try await peer.send(text: "while it waited")
            try await leave.next()
        } client: { server in
            var endpoint = server.endpoint()
            endpoint.sharesConnections = true
            let connection = try await UpstreamTests.connector.connect(to: endpoint)
            let ended = Mailbox<Void>("the end")
            connection.onEnd { ended.put(()) }
            #expect(connection.isOpen)
            leave.put(())
            try await ended.next()
            #expect(!connection.isOpen)
            connection.onEnd { ended.put(()) }
            try await ended.next()
            #expect(try await connection.nextText() == "while it waited")
            #expect(try await connection.end().kind == .lost)
        }
    }

    @Test func manyCallersAtOnceGetEachTheirOwn() async throws {
        let upstream = ScriptedUpstream((0..<500).map { .session("sess_\($0)") })
        let limits = UpstreamPoolLimits(minimum: 4, handshakesAtOnce: 4)
        let endpoint = PoolFixture.endpoint("kept")
        let pool = UpstreamPool(connector: upstream, limits: limits, warm: [endpoint], logger: Logger(label: "test"))
        let running = Task { await pool.run() }
        let connections = try await withThrowingTaskGroup(of: UpstreamConnection.self) { group in
            for _ in 0..<200 { group.addTask { try await pool.connect(to: endpoint) } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(Set(connections.map(\.created)).count == 200)
        #expect(pool.status[0].leased == 200)
        await pool.stop()
        await running.value
        #expect(connections.allSatisfy { $0.isOpen })
    }
}

extension UpstreamPool {
    /// Returns once its first upstream's status is so; the suite's time limit bounds the wait.
    func reaches(_ condition: (UpstreamPoolStatus) -> Bool) async {
        while !Task.isCancelled, !(status.first.map(condition) ?? false) { await Task.yield() }
    }

    /// The code of what `connect` threw; nil if it did not.
    func refusal(of endpoint: UpstreamEndpoint) async -> UpstreamError.Code? {
        do throws(UpstreamError) {
            _ = try await connect(to: endpoint)
            return nil
        } catch {
            return error.code
        }
    }
}
