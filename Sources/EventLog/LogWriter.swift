import DequeModule
import Dispatch
import Foundation
import Logging
import NIOConcurrencyHelpers

/// An entry between its session and the store.
struct QueuedEntry: Sendable {
    let history: SessionHistory
    let attempt: Int
    let write: StoreWrite
    let event: LoggedEvent?
    let bytes: Int
    let released: (@Sendable (Result<Void, EventLogError>) -> Void)?
}

/// The one thread that writes: takes what waits of all sessions, commits it in one transaction, makes it visible.
///
/// It never waits for more to come: a commit takes about 20 us, and what arrives meanwhile is the next batch.
final class LogWriter: Sendable {
    let store: any EventStore
    private let configuration: EventLogConfiguration
    private let logger: Logger
    private let queue = NIOLockedValueBox(Queue())
    private let counters = NIOLockedValueBox(EventLogMetrics())
    private let bell = DispatchSemaphore(value: 0)
    /// Ends the pause before a retry.
    private let closing = DispatchSemaphore(value: 0)

    private enum Job: Sendable {
        case entry(QueuedEntry)
        /// Runs alone, in its place among the entries.
        case operation(@Sendable (borrowing Turn) -> Void)
    }

    private struct Queue: Sendable {
        var jobs = Deque<Job>()
        var isWriterAsleep = false
        var isClosing = false
        var isClosed = false
        var storeWrites = true
        var closers: [CheckedContinuation<Void, Never>] = []
    }

    /// What an operation may use of the writer's thread.
    struct Turn: ~Copyable {
        let writer: LogWriter
        let upkeep: LogUpkeep

        func attempt<T>(_ body: (any EventStore) throws(EventLogError) -> T) throws(EventLogError) -> T {
            try writer.attempt { () throws(EventLogError) in try body(writer.store) }
        }

        /// One step of upkeep; true if there is more to do.
        func upkeepTurn() -> Bool {
            if upkeep.isDue { upkeep.turn(writer) }
            return upkeep.isDue
        }
    }

    /// Reached only when the writer is behind. Each session's events lie on pages of their own, so a batch costs about a page for each
    /// session in it: with 1,000 busy sessions batches of 8,000 take half the time per event that batches of 1,000 take.
    static let maximumBatchEvents = 4000
    static let maximumBatchBytes = 4 * 1024 * 1024
    /// Upkeep waits for the queue to be empty, but not for ever: a turn is at most 500 rows.
    private static let batchesPerUpkeepTurn = 16
    private static let probeInterval = DispatchTimeInterval.seconds(1)
    private static let upkeepInterval = DispatchTimeInterval.seconds(60)

    init(store: any EventStore, configuration: EventLogConfiguration, logger: Logger) {
        self.store = store
        self.configuration = configuration
        self.logger = logger
    }

    /// - Parameter now: Unix seconds.
    func start(_ cache: HistoryCache, now: @escaping @Sendable () -> Int) {
        let thread = Thread {
            Thread.current.name = "event-log"
            self.run(LogUpkeep(configuration: self.configuration, cache: cache, logger: self.logger, now: now))
        }
        thread.start()
    }

    var isHealthy: Bool { queue.withLockedValue { $0.storeWrites && !$0.isClosing } }

    var metrics: EventLogMetrics {
        var metrics = counters.withLockedValue { $0 }
        metrics.waitingEntries = queue.withLockedValue { $0.jobs.count }
        return metrics
    }

    func enqueue(_ entry: QueuedEntry) {
        guard submit(.entry(entry)) else {
            finish(entry.history.failed([entry], with: .logClosed))
            entry.released?(.failure(.logClosed))
            return
        }
    }

    /// Runs `body` on the writer's thread after all that was enqueued before.
    func perform<T: Sendable>(
        _ body: @escaping @Sendable (borrowing Turn) throws(EventLogError) -> T
    ) async throws(EventLogError) -> T {
        let result: Result<T, EventLogError> = await withCheckedContinuation { continuation in
            let accepted = submit(
                .operation { turn in
                    do throws(EventLogError) {
                        continuation.resume(returning: .success(try body(turn)))
                    } catch {
                        continuation.resume(returning: .failure(error))
                    }
                })
            if !accepted { continuation.resume(returning: .failure(.logClosed)) }
        }
        return try result.get()
    }

