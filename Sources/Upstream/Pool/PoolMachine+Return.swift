// Connections that their callers give back.
extension PoolMachine {
    /// A caller needs its connection no more and has left nothing on it.
    /// - Returns: false if it is to be closed; it is forgotten then. True: ``Action/inspect(connection:)`` follows.
    mutating func returned(_ connection: Int, at moment: PoolMoment) -> Bool {
        guard let lease = leased.removeValue(forKey: connection) else { return false }
        // Where a second event belongs to the beginning of a session, the next caller would not get it.
        guard !isStopped, lease.key.endpoint.sharesConnections, lease.key.endpoint.awaitedEvent == nil,
            lease.useBefore - moment.milliseconds > Self.settlingMilliseconds, stock[lease.key]?.settlingBegins() == true
        else { return false }
        settling[connection] = Settling(lease: lease, until: moment.milliseconds + Self.settlingMilliseconds)
        return true
    }

    /// It was looked at.
    /// - Parameter isClean: it is open, and nothing has come of it that concerned the caller before.
    mutating func settled(_ connection: Int, isClean: Bool, at moment: PoolMoment) -> [Action] {
        // It may have ended meanwhile, or the pool been stopped.
        guard let lease = settling.removeValue(forKey: connection)?.lease else { return [] }
        let (key, now) = (lease.key, moment.milliseconds)
        stock[key]?.settlingEnded()
        guard isClean, now < lease.useBefore else { return [.close(connection: connection)] }
        if let caller = nextWaiting(for: key) {
            self.lease(connection, Lease(key: key, useBefore: lease.useBefore), now: now)
            ledgers[key.name]?.returned += 1
            return [.lease(connection: connection, caller: caller)]
        }
        guard stock[key]?.keepReturned(connection, useBefore: lease.useBefore, now: now) == true else {
            return [.close(connection: connection)]
        }
        ledgers[key.name]?.returned += 1
        return []
    }

    /// One that was given to a caller, who does not get it after all: something has come of it that concerned the caller before.
    mutating func spoiled(_ connection: Int) {
        guard let lease = leased.removeValue(forKey: connection) else { return }
        // The caller asks again, and is counted then.
        if lease.isHit { ledgers[lease.key.name]?.hits -= 1 } else { ledgers[lease.key.name]?.misses -= 1 }
    }

    /// Those that have had their time.
    mutating func inspect(at moment: PoolMoment) -> [Action] {
        let due = settling.filter { $0.value.until.map { $0 <= moment.milliseconds } ?? false }.keys.sorted()
        for connection in due { settling[connection]?.until = nil }
        return due.map { .inspect(connection: $0) }
    }
}
