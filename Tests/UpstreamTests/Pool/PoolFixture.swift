@testable import Upstream

/// A machine with its clock, and the endpoints that the tests ask for.
struct PoolFixture {
    static let kept = PoolKey(endpoint("kept"))
    static let shared = PoolKey(endpoint("shared"))
    static let own = PoolKey(endpoint("own", sharesConnections: false))

    var machine: PoolMachine
    var now = 0
    private var lastCaller = 0

    init(_ limits: UpstreamPoolLimits = UpstreamPoolLimits(), warm: [PoolKey] = []) {
        machine = PoolMachine(limits: limits, warm: warm)
    }

    static func endpoint(_ model: String, name: String = "up", sharesConnections: Bool = true) -> UpstreamEndpoint {
        UpstreamEndpoint(
            name: name, url: "ws://up/?model=\(model)", headers: [("Authorization", "Bearer sk-test-0123456789")],
            sharesConnections: sharesConnections)
    }

    /// Chance at its longest wait and shortest keeping.
    var moment: PoolMoment { PoolMoment(milliseconds: now, random: 1) }

    mutating func ask(_ key: PoolKey) -> PoolMachine.AskAction {
        lastCaller += 1
        return machine.ask(key, caller: lastCaller, at: moment)
    }

    mutating func opened(_ connection: Int, life: Int? = nil) -> [PoolMachine.Action] {
        machine.opened(connection, life: life, at: moment)
    }

    mutating func failed(_ connection: Int, _ code: UpstreamError.Code = .unreachable) -> [PoolMachine.Action] {
        machine.failed(connection, .init(code), "out of reach", at: moment)
    }

    mutating func ended(_ connection: Int) {
        machine.ended(connection, at: moment)
    }

    mutating func returned(_ connection: Int) -> Bool {
        machine.returned(connection, at: moment)
    }

    mutating func settled(_ connection: Int, isClean: Bool) -> [PoolMachine.Action] {
        machine.settled(connection, isClean: isClean, at: moment)
    }

    mutating func tick(after milliseconds: Int = 0) -> [PoolMachine.Action] {
        now += milliseconds
        return machine.tick(at: moment)
    }

    /// Asks and opens until the machine has seen one create every `every` milliseconds, with handshakes of `handshake`.
    mutating func demand(_ key: PoolKey, creates: Int, every: Int, handshake: Int) {
        for _ in 0..<creates {
            switch ask(key) {
            case .open(let connection):
                now += handshake
                _ = opened(connection)
                ended(connection)
                now += every - handshake
            case .lease(let connection):
                ended(connection)
                now += every
            case .wait, .refuse: break
            }
        }
    }

    var status: UpstreamPoolStatus { machine.status(now: now, toUnix: 0)[0] }
}

extension [PoolMachine.Action] {
    /// The connections of the refills in here.
    var refills: [Int] {
        compactMap { if case .refill(let connection, _) = $0 { connection } else { nil } }
    }
}
