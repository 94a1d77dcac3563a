import Foundation
import Logging
import NIOConcurrencyHelpers
import Realtime

@testable import EventLog

/// The stores that the contract holds for.
enum StoreKind: CaseIterable, CustomStringConvertible {
    case memory, sqlite

    var description: String { self == .memory ? "memory" : "SQLite" }

    func makeStore(
        inputBytesPerSession: Int = EventLogConfiguration.defaultInputBytesPerSession
    ) throws -> any EventStore {
        switch self {
        case .memory: MemoryEventStore(inputBytesPerSession: inputBytesPerSession)
        case .sqlite:
            try SQLiteEventStore(folder: TemporaryFolder.make(), synchronous: .normal, inputBytesPerSession: inputBytesPerSession)
        }
    }
}

/// Folders that live as long as the test process: a store of a test may be closing when the test is over.
enum TemporaryFolder {
    private static let root: String = {
        let path = NSTemporaryDirectory() + "/event-log-tests-\(ProcessInfo.processInfo.processIdentifier)"
        atexit { TemporaryFolder.removeAll() }
        return path
    }()

    /// A path in an existing folder; nothing is there yet.
    static func make() throws -> String {
        try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
        return root + "/" + UUID().uuidString
    }

    private static func removeAll() {
        try? FileManager.default.removeItem(atPath: root)
    }
}

/// A store that does what a test says before each commit of events.
final class InterceptedStore: EventStore {
    private let base: any EventStore
    private let beforeCommit = NIOLockedValueBox<@Sendable ([StoreWrite]) throws(EventLogError) -> Void>({ _ in })

    init(_ base: any EventStore) { self.base = base }

    func onCommit(_ body: @escaping @Sendable ([StoreWrite]) throws(EventLogError) -> Void) {
        beforeCommit.withLockedValue { $0 = body }
    }

    var epoch: Int { base.epoch }
    var secret: [UInt8] { base.secret }
    func commit(_ writes: [StoreWrite]) throws(EventLogError) {
        let intercept = beforeCommit.withLockedValue { $0 }
        try intercept(writes)
        try base.commit(writes)
    }
    func createSession(_ record: SessionRecord) throws(EventLogError) -> SessionKey { try base.createSession(record) }
    func removableEvents(of session: SessionKey, keepingBytes: Int, maximumRows: Int) throws(EventLogError) -> RemovablePrefix? {
        try base.removableEvents(of: session, keepingBytes: keepingBytes, maximumRows: maximumRows)
    }
    func removeEvents(of session: SessionKey, through seq: Int) throws(EventLogError) {
        try base.removeEvents(of: session, through: seq)
    }
    func forgetSession(_ id: String) throws(EventLogError) { try base.forgetSession(id) }
    func forgetSessions(endedBefore seconds: Int, oneShots: Int, limit: Int) throws(EventLogError) -> [String] {
        try base.forgetSessions(endedBefore: seconds, oneShots: oneShots, limit: limit)
    }
    func purgeTurn(maximumRows: Int) throws(EventLogError) -> Bool { try base.purgeTurn(maximumRows: maximumRows) }
    func begin(_ step: StepID, mark: String, opening: RecordedRequest?, maximumRequests: Int) throws(EventLogError) -> Bool {
        try base.begin(step, mark: mark, opening: opening, maximumRequests: maximumRequests)
    }
    func note(_ notes: [Int: [UInt8]], forgetting steps: [Int], of request: RequestKey) throws(EventLogError) {
        try base.note(notes, forgetting: steps, of: request)
    }
    func forgetRequests(begunBefore seconds: Int, limit: Int) throws(EventLogError) -> Bool {
        try base.forgetRequests(begunBefore: seconds, limit: limit)
    }
    func request(_ key: RequestKey) async throws(EventLogError) -> RecordedRequest? { try await base.request(key) }
    func probe() throws(EventLogError) {
        let intercept = beforeCommit.withLockedValue { $0 }
        try intercept([])
    }
    func committed(bytes: Int) { base.committed(bytes: bytes) }
    func close() throws(EventLogError) { try base.close() }
    func history(of id: String) async throws(EventLogError) -> HistoryRow? { try await base.history(of: id) }
    func events(
        of session: SessionKey, after: Int, through: Int, limit: Int, maximumBytes: Int
    ) async throws(EventLogError) -> [StoredEvent] {
        try await base.events(of: session, after: after, through: through, limit: limit, maximumBytes: maximumBytes)
    }
    func session(_ id: String) async throws(EventLogError) -> StoredSession? { try await base.session(id) }
    func sessions(_ query: SessionQuery) async throws(EventLogError) -> SessionPage { try await base.sessions(query) }
    func counts() async throws(EventLogError) -> SessionCounts { try await base.counts() }
    func items(of id: String) async throws(EventLogError) -> [ItemRecord] { try await base.items(of: id) }
    func item(_ item: String, of id: String) async throws(EventLogError) -> ItemRecord? { try await base.item(item, of: id) }
    func responses(of id: String) async throws(EventLogError) -> [ResponseRecord] { try await base.responses(of: id) }
    func response(_ response: String, of id: String) async throws(EventLogError) -> ResponseRecord? {
        try await base.response(response, of: id)
    }
    func input(of itemID: String, session id: String) async throws(EventLogError) -> ItemInput? {
        try await base.input(of: itemID, session: id)
    }
    func speech(of id: String) async throws(EventLogError) -> [String: ItemSpeech] { try await base.speech(of: id) }
    func inputSizes(of id: String) async throws(EventLogError) -> [String: Int] { try await base.inputSizes(of: id) }
    func sessionsNeedingRecovery() async throws(EventLogError) -> [String] { try await base.sessionsNeedingRecovery() }
    func sessionsOwingOutputs() async throws(EventLogError) -> [String] { try await base.sessionsOwingOutputs() }
    func sessionsExpired(by seconds: Int, limit: Int) async throws(EventLogError) -> [String] {
        try await base.sessionsExpired(by: seconds, limit: limit)
    }
}

