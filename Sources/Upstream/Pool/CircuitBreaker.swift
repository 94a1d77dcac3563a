/// Decides whether an upstream that keeps failing may be tried.
///
/// closed → open after some failures in a row. open → half open when its time is over and somebody asks. half open, with one probe at most:
/// → closed when the upstream answers, → open again, for longer, when the probe fails.
struct CircuitBreaker: Sendable {
    static let backOff = BackOff(baseMilliseconds: 1000, limitMilliseconds: 30_000)
    /// Said while a probe is under way, since nobody knows how long that takes.
    static let probeMilliseconds = 1000

    private enum State {
        case closed
        case open(until: Int)
        case halfOpen(probe: Int?)
    }

    private let threshold: Int
    private var state = State.closed
    private var openings = 0
    /// In a row, those of handshakes included that were under way when it opened.
    private(set) var failures = 0

    init(threshold: Int) {
        self.threshold = threshold
    }

    var circuit: UpstreamPoolStatus.Circuit {
        switch state {
        case .closed: .closed
        case .open: .open
        case .halfOpen: .halfOpen
        }
    }

    /// Until when nothing can be tried, if that is known.
    var openUntil: Int? {
        if case .open(let until) = state { until } else { nil }
    }

    /// Nil if a handshake may begin now, else after how many milliseconds to ask again.
    func refusal(now: Int) -> Int? {
        switch state {
        case .closed, .halfOpen(probe: nil): nil
        case .open(let until): until > now ? until - now : nil
        case .halfOpen: Self.probeMilliseconds
        }
    }

    /// Only when ``refusal(now:)`` gave nil.
    mutating func begins(_ handshake: Int) {
        switch state {
        case .closed: break
        case .open, .halfOpen(probe: nil): state = .halfOpen(probe: handshake)
        case .halfOpen: preconditionFailure("a second probe")
        }
    }

    /// The upstream is there: it opened a session, or said why it does not.
    mutating func answered() {
        state = .closed
        failures = 0
        openings = 0
    }

    mutating func failed(_ handshake: Int, at moment: PoolMoment) {
        failures += 1
        switch state {
        case .closed where failures >= threshold: open(at: moment)
        case .halfOpen(probe: handshake): open(at: moment)
        case .closed, .open, .halfOpen: break
        }
    }

    /// Ended without telling anything about the upstream: given up, or stuck on our own side. Another may probe.
    mutating func ended(_ handshake: Int) {
        if case .halfOpen(probe: handshake) = state { state = .halfOpen(probe: nil) }
    }

    private mutating func open(at moment: PoolMoment) {
        openings += 1
        state = .open(until: moment.milliseconds + Self.backOff.milliseconds(after: openings, random: moment.random))
    }
}
