import Testing

@testable import Upstream

struct CircuitBreakerTests {
    private static func opened(threshold: Int = 5, at milliseconds: Int = 0) -> CircuitBreaker {
        var breaker = CircuitBreaker(threshold: threshold)
        for handshake in 1...threshold {
            breaker.begins(handshake)
            breaker.failed(handshake, at: PoolMoment(milliseconds: milliseconds, random: 1))
        }
        return breaker
    }

    @Test func itOpensAtTheFifthFailureInARowAndNotBefore() {
        var breaker = CircuitBreaker(threshold: 5)
        let now = PoolMoment(milliseconds: 0, random: 1)
        for handshake in 1...4 { breaker.failed(handshake, at: now) }
        breaker.answered()
        for handshake in 5...8 { breaker.failed(handshake, at: now) }
        #expect(breaker.circuit == .closed && breaker.refusal(now: 0) == nil)
        breaker.failed(9, at: now)
        #expect(breaker.circuit == .open && breaker.failures == 5)
        #expect(breaker.refusal(now: 0) == 1000)
        #expect(breaker.refusal(now: 999) == 1)
        #expect(breaker.refusal(now: 1000) == nil)
    }

    @Test func halfOpenAllowsExactlyOneProbe() {
        var breaker = Self.opened()
        breaker.begins(10)
        #expect(breaker.circuit == .halfOpen)
        #expect(breaker.refusal(now: 5000) == CircuitBreaker.probeMilliseconds)
        breaker.answered()
        #expect(breaker.circuit == .closed && breaker.failures == 0 && breaker.refusal(now: 5000) == nil)
    }

    @Test func aFailedProbeOpensItForLongerUpToThirtySeconds() {
        var breaker = Self.opened()
        var now = 0
        var waits: [Int] = []
        for probe in 10..<17 {
            now += breaker.refusal(now: now) ?? 0
            breaker.begins(probe)
            breaker.failed(probe, at: PoolMoment(milliseconds: now, random: 1))
            waits.append(breaker.refusal(now: now) ?? 0)
        }
        #expect(waits == [2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000])
        breaker.answered()
        for handshake in 20..<25 { breaker.failed(handshake, at: PoolMoment(milliseconds: now, random: 1)) }
        #expect(breaker.refusal(now: now) == 1000)
    }

    @Test func aProbeThatTellsNothingLeavesItsPlaceToAnother() {
        var breaker = Self.opened()
        breaker.begins(10)
        breaker.ended(9)
        #expect(breaker.refusal(now: 1000) != nil)
        breaker.ended(10)
        #expect(breaker.circuit == .halfOpen && breaker.refusal(now: 1000) == nil)
        breaker.begins(11)
        #expect(breaker.refusal(now: 1000) != nil)
    }

    @Test func handshakesFromBeforeDoNotProlongIt() {
        var breaker = Self.opened()
        breaker.failed(99, at: PoolMoment(milliseconds: 900, random: 1))
        #expect(breaker.refusal(now: 1000) == nil)
        breaker.begins(100)
        breaker.failed(98, at: PoolMoment(milliseconds: 1000, random: 1))
        #expect(breaker.circuit == .halfOpen)
    }

    @Test func chanceSpreadsTheSecondHalfOfAWait() {
        let backOff = BackOff(baseMilliseconds: 1000, limitMilliseconds: 30_000)
        #expect(backOff.milliseconds(after: 1, random: 0) == 500)
        #expect(backOff.milliseconds(after: 3, random: 0.5) == 3000)
        #expect(backOff.milliseconds(after: 1000, random: 1) == 30_000)
    }

    @Test(arguments: [
        (UpstreamError.Code.dnsFailed, HandshakeVerdict.trouble), (.unreachable, .trouble), (.handshakeTimeout, .trouble),
        (.closed, .trouble),
        (.refusedAtHandshake(status: 429), .trouble), (.refusedAtHandshake(status: 503), .trouble),
        (.refusedAtHandshake(status: 401), .refusal), (.refusedAtHandshake(status: 404), .refusal),
        (.refused(closeCode: 3000, errorType: nil, errorCode: "invalid_api_key"), .refusal),
        (.refused(closeCode: 4004, errorType: nil, errorCode: "model_not_found"), .refusal),
        (.refused(closeCode: nil, errorType: nil, errorCode: "insufficient_quota"), .refusal),
        (.refused(closeCode: 1013, errorType: nil, errorCode: nil), .trouble), (.refusedByProxy(status: 504), .trouble),
        (.refusedByProxy(status: 407), .unclear), (.tlsFailed, .unclear), (.badUpgrade, .unclear),
        (.invalidEndpoint, .unclear), (.cancelled, .givenUp),
    ])
    func onlyWhatMayPassCountsAgainstAnUpstream(code: UpstreamError.Code, verdict: HandshakeVerdict) {
        #expect(HandshakeVerdict(code) == verdict)
    }
}
