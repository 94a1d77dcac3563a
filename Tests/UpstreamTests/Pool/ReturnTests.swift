import Testing

@testable import Upstream

/// What becomes of connections that callers give back.
struct ReturnTests {
    /// A machine with one connection that a caller has; its stock's refill is under way as number 2.
    private func leased(_ limits: UpstreamPoolLimits = UpstreamPoolLimits(), life: Int? = nil) -> PoolFixture {
        var pool = PoolFixture(limits)
        #expect(pool.ask(PoolFixture.shared) == .open(connection: 1))
        _ = pool.opened(1, life: life)
        _ = pool.tick()
        return pool
    }

    @Test func oneThatIsGivenBackSettlesIsLookedAtAndIsGivenOutAgain() {
        var pool = leased()
        #expect(pool.returned(1) == true)
        #expect(pool.status.leased == 0 && pool.status.settling == 1 && pool.status.warm == 0 && pool.status.returned == 0)
        // Not before it was looked at.
        #expect(pool.machine.nextWarm(for: PoolFixture.shared, now: pool.now) == nil)
        #expect(pool.machine.nextDeadline(after: pool.now) == 1000)
        #expect(pool.tick(after: 999).isEmpty)
        #expect(pool.tick(after: 1) == [.inspect(connection: 1)])
        // Once.
        #expect(pool.tick().isEmpty)
        #expect(pool.machine.nextWarm(for: PoolFixture.shared, now: pool.now) == nil)
        #expect(pool.settled(1, isClean: true).isEmpty)
        #expect(pool.status.settling == 0 && pool.status.warm == 1 && pool.status.returned == 1)
        #expect(pool.ask(PoolFixture.shared) == .lease(connection: 1))
        #expect(pool.status.leased == 1 && pool.status.hits == 1)
        #expect(pool.returned(1) == true)
    }

    @Test func oneThatIsNotCleanIsClosed() {
        var pool = leased()
        #expect(pool.returned(1) == true)
        _ = pool.tick(after: 1000)
        #expect(pool.settled(1, isClean: false) == [.close(connection: 1)])
        #expect(pool.status.settling == 0 && pool.status.warm == 0 && pool.status.returned == 0)
    }

    @Test func oneThatIsNotCleanWhenItIsGivenOutCountsForNobody() {
        var pool = leased()
        #expect(pool.returned(1) == true)
        _ = pool.tick(after: 1000)
        _ = pool.settled(1, isClean: true)
        #expect(pool.ask(PoolFixture.shared) == .lease(connection: 1))
        pool.machine.spoiled(1)
        #expect(pool.status.leased == 0 && pool.status.hits == 0)
        pool.ended(1)
        // Given out once, and never back.
        #expect(pool.returned(1) == false)
    }

    @Test func oneThatEndsWhileItSettlesIsForgottenAndNothingIsHeldAgainstTheServer() {
        var pool = leased()
        #expect(pool.returned(1) == true)
        pool.ended(1)
        #expect(pool.status.settling == 0 && pool.status.backOffUntilMilliseconds == nil)
        #expect(pool.tick(after: 1000).isEmpty)
        #expect(pool.settled(1, isClean: true).isEmpty)
    }

    @Test func aCallersOwnCredentialsConnectionIsNotKept() {
        var pool = PoolFixture()
        #expect(pool.ask(PoolFixture.own) == .open(connection: 1))
        _ = pool.opened(1)
        #expect(pool.returned(1) == false)
        #expect(pool.status.leased == 0)
    }

    @Test func withoutASharedBeginningItIsNotKept() {
        var endpoint = PoolFixture.endpoint("shared")
        endpoint.awaitedEvent = "conversation.created"
        var pool = PoolFixture()
        #expect(pool.ask(PoolKey(endpoint)) == .open(connection: 1))
        _ = pool.opened(1)
        #expect(pool.returned(1) == false)
    }

    @Test(
        arguments: [
            // Life of the session, when it is given back, whether it is kept. What settles until the first half is over is not.
            (nil, 0, true), (nil, 598_999, true), (nil, 599_000, false), (20_000, 8999, true), (20_000, 9000, false),
            (20_000, 30_000, false),
        ] as [(Int?, Int, Bool)])
    func oneInTheSecondHalfOfItsLifeIsNotKept(life: Int?, now: Int, isKept: Bool) {
        var pool = leased(life: life)
        // Somebody asks, so that there is demand.
        pool.now = now
        _ = pool.ask(PoolFixture.shared)
        #expect(pool.returned(1) == isKept)
    }

