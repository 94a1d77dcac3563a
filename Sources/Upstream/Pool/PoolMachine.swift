/// Decides for an ``UpstreamPool`` who gets which connection and when a handshake begins. Connections and callers are numbers here.
///
/// A connection is made by a handshake, is then warm or leased, and is gone at its end. A leased one that its caller gives back settles, is
/// looked at, and is warm again if nothing has come that concerned that caller. After every event the runner lets ``tick(at:)`` see to the
/// stock, and again at ``nextDeadline(after:)``.
struct PoolMachine: Sendable {
    struct Handshake: Sendable {
        let key: PoolKey
        let startedAt: Int
        /// False: for the stock.
        let isForCaller: Bool
    }

    struct Waiting: Sendable {
        let caller: Int
        let key: PoolKey
        let deadline: Int
    }

    /// A connection that a caller has.
    struct Lease: Sendable {
        let key: PoolKey
        /// It is not given to another from then on.
        let useBefore: Int
        /// It was warm when it was asked for.
        var isHit = false
    }

    /// A connection that a caller has given back.
    struct Settling: Sendable {
        let lease: Lease
        /// When it is to be looked at; nil: it is being looked at.
        var until: Int?
    }

    /// What a server has to say after a response has come by then; `rate_limits.updated` comes within milliseconds.
    static let settlingMilliseconds = 1000

    let limits: UpstreamPoolLimits
    var stock: [PoolKey: WarmSet] = [:]
    /// By name. Names come from the configuration, so there are few.
    var ledgers: [String: UpstreamLedger] = [:]
    var handshakes: [Int: Handshake] = [:]
    /// In the order of asking. Only while all handshakes are taken.
    var waiting: [Waiting] = []
    /// Connections given out, and neither ended nor given back.
    var leased: [Int: Lease] = [:]
    var settling: [Int: Settling] = [:]
    var isStopped = false
    private var lastConnection = 0

    init(limits: UpstreamPoolLimits, warm: [PoolKey]) {
        self.limits = limits
        for (index, key) in warm.enumerated() {
            openLedger(key)
            guard limits.maximum > 0, key.endpoint.sharesConnections, stock.count < limits.maximumKeys else { continue }
            stock[key] = WarmSet(minimum: limits.minimum, maximum: limits.maximum, turn: index - warm.count)
        }
    }

    // MARK: Callers

    enum AskAction: Equatable {
        /// A warm one.
        case lease(connection: Int)
        /// The caller opens this one itself.
        case open(connection: Int)
        /// One of ``Action/lease(connection:caller:)``, ``Action/open(connection:caller:)`` and ``Action/refuse(caller:_:)`` answers later.
        case wait
        case refuse(PoolRefusal)
    }

    mutating func ask(_ key: PoolKey, caller: Int, at moment: PoolMoment) -> AskAction {
        guard !isStopped else { return .refuse(.stopped) }
        openLedger(key)
        if let connection = nextWarm(for: key, now: moment.milliseconds) {
            let useBefore = stock[key]?.ready.first { $0.connection == connection }?.retireAt ?? moment.milliseconds
            lease(connection, Lease(key: key, useBefore: useBefore, isHit: true), now: moment.milliseconds)
            ledgers[key.name]?.hits += 1
            return .lease(connection: connection)
        }
        if let refusal = circuitRefusal(key, now: moment.milliseconds) { return .refuse(refusal) }
        let mustWait = handshakes.count >= limits.handshakesAtOnce
        guard !mustWait || waiting.count < limits.maximumWaiting else { return .refuse(.crowded) }
        if canShare(key) { ledgers[key.name]?.misses += 1 }
        guard mustWait else { return .open(connection: begin(key, isForCaller: true, at: moment)) }
        let deadline = moment.milliseconds + key.endpoint.handshakeTimeout.wholeMilliseconds
        waiting.append(Waiting(caller: caller, key: key, deadline: deadline))
        return .wait
    }

    /// The warm connection that ``ask(_:caller:at:)`` would give.
    func nextWarm(for key: PoolKey, now: Int) -> Int? {
        stock[key]?.next(now: now)
    }

    /// True if the caller was still waiting; nobody answers it any more.
    mutating func cancelWaiting(_ caller: Int) -> Bool {
        guard let index = waiting.firstIndex(where: { $0.caller == caller }) else { return false }
        waiting.remove(at: index)
        return true
    }

    // MARK: Handshakes and ends

    enum Action: Equatable {
        /// A warm one, to a caller that waited.
        case lease(connection: Int, caller: Int)
        /// The caller's turn has come to open this one itself.
        case open(connection: Int, caller: Int)
        case refuse(caller: Int, PoolRefusal)
        /// Opened for the stock.
        case refill(connection: Int, PoolKey)
        /// It was given back and has had time to settle; ``settled(_:isClean:at:)`` follows.
        case inspect(connection: Int)
        /// It was warm, or was to become it.
        case close(connection: Int)
    }

