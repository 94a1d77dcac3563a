import Testing

@testable import Upstream

/// How large the stock is, how old it gets, and what failures do to it.
struct WarmStockTests {
    @Test func theStockFollowsDemandBetweenItsBounds() {
        // What costs no time needs no stock but one.
        var pool = PoolFixture(UpstreamPoolLimits(maximum: 20, handshakesAtOnce: 64))
        pool.demand(PoolFixture.shared, creates: 600, every: 100, handshake: 0)
        #expect(pool.tick().refills.count == 1)
        pool = PoolFixture(UpstreamPoolLimits(maximum: 20, handshakesAtOnce: 64))
        pool.demand(PoolFixture.shared, creates: 600, every: 400, handshake: 300)
        // 2.5 a second x 300 ms x 3, rounded up.
        #expect(pool.tick().refills.count == 3)
        pool = PoolFixture(UpstreamPoolLimits(maximum: 2, handshakesAtOnce: 64))
        pool.demand(PoolFixture.shared, creates: 600, every: 400, handshake: 300)
        #expect(pool.tick().refills.count == 2)
    }

    @Test func withoutDemandTheStockGoesAndItsEndpointIsForgotten() {
        var pool = PoolFixture(UpstreamPoolLimits(minimum: 1), warm: [PoolFixture.kept])
        for refill in pool.tick().refills { _ = pool.opened(refill) }
        #expect(pool.ask(PoolFixture.shared) == .open(connection: 2))
        _ = pool.opened(2)
        #expect(pool.tick().refills == [3])
        _ = pool.opened(3)
        #expect(pool.tick(after: WarmSet.idleMilliseconds - 1).isEmpty)
        #expect(pool.machine.nextDeadline(after: pool.now) == WarmSet.idleMilliseconds)
        #expect(pool.tick(after: 1) == [.close(connection: 3)])
        #expect(Array(pool.machine.stock.keys) == [PoolFixture.kept])
        #expect(pool.status.warm == 1)
    }

    @Test(
        arguments: [
            // Life of the session, time warm after chance has taken its fifth.
            (nil, 480_000), (3_600_000, 480_000), (600_000, 240_000), (20_000, 8000),
        ] as [(Int?, Int)])
    func nothingIsGivenOutInTheSecondHalfOfItsLife(life: Int?, warmTime: Int) {
        var pool = PoolFixture(UpstreamPoolLimits(minimum: 1), warm: [PoolFixture.kept])
        _ = pool.tick()
        _ = pool.opened(1, life: life)
        _ = pool.tick(after: warmTime - 1)
        var justBefore = pool
        #expect(justBefore.ask(PoolFixture.kept) == .lease(connection: 1))
        pool.now += 1
        #expect(pool.ask(PoolFixture.kept) != .lease(connection: 1))
        #expect(pool.tick().contains(.close(connection: 1)))
    }

    @Test func aReplacementIsThereBeforeTheOldOneGoes() {
        var pool = PoolFixture(UpstreamPoolLimits(minimum: 1, maximum: 1), warm: [PoolFixture.kept])
        _ = pool.tick()
        _ = pool.opened(1)
        let due = pool.machine.nextDeadline(after: 0) ?? 0
        #expect(due < 480_000)
        #expect(pool.tick(after: due - 1).isEmpty)
        #expect(pool.tick(after: 1).refills == [2])
        #expect(pool.status.warm == 1)
        #expect(pool.opened(2) == [.close(connection: 1)])
        #expect(pool.ask(PoolFixture.kept) == .lease(connection: 2))
    }

    @Test func aSessionThatEndsTooSoonIsNotKeptAndNotMadeWithoutAPause() {
        var pool = PoolFixture(UpstreamPoolLimits(minimum: 1), warm: [PoolFixture.kept])
        _ = pool.tick()
        #expect(pool.opened(1, life: 1999) == [.close(connection: 1)])
        #expect(pool.tick().isEmpty)
        #expect(pool.machine.nextDeadline(after: 0) == 500)
        #expect(pool.tick(after: 500).refills == [2])
    }

