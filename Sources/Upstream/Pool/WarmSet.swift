/// The warm connections of one endpoint, how many there should be, and how old they may get.
struct WarmSet: Sendable {
    /// Without demand for this long only the minimum is kept.
    static let idleMilliseconds = 300_000
    /// Below every session length on record, so that also a server that does not say gives out nothing near its end.
    static let longestWarmMilliseconds = 600_000
    /// What lives shorter than this cannot be kept: it would be replaced without end.
    static let shortestWarmMilliseconds = 1000
    /// The stock covers the demand of so many handshake times: demand comes in bursts, and a handshake may take longer than the last did.
    private static let margin = 3.0
    /// How long before its retirement one that was given back is replaced.
    private static let returnedLeadMilliseconds = 1000
    private static let backOff = BackOff(baseMilliseconds: 500, limitMilliseconds: 60_000)

    struct Warm: Sendable {
        let connection: Int
        /// From then on it does not count as stock, so that another is there when it goes.
        let replaceAt: Int
        /// From then on it is not given out.
        let retireAt: Int
    }

    /// Of connections that were given back at once, several times as many may settle as may be warm: demand that is high takes them all again.
    private static let settlingFactor = 4

    private let minimum: Int
    private let maximum: Int
    /// The one to be retired first is first.
    private(set) var ready: [Warm] = []
    /// Handshakes under way for this set.
    private(set) var refills = 0
    /// Connections that were given back and are not ready yet.
    private(set) var settling = 0
    /// The last refill, or the connection it began with: whose turn is longest ago goes first.
    private(set) var turn: Int
    private(set) var backOffUntil: Int?
    private var demand = DemandRate()
    private var lastGiven: Int?
    private var failures = 0

    init(minimum: Int, maximum: Int, turn: Int) {
        self.minimum = min(minimum, maximum)
        self.maximum = maximum
        self.turn = turn
    }

    /// A caller got a connection, a warm one or a new one.
    mutating func given(now: Int) {
        demand.count(now: now)
        lastGiven = now
        failures = 0
        backOffUntil = nil
    }

    /// The one that goes out next.
    func next(now: Int) -> Int? {
        ready.first { $0.retireAt > now }?.connection
    }

    /// True if it was here.
    mutating func remove(_ connection: Int) -> Bool {
        guard let index = ready.firstIndex(where: { $0.connection == connection }) else { return false }
        ready.remove(at: index)
        return true
    }

    // MARK: Refills

    /// Refills to begin, if nothing stands against them.
    func missing(now: Int, handshakeMilliseconds: Double) -> Int {
        let fresh = ready.count { $0.replaceAt > now }
        return max(0, target(now: now, handshakeMilliseconds: handshakeMilliseconds) - fresh - refills - settling)
    }

    mutating func refillBegins(_ connection: Int) {
        refills += 1
        turn = connection
    }

    mutating func refillEnded() {
        refills -= 1
    }

    /// A handshake failed, or what was warm did not stay so. Only a caller that gets a connection proves the opposite: a server that opens
    /// sessions and drops them would otherwise be asked without a pause.
    mutating func failed(at moment: PoolMoment) {
        // Those that fail together count as one.
        guard moment.milliseconds >= backOffUntil ?? .min else { return }
        failures += 1
        backOffUntil = moment.milliseconds + Self.backOff.milliseconds(after: failures, random: moment.random)
    }

    /// Takes a new one in.
    /// - Parameter life: how long its session lives, where that is known.
    /// - Returns: connections to close: the one it replaces, or itself if it cannot be kept.
    mutating func keep(_ connection: Int, life: Int?, handshakeMilliseconds: Double, at moment: PoolMoment) -> [Int] {
        let longest = Self.longestUse(life: life)
        guard longest >= Self.shortestWarmMilliseconds else {
            failed(at: moment)
            return [connection]
        }
        // Those that came together must not go together.
        let warmTime = longest - Int(Double(longest / 5) * moment.random)
        let lead = min(Int(2 * handshakeMilliseconds) + 1000, warmTime / 2)
        let retireAt = moment.milliseconds + warmTime
        insert(Warm(connection: connection, replaceAt: retireAt - lead, retireAt: retireAt))
        let wanted = target(now: moment.milliseconds, handshakeMilliseconds: handshakeMilliseconds)
        if ready.count > wanted, let replaced = ready.firstIndex(where: { $0.replaceAt <= moment.milliseconds }) {
            return [ready.remove(at: replaced).connection]
        }
        return ready.count > maximum ? [ready.removeFirst().connection] : []
    }

    /// For how long a connection may be given out from its opening on: in the first half of its life.
    /// - Parameter life: how long its session lives, where that is known.
    static func longestUse(life: Int?) -> Int {
        min(longestWarmMilliseconds, life.map { $0 / 2 } ?? .max)
    }

    // MARK: Given back

    /// A caller has given one back.
    /// - Returns: whether there is room for it.
    mutating func settlingBegins() -> Bool {
        guard settling < maximum * Self.settlingFactor else { return false }
        settling += 1
        return true
    }

    mutating func settlingEnded() {
        settling -= 1
    }

    /// Takes in one that has settled.
    /// - Parameter useBefore: when the first half of its life is over.
    /// - Returns: false if it is too old, or one too many.
    mutating func keepReturned(_ connection: Int, useBefore: Int, now: Int) -> Bool {
        guard useBefore - now >= Self.shortestWarmMilliseconds, ready.count < maximum, !isIdle(now: now) || ready.count < minimum else {
            return false
        }
        let lead = min(Self.returnedLeadMilliseconds, (useBefore - now) / 2)
        insert(Warm(connection: connection, replaceAt: useBefore - lead, retireAt: useBefore))
        return true
    }

    private mutating func insert(_ warm: Warm) {
        ready.insert(warm, at: ready.firstIndex { $0.retireAt > warm.retireAt } ?? ready.endIndex)
    }

    // MARK: Time

    /// Takes out what is too old, and all that is too much once demand has ended. A surplus left by falling demand is left to be used up.
    mutating func retire(now: Int) -> [Int] {
        let old = ready.filter { $0.retireAt <= now }.map(\.connection)
        ready.removeAll { $0.retireAt <= now }
        guard isIdle(now: now), ready.count > minimum else { return old }
        let surplus = ready.prefix(ready.count - minimum).map(\.connection)
        ready.removeFirst(surplus.count)
        return old + surplus
    }

    /// Nothing here, nothing coming, nothing wanted.
    func isForgettable(now: Int) -> Bool {
        minimum == 0 && ready.isEmpty && refills == 0 && settling == 0 && isIdle(now: now)
    }

    /// The next time at which one of the answers here changes by itself.
    func nextChange(after now: Int) -> Int? {
        let times =
            ready.flatMap { [$0.replaceAt, $0.retireAt] } + [lastGiven.map { $0 + Self.idleMilliseconds }, backOffUntil].compactMap { $0 }
        return times.filter { $0 > now }.min()
    }

    private func isIdle(now: Int) -> Bool {
        lastGiven.map { now - $0 >= Self.idleMilliseconds } ?? true
    }

    private func target(now: Int, handshakeMilliseconds: Double) -> Int {
        if isIdle(now: now) { return minimum }
        let covered = demand.perMillisecond(now: now) * handshakeMilliseconds * Self.margin
        // A rate cannot be so high that this overflows: the maximum bounds it before it becomes an integer.
        return max(minimum, 1, Int(min(covered, Double(maximum)).rounded(.up)))
    }
}