    /// A handshake has opened a session. One that a caller opened is leased to it; one for the stock is warm unless the actions say otherwise.
    /// - Parameter life: milliseconds until the server ends the session, where known.
    mutating func opened(_ connection: Int, life: Int?, at moment: PoolMoment) -> [Action] {
        let handshake = finish(connection)
        let (key, now) = (handshake.key, moment.milliseconds)
        ledgers[key.name]?.opened(milliseconds: now - handshake.startedAt, counts: key.endpoint.sharesConnections)
        if handshake.isForCaller {
            leased[connection] = Lease(key: key, useBefore: now + WarmSet.longestUse(life: life))
            remember(key, connection)
            stock[key]?.given(now: now)
            return turns(at: moment)
        }
        stock[key]?.refillEnded()
        if isStopped { return [.close(connection: connection)] }
        if let caller = nextWaiting(for: key) {
            lease(connection, Lease(key: key, useBefore: now + WarmSet.longestUse(life: life)), now: now)
            return [.lease(connection: connection, caller: caller)] + turns(at: moment)
        }
        let expected = ledgers[key.name]?.times.expectedMilliseconds ?? 0
        let closes = stock[key]?.keep(connection, life: life, handshakeMilliseconds: expected, at: moment) ?? [connection]
        return closes.map { .close(connection: $0) } + turns(at: moment)
    }

    /// - Parameter message: fit for callers.
    mutating func failed(_ connection: Int, _ verdict: HandshakeVerdict, _ message: String, at moment: PoolMoment) -> [Action] {
        let handshake = finish(connection)
        let key = handshake.key
        ledgers[key.name]?.failed(
            connection, verdict, message, counts: key.endpoint.sharesConnections, at: moment)
        if !handshake.isForCaller { stock[key]?.refillEnded() }
        if verdict != .givenUp { stock[key]?.failed(at: moment) }
        return turns(at: moment)
    }

    /// A connection that was made has ended, whoever ended it. Those closed at the machine's word are forgotten already.
    mutating func ended(_ connection: Int, at moment: PoolMoment) {
        if leased.removeValue(forKey: connection) != nil { return }
        if let ended = settling.removeValue(forKey: connection) {
            // It has served: nothing to back off from.
            stock[ended.lease.key]?.settlingEnded()
            return
        }
        for key in stock.keys where stock[key]?.remove(connection) == true {
            stock[key]?.failed(at: moment)
        }
    }

    /// From here on nothing begins. Handshakes under way end as they will.
    mutating func stop() -> [Action] {
        isStopped = true
        let warm = stock.values.flatMap { $0.ready.map(\.connection) }.sorted()
        let returned = settling.keys.sorted()
        let refused = waiting.map { Action.refuse(caller: $0.caller, .stopped) }
        settling = [:]
        stock = [:]
        waiting = []
        return refused + (warm + returned).map { .close(connection: $0) }
    }

    func circuit(of name: String) -> UpstreamPoolStatus.Circuit {
        ledgers[name]?.breaker.circuit ?? .closed
    }

    // MARK: Steps

    mutating func begin(_ key: PoolKey, isForCaller: Bool, at moment: PoolMoment) -> Int {
        lastConnection += 1
        handshakes[lastConnection] = Handshake(key: key, startedAt: moment.milliseconds, isForCaller: isForCaller)
        if key.endpoint.sharesConnections { ledgers[key.name]?.breaker.begins(lastConnection) }
        return lastConnection
    }

    func circuitRefusal(_ key: PoolKey, now: Int) -> PoolRefusal? {
        guard key.endpoint.sharesConnections, let ledger = ledgers[key.name], let wait = ledger.breaker.refusal(now: now) else {
            return nil
        }
        return .circuitOpen(retryAfterMilliseconds: wait, failures: ledger.breaker.failures, last: ledger.lastFailure)
    }

    private mutating func finish(_ connection: Int) -> Handshake {
        guard let handshake = handshakes.removeValue(forKey: connection) else {
            preconditionFailure("handshake \(connection) ended twice or never began")
        }
        return handshake
    }

    mutating func lease(_ connection: Int, _ lease: Lease, now: Int) {
        _ = stock[lease.key]?.remove(connection)
        stock[lease.key]?.given(now: now)
        leased[connection] = lease
    }

    /// Takes out who has waited longest for a connection of this kind.
    mutating func nextWaiting(for key: PoolKey) -> Int? {
        waiting.firstIndex { $0.key == key }.map { waiting.remove(at: $0).caller }
    }

    /// Gives free handshakes to those who have waited longest.
    private mutating func turns(at moment: PoolMoment) -> [Action] {
        var actions: [Action] = []
        while handshakes.count < limits.handshakesAtOnce, !waiting.isEmpty {
            let first = waiting.removeFirst()
            if first.deadline <= moment.milliseconds {
                actions.append(.refuse(caller: first.caller, .turnTooLate))
            } else if let refusal = circuitRefusal(first.key, now: moment.milliseconds) {
                actions.append(.refuse(caller: first.caller, refusal))
            } else {
                actions.append(.open(connection: begin(first.key, isForCaller: true, at: moment), caller: first.caller))
            }
        }
        return actions
    }

    /// Only what has opened once is worth keeping warm: callers may name models that are not there.
    private mutating func remember(_ key: PoolKey, _ connection: Int) {
        guard canShare(key), !isStopped, stock[key] == nil, stock.count < limits.maximumKeys else { return }
        stock[key] = WarmSet(minimum: 0, maximum: limits.maximum, turn: connection)
    }

    private func canShare(_ key: PoolKey) -> Bool {
        limits.maximum > 0 && key.endpoint.sharesConnections
    }

    private mutating func openLedger(_ key: PoolKey) {
        if ledgers[key.name] == nil { ledgers[key.name] = UpstreamLedger(failuresToOpenCircuit: limits.failuresToOpenCircuit) }
    }
}
