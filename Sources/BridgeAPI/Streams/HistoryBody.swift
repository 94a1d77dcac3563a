import EventLog
import HTTPServer
import Logging
import NIOConcurrencyHelpers

/// A body that also works without a server: who pulls it is woken by a closure.
protocol WakeableStream: ResponseStream {
    func opened(_ wake: @escaping @Sendable () -> Void)
}

/// One open answer: cursors over the histories of sessions, from which the server pulls the bytes that its teller makes of them.
///
/// Nothing is queued for it. A pull copies what lies between the cursors and the tails, from the histories' windows or, for a reader that
/// fell behind, from pages of the store: one is read after the other, and those it holds are together as large as one.
/// From: `SessionHistory`. To: `HTTPServer`, which sleeps while nothing is there.
final class HistoryBody: WakeableStream, StreamMember {
    private struct State {
        /// Not a generic parameter: the server calls bodies by their protocol, for which no specialized code is made.
        var teller: any HistoryTeller
        var lanes: [HistoryLane]
        /// What is being copied, and how much of it was.
        var fragment: [UInt8] = []
        var copied = 0
        var wake: (@Sendable () -> Void)?
        var subscriptions: [SubscriptionToken] = []
        /// What has to be read from the store, in turn; at most one entry for each lane.
        var wanted: [(lane: Int, after: Int)] = []
        var isReading = false
        var reader: Task<Void, Never>?
        var isClosed = false
    }

    private let histories: [SessionHistory]
    private let seat: StreamSeat
    private let logger: Logger
    private let state: NIOLockedValueBox<State>

    /// - Parameter histories: the teller's lanes, in their order.
    init(_ teller: any HistoryTeller, over histories: [SessionHistory], seat: StreamSeat, logger: Logger) {
        self.histories = histories
        self.seat = seat
        self.logger = logger
        state = NIOLockedValueBox(State(teller: teller, lanes: histories.map { _ in HistoryLane() }))
    }

    // MARK: The server's calls

    func opened(_ waker: StreamWaker) {
        opened { waker.wake() }
    }

    func opened(_ wake: @escaping @Sendable () -> Void) {
        state.withLockedValue { $0.wake = wake }
        let subscriptions = histories.map { $0.subscribe(wake) }
        state.withLockedValue { $0.subscriptions = subscriptions }
        let now = seat.now()
        switch state.withLockedValue({ $0.teller.tick(now) }) {
        case .wake(let nextTick), .sleep(let nextTick): seat.attach(self, nextTick: nextTick)
        case .over: break
        }
    }

    func pull(into buffer: UnsafeMutableRawBufferPointer) -> StreamPull {
        let now = seat.now()
        let (pull, wantsPage) = state.withLockedValue { state in
            let pull = fill(buffer, from: &state, now)
            return (pull, !state.wanted.isEmpty && !state.isReading)
        }
        if wantsPage { readNext() }
        return pull
    }

    func closed() {
        let (subscriptions, reader) = state.withLockedValue { state in
            state.isClosed = true
            state.lanes = []
            state.fragment = []
            state.wanted = []
            state.wake = nil
            return (state.subscriptions, state.reader)
        }
        reader?.cancel()
        for (history, subscription) in zip(histories, subscriptions) { history.unsubscribe(subscription) }
        seat.leave()
    }

    // MARK: One pull

    /// Writes until the buffer is full or nothing is left.
    private func fill(_ buffer: UnsafeMutableRawBufferPointer, from state: inout State, _ now: ContinuousClock.Instant) -> StreamPull {
        guard !state.isClosed else { return .finished }
        state.teller.pulled()
        var written = 0
        func result(orElse pull: StreamPull) -> StreamPull {
            guard written > 0 else { return pull }
            state.teller.wrote(at: now)
            return .wrote(written)
        }
        while true {
            written += Self.copy(from: &state, into: buffer, at: written)
            if written == buffer.count { return result(orElse: .waiting) }
            switch state.teller.next() {
            case .write(let bytes): state.fragment = bytes
            case .wait: return result(orElse: .waiting)
            case .finish: return result(orElse: .finished)
            case .fail: return result(orElse: .failed)
            case .event(let lane, let seq):
                let limit = state.teller.windowBytes ?? buffer.count - written
                switch state.lanes[lane].next(after: seq, in: histories[lane], maximumBytes: limit) {
                case .event(let event):
                    state.fragment = state.teller.offered(event, in: lane)
                case .absent(let absence):
                    switch state.teller.found(absence, in: lane) {
                    case .wait: return result(orElse: .waiting)
                    case .read(let seq): state.wanted.append((lane, seq))
                    case .goOn: continue
                    }
                }
            }
        }
    }

    private static func copy(from state: inout State, into buffer: UnsafeMutableRawBufferPointer, at offset: Int) -> Int {
        let count = min(state.fragment.count - state.copied, buffer.count - offset)
        guard count > 0 else { return 0 }
        UnsafeMutableRawBufferPointer(rebasing: buffer[offset...])
            .copyBytes(from: state.fragment[state.copied..<state.copied + count])
        state.copied += count
        if state.copied == state.fragment.count {
            state.fragment = []
            state.copied = 0
        }
        return count
    }

    // MARK: Behind the windows

    /// Fetches the next page that is wanted, unless one is on its way; the body is asleep or sending meanwhile. Ends with the body.
    private func readNext() {
        let wanted = state.withLockedValue { state -> (lane: Int, after: Int)? in
            guard !state.isReading, !state.isClosed, !state.wanted.isEmpty else { return nil }
            state.isReading = true
            return state.wanted.removeFirst()
        }
        guard let (lane, seq) = wanted else { return }
        let history = histories[lane]
        let reader = Task {
            let outcome: Result<[LoggedEvent], EventLogError>
            do throws(EventLogError) {
                let bytes = max(HistoryLane.pageBytes / histories.count, HistoryLane.smallestPageBytes)
                outcome = .success(try await history.page(after: seq, limit: HistoryLane.pageEvents, maximumBytes: bytes))
            } catch {
                outcome = .failure(error)
                logger.warning(
                    "a stream cannot read the event log",
                    metadata: ["bridge.session": "\(history.sessionID)", "bridge.cause": "\(error)"])
            }
            let wake = state.withLockedValue { state in
                arrived(outcome, for: lane, in: &state)
                return state.wake
            }
            readNext()
            wake?()
        }
        let isTooLate = state.withLockedValue { state in
            // One that is over already is not kept.
            if state.isReading { state.reader = reader }
            return state.isClosed
        }
        if isTooLate { reader.cancel() }
    }

    private func arrived(_ outcome: Result<[LoggedEvent], EventLogError>, for lane: Int, in state: inout State) {
        state.isReading = false
        guard !state.isClosed else { return }
        switch outcome {
        case .failure:
            state.teller.readFailed(in: lane)
        case .success(let events) where !events.isEmpty:
            state.lanes[lane].hold(events)
            state.teller.readEvents(in: lane)
        case .success:
            state.teller.readNothing(in: lane)
        }
    }

    // MARK: Time and drain

    func tick(_ now: ContinuousClock.Instant) -> ContinuousClock.Instant? {
        let (action, wake) = state.withLockedValue { ($0.teller.tick(now), $0.wake) }
        switch action {
        case .wake(let nextTick):
            wake?()
            return nextTick
        case .sleep(let nextTick):
            return nextTick
        case .over:
            return nil
        }
    }

    func drain() {
        let wake = state.withLockedValue { state in
            state.teller.leave()
            return state.wake
        }
        wake?()
    }
}