    @Test func failuresMakeRefillsWaitLongerAndLonger() {
        var pool = PoolFixture(UpstreamPoolLimits(minimum: 1, failuresToOpenCircuit: 1000), warm: [PoolFixture.kept])
        var waits: [Int] = []
        for connection in 1...9 {
            #expect(pool.tick().refills == [connection])
            _ = pool.failed(connection, .refusedAtHandshake(status: 401))
            #expect(pool.tick().isEmpty)
            let due = pool.machine.nextDeadline(after: pool.now) ?? 0
            waits.append(due - pool.now)
            pool.now = due
        }
        #expect(waits == [500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000])
        // A caller that gets one shows that it is over.
        guard case .open(let connection) = pool.ask(PoolFixture.kept) else { return #expect(Bool(false), "no handshake") }
        _ = pool.opened(connection)
        #expect(pool.tick().refills.count == 1)
    }

    @Test func failuresInTheSameMomentCountOnce() {
        var pool = PoolFixture(UpstreamPoolLimits(minimum: 4), warm: [PoolFixture.kept])
        for refill in pool.tick().refills { _ = pool.failed(refill) }
        #expect(pool.machine.nextDeadline(after: 0) == 500)
    }

    @Test func aWarmOneThatEndsIsGoneAndIsReplacedAfterAPause() {
        var pool = PoolFixture(UpstreamPoolLimits(minimum: 1), warm: [PoolFixture.kept])
        _ = pool.tick()
        _ = pool.opened(1)
        pool.ended(1)
        #expect(pool.status.warm == 0)
        #expect(pool.tick().isEmpty)
        #expect(pool.tick(after: 500).refills == [2])
        #expect(pool.ask(PoolFixture.kept) == .open(connection: 3))
    }

    @Test func theStockItselfProbesAnUpstreamThatWasAway() {
        var pool = PoolFixture(UpstreamPoolLimits(minimum: 2, failuresToOpenCircuit: 2), warm: [PoolFixture.kept])
        for refill in pool.tick().refills { _ = pool.failed(refill) }
        #expect(pool.status.circuit == .open)
        #expect(pool.tick(after: 999).isEmpty)
        #expect(pool.tick(after: 1).refills == [3])
        #expect(pool.ask(PoolFixture.kept) == .refuse(.circuitOpen(retryAfterMilliseconds: 1000, failures: 2, last: "out of reach")))
        _ = pool.opened(3)
        #expect(pool.status.circuit == .closed && pool.status.consecutiveFailures == 0)
        #expect(pool.tick().refills == [4])
    }

    @Test func handshakeTimesAreThoseOfTheLast128() {
        var times = HandshakeTimes()
        #expect(times.summary == nil)
        for milliseconds in [9000] + Array(1...128) { times.add(milliseconds: milliseconds) }
        #expect(times.summary == .init(last: 128, p50: 64, p99: 127))
    }

    @Test(
        arguments: [
            (#"{"type":"session.created","session":{"expires_at":1060}}"#, nil, 60_000),
            (#"{"type":"session.created","session":{"expires_at":1060}}"#, Duration.seconds(30), 30_000),
            (#"{"type":"session.created","session":{"expires_at":900}}"#, Duration.seconds(90), 90_000),
            (#"{"type":"session.created","session":{"expires_at":900}}"#, nil, nil),
            (#"{"type":"session.created","session":{"expires_at":9223372036854775807}}"#, nil, nil),
            (#"{"type":"session.created","session":{}}"#, nil, nil),
        ] as [(String, Duration?, Int?)])
    func aSessionsLifeIsReadFromItsFirstEvent(created: String, maximumAge: Duration?, life: Int?) {
        let endpoint = UpstreamEndpoint(name: "up", url: "ws://up/", maximumAge: maximumAge)
        #expect(SessionLifetime.milliseconds(created: Array(created.utf8), endpoint: endpoint, unixMilliseconds: 1_000_000) == life)
    }
}
