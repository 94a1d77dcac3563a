import Testing

@testable import Upstream

/// Who gets which connection.
struct PoolMachineTests {
    @Test func aKeptEndpointIsFilledBeforeAnybodyAsksAndAHitIsFilledUpAgain() {
        var pool = PoolFixture(UpstreamPoolLimits(minimum: 2), warm: [PoolFixture.kept])
        #expect(pool.tick() == [.refill(connection: 1, PoolFixture.kept), .refill(connection: 2, PoolFixture.kept)])
        #expect(pool.tick().isEmpty)
        #expect(pool.opened(1).isEmpty && pool.opened(2).isEmpty)
        #expect(pool.ask(PoolFixture.kept) == .lease(connection: 1))
        #expect(pool.tick() == [.refill(connection: 3, PoolFixture.kept)])
        #expect(pool.status.hits == 1 && pool.status.misses == 0 && pool.status.leased == 1 && pool.status.warm == 1)
        pool.ended(1)
        pool.ended(1)
        #expect(pool.status.leased == 0)
    }

    @Test func aMissTeachesAndTheNextIsWarm() {
        var pool = PoolFixture()
        #expect(pool.tick().isEmpty)
        #expect(pool.ask(PoolFixture.shared) == .open(connection: 1))
        #expect(pool.tick().isEmpty)
        _ = pool.opened(1)
        #expect(pool.tick() == [.refill(connection: 2, PoolFixture.shared)])
        _ = pool.opened(2)
        #expect(pool.ask(PoolFixture.shared) == .lease(connection: 2))
        #expect(pool.status.hits == 1 && pool.status.misses == 1)
    }

    @Test func whatDiffersInAnythingIsNeverShared() {
        let changes: [(inout UpstreamEndpoint) -> Void] = [
            { $0.headers = [("Authorization", "Bearer sk-other-0123456789")] }, { $0.headers.append(("X-Tenant", "b")) },
            { $0.url += "&x=1" }, { $0.name = "other" }, { $0.tls.caFile = "/other.pem" },
            { $0.proxy = UpstreamProxy(host: "proxy", port: 1) }, { $0.awaitedEvent = "conversation.created" },
            { $0.sharesConnections = false }, { $0.maximumMessageBytes = 1 }, { $0.pingInterval = .seconds(1) },
            { $0.pingTimeout = .seconds(1) }, { $0.handshakeTimeout = .seconds(1) }, { $0.maximumAge = .seconds(60) },
        ]
        var pool = PoolFixture(UpstreamPoolLimits(minimum: 1, handshakesAtOnce: 64), warm: [PoolFixture.kept])
        for refill in pool.tick().refills { _ = pool.opened(refill) }
        for (index, change) in changes.enumerated() {
            var other = PoolFixture.endpoint("kept")
            change(&other)
            #expect(pool.ask(PoolKey(other)) == .open(connection: index + 2), "change \(index)")
        }
        #expect(pool.ask(PoolKey(PoolFixture.endpoint("kept"))) == .lease(connection: 1))
    }

    @Test func aCallersOwnCredentialGetsNoWarmOneAndLeavesNone() {
        var pool = PoolFixture()
        for connection in 1...20 {
            #expect(pool.ask(PoolFixture.own) == .open(connection: connection))
            #expect(pool.opened(connection).isEmpty && pool.tick().isEmpty)
        }
        #expect(pool.status.leased == 20 && pool.status.misses == 0)
    }

    @Test func withAMaximumOfZeroNothingIsKept() {
        var pool = PoolFixture(UpstreamPoolLimits(minimum: 3, maximum: 0), warm: [PoolFixture.kept])
        #expect(pool.tick().isEmpty)
        #expect(pool.ask(PoolFixture.kept) == .open(connection: 1))
        #expect(pool.opened(1).isEmpty && pool.tick().isEmpty)
        #expect(pool.status.misses == 0)
    }

    @Test func callersOverTheBoundTakeTurnsInTheirOrder() {
        var pool = PoolFixture(UpstreamPoolLimits(maximum: 0, handshakesAtOnce: 2, maximumWaiting: 2))
        #expect(pool.ask(PoolFixture.own) == .open(connection: 1))
        #expect(pool.ask(PoolFixture.shared) == .open(connection: 2))
        #expect(pool.ask(PoolFixture.own) == .wait)
        #expect(pool.ask(PoolFixture.shared) == .wait)
        #expect(pool.ask(PoolFixture.own) == .refuse(.crowded))
        #expect(pool.opened(2) == [.open(connection: 3, caller: 3)])
        #expect(pool.failed(1, .dnsFailed) == [.open(connection: 4, caller: 4)])
        #expect(pool.opened(4).isEmpty)
    }

