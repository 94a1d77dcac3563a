/// When one stream has been quiet for too long, and when it has lived long enough.
struct StreamClock {
    private let heartbeat: Duration
    private let endsAt: ContinuousClock.Instant
    private var lastWrite: ContinuousClock.Instant
    private var isHeartbeatDue = false
    /// It is to end, with a `retry:` for its client.
    private(set) var mustLeave = false

    init(heartbeat: Duration, now: ContinuousClock.Instant, age: Duration) {
        self.heartbeat = heartbeat
        lastWrite = now
        endsAt = now + age
    }

    enum Action: Equatable {
        case wake(nextTick: ContinuousClock.Instant)
        case sleep(nextTick: ContinuousClock.Instant)
        case over
    }

    /// Time has passed. Between two writes at most the heartbeat and the ticker's grain go by.
    mutating func tick(_ now: ContinuousClock.Instant) -> Action {
        if now >= endsAt { leave() }
        let isQuiet = now >= lastWrite + heartbeat
        if isQuiet { isHeartbeatDue = true }
        let nextTick = min(mustLeave ? now + heartbeat : endsAt, isQuiet ? now + heartbeat : lastWrite + heartbeat)
        return isQuiet || mustLeave ? .wake(nextTick: nextTick) : .sleep(nextTick: nextTick)
    }

    mutating func wrote(at now: ContinuousClock.Instant) {
        lastWrite = now
    }

    /// Whether a heartbeat is due, which is then taken for written.
    mutating func takeHeartbeat() -> Bool {
        defer { isHeartbeatDue = false }
        return isHeartbeatDue
    }

    mutating func leave() {
        mustLeave = true
    }
}
