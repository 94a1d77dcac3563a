import DequeModule
import Logging

/// What the writer does when nothing waits: bounds the windows in memory, removes what retention has given up.
///
/// Made by the writer's thread, which alone uses it.
final class LogUpkeep {
    private let configuration: EventLogConfiguration
    private let cache: HistoryCache
    private let logger: Logger
    /// Unix seconds.
    private let now: @Sendable () -> Int

    private struct WindowUse {
        weak var history: SessionHistory?
        var bytes: Int
        var lastAppend: Int
    }
    private var windows: [ObjectIdentifier: WindowUse] = [:]
    private var windowBytes = 0
    private var appends = 0

    private var oversized = Deque<SessionHistory>()
    private var oversizedKeys: Set<SessionKey> = []
    private var mayHaveExpired = false
    private var mustPurge = false
    private var mayHaveOldRequests = false

    private static let rowsPerTurn = 500
    private static let sessionsPerTurn = 50
    /// Each has one step, as a rule, and never more than a request has events.
    private static let requestsPerTurn = 100

    init(configuration: EventLogConfiguration, cache: HistoryCache, logger: Logger, now: @escaping @Sendable () -> Int) {
        self.configuration = configuration
        self.cache = cache
        self.logger = logger
        self.now = now
    }

    func schedule() {
        mayHaveExpired = true
        mustPurge = true
        mayHaveOldRequests = true
        forgetDroppedWindows()
    }

    var isDue: Bool { mustPurge || mayHaveExpired || mayHaveOldRequests || !oversized.isEmpty }

    func appended(to history: SessionHistory, _ settled: SessionHistory.Settled) {
        appends += 1
        let id = ObjectIdentifier(history)
        if settled.windowBytes > 0 {
            windowBytes += settled.windowBytes - (windows[id]?.bytes ?? 0)
            windows[id] = WindowUse(history: history, bytes: settled.windowBytes, lastAppend: appends)
        }
        if settled.retainedBytes > configuration.retainedBytesPerSession, oversizedKeys.insert(history.key).inserted {
            oversized.append(history)
        }
    }

    /// Takes the windows of the least recently appended sessions until all together are under 15/16 of their limit, so that a full
    /// house is not sorted again at every append.
    func boundWindows() {
        guard windowBytes > configuration.windowBytesTotal else { return }
        forgetDroppedWindows()
        let aim = configuration.windowBytesTotal / 16 * 15
        for (id, use) in windows.sorted(by: { $0.value.lastAppend < $1.value.lastAppend }) {
            guard windowBytes > aim else { return }
            use.history?.dropWindow()
            windowBytes -= use.bytes
            windows[id] = nil
        }
    }

    /// Sessions that nobody holds any more have taken their windows with them.
    private func forgetDroppedWindows() {
        windows = windows.filter { $0.value.history != nil }
        windowBytes = windows.values.reduce(0) { $0 + $1.bytes }
    }

    /// One small step; the writer looks for waiting events in between. A step that fails is tried again at the next schedule.
    func turn(_ writer: LogWriter) {
        do throws(EventLogError) {
            if let history = oversized.first {
                try trim(history, writer)
            } else if mayHaveExpired {
                mayHaveExpired = false
                let now = now()
                let expired = try writer.store.forgetSessions(
                    endedBefore: now - Int(configuration.retainedAfterEnd.components.seconds),
                    oneShots: now - Int(configuration.oneShotRetainedAfterEnd.components.seconds), limit: Self.sessionsPerTurn)
                for id in expired { cache.remove(id)?.shut(.sessionDeleted, endsReaders: true) }
                mayHaveExpired = expired.count == Self.sessionsPerTurn
                mustPurge = mustPurge || !expired.isEmpty
            } else if mayHaveOldRequests {
                mayHaveOldRequests = false
                mayHaveOldRequests = try writer.store.forgetRequests(
                    begunBefore: now() - Int(configuration.requestsKeptFor.components.seconds), limit: Self.requestsPerTurn)
            } else {
                mustPurge = false
                mustPurge = try writer.store.purgeTurn(maximumRows: Self.rowsPerTurn)
            }
        } catch {
            forgetOversized()
            logger.warning("event log upkeep failed", metadata: ["bridge.cause": "\(error.cause.map { "\($0)" } ?? error.message)"])
        }
    }

    private func trim(_ history: SessionHistory, _ writer: LogWriter) throws(EventLogError) {
        let prefix = try writer.store.removableEvents(
            of: history.key, keepingBytes: configuration.retainedBytesPerSession, maximumRows: Self.rowsPerTurn)
        guard let prefix else { return forgetOversized() }
        // First in memory: a reader is told of the gap before the rows are gone, never after.
        history.raiseStart(to: prefix.throughSeq + 1, removedBytes: prefix.cumulativeBytes)
        try writer.store.removeEvents(of: history.key, through: prefix.throughSeq)
    }

    private func forgetOversized() {
        if let history = oversized.popFirst() { oversizedKeys.remove(history.key) }
    }
}
