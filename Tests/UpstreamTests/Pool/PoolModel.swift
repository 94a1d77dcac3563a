import Testing

@testable import Upstream

/// What the pool's actions amount to, kept apart from the machine, with an objection to every action that breaks the contract.
struct PoolModel {
    struct Opening {
        let key: PoolKey
        /// nil: for the stock.
        let caller: Int?
    }

    struct Warm {
        let key: PoolKey
        /// The end of its life's first half, or of the longest time that anything is kept.
        let useBefore: Int
    }

    let limits: UpstreamPoolLimits
    var opening: [Int: Opening] = [:]
    var warm: [Int: Warm] = [:]
    var leased: [Int: Warm] = [:]
    /// Given back; true while it is being looked at.
    var settling: [Int: (warm: Warm, isInspected: Bool)] = [:]
    var closed: Set<Int> = []
    /// With the time by which each must have been answered.
    var waiting: [Int: (key: PoolKey, deadline: Int)] = [:]
    var made = 0
    private var answered: Set<Int> = []
    private var numbersUsed: Set<Int> = []

    init(limits: UpstreamPoolLimits) {
        self.limits = limits
    }

    mutating func asked(_ key: PoolKey, caller: Int, _ action: PoolMachine.AskAction, now: Int) {
        switch action {
        case .lease(let connection):
            answer(caller)
            lease(connection, key, now: now)
        case .open(let connection):
            answer(caller)
            begin(connection, Opening(key: key, caller: caller))
        case .refuse: answer(caller)
        case .wait:
            #expect(opening.count == limits.handshakesAtOnce, "made to wait while a handshake is free")
            waiting[caller] = (key, now + 10_000)
        }
    }

    mutating func gone(_ caller: Int) {
        waiting[caller] = nil
        answer(caller)
    }

    /// - Parameter handshake: whose end led to the actions.
    mutating func opened(_ connection: Int, life: Int?, now: Int) {
        guard let ended = opening.removeValue(forKey: connection) else { return }
        made += 1
        let one = Warm(key: ended.key, useBefore: now + min(600_000, (life ?? .max) / 2))
        if ended.caller != nil {
            leased[connection] = one
        } else {
            warm[connection] = one
        }
    }

    mutating func apply(_ actions: [PoolMachine.Action], now: Int) {
        for action in actions {
            switch action {
            case .lease(let connection, let caller):
                guard let place = waiting.removeValue(forKey: caller) else { return reject("a lease for somebody who does not wait") }
                answer(caller)
                lease(connection, place.key, now: now)
            case .open(let connection, let caller):
                guard let place = waiting.removeValue(forKey: caller) else { return reject("a turn for somebody who does not wait") }
                #expect(!waiting.contains { $0.key < caller }, "out of turn")
                answer(caller)
                begin(connection, Opening(key: place.key, caller: caller))
            case .refuse(let caller, _):
                if waiting.removeValue(forKey: caller) == nil { reject("a refusal for somebody who does not wait") }
                answer(caller)
            case .refill(let connection, let key):
                #expect(waiting.isEmpty && key.endpoint.sharesConnections)
                begin(connection, Opening(key: key, caller: nil))
                #expect(opening.values.count { $0.caller == nil } <= max(1, limits.handshakesAtOnce / 2))
            case .inspect(let connection):
                if settling[connection]?.isInspected != false { reject("looked at twice, or without having been given back") }
                settling[connection]?.isInspected = true
            case .close(let connection):
                let was = warm.removeValue(forKey: connection) ?? settling.removeValue(forKey: connection)?.warm
                if was == nil { reject("closed what is not warm") }
                closed.insert(connection)
            }
        }
    }

    mutating func returned(_ connection: Int, isKept: Bool, now: Int) {
        guard let lease = leased.removeValue(forKey: connection) else { return reject("given back by nobody") }
        guard isKept else {
            closed.insert(connection)
            return
        }
        #expect(lease.key.endpoint.sharesConnections && lease.useBefore > now && limits.maximum > 0)
        settling[connection] = (lease, false)
    }

    /// - Parameter actions: what came of it.
    mutating func settled(_ connection: Int, isClean: Bool, _ actions: [PoolMachine.Action], now: Int) {
        guard let one = settling[connection], one.isInspected else { return reject("settled without having been looked at") }
        if !isClean { #expect(actions == [.close(connection: connection)], "not clean, and kept") }
        if actions != [.close(connection: connection)] {
            settling[connection] = nil
            warm[connection] = one.warm
        }
        apply(actions, now: now)
    }

    mutating func ended(_ connection: Int) {
        warm[connection] = nil
        leased[connection] = nil
        settling[connection] = nil
        closed.insert(connection)
    }

    func check(_ machine: PoolMachine, now: Int) {
        let status = machine.status(now: now, toUnix: 0)
        #expect(made == warm.count + leased.count + settling.count + closed.count, "a connection was lost")
        #expect(status.reduce(0) { $0 + $1.settling } == settling.count)
        #expect(status.reduce(0) { $0 + $1.warm } == warm.count)
        #expect(status.reduce(0) { $0 + $1.leased } == leased.count)
        #expect(status.reduce(0) { $0 + $1.opening } == opening.count)
        #expect(status.reduce(0) { $0 + $1.waiting } == waiting.count)
        #expect(opening.count <= limits.handshakesAtOnce && waiting.count <= limits.maximumWaiting)
        #expect(waiting.isEmpty || opening.count == limits.handshakesAtOnce, "somebody waits for nothing")
        #expect(machine.stock.count <= limits.maximumKeys)
        for key in machine.stock.keys {
            #expect(warm.values.count { $0.key == key } <= limits.maximum, "more warm ones than allowed")
            #expect(settling.values.count { $0.warm.key == key } <= 4 * limits.maximum, "more settling ones than allowed")
        }
    }

    /// After the machine has seen to the time.
    func checkSettled(now: Int) {
        #expect(!waiting.contains { $0.value.deadline <= now }, "a caller waits past its time")
        #expect(!warm.contains { $0.value.useBefore <= now }, "something old is kept")
    }

    private mutating func lease(_ connection: Int, _ key: PoolKey, now: Int) {
        guard let taken = warm.removeValue(forKey: connection) else { return reject("given out what is not warm: twice, or after its end") }
        #expect(taken.key == key, "given to another endpoint")
        #expect(taken.useBefore > now, "given out past its age")
        leased[connection] = taken
    }

    private mutating func begin(_ connection: Int, _ handshake: Opening) {
        #expect(numbersUsed.insert(connection).inserted, "a number used twice")
        opening[connection] = handshake
    }

    private mutating func answer(_ caller: Int) {
        #expect(answered.insert(caller).inserted, "answered twice")
    }

    private func reject(_ what: Comment) {
        Issue.record(what)
    }
}
