import DequeModule
import NIOConcurrencyHelpers

/// What a reader finds after its cursor without waiting.
package enum WindowRead: Sendable {
    /// At least one, dense, the first one following the cursor.
    case events([LoggedEvent])
    /// Nothing yet; the subscription's wake tells.
    case caughtUp
    /// Older than what memory holds: go on with ``SessionHistory/page(after:limit:maximumBytes:)``.
    case behind
    /// Nothing, and nothing will come.
    case ended
}

package struct SubscriptionToken: Sendable, Hashable {
    fileprivate let number: Int
}

/// One session's ordered history: where its conversation appends and its readers follow.
///
/// There is one for a session as long as anybody holds it. All but ``waitForRoom()`` and ``page(after:limit:maximumBytes:)`` return at
/// once and may be called from any thread. From: `Session`. To: SSE bodies, each a cursor.
package final class SessionHistory: Sendable {
    package let sessionID: String

    let key: SessionKey
    private let state: NIOLockedValueBox<State>
    private let writer: LogWriter
    private let epoch: Int

    /// Bytes that may wait for a commit before the session has to stop reading its socket: enough for hundreds of events, which is more
    /// than a commit takes time for, and for a thousand sessions together not more than half a gigabyte.
    package static let roomBytes = 512 * 1024

    private struct State: Sendable {
        // Committed, hence visible.
        var lastSeq: Int
        var firstSeq: Int
        var epochs: EpochList
        var cumulativeBytes: Int
        var removedBytes: Int
        var window = Deque<LoggedEvent>()
        var windowBytes = 0
        let windowLimit: Int

        // On its way.
        var enqueuedSeq: Int
        var enqueuedBytes: Int
        var enqueuedEpoch: Int
        var waitingBytes = 0
        var waitingEntries = 0
        /// Rises with each reload; an entry of an earlier one fails even if it reaches the writer after the reload.
        var attempt = 0
        var failure: EventLogError?

        var hasEnded: Bool
        var outOfBandResponses: Set<String>
        var subscribers: [Int: @Sendable () -> Void] = [:]
        var nextSubscriber = 0
        var roomWaiters: [CheckedContinuation<Void, Never>] = []

        var isAtEnd: Bool { hasEnded && waitingEntries == 0 }

        mutating func settle(bytes: Int, entries: Int) -> [CheckedContinuation<Void, Never>] {
            waitingBytes -= bytes
            waitingEntries -= entries
            guard waitingBytes < SessionHistory.roomBytes, !roomWaiters.isEmpty else { return [] }
            defer { roomWaiters = [] }
            return roomWaiters
        }

        mutating func dropWindow(below seq: Int) {
            while let oldest = window.first, oldest.position.seq < seq {
                windowBytes -= oldest.storedBytes
                window.removeFirst()
            }
        }
    }

    init(sessionID: String, row: HistoryRow, epoch: Int, windowLimit: Int, writer: LogWriter) {
        self.sessionID = sessionID
        self.key = row.key
        self.writer = writer
        self.epoch = epoch
        self.state = NIOLockedValueBox(
            State(
                lastSeq: row.lastSeq, firstSeq: row.firstSeq, epochs: row.epochs, cumulativeBytes: row.cumulativeBytes,
                removedBytes: row.removedBytes, windowLimit: windowLimit, enqueuedSeq: row.lastSeq,
                enqueuedBytes: row.cumulativeBytes, enqueuedEpoch: row.epochs.starts.last?.epoch ?? 0, hasEnded: row.hasEnded,
                outOfBandResponses: row.outOfBandResponses))
    }

    // MARK: The conversation's side

    /// Enqueues one step without waiting; commits of all sessions are shared, a lone one takes tens of microseconds.
    ///
    /// Only the session's one writer calls it, with seqs that rise by 1 from the tail's; any other seq is a failure. Once committed the
    /// event is visible, then `released` runs, then readers wake. After a failure every further entry, and what still waits, fails the
    /// same way until ``reload()``.
    package func append(_ entry: LogEntry) {
        let bytes = entry.waitingBytes
        let queued: Result<QueuedEntry, EventLogError> = state.withLockedValue { state in
            if let failure = state.failure { return .failure(failure) }
            var event: StoreWrite.Event?
            var logged: LoggedEvent?
            if let seq = entry.seq {
                guard seq == state.enqueuedSeq + 1 else {
                    // Two have taken themselves for the session's one writer, as can happen after the store has failed.
                    let failure = EventLogError(.corrupt, "An event was appended that does not follow the session's last one.")
                    state.failure = failure
                    return .failure(failure)
                }
                state.enqueuedSeq = seq
                state.enqueuedBytes += entry.frame.count + StoredEvent.overheadBytes
                event = StoreWrite.Event(
                    seq: seq, createdAtMilliseconds: entry.createdAtMilliseconds, frame: entry.frame,
                    cumulativeBytes: state.enqueuedBytes, startsEpoch: state.enqueuedEpoch == epoch ? nil : epoch)
                state.enqueuedEpoch = epoch
                logged = LoggedEvent(
                    position: EventPosition(epoch: epoch, seq: seq), createdAtMilliseconds: entry.createdAtMilliseconds,
                    frame: entry.frame)
            }
            // Known before any event of the response is visible.
            for case .response(let response) in entry.changes where response.isOutOfBand {
                state.outOfBandResponses.insert(response.id)
            }
            state.waitingBytes += bytes
            state.waitingEntries += 1
            return .success(
                QueuedEntry(
                    history: self, attempt: state.attempt,
                    write: StoreWrite(
                        session: key, event: event, changes: entry.changes, answeredSteps: entry.answeredSteps,
                        settledSteps: entry.settledSteps, record: entry.record),
                    event: logged, bytes: bytes, released: entry.released))
        }
        switch queued {
        case .success(let entry): writer.enqueue(entry)
        case .failure(let failure): entry.released?(.failure(failure))
        }
    }

    /// Why nothing can be appended any more; nil while all is well.
    package var failure: EventLogError? { state.withLockedValue { $0.failure } }

    /// Bytes appended and not yet committed.
    package var waitingBytes: Int { state.withLockedValue { $0.waitingBytes } }

    /// Returns when less than 1 MiB waits for its commit; the session does not read its socket meanwhile. Ends at the latest when the
    /// store gives up, after `storeRetryTime`.
    package func waitForRoom() async {
        guard waitingBytes >= Self.roomBytes else { return }
        await withCheckedContinuation { continuation in
            let hasRoom = state.withLockedValue { state in
                guard state.waitingBytes >= Self.roomBytes else { return true }
                state.roomWaiters.append(continuation)
                return false
            }
            if hasRoom { continuation.resume() }
        }
    }

    /// Lets the session's writer go on after a failure, from what is stored: the answer is the event to go on after. Entries from before
    /// that still wait fail all the same. Projections are to be read again as well. Without a failure it changes nothing.
    /// - Throws: `.closed` if the failure is for good.
    package func reload() throws(EventLogError) -> EventPosition {
        let outcome: Result<EventPosition, EventLogError> = state.withLockedValue { state in
            if let failure = state.failure {
                guard failure.code != .closed else { return .failure(failure) }
                state.failure = nil
                state.attempt += 1
                state.enqueuedSeq = state.lastSeq
                state.enqueuedBytes = state.cumulativeBytes
                state.enqueuedEpoch = state.epochs.starts.last?.epoch ?? 0
            }
            return .success(state.epochs.position(of: state.lastSeq, current: epoch))
        }
        return try outcome.get()
    }

    /// Says that what was appended so far is all: readers who have read it find ``WindowRead/ended``.
    package func markEnded() {
        let wakes = state.withLockedValue { state in
            state.hasEnded = true
            return state.isAtEnd ? Array(state.subscribers.values) : []
        }
        for wake in wakes { wake() }
    }

    // MARK: The readers' side

    /// The last event that can be read; seq 0 without any.
    package var tail: EventPosition { state.withLockedValue { $0.epochs.position(of: $0.lastSeq, current: epoch) } }

    /// The cursor before the oldest event that can be read.
    package var start: EventPosition { state.withLockedValue { $0.epochs.position(of: $0.firstSeq - 1, current: epoch) } }

    package func position(ofSeq seq: Int) -> EventPosition {
        state.withLockedValue { $0.epochs.position(of: seq, current: epoch) }
    }

    package func check(_ cursor: EventPosition) -> CursorCheck {
        state.withLockedValue { $0.epochs.check(cursor, firstSeq: $0.firstSeq, lastSeq: $0.lastSeq, current: epoch) }
    }

    /// Whether a response is not part of the conversation, which most of its events do not say.
    package func isOutOfBand(_ response: String) -> Bool {
        state.withLockedValue { $0.outOfBandResponses.contains(response) }
    }

    /// The events after `seq` as far as memory holds them; for threads that must not wait.
    /// - Parameter maximumBytes: of frames; the first event is given whatever its size.
    package func window(after seq: Int, maximumBytes: Int) -> WindowRead {
        state.withLockedValue { state in
            guard seq < state.lastSeq else { return state.isAtEnd ? .ended : .caughtUp }
            guard let oldest = state.window.first?.position.seq, oldest <= seq + 1 else {
                return state.failure?.code == .closed ? .ended : .behind
            }
            var events: [LoggedEvent] = []
            var bytes = 0
            for event in state.window[(seq + 1 - oldest)...] {
                bytes += event.frame.count
                guard events.isEmpty || bytes <= maximumBytes else { break }
                events.append(event)
            }
            return .events(events)
        }
    }

    /// The events after `seq` from the store: dense, the first one following the cursor.
    ///
    /// Empty if nothing follows, or if retention has removed what does; then ``check(_:)`` says where to go on. No transaction stays open.
    /// - Parameter limit: at most 1,000.
    /// - Parameter maximumBytes: of frames, at most 256 KiB; the first event is given whatever its size.
    /// - Throws: `.unavailable`, worth trying again; `.corrupt`, not.
    package func page(after seq: Int, limit: Int, maximumBytes: Int) async throws(EventLogError) -> [LoggedEvent] {
        let (lastSeq, epochs) = state.withLockedValue { ($0.lastSeq, $0.epochs) }
        guard seq < lastSeq, limit > 0 else { return [] }
        let rows = try await writer.store.events(
            of: key, after: seq, through: lastSeq, limit: min(limit, 1000), maximumBytes: min(maximumBytes, 256 * 1024))
        guard rows.first?.seq == seq + 1 else {
            if let first = rows.first?.seq { raiseStart(to: first) }
            return []
        }
        var events: [LoggedEvent] = []
        events.reserveCapacity(rows.count)
        for row in rows {
            guard row.seq == seq + 1 + events.count else {
                throw EventLogError(.corrupt, "An event is missing in the store.")
            }
            events.append(
                LoggedEvent(
                    position: epochs.position(of: row.seq, current: epoch), createdAtMilliseconds: row.createdAtMilliseconds,
                    frame: row.frame))
        }
        return events
    }

    /// `wake` runs after each commit that made events of this session visible, and at the end; it must not block. It runs outside of
    /// locks, on the writer's thread or on the one that called ``markEnded()``, and may still run once after ``unsubscribe(_:)``.
    package func subscribe(_ wake: @escaping @Sendable () -> Void) -> SubscriptionToken {
        state.withLockedValue { state in
            state.nextSubscriber += 1
            state.subscribers[state.nextSubscriber] = wake
            return SubscriptionToken(number: state.nextSubscriber)
        }
    }

    package func unsubscribe(_ token: SubscriptionToken) {
        // Let go outside of the lock: it may hold the last reference to a body.
        let wake = state.withLockedValue { $0.subscribers.removeValue(forKey: token.number) }
        withExtendedLifetime(wake) {}
    }

    // MARK: The writer's side

    /// What the writer has to do once it holds no lock.
    struct Settled {
        var wakes: [@Sendable () -> Void] = []
        var roomWaiters: [CheckedContinuation<Void, Never>] = []
        var windowBytes = 0
        /// What the session holds in the store.
        var retainedBytes = 0
    }

    /// Why an entry that reached the writer must not be stored; nil if it may be.
    func refusal(of attempt: Int) -> EventLogError? {
        state.withLockedValue { state in
            if let failure = state.failure { return failure }
            return state.attempt == attempt ? nil : EventLogError(.unavailable, "The event log could not store an earlier event.")
        }
    }

    func committed(_ entries: [QueuedEntry]) -> Settled {
        state.withLockedValue { state in
            var settled = Settled()
            var bytes = 0
            var madeVisible = false
            for entry in entries {
                bytes += entry.bytes
                guard let event = entry.write.event, let logged = entry.event else { continue }
                madeVisible = true
                if let epoch = event.startsEpoch { state.epochs.begin(epoch, at: event.seq) }
                state.lastSeq = event.seq
                state.cumulativeBytes = event.cumulativeBytes
                state.window.append(logged)
                state.windowBytes += logged.storedBytes
            }
            // The newest event stays whatever its size, or its readers would all go to the store for it.
            while state.windowBytes > state.windowLimit, state.window.count > 1 {
                state.windowBytes -= state.window.removeFirst().storedBytes
            }
            settled.roomWaiters = state.settle(bytes: bytes, entries: entries.count)
            if madeVisible || state.isAtEnd { settled.wakes = Array(state.subscribers.values) }
            settled.windowBytes = state.windowBytes
            settled.retainedBytes = state.cumulativeBytes - state.removedBytes
            return settled
        }
    }

    func failed(_ entries: [QueuedEntry], with error: EventLogError) -> Settled {
        state.withLockedValue { state in
            var settled = Settled()
            if entries.contains(where: { $0.attempt == state.attempt }), state.failure == nil { state.failure = error }
            settled.roomWaiters = state.settle(bytes: entries.reduce(0) { $0 + $1.bytes }, entries: entries.count)
            if state.isAtEnd { settled.wakes = Array(state.subscribers.values) }
            return settled
        }
    }

    /// Refuses everything from now on, for good.
    func shut(_ error: EventLogError, endsReaders: Bool) {
        let wakes = state.withLockedValue { state in
            state.failure = error
            guard endsReaders else { return [] as [@Sendable () -> Void] }
            state.hasEnded = true
            return Array(state.subscribers.values)
        }
        for wake in wakes { wake() }
    }

    func dropWindow() {
        let dropped = state.withLockedValue { state in
            defer { (state.window, state.windowBytes) = ([], 0) }
            return state.window
        }
        withExtendedLifetime(dropped) {}
    }

    func raiseStart(to seq: Int, removedBytes: Int? = nil) {
        state.withLockedValue { state in
            state.firstSeq = max(state.firstSeq, seq)
            if let removedBytes { state.removedBytes = max(state.removedBytes, removedBytes) }
            state.dropWindow(below: state.firstSeq)
        }
    }
}
