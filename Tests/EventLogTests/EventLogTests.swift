import EventLog
import Logging
import Realtime
import Testing

@Test func aReleasedEventCanBeRead() async throws {
    let log = try EventLog.open(EventLogConfiguration(storage: .memory), logger: Logger(label: "test"))
    let history = try await log.createSession(
        SessionRecord(
            id: "rts_1", owner: nil, createdAt: 1, model: nil, dialect: .beta, upstreamName: "u", status: .active, metadata: [],
            settings: [], upstreamDialect: .ga))
    await withCheckedContinuation { continuation in
        history.append(LogEntry(seq: 1, frame: [1, 2], createdAtMilliseconds: 5) { _ in continuation.resume() })
    }
    #expect(history.tail == EventPosition(epoch: 1, seq: 1))
    guard case .events(let events) = history.window(after: 0, maximumBytes: 100) else { return #expect(Bool(false)) }
    #expect(events.map(\.frame) == [[1, 2]])
    let page = try await history.page(after: 0, limit: 10, maximumBytes: 100)
    #expect(page.map(\.frame) == [[1, 2]])
    await log.close()
}
