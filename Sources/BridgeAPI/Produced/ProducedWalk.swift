import EventLog
import NIOConcurrencyHelpers

/// Goes through a machine's events beforehand, without writing anything: how much there is, or whether there will be anything.
struct ProducedWalk {
    private let history: SessionHistory
    private let selection: ProducedSelection
    private(set) var machine: ProducedMachine
    private var lane = HistoryLane()
    private var places: [ProducedMachine]
    /// Nil: not kept.
    private var content: [UInt8]?
    private let placeBytes: Int

    /// As large as the store gives them, since nothing else is waited for.
    private static let pageBytes = 256 * 1024

    /// - Parameter placeBytes: how far the places of a survey lie apart.
    init(_ machine: ProducedMachine, of selection: ProducedSelection, in history: SessionHistory, placeBytes: Int = 1 << 20) {
        self.machine = machine
        self.selection = selection
        self.history = history
        self.placeBytes = placeBytes
        places = [machine]
    }

    /// Goes through all of what is over; nil if events are missing.
    mutating func survey() async throws(EventLogError) -> ProducedSurvey? {
        guard try await go() == .ended else { return nil }
        return ProducedSurvey(places: places, end: machine)
    }

    /// Goes through all of what is over, and gives what its machine gives of it; nil if events are missing.
    mutating func content() async throws(EventLogError) -> [UInt8]? {
        content = []
        guard try await go() == .ended else { return nil }
        return content
    }

    enum Outcome: Equatable {
        /// All was there.
        case ended
        /// The rest is still to come.
        case caughtUp
        /// Events are missing.
        case failed
    }

    /// As far as there are events. A page of them is in memory at a time.
    mutating func go() async throws(EventLogError) -> Outcome {
        while true {
            switch machine.next() {
            case .finish: return .ended
            case .fail, .wait: return .failed
            case .event(let seq):
                switch lane.next(after: seq, in: history, maximumBytes: Self.pageBytes) {
                case .event(let event): take(event)
                case .absent(.caughtUp): return .caughtUp
                case .absent(.ended): return .failed
                case .absent(.behind):
                    let page = try await history.page(after: seq, limit: HistoryLane.pageEvents, maximumBytes: Self.pageBytes)
                    guard !page.isEmpty else { return .failed }
                    lane.hold(page)
                }
            }
        }
    }

    private mutating func take(_ event: LoggedEvent) {
        let read = selection.read(event)
        guard case .write(let range) = machine.offered(event.position.seq, read) else { return }
        if content != nil, case .delta(_, let delta) = read { content? += delta.bytes()?[range] ?? [] }
        guard machine.count(cutting: [:]) >= places.count * placeBytes else { return }
        places.append(machine)
    }

    enum Beginning: Equatable {
        /// There is something, and these cuts of items were found beside it.
        case something(cuts: [String: Int])
        /// It has ended without anything, or has gone.
        case nothing
        /// The time is over.
        case late
    }

    /// Waits for the first bytes, for their end, or for the limit.
    func beginning(within limit: Duration) async throws -> Beginning {
        let bell = HistoryBell(history)
        defer { bell.close() }
        return try await withThrowingTaskGroup(of: Beginning.self) { group in
            group.addTask {
                var walk = self
                while true {
                    let outcome = try await walk.go()
                    if walk.machine.produced.values.contains(where: { $0 > 0 }) { return .something(cuts: walk.machine.cuts) }
                    guard outcome == .caughtUp else { return .nothing }
                    guard await bell.rings() else { return .late }
                }
            }
            group.addTask {
                try? await Task.sleep(for: limit)
                return .late
            }
            defer { group.cancelAll() }
            return try await group.next() ?? .late
        }
    }
}

/// Tells one waiting task of new events of a session.
private final class HistoryBell: Sendable {
    private let history: SessionHistory
    private let rung: AsyncStream<Void>
    private let subscription: SubscriptionToken

    /// The newest ring is enough: whoever hears it looks at the history.
    init(_ history: SessionHistory) {
        self.history = history
        let (rung, ringer) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        self.rung = rung
        subscription = history.subscribe { ringer.yield() }
    }

    /// False once the task is cancelled.
    func rings() async -> Bool {
        for await _ in rung { return true }
        return false
    }

    func close() { history.unsubscribe(subscription) }
}
