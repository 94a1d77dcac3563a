/// What the pool counts and knows about one upstream, whichever of its endpoints it was.
struct UpstreamLedger: Sendable {
    var breaker: CircuitBreaker
    var times = HandshakeTimes()
    var hits = 0
    var misses = 0
    var returned = 0
    var handshakes = 0
    var handshakeFailures = 0
    var lastFailure: String?

    init(failuresToOpenCircuit: Int) {
        breaker = CircuitBreaker(threshold: failuresToOpenCircuit)
    }

    mutating func opened(milliseconds: Int, counts: Bool) {
        handshakes += 1
        times.add(milliseconds: milliseconds)
        guard counts else { return }
        breaker.answered()
        lastFailure = nil
    }

    /// - Parameter counts: the credential is the server's own. Callers could otherwise shut out each other with broken ones.
    mutating func failed(_ handshake: Int, _ verdict: HandshakeVerdict, _ message: String, counts: Bool, at moment: PoolMoment) {
        if verdict != .givenUp { handshakeFailures += 1 }
        guard counts else { return }
        switch verdict {
        case .trouble:
            breaker.failed(handshake, at: moment)
            lastFailure = message
        case .refusal:
            breaker.answered()
            lastFailure = message
        case .unclear:
            breaker.ended(handshake)
            lastFailure = message
        case .givenUp: breaker.ended(handshake)
        }
    }
}
