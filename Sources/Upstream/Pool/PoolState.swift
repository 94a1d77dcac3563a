import Realtime

/// What the pool's lock guards: the machine, and the things that its numbers stand for.
struct PoolState {
    var machine: PoolMachine
    /// All that are warm or settle, also one that the machine is just told of. Those given out belong to their callers alone.
    var warm: [Int: PooledConnection] = [:]
    /// The numbers of those given out, to know them by when they come back.
    private var given: [ObjectIdentifier: Int] = [:]
    private var waiting: [Int: CheckedContinuation<PoolTurn, Never>] = [:]
    private var lastCaller = 0

    init(machine: PoolMachine) {
        self.machine = machine
    }

    mutating func newCaller() -> Int {
        lastCaller += 1
        return lastCaller
    }

    /// Takes out those that would be given out next and have ended without our having been told yet.
    mutating func dropDead(_ key: PoolKey, at moment: PoolMoment) -> [UpstreamConnection] {
        var dead: [UpstreamConnection] = []
        while let number = machine.nextWarm(for: key, now: moment.milliseconds), let pooled = warm[number], !pooled.connection.isOpen {
            machine.ended(number, at: moment)
            warm[number] = nil
            dead.append(pooled.connection)
        }
        return dead
    }

    /// Nil if the caller has to wait; the continuation is kept then.
    mutating func ask(
        _ key: PoolKey, _ caller: Int, _ continuation: CheckedContinuation<PoolTurn, Never>, at moment: PoolMoment
    ) -> PoolTurn? {
        switch machine.ask(key, caller: caller, at: moment) {
        case .lease(let number): return .leased(number, give(number))
        case .open(let number): return .mayOpen(number)
        case .refuse(let refusal): return .refused(refusal)
        case .wait:
            waiting[caller] = continuation
            return nil
        }
    }

    mutating func cancelWaiting(_ caller: Int) -> CheckedContinuation<PoolTurn, Never>? {
        machine.cancelWaiting(caller) ? waiting.removeValue(forKey: caller) : nil
    }

    /// Collects what the actions ask for, to be done after the lock.
    mutating func carryOut(_ actions: [PoolMachine.Action]) -> PoolWork {
        var work = PoolWork()
        for action in actions {
            switch action {
            case .lease(let number, let caller): work.answers.append((takeWaiting(caller), .leased(number, give(number))))
            case .open(let number, let caller): work.answers.append((takeWaiting(caller), .mayOpen(number)))
            case .refuse(let caller, let refusal): work.answers.append((takeWaiting(caller), .refused(refusal)))
            case .refill(let number, let key): work.refills.append((number, key))
            case .inspect(let number):
                // Its end may be known to the runner first.
                if let pooled = warm[number] { work.inspections.append((number, pooled)) }
            case .close(let number): work.closes.append(takeWarm(number).connection)
            }
        }
        return work
    }

    // MARK: Given out, given back

    /// A connection is its caller's from here on.
    mutating func gave(_ connection: UpstreamConnection, _ number: Int) {
        given[ObjectIdentifier(connection)] = number
    }

    private mutating func give(_ number: Int) -> PooledConnection {
        let pooled = takeWarm(number)
        gave(pooled.connection, number)
        return pooled
    }

    /// - Returns: false if it is to be closed.
    mutating func takeBack(_ connection: UpstreamConnection, harmless: Set<String>, at moment: PoolMoment) -> Bool {
        guard let number = given.removeValue(forKey: ObjectIdentifier(connection)), machine.returned(number, at: moment) else {
            return false
        }
        warm[number] = PooledConnection(connection: connection, harmless: harmless)
        return true
    }

    /// - Parameter id: the connection's; another one may stand in its place by now.
    mutating func ended(_ number: Int, _ id: ObjectIdentifier, at moment: PoolMoment) -> PooledConnection? {
        machine.ended(number, at: moment)
        if given[id] == number { given[id] = nil }
        return warm.removeValue(forKey: number)
    }

    /// See ``PoolMachine/spoiled(_:)``.
    mutating func spoiled(_ number: Int, _ connection: UpstreamConnection) {
        machine.spoiled(number)
        given[ObjectIdentifier(connection)] = nil
    }

    private mutating func takeWarm(_ number: Int) -> PooledConnection {
        guard let connection = warm.removeValue(forKey: number) else { preconditionFailure("connection \(number) is not warm") }
        return connection
    }

    private mutating func takeWaiting(_ caller: Int) -> CheckedContinuation<PoolTurn, Never> {
        guard let continuation = waiting.removeValue(forKey: caller) else { preconditionFailure("caller \(caller) does not wait") }
        return continuation
    }
}

/// A connection that nobody has.
struct PooledConnection: Sendable {
    let connection: UpstreamConnection
    /// Of one that somebody had: the events that may still come. Nil: all that has come is for who gets it.
    let harmless: Set<String>?

    /// Looks at what has come of one that was given back, and drops what is harmless. Not to be called under a lock.
    /// - Returns: false if it may not be given to anybody else.
    func isClean() -> Bool {
        guard let harmless else { return true }
        let frames = connection.takeUnread()
        return connection.isOpen && frames.allSatisfy { ServerEvent($0).map { harmless.contains($0.type) } ?? false }
    }
}

/// What a caller of the pool gets.
enum PoolTurn {
    case leased(Int, PooledConnection)
    /// The connection of this number, which the caller makes.
    case mayOpen(Int)
    case refused(PoolRefusal)
}

/// What is left to do outside of the lock.
struct PoolWork {
    var answers: [(CheckedContinuation<PoolTurn, Never>, PoolTurn)] = []
    var refills: [(Int, PoolKey)] = []
    var inspections: [(Int, PooledConnection)] = []
    var closes: [UpstreamConnection] = []

    func answerCallers() {
        for (caller, turn) in answers { caller.resume(returning: turn) }
    }

    /// Answers callers, then closes, all at once.
    func finish() async {
        answerCallers()
        await withDiscardingTaskGroup { group in
            for connection in closes { group.addTask { await connection.close() } }
        }
    }
}
