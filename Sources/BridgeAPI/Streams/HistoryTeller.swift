import EventLog
import Logging

/// What a ``HistoryBody`` says: decides what comes next, and spells it.
///
/// Its lanes are the histories that it tells of, by their place. It lives under its body's lock: it does not block, and holds no events.
protocol HistoryTeller: Sendable {
    /// Of frames in one look at a window; nil: what the buffer takes.
    var windowBytes: Int? { get }

    /// A pull begins: any history may have something new.
    mutating func pulled()
    mutating func next() -> TellerStep
    /// The event that ``next()`` asked for.
    /// - Returns: what is to be written of it, all before the next question; nothing if it is passed over.
    mutating func offered(_ event: LoggedEvent, in lane: Int) -> [UInt8]
    /// There is no such event now.
    mutating func found(_ absence: HistoryAbsence, in lane: Int) -> AbsenceAction

    /// The store's answer: events, which follow what was asked for.
    mutating func readEvents(in lane: Int)
    /// The store had nothing there: what followed was removed, or cannot be found.
    mutating func readNothing(in lane: Int)
    /// The store cannot be read now.
    mutating func readFailed(in lane: Int)

    mutating func wrote(at now: ContinuousClock.Instant)
    /// Time has passed; `.over` for one that needs not be told of it.
    mutating func tick(_ now: ContinuousClock.Instant) -> StreamClock.Action
    /// The bridge stops.
    mutating func leave()
}

extension HistoryTeller {
    mutating func pulled() {}
    mutating func wrote(at now: ContinuousClock.Instant) {}
    mutating func tick(_ now: ContinuousClock.Instant) -> StreamClock.Action { .over }
    mutating func leave() {}
}

enum TellerStep {
    case write([UInt8])
    /// Offer that lane's event after the seq, or say why there is none.
    case event(lane: Int, after: Int)
    /// Until it is pulled again.
    case wait
    case finish
    /// The rest cannot be had.
    case fail
}

/// What there is instead of an event.
enum HistoryAbsence: Equatable {
    /// Nothing yet.
    case caughtUp
    /// Only the store has it.
    case behind
    /// Nothing, and nothing will come.
    case ended
}

enum AbsenceAction: Equatable {
    case wait
    /// Ask the store, then say what it had; meanwhile go on asking.
    case read(after: Int)
    /// Ask again.
    case goOn
}

extension HistoryView {
    /// The log is dense, so this is a fault of the bridge's own.
    func reportOutOfOrder(_ event: LoggedEvent, to logger: Logger) {
        logger.error(
            "events out of order in a stream",
            metadata: ["bridge.session": "\(history.sessionID)", "bridge.position": "\(event.position)"])
    }
}