    /// Commits what waits, closes the store and ends the thread.
    func close() async {
        await withCheckedContinuation { continuation in
            let (isClosed, mustRing) = queue.withLockedValue { queue in
                guard !queue.isClosed else { return (true, false) }
                queue.isClosing = true
                queue.closers.append(continuation)
                defer { queue.isWriterAsleep = false }
                return (false, queue.isWriterAsleep)
            }
            if isClosed { continuation.resume() }
            closing.signal()
            if mustRing { bell.signal() }
        }
    }

    /// Asks the thread to close when its work is done, without waiting.
    func requestClose() {
        let mustRing = queue.withLockedValue { queue in
            queue.isClosing = true
            defer { queue.isWriterAsleep = false }
            return queue.isWriterAsleep
        }
        closing.signal()
        if mustRing { bell.signal() }
    }

    private func submit(_ job: Job) -> Bool {
        let (accepted, mustRing) = queue.withLockedValue { queue in
            guard !queue.isClosing else { return (false, false) }
            queue.jobs.append(job)
            defer { queue.isWriterAsleep = false }
            return (true, queue.isWriterAsleep)
        }
        if mustRing { bell.signal() }
        return accepted
    }

    // MARK: On the thread

    private var storeWrites: Bool { queue.withLockedValue { $0.storeWrites } }

    private enum Next {
        case jobs(Deque<Job>)
        case idle
        case close
    }

    private func run(_ upkeep: LogUpkeep) {
        var batches = 0
        var lastUpkeep = DispatchTime.now()
        // What the last run left to remove, and sessions whose time has come meanwhile.
        upkeep.schedule()
        while true {
            switch take() {
            case .close:
                finishClosing()
                return
            case .idle:
                if upkeep.isDue, storeWrites {
                    upkeep.turn(self)
                } else {
                    sleep()
                    if !storeWrites { probe() }
                    if DispatchTime.now() >= lastUpkeep + Self.upkeepInterval {
                        lastUpkeep = .now()
                        upkeep.schedule()
                    }
                }
            case .jobs(var jobs):
                while !jobs.isEmpty {
                    if case .operation(let operation) = jobs[0] {
                        jobs.removeFirst()
                        operation(Turn(writer: self, upkeep: upkeep))
                        continue
                    }
                    commit(Self.batch(from: &jobs), upkeep)
                    batches += 1
                    if batches.isMultiple(of: Self.batchesPerUpkeepTurn), upkeep.isDue, storeWrites { upkeep.turn(self) }
                }
            }
        }
    }

    private func take() -> Next {
        queue.withLockedValue { queue in
            if !queue.jobs.isEmpty {
                var jobs = Deque<Job>()
                swap(&jobs, &queue.jobs)
                return .jobs(jobs)
            }
            return queue.isClosing ? .close : .idle
        }
    }

    private func sleep() {
        let mayWait = queue.withLockedValue { queue in
            queue.isWriterAsleep = queue.jobs.isEmpty && !queue.isClosing
            return queue.isWriterAsleep
        }
        guard mayWait else { return }
        // A bell rung just when the time is up stays rung, and costs one needless round.
        _ = bell.wait(timeout: .now() + (storeWrites ? Self.upkeepInterval : Self.probeInterval))
        queue.withLockedValue { $0.isWriterAsleep = false }
    }

    private static func batch(from jobs: inout Deque<Job>) -> [QueuedEntry] {
        var batch: [QueuedEntry] = []
        var bytes = 0
        while batch.count < maximumBatchEvents, bytes < maximumBatchBytes, case .entry(let entry)? = jobs.first {
            jobs.removeFirst()
            bytes += entry.bytes
            batch.append(entry)
        }
        return batch
    }

    private func commit(_ batch: [QueuedEntry], _ upkeep: LogUpkeep) {
        var accepted: [QueuedEntry] = []
        accepted.reserveCapacity(batch.count)
        for entry in batch {
            if let refusal = entry.history.refusal(of: entry.attempt) {
                fail([entry], with: refusal)
            } else {
                accepted.append(entry)
            }
        }
        guard !accepted.isEmpty else { return }
        let groups = Self.bySession(accepted)
        do throws(EventLogError) {
            try attempt { () throws(EventLogError) in try store.commit(groups.flatMap { $0.map(\.write) }) }
            show(groups, in: accepted, upkeep)
        } catch {
            guard error.code != .unavailable, groups.count > 1 else { return fail(accepted, with: error) }
            // One session's entry is to blame; the others must not fall with it.
            for group in groups {
                do throws(EventLogError) {
                    try attempt { () throws(EventLogError) in try store.commit(group.map(\.write)) }
                    show([group], in: group, upkeep)
                } catch {
                    fail(group, with: error)
                }
            }
        }
    }

