import TestSupport
import Testing

@testable import Upstream

/// Random walks over all events of the pool: no connection given twice or lost, no caller forgotten, no bound passed, whatever the order.
struct PoolWalkTests {
    @Test(arguments: 0..<60)
    func everyOrderOfEventsKeepsTheContract(seed: UInt64) {
        var walk = PoolWalk(seed: seed)
        for _ in 0..<400 { walk.step() }
        walk.calmDown()
        walk.stop()
    }
}

private struct PoolWalk {
    private static let keys = [
        PoolFixture.kept, PoolMachine.key("kept 2"), PoolFixture.shared, PoolMachine.key("shared 2"), PoolFixture.own,
        PoolKey(PoolFixture.endpoint("kept", name: "other up")),
    ]
    private static let kept = [keys[0], keys[1]]

    private let limits: UpstreamPoolLimits
    private var random: SeededRandom
    private var machine: PoolMachine
    private var model: PoolModel
    private var now = 0
    private var lastCaller = 0

    init(seed: UInt64) {
        random = SeededRandom(seed: seed)
        limits = UpstreamPoolLimits(
            minimum: .random(in: 0...3, using: &random), maximum: .random(in: 0...5, using: &random),
            maximumKeys: .random(in: 2...4, using: &random), handshakesAtOnce: .random(in: 1...6, using: &random),
            maximumWaiting: .random(in: 0...5, using: &random), failuresToOpenCircuit: .random(in: 1...6, using: &random))
        machine = PoolMachine(limits: limits, warm: Self.kept)
        model = PoolModel(limits: limits)
    }

    mutating func step() {
        switch Int.random(in: 0..<100, using: &random) {
        case ..<30: ask()
        case ..<35: goAway()
        case ..<58: succeed()
        case ..<70: fail()
        case ..<80: end()
        case ..<86: giveBack()
        case ..<89: settle()
        case ..<97: now += Int.random(in: 0...[10, 1000, 20_000, 400_000][Int.random(in: 0..<4, using: &random)], using: &random)
        default: if let deadline = machine.nextDeadline(after: now) { now = deadline }
        }
        model.check(machine, now: now)
        // The runner may be late, but not for ever.
        if Int.random(in: 0..<5, using: &random) > 0 { tick() }
    }

    /// All goes well from here on: whoever waits is served, and what is to be kept is kept.
    mutating func calmDown() {
        for _ in 0..<200 {
            if let deadline = machine.nextDeadline(after: now) { now = deadline }
            tick()
            while let connection = model.opening.keys.min() { opened(connection, life: nil) }
            while settle() {}
        }
        #expect(model.waiting.isEmpty && model.opening.isEmpty && model.settling.isEmpty)
        for key in Self.kept {
            #expect(model.warm.values.count { $0.key == key } == min(limits.minimum, limits.maximum))
        }
        #expect(model.warm.values.allSatisfy { Self.kept.contains($0.key) }, "kept without demand")
        #expect(machine.stock.keys.allSatisfy(Self.kept.contains), "not forgotten")
    }

    mutating func stop() {
        for _ in 0..<4 { ask() }
        model.apply(machine.stop(), now: now)
        #expect(model.warm.isEmpty && model.waiting.isEmpty && model.settling.isEmpty)
        giveBack()
        while let connection = model.opening.keys.min() { opened(connection, life: nil) }
        tick()
        ask()
        #expect(model.warm.isEmpty && model.opening.isEmpty && model.waiting.isEmpty && model.settling.isEmpty)
        model.check(machine, now: now)
    }

    private mutating func giveBack() {
        guard let connection = model.leased.keys.sorted().randomElement(using: &random) else { return }
        let isKept = machine.returned(connection, at: moment())
        model.returned(connection, isKept: isKept, now: now)
    }

    @discardableResult
    private mutating func settle() -> Bool {
        guard let connection = model.settling.filter(\.value.isInspected).keys.sorted().randomElement(using: &random) else { return false }
        let isClean = Int.random(in: 0..<3, using: &random) > 0
        model.settled(connection, isClean: isClean, machine.settled(connection, isClean: isClean, at: moment()), now: now)
        return true
    }

    private mutating func moment() -> PoolMoment {
        PoolMoment(milliseconds: now, random: .random(in: 0...1, using: &random))
    }

    private mutating func ask() {
        lastCaller += 1
        let key = Self.keys[Int.random(in: 0..<Self.keys.count, using: &random)]
        let action = machine.ask(key, caller: lastCaller, at: moment())
        model.asked(key, caller: lastCaller, action, now: now)
    }

    private mutating func goAway() {
        guard let caller = model.waiting.keys.sorted().randomElement(using: &random) else { return }
        let didWait = machine.cancelWaiting(caller)
        #expect(didWait)
        model.gone(caller)
    }

    private mutating func succeed() {
        guard let connection = model.opening.keys.sorted().randomElement(using: &random) else { return }
        opened(connection, life: [nil, 500, 20_000, 3_600_000][Int.random(in: 0..<4, using: &random)])
    }

    private mutating func opened(_ connection: Int, life: Int?) {
        let actions = machine.opened(connection, life: life, at: moment())
        model.opened(connection, life: life, now: now)
        model.apply(actions, now: now)
    }

    private mutating func fail() {
        guard let connection = model.opening.keys.sorted().randomElement(using: &random) else { return }
        let verdict = [HandshakeVerdict.trouble, .trouble, .refusal, .unclear, .givenUp][Int.random(in: 0..<5, using: &random)]
        let actions = machine.failed(connection, verdict, "failed", at: moment())
        model.opening[connection] = nil
        model.apply(actions, now: now)
    }

    private mutating func end() {
        guard let connection = (Array(model.warm.keys) + model.leased.keys + model.settling.keys).sorted().randomElement(using: &random)
        else { return }
        machine.ended(connection, at: moment())
        model.ended(connection)
        // Told again, as the runner may.
        machine.ended(connection, at: moment())
    }

    private mutating func tick() {
        model.apply(machine.tick(at: moment()), now: now)
        model.checkSettled(now: now)
        #expect(machine.tick(at: moment()).isEmpty, "not done at once")
        #expect(machine.nextDeadline(after: now).map { $0 > now } ?? true)
        model.check(machine, now: now)
    }
}
