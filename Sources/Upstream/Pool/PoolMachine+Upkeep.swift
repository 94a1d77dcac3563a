extension PoolMachine {
    /// The stock's share of all handshakes: a caller always finds some that are not the pool's own.
    private var refillsAtOnce: Int { max(1, limits.handshakesAtOnce / 2) }

    /// Sees to everything that time or the events since the last call have made due.
    mutating func tick(at moment: PoolMoment) -> [Action] {
        guard !isStopped else { return [] }
        return refuseLate(at: moment) + inspect(at: moment) + retire(at: moment) + refill(at: moment)
    }

    /// When ``tick(at:)`` is due if nothing else happens. Whatever waits for an event instead of a time is not in here.
    func nextDeadline(after now: Int) -> Int? {
        let circuits = ledgers.values.compactMap(\.breaker.openUntil).filter { $0 > now }
        let settled = settling.values.compactMap(\.until)
        return (waiting.map(\.deadline) + settled + stock.values.compactMap { $0.nextChange(after: now) } + circuits).min()
    }

    private mutating func refuseLate(at moment: PoolMoment) -> [Action] {
        let late = waiting.filter { $0.deadline <= moment.milliseconds }
        waiting.removeAll { $0.deadline <= moment.milliseconds }
        return late.map { .refuse(caller: $0.caller, .turnTooLate) }
    }

    private mutating func retire(at moment: PoolMoment) -> [Action] {
        var closes: [Int] = []
        for key in stock.keys {
            closes += stock[key]?.retire(now: moment.milliseconds) ?? []
            if stock[key]?.isForgettable(now: moment.milliseconds) == true { stock[key] = nil }
        }
        return closes.sorted().map { .close(connection: $0) }
    }

    private mutating func refill(at moment: PoolMoment) -> [Action] {
        var actions: [Action] = []
        while waiting.isEmpty, handshakes.count < limits.handshakesAtOnce,
            handshakes.values.count(where: { !$0.isForCaller }) < refillsAtOnce,
            let key = nextToRefill(now: moment.milliseconds)
        {
            let connection = begin(key, isForCaller: false, at: moment)
            stock[key]?.refillBegins(connection)
            actions.append(.refill(connection: connection, key))
        }
        return actions
    }

    /// The one whose last refill is longest ago, so that one busy endpoint does not starve the others.
    private func nextToRefill(now: Int) -> PoolKey? {
        let candidates = stock.filter { key, set in
            (set.backOffUntil ?? .min) <= now && set.missing(now: now, handshakeMilliseconds: expectedMilliseconds(key)) > 0
                && circuitRefusal(key, now: now) == nil
        }
        return candidates.min { $0.value.turn < $1.value.turn }?.key
    }

    private func expectedMilliseconds(_ key: PoolKey) -> Double {
        ledgers[key.name]?.times.expectedMilliseconds ?? HandshakeTimes().expectedMilliseconds
    }
}