    private static func bySession(_ entries: [QueuedEntry]) -> [[QueuedEntry]] {
        guard entries.count > 1 else { return [entries] }
        var groups: [[QueuedEntry]] = []
        var places: [ObjectIdentifier: Int] = [:]
        for entry in entries {
            if let place = places[ObjectIdentifier(entry.history)] {
                groups[place].append(entry)
            } else {
                places[ObjectIdentifier(entry.history)] = groups.count
                groups.append([entry])
            }
        }
        return groups
    }

    /// Visible and counted, then released, then awake: whoever is told of an event can read it.
    private func show(_ groups: [[QueuedEntry]], in entries: [QueuedEntry], _ upkeep: LogUpkeep) {
        var allSettled: [SessionHistory.Settled] = []
        allSettled.reserveCapacity(groups.count)
        for group in groups {
            let settled = group[0].history.committed(group)
            upkeep.appended(to: group[0].history, settled)
            allSettled.append(settled)
        }
        var bytes = 0
        var events = 0
        for entry in entries {
            bytes += entry.bytes
            if entry.event != nil { events += 1 }
        }
        counters.withLockedValue { counters in
            counters.batches += 1
            counters.events += events
            counters.bytes += bytes
        }
        for entry in entries { entry.released?(.success(())) }
        for settled in allSettled { finish(settled) }
        upkeep.boundWindows()
        store.committed(bytes: bytes)
    }

    private func fail(_ entries: [QueuedEntry], with error: EventLogError) {
        let settled = Self.bySession(entries).map { $0[0].history.failed($0, with: error) }
        for entry in entries { entry.released?(.failure(error)) }
        settled.forEach(finish)
    }

    private func finish(_ settled: SessionHistory.Settled) {
        for wake in settled.wakes { wake() }
        for waiter in settled.roomWaiters { waiter.resume() }
    }

    // MARK: The store's health

    /// Tries again what the store refuses for now, for `storeRetryTime`; once that has passed without success, each further call is tried
    /// once, so that what waits fails soon.
    private func attempt<T>(_ body: () throws(EventLogError) -> T) throws(EventLogError) -> T {
        let deadline = storeWrites ? ContinuousClock.now + configuration.storeRetryTime : ContinuousClock.now
        var pause = 0.02
        while true {
            do throws(EventLogError) {
                let value = try body()
                setHealthy(nil)
                counters.withLockedValue { $0.commits += 1 }
                return value
            } catch {
                counters.withLockedValue { $0.failedCommits += 1 }
                guard error.code == .unavailable else { throw error }
                setHealthy(error)
                let isClosing = queue.withLockedValue { $0.isClosing }
                guard !isClosing, ContinuousClock.now < deadline else { throw error }
                _ = closing.wait(timeout: .now() + pause)
                pause = min(pause * 2, 0.5)
            }
        }
    }

    private func probe() {
        do throws(EventLogError) {
            try store.probe()
            setHealthy(nil)
        } catch {
            setHealthy(error)
        }
    }

    private func setHealthy(_ error: EventLogError?) {
        let changed = queue.withLockedValue { queue in
            defer { queue.storeWrites = error == nil }
            return queue.storeWrites != (error == nil)
        }
        guard changed else { return }
        if let error {
            logger.error("event log cannot write", metadata: ["bridge.cause": "\(error.cause.map { "\($0)" } ?? error.message)"])
        } else {
            logger.notice("event log writes again")
        }
    }

    private func finishClosing() {
        do throws(EventLogError) {
            try store.close()
        } catch {
            logger.error(
                "event log was not closed cleanly", metadata: ["bridge.cause": "\(error.cause.map { "\($0)" } ?? error.message)"])
        }
        let closers = queue.withLockedValue { queue in
            queue.isClosed = true
            defer { queue.closers = [] }
            return queue.closers
        }
        for closer in closers { closer.resume() }
    }
}

/// Plain counters for `/metrics`, from the log's opening on.
package struct EventLogMetrics: Sendable, Equatable {
    /// Transactions of any kind.
    package var commits = 0
    /// Transactions that the store refused, tries included.
    package var failedCommits = 0
    /// Transactions of events.
    package var batches = 0
    package var events = 0
    /// Of entries, overhead included.
    package var bytes = 0
    /// Entries that no batch has taken yet.
    package var waitingEntries = 0
}
