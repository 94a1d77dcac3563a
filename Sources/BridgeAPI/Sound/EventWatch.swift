import EventLog
import Realtime
import Sessions

/// Reads a session's events in their order as they are stored, with a limit to each wait: for handlers that need one of them.
struct EventWatch {
    private static let readBytes = 256 << 10

    private let history: SessionHistory
    private var seq: Int
    private var read: ArraySlice<LoggedEvent> = []

    /// What comes from now on.
    init(_ history: SessionHistory) {
        self.history = history
        seq = history.tail.seq
    }

    /// The next event; nil if there is none until the deadline, or never again. Frames that are no events are passed over.
    mutating func next(until deadline: ContinuousClock.Instant) async throws -> (ServerEvent, EventPosition)? {
        while true {
            while let logged = read.popFirst() {
                seq = logged.position.seq
                if let event = ServerEvent(logged.frame) { return (event, logged.position) }
            }
            let rung = Promise<Void>()
            let bell = history.subscribe { rung.fulfil(()) }
            defer { history.unsubscribe(bell) }
            switch history.window(after: seq, maximumBytes: Self.readBytes) {
            case .events(let events):
                read = events[...]
            case .behind:
                let events = try await history.page(after: seq, limit: 1_000, maximumBytes: Self.readBytes)
                read = events[...]
                if events.isEmpty {
                    // Removed meanwhile: on from what is there.
                    guard history.start.seq > seq else { return nil }
                    seq = history.start.seq
                }
            case .caughtUp:
                guard await rung.value(within: deadline - .now) != nil else { return nil }
            case .ended:
                return nil
            }
        }
    }
}
