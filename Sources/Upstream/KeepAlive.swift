import NIOCore

/// Decides when to ask a silent peer whether it is there, and when to give it up.
struct KeepAlive {
    private let interval: TimeAmount
    private let timeout: TimeAmount
    private var lastHeard: NIODeadline
    private var askedAt: NIODeadline?

    init(interval: TimeAmount, timeout: TimeAmount, now: NIODeadline) {
        self.interval = interval
        self.timeout = timeout
        self.lastHeard = now
    }

    /// When ``timerFired(now:isReading:)`` is due next.
    var nextCheck: NIODeadline {
        askedAt.map { $0 + timeout } ?? lastHeard + interval
    }

    /// Any byte is a sign of life, also a part of a large frame. True if the next check is due earlier than it was.
    mutating func heard(now: NIODeadline) -> Bool {
        lastHeard = now
        return askedAt.take() != nil
    }

    enum Action: Equatable {
        case wait
        case sendPing
        case giveUp
    }

    /// - Parameter isReading: false while we leave the socket unread ourselves; the peer's silence proves nothing then.
    mutating func timerFired(now: NIODeadline, isReading: Bool) -> Action {
        guard isReading else {
            _ = heard(now: now)
            return .wait
        }
        guard now >= nextCheck else { return .wait }
        if askedAt != nil { return .giveUp }
        askedAt = now
        return .sendPing
    }
}