extension EventLog {
    /// A log over a store, in memory if none is given, with limits a test can reach.
    static func make(
        _ store: any EventStore = MemoryEventStore(), _ adjust: (inout EventLogConfiguration) -> Void = { _ in }
    ) -> EventLog {
        make(store, now: { 1_000_000 }, adjust)
    }

    static func make(
        _ store: any EventStore, now: @escaping @Sendable () -> Int, _ adjust: (inout EventLogConfiguration) -> Void
    ) -> EventLog {
        var configuration = EventLogConfiguration(storage: .memory)
        configuration.storeRetryTime = .zero
        adjust(&configuration)
        return EventLog(
            store: store, configuration: configuration, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, now: now)
    }

    static func open(_ folder: String) throws -> EventLog {
        try EventLog.open(
            EventLogConfiguration(storage: .directory(folder)), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }
}

extension SessionRecord {
    static func named(
        _ id: String, owner: String? = nil, status: Status = .active, metadata: String = "{}", isOneShot: Bool = false, isKept: Bool = false
    ) -> SessionRecord {
        SessionRecord(
            id: id, owner: owner, createdAt: 1_795_363_200, model: "m", dialect: .beta, upstreamName: "openai", status: status,
            metadata: Array(metadata.utf8), settings: Array("{}".utf8), upstreamDialect: .ga, isOneShot: isOneShot,
            isKept: isKept)
    }
}

extension ItemRecord {
    static func named(_ id: String, seq: Int, after previous: String? = nil, json: String = "{}") -> ItemRecord {
        ItemRecord(id: id, createdSeq: seq, previousItemID: previous, json: Array(json.utf8), status: nil, responseID: nil)
    }
}

extension ResponseRecord {
    static func named(_ id: String, seq: Int, doneSeq: Int? = nil, isOutOfBand: Bool = false) -> ResponseRecord {
        var response = ResponseRecord(
            id: id, createdSeq: seq, status: "in_progress", json: Array("{}".utf8), token: nil, isOutOfBand: isOutOfBand)
        response.doneSeq = doneSeq
        return response
    }
}

extension SessionHistory {
    /// Appends and waits until it is visible or refused.
    @discardableResult
    func commit(
        _ seq: Int?, _ frame: [UInt8]? = nil, changes: [ProjectionChange] = [], answering steps: [StepID] = [],
        record: SessionRecord? = nil
    ) async -> Result<Void, EventLogError> {
        await withCheckedContinuation { continuation in
            append(
                LogEntry(
                    seq: seq, frame: seq.map { frame ?? Self.frame($0) } ?? [], createdAtMilliseconds: 1000 + (seq ?? 0),
                    changes: changes, answeredSteps: steps, record: record, released: { continuation.resume(returning: $0) }))
        }
    }

    func commit(_ seqs: ClosedRange<Int>, frameBytes: Int? = nil) async {
        for seq in seqs.dropLast() {
            append(LogEntry(seq: seq, frame: Self.frame(seq, frameBytes), createdAtMilliseconds: 1000 + seq))
        }
        await commit(seqs.upperBound, Self.frame(seqs.upperBound, frameBytes))
    }

    static func frame(_ seq: Int, _ bytes: Int? = nil) -> [UInt8] {
        let text = Array("{\"n\":\(seq)}".utf8)
        return text + [UInt8](repeating: 32, count: max(0, (bytes ?? 0) - text.count))
    }

    /// The seqs that pages give from a cursor on.
    func pagedSeqs(after seq: Int = 0) async throws -> [Int] {
        var seqs: [Int] = []
        while true {
            let page = try await page(after: seqs.last ?? seq, limit: 1000, maximumBytes: .max)
            if page.isEmpty { return seqs }
            seqs += page.map(\.position.seq)
        }
    }

    func windowSeqs(after seq: Int) -> [Int]? {
        guard case .events(let events) = window(after: seq, maximumBytes: .max) else { return nil }
        return events.map(\.position.seq)
    }
}

extension WindowRead {
    var name: String {
        switch self {
        case .events: "events"
        case .caughtUp: "caughtUp"
        case .behind: "behind"
        case .ended: "ended"
        }
    }
}

/// Wakes one task, and remembers a wake that came before anybody waited.
final class Latch: Sendable {
    private struct State: Sendable {
        var isSet = false
        var waiter: CheckedContinuation<Void, Never>?
    }
    private let state = NIOLockedValueBox(State())

    func set() {
        let waiter = state.withLockedValue { state in
            defer { state.waiter = nil }
            if state.waiter == nil { state.isSet = true }
            return state.waiter
        }
        waiter?.resume()
    }

    func wait() async {
        await withCheckedContinuation { continuation in
            let isSet = state.withLockedValue { state in
                defer { state.isSet = false }
                if !state.isSet { state.waiter = continuation }
                return state.isSet
            }
            if isSet { continuation.resume() }
        }
    }
}