    @Test func whoWaitsForATurnTooLongIsRefusedAndWhoGoesIsForgotten() {
        var pool = PoolFixture(UpstreamPoolLimits(maximum: 0, handshakesAtOnce: 1))
        _ = pool.ask(PoolFixture.own)
        for _ in 0..<2 { #expect(pool.ask(PoolFixture.own) == .wait) }
        let didWait = pool.machine.cancelWaiting(2)
        let stillWaits = pool.machine.cancelWaiting(2)
        #expect(didWait && !stillWaits)
        #expect(pool.machine.nextDeadline(after: 0) == 10_000)
        #expect(pool.tick(after: 9999).isEmpty)
        #expect(pool.tick(after: 1) == [.refuse(caller: 3, .turnTooLate)])
        #expect(pool.machine.nextDeadline(after: pool.now) == nil)
    }

    @Test func aRefillGoesToWhoWaitsForTheSame() {
        var pool = PoolFixture(UpstreamPoolLimits(minimum: 1, handshakesAtOnce: 1), warm: [PoolFixture.kept])
        #expect(pool.tick().refills == [1])
        #expect(pool.ask(PoolFixture.own) == .wait)
        #expect(pool.ask(PoolFixture.kept) == .wait)
        #expect(pool.opened(1) == [.lease(connection: 1, caller: 2), .open(connection: 2, caller: 1)])
    }

    @Test func refillsLeaveHandshakesToCallers() {
        var pool = PoolFixture(UpstreamPoolLimits(minimum: 8, handshakesAtOnce: 4), warm: [PoolFixture.kept])
        #expect(pool.tick().refills == [1, 2])
        #expect(pool.ask(PoolFixture.own) == .open(connection: 3))
        #expect(pool.ask(PoolFixture.own) == .open(connection: 4))
        #expect(pool.ask(PoolFixture.own) == .wait)
        #expect(pool.opened(1) == [.open(connection: 5, caller: 3)])
        #expect(pool.tick().isEmpty)
    }

    @Test func refillsTakeTurnsBetweenEndpoints() {
        let other = PoolMachine.key("other")
        var pool = PoolFixture(UpstreamPoolLimits(minimum: 2, handshakesAtOnce: 4), warm: [PoolFixture.kept, other])
        #expect(pool.tick() == [.refill(connection: 1, PoolFixture.kept), .refill(connection: 2, other)])
    }

    @Test func modelsThatAreNotThereTakeNoPlace() {
        var pool = PoolFixture(UpstreamPoolLimits(maximumKeys: 1))
        for index in 1...10 {
            #expect(pool.ask(PoolMachine.key("guess \(index)")) == .open(connection: index))
            _ = pool.failed(index, .refusedAtHandshake(status: 404))
        }
        _ = pool.ask(PoolFixture.shared)
        _ = pool.opened(11)
        #expect(pool.tick().refills == [12])
        _ = pool.ask(PoolMachine.key("one too many"))
        _ = pool.opened(13)
        #expect(pool.machine.stock.count == 1)
    }

    @Test func afterFiveFailuresSharedConnectionsAreRefusedWithTheReason() {
        var pool = PoolFixture(UpstreamPoolLimits(maximum: 0))
        for connection in 1...5 {
            #expect(pool.ask(PoolFixture.shared) == .open(connection: connection))
            _ = pool.failed(connection)
        }
        let refusal = PoolMachine.AskAction.refuse(.circuitOpen(retryAfterMilliseconds: 1000, failures: 5, last: "out of reach"))
        #expect(pool.ask(PoolFixture.shared) == refusal)
        #expect(pool.ask(PoolFixture.own) == .open(connection: 6))
        #expect(pool.status.circuit == .open && pool.status.backOffUntilMilliseconds == 1000)
        #expect(pool.status.lastFailure == "out of reach" && pool.status.handshakeFailures == 5)
    }

    @Test func whatCallersOwnCredentialsMeetDoesNotCount() {
        var pool = PoolFixture()
        for connection in 1...20 {
            #expect(pool.ask(PoolFixture.own) == .open(connection: connection))
            _ = pool.failed(connection, .refusedAtHandshake(status: 429))
        }
        #expect(pool.ask(PoolFixture.shared) == .open(connection: 21))
        #expect(pool.status.consecutiveFailures == 0 && pool.status.handshakeFailures == 20 && pool.status.lastFailure == nil)
    }

    @Test func anOpenCircuitStillGivesOutWhatIsWarm() {
        var pool = PoolFixture(UpstreamPoolLimits(minimum: 1), warm: [PoolFixture.kept])
        for refill in pool.tick().refills { _ = pool.opened(refill) }
        for _ in 1...5 {
            guard case .open(let connection) = pool.ask(PoolFixture.shared) else { continue }
            _ = pool.failed(connection)
        }
        #expect(pool.status.circuit == .open)
        #expect(pool.ask(PoolFixture.kept) == .lease(connection: 1))
    }

    @Test func stoppingAnswersWhoWaitsAndClosesWhatIsWarmAndWhatBecomesSo() {
        var pool = PoolFixture(UpstreamPoolLimits(minimum: 2, handshakesAtOnce: 4), warm: [PoolFixture.kept])
        #expect(pool.tick().refills == [1, 2])
        _ = pool.opened(1)
        for _ in 0..<3 { _ = pool.ask(PoolFixture.own) }
        #expect(pool.ask(PoolFixture.own) == .wait)
        #expect(pool.machine.stop() == [.refuse(caller: 4, .stopped), .close(connection: 1)])
        #expect(pool.opened(2) == [.close(connection: 2)])
        #expect(pool.opened(3).isEmpty)
        #expect(pool.ask(PoolFixture.kept) == .refuse(.stopped))
        #expect(pool.tick().isEmpty && pool.machine.stop().isEmpty)
        #expect(pool.status.warm == 0 && pool.status.leased == 1)
    }
}

extension PoolMachine {
    /// A shared endpoint of its own.
    static func key(_ model: String) -> PoolKey { PoolKey(PoolFixture.endpoint(model)) }
}