    @Test func oneThatIsKeptIsRetiredWithTheFirstHalfOfItsLife() {
        var pool = leased(life: 20_000)
        #expect(pool.returned(1) == true)
        _ = pool.tick(after: 1000)
        #expect(pool.settled(1, isClean: true).isEmpty)
        pool.now = 9999
        var justBefore = pool
        #expect(justBefore.ask(PoolFixture.shared) == .lease(connection: 1))
        // Given out and back, it is as old as it was.
        #expect(justBefore.returned(1) == false)
        pool.now = 10_000
        #expect(pool.tick().contains(.close(connection: 1)))
    }

    @Test func noMoreThanTheMaximumAreKeptAndFourTimesAsManySettle() {
        var pool = PoolFixture(UpstreamPoolLimits(maximum: 2, handshakesAtOnce: 64))
        for connection in 1...10 {
            #expect(pool.ask(PoolFixture.shared) == .open(connection: connection))
            _ = pool.opened(connection)
        }
        var kept: [Bool] = []
        for connection in 1...10 { kept.append(pool.returned(connection)) }
        #expect(kept == (1...10).map { $0 <= 8 })
        // What settles is as good as a refill.
        #expect(pool.tick().isEmpty)
        #expect(pool.tick(after: 1000) == (1...8).map { .inspect(connection: $0) })
        var closed: [PoolMachine.Action] = []
        for connection in 1...8 { closed += pool.settled(connection, isClean: true) }
        #expect(closed == (3...8).map { .close(connection: $0) })
        #expect(pool.status.warm == 2 && pool.status.returned == 2)
    }

    @Test func withAMaximumOfZeroNothingIsKept() {
        var pool = leased(UpstreamPoolLimits(maximum: 0))
        #expect(pool.returned(1) == false)
    }

    @Test func whoWaitsForAHandshakesTurnGetsOneThatHasSettled() {
        var pool = PoolFixture(UpstreamPoolLimits(maximum: 1, handshakesAtOnce: 1))
        #expect(pool.ask(PoolFixture.shared) == .open(connection: 1))
        _ = pool.opened(1)
        #expect(pool.ask(PoolFixture.own) == .open(connection: 2))
        #expect(pool.ask(PoolFixture.shared) == .wait)
        #expect(pool.returned(1) == true)
        #expect(pool.tick(after: 1000) == [.inspect(connection: 1)])
        #expect(pool.settled(1, isClean: true) == [.lease(connection: 1, caller: 3)])
        #expect(pool.status.leased == 1 && pool.status.settling == 0 && pool.status.waiting == 0)
        // Something came of it just then, after all. Its caller asks again, and is still one.
        #expect(pool.status.misses == 2)
        pool.machine.spoiled(1)
        #expect(pool.ask(PoolFixture.shared) == .wait)
        #expect(pool.status.misses == 2)
    }

    @Test func stoppingClosesWhatSettlesAlsoWhatIsBeingLookedAt() {
        var pool = PoolFixture()
        for connection in 1...2 {
            #expect(pool.ask(PoolFixture.shared) == .open(connection: connection))
            _ = pool.opened(connection)
        }
        #expect(pool.returned(1) == true)
        #expect(pool.tick(after: 1000).contains(.inspect(connection: 1)))
        #expect(pool.returned(2) == true)
        #expect(pool.machine.stop() == [.close(connection: 1), .close(connection: 2)])
        #expect(pool.settled(1, isClean: true).isEmpty && pool.settled(2, isClean: true).isEmpty)
        #expect(pool.status.settling == 0 && pool.status.warm == 0)
    }

    @Test func afterTheStopNothingIsKept() {
        var pool = leased()
        _ = pool.machine.stop()
        #expect(pool.returned(1) == false)
    }

    @Test func withoutDemandWhatWasGivenBackGoesToo() {
        var pool = leased()
        #expect(pool.returned(1) == true)
        _ = pool.tick(after: 1000)
        _ = pool.settled(1, isClean: true)
        _ = pool.opened(2)
        #expect(pool.tick(after: WarmSet.idleMilliseconds).contains(.close(connection: 1)))
        #expect(pool.machine.stock.isEmpty)
    }
}
