import EventLog

/// The way along one session's history: the events next in line, from its window or from a page of the store.
struct HistoryLane: Sendable {
    /// Of frames in the page that a reader behind the window holds; the bound of what waits for a slow client.
    static let pageBytes = 64 * 1024
    static let smallestPageBytes = 2 * 1024
    static let pageEvents = 1_000

    private var events: [LoggedEvent] = []
    private var taken = 0

    enum Next {
        case event(LoggedEvent)
        case absent(HistoryAbsence)
    }

    /// The event after that one: of those held if it is there, else of the window.
    /// - Parameter maximumBytes: of frames that are taken from the window at once.
    mutating func next(after seq: Int, in history: SessionHistory, maximumBytes: Int) -> Next {
        if taken == events.count || events[taken].position.seq != seq + 1 {
            hold([])
            switch history.window(after: seq, maximumBytes: maximumBytes) {
            case .events(let events): hold(events)
            case .caughtUp: return .absent(.caughtUp)
            case .behind: return .absent(.behind)
            case .ended: return .absent(.ended)
            }
        }
        taken += 1
        return .event(events[taken - 1])
    }

    /// In place of what was held.
    mutating func hold(_ events: [LoggedEvent]) {
        self.events = events
        taken = 0
    }
}
