import Foundation
package import Logging
import Realtime

/// The ordered, durable history of all sessions.
///
/// What can be read here is stored: an event becomes visible after the transaction that holds it and the rows it changed. Reads never
/// block a task's thread. From: `Session` appends. To: SSE bodies and the handlers of `BridgeAPI` read.
package final class EventLog: Sendable {
    private let store: any EventStore
    private let writer: LogWriter
    private let cache: HistoryCache
    private let configuration: EventLogConfiguration
    private let now: @Sendable () -> Int

    /// Opens or makes the store and starts the writer's thread. Blocks; for the start of the process.
    /// - Throws: `.locked` if another process holds the folder (exit 69), `.unavailable` if it cannot be made or read, `.corrupt`.
    package static func open(_ configuration: EventLogConfiguration, logger: Logger) throws(EventLogError) -> EventLog {
        let store: any EventStore =
            switch configuration.storage {
            case .memory: MemoryEventStore(inputBytesPerSession: configuration.inputBytesPerSession)
            case .directory(let path):
                try SQLiteEventStore(
                    folder: path, synchronous: configuration.synchronous, inputBytesPerSession: configuration.inputBytesPerSession)
            }
        return EventLog(store: store, configuration: configuration, logger: logger)
    }

    /// - Parameter now: Unix seconds, to tell which ended sessions and which requests are too old.
    package init(
        store: any EventStore, configuration: EventLogConfiguration, logger: Logger,
        now: @escaping @Sendable () -> Int = { Int(Date().timeIntervalSince1970) }
    ) {
        self.store = store
        self.configuration = configuration
        self.now = now
        self.cache = HistoryCache()
        self.writer = LogWriter(store: store, configuration: configuration, logger: logger)
        writer.start(cache, now: now)
    }

    deinit {
        writer.requestClose()
    }

    /// False while commits fail, and once closed.
    package var isHealthy: Bool { writer.isHealthy }

    /// 32 random bytes made once and kept in the store, to recognise callers by without keeping their keys.
    package var secret: [UInt8] { store.secret }

    package var metrics: EventLogMetrics { writer.metrics }

    /// Commits what waits, leaves the mark of a clean stop and lets go of the folder. Later calls wait for the first. What is appended
    /// afterwards fails as `.closed`.
    package func close() async {
        await writer.close()
    }

    // MARK: Sessions

    /// - Throws: `.duplicateSession`; `.unavailable` after `storeRetryTime`; `.closed`.
    package func createSession(_ record: SessionRecord) async throws(EventLogError) -> SessionHistory {
        var isNew = false
        // Under the cache's guard, so that nobody makes a second history of it from its fresh row.
        let history = try await cache.history(of: record.id) { () throws(EventLogError) in
            isNew = true
            let key = try await writer.perform { turn throws(EventLogError) in
                try turn.attempt { store throws(EventLogError) in try store.createSession(record) }
            }
            return makeHistory(record.id, HistoryRow(key: key, hasEnded: record.status.hasEnded))
        }
        guard isNew, let history else { throw .duplicateSession }
        return history
    }

    /// The session's one history in memory; nil if there is no such session.
    package func history(of id: String) async throws(EventLogError) -> SessionHistory? {
        try await cache.history(of: id) { () throws(EventLogError) in
            try await store.history(of: id).map { makeHistory(id, $0) }
        }
    }

    /// What a session is rebuilt from; nil if there is no such session.
    /// - Parameter withProducedContent: items whose response is in progress hold the text that was produced of them, as if it had ended
    ///   here. That reads the events since the response began, so whoever does not look at the content says no.
    package func storedSession(_ id: String, withProducedContent: Bool = true) async throws(EventLogError) -> StoredSession? {
        guard let stored = try await store.session(id) else { return nil }
        let unfinished = stored.unfinishedItems
        // Without an item's first words the others are not given either.
        guard withProducedContent, let first = unfinished.values.map(\.createdSeq).min(), first >= stored.firstSeq,
            let key = try await store.history(of: id)?.key
        else { return stored }
        var produced = ProducedContent()
        var seq = first
        while seq < stored.lastSeq {
            let page = try await store.events(of: key, after: seq, through: stored.lastSeq, limit: 1_000, maximumBytes: 256 * 1_024)
            guard let last = page.last else { break }
            for row in page {
                guard let event = ServerEvent(row.frame), let item = event.itemID.flatMap({ unfinished[$0] }), row.seq > item.createdSeq
                else { continue }
                produced.add(event, to: item.id)
            }
            seq = last.seq
        }
        return stored.holding(produced)
    }

    /// A deleted session can still be a cursor, so that a walk goes on where it was; the last ten thousand are remembered.
    package func sessions(_ query: SessionQuery) async throws(EventLogError) -> SessionPage {
        try await store.sessions(query)
    }

    /// How many sessions have not ended, and how many there are in all.
    package func sessionCounts() async throws(EventLogError) -> SessionCounts {
        try await store.counts()
    }

    /// Makes a session not exist: appends fail, readers end when they have read what memory holds. Its rows go later, in small turns.
    /// An id that does not exist is fine.
    package func deleteSession(_ id: String) async throws(EventLogError) {
        // Held until the end, so that nobody makes a second history from rows that are about to go.
        guard let history = try await history(of: id) else { return }
        history.shut(.sessionDeleted, endsReaders: true)
        try await writer.perform { turn throws(EventLogError) in
            try turn.attempt { store throws(EventLogError) in try store.forgetSession(id) }
            turn.upkeep.schedule()
        }
        _ = cache.remove(id)
    }

    /// Removes now what retention has given up, instead of within a minute, and returns when it is gone.
    package func applyRetention() async throws(EventLogError) {
        try await writer.perform { turn throws(EventLogError) in turn.upkeep.schedule() }
        while try await writer.perform({ turn throws(EventLogError) in turn.upkeepTurn() }) {}
    }

    // MARK: Projections

    /// In conversation order, without deleted ones; empty if there is no such session.
    package func items(of id: String) async throws(EventLogError) -> [ItemRecord] {
        try await itemChain(of: id).filter { !$0.isDeleted }
    }

    /// The same with deleted ones, at which a reader may have stopped. What stands between two of them changes, their order does not.
    package func itemChain(of id: String) async throws(EventLogError) -> [ItemRecord] {
        ItemChain.ordered(try await store.items(of: id))
    }

    /// One item, deleted ones too.
    package func item(_ item: String, of id: String) async throws(EventLogError) -> ItemRecord? {
        try await store.item(item, of: id)
    }

    /// In the order of their creation.
    package func responses(of id: String) async throws(EventLogError) -> [ResponseRecord] {
        try await store.responses(of: id)
    }

    package func response(_ response: String, of id: String) async throws(EventLogError) -> ResponseRecord? {
        try await store.response(response, of: id)
    }

    /// What the caller gave for an item; nil if nothing was given, if it was too much to keep
    /// (``EventLogConfiguration/inputBytesPerSession``), or if the item or the session is deleted. Up to that many bytes.
    /// - Throws: `.unavailable`, worth trying again; `.corrupt`, not.
    package func input(of itemID: String, session: String) async throws(EventLogError) -> ItemInput? {
        try await store.input(of: itemID, session: session)
    }

    /// When the items that were made of input audio were spoken, by item; those of the time before that was stored are not there.
    package func speech(of session: String) async throws(EventLogError) -> [String: ItemSpeech] {
        try await store.speech(of: session)
    }

    /// The items of which ``input(of:session:)`` gives something now, and how many bytes that is.
    package func inputSizes(of session: String) async throws(EventLogError) -> [String: Int] {
        try await store.inputSizes(of: session)
    }

    /// Sessions that have not ended although their `expiresAt` is not later than that Unix second, the longest overdue first.
    package func sessionsExpired(by unixSeconds: Int, limit: Int) async throws(EventLogError) -> [String] {
        try await store.sessionsExpired(by: unixSeconds, limit: limit)
    }

    /// Sessions that are neither suspended nor ended, or hold a response in progress: what recovery visits at start, oldest first.
    package func sessionsNeedingRecovery() async throws(EventLogError) -> [String] {
        try await store.sessionsNeedingRecovery()
    }

    /// Sessions that have not ended and owe an output to a function call, the oldest first: what a start goes on with.
    package func sessionsOwingOutputs() async throws(EventLogError) -> [String] {
        try await store.sessionsOwingOutputs()
    }

    // MARK: Requests that are carried out once

    /// What is remembered of a request with an `Idempotency-Key`, all that was appended before included; nil if nothing is, or not any
    /// more.
    package func request(_ key: RequestKey) async throws(EventLogError) -> RecordedRequest? {
        // Events on their way answer steps, so what waits is committed first.
        try await writer.perform { _ throws(EventLogError) in }
        guard let request = try await store.request(key), !isTooOld(request) else { return nil }
        return request
    }

    /// Remembers a step before it is begun; returns once that is committed.
    /// - Parameters:
    ///   - mark: what it can be recognised by afterwards.
    ///   - opening: with the first step: the request's fingerprint. What was remembered under its key goes.
    /// - Returns: false if too many requests are remembered to remember another one.
    package func begin(_ step: StepID, mark: String, opening: [UInt8]?) async throws(EventLogError) -> Bool {
        let request = opening.map { RecordedRequest(fingerprint: $0, createdAt: now()) }
        let maximum = configuration.maximumKeptRequests
        return try await writer.perform { turn throws(EventLogError) in
            try turn.attempt { store throws(EventLogError) in
                try store.begin(step, mark: mark, opening: request, maximumRequests: maximum)
            }
        }
    }

    /// Remembers what no event tells of a request's steps, and forgets those that were not carried out; the whole request if none is left.
    /// Returns once that is committed.
    package func note(
        _ notes: [Int: [UInt8]], forgetting steps: [Int] = [], of request: RequestKey
    ) async throws(EventLogError) {
        try await writer.perform { turn throws(EventLogError) in
            try turn.attempt { store throws(EventLogError) in
                try store.note(notes, forgetting: steps, of: request)
            }
        }
    }

    private func isTooOld(_ request: RecordedRequest) -> Bool {
        request.createdAt + Int(configuration.requestsKeptFor.components.seconds) <= now()
    }

    private func makeHistory(_ id: String, _ row: HistoryRow) -> SessionHistory {
        SessionHistory(
            sessionID: id, row: row, epoch: store.epoch, windowLimit: configuration.windowBytesPerSession, writer: writer)
    }
}
