extension PoolMachine {
    /// - Parameter toUnix: what to add to a time here to get milliseconds since 1970.
    func status(now: Int, toUnix: Int) -> [UpstreamPoolStatus] {
        ledgers.sorted { $0.key < $1.key }.map { name, ledger in
            var status = UpstreamPoolStatus(name: name)
            let sets = stock.filter { $0.key.name == name }.values
            status.warm = sets.reduce(0) { $0 + $1.ready.count }
            status.leased = leased.values.count { $0.key.name == name }
            status.settling = settling.values.count { $0.lease.key.name == name }
            status.opening = handshakes.values.count { $0.key.name == name }
            status.waiting = waiting.count { $0.key.name == name }
            (status.hits, status.misses, status.returned) = (ledger.hits, ledger.misses, ledger.returned)
            (status.handshakes, status.handshakeFailures) = (ledger.handshakes, ledger.handshakeFailures)
            status.handshakeMilliseconds = ledger.times.summary
            status.consecutiveFailures = ledger.breaker.failures
            status.lastFailure = ledger.lastFailure
            let waits = (sets.compactMap(\.backOffUntil) + [ledger.breaker.openUntil].compactMap { $0 }).filter { $0 > now }
            status.backOffUntilMilliseconds = waits.max().map { $0 + toUnix }
            status.circuit = ledger.breaker.circuit
            return status
        }
    }
}
