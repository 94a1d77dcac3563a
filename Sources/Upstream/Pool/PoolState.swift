/// What the pool's lock guards: the machine, and the things that its numbers stand for.
struct PoolState {
    var machine: PoolMachine
    /// All warm connections, also one that the machine is just told of. Those given out belong to their callers alone.
    var warm: [Int: UpstreamConnection] = [:]
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
        while let number = machine.nextWarm(for: key, now: moment.milliseconds), let connection = warm[number], !connection.isOpen {
            machine.ended(number, at: moment)
            warm[number] = nil
            dead.append(connection)
        }
        return dead
    }

    /// Nil if the caller has to wait; the continuation is kept then.
    mutating func ask(
        _ key: PoolKey, _ caller: Int, _ continuation: CheckedContinuation<PoolTurn, Never>, at moment: PoolMoment
    ) -> PoolTurn? {
        switch machine.ask(key, caller: caller, at: moment) {
        case .lease(let number): return .leased(takeWarm(number))
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
            case .lease(let number, let caller): work.answers.append((takeWaiting(caller), .leased(takeWarm(number))))
            case .open(let number, let caller): work.answers.append((takeWaiting(caller), .mayOpen(number)))
            case .refuse(let caller, let refusal): work.answers.append((takeWaiting(caller), .refused(refusal)))
            case .refill(let number, let key): work.refills.append((number, key))
            case .close(let number): work.closes.append(takeWarm(number))
            }
        }
        return work
    }

    private mutating func takeWarm(_ number: Int) -> UpstreamConnection {
        guard let connection = warm.removeValue(forKey: number) else { preconditionFailure("connection \(number) is not warm") }
        return connection
    }

    private mutating func takeWaiting(_ caller: Int) -> CheckedContinuation<PoolTurn, Never> {
        guard let continuation = waiting.removeValue(forKey: caller) else { preconditionFailure("caller \(caller) does not wait") }
        return continuation
    }
}

/// What a caller of the pool gets.
enum PoolTurn {
    case leased(UpstreamConnection)
    /// The connection of this number, which the caller makes.
    case mayOpen(Int)
    case refused(PoolRefusal)
}

/// What is left to do outside of the lock.
struct PoolWork {
    var answers: [(CheckedContinuation<PoolTurn, Never>, PoolTurn)] = []
    var refills: [(Int, PoolKey)] = []
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
