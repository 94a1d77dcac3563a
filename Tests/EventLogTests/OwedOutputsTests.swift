import GRDB
import Testing

@testable import EventLog

@Suite(.timeLimit(.minutes(1)))
struct OwedOutputsTests {
    @Test(arguments: StoreKind.allCases)
    func sessionsThatOweAnOutputAreFoundUntilTheyDoNotOrEnd(_ kind: StoreKind) async throws {
        let log = EventLog.make(try kind.makeStore())
        let rows: [(String, SessionRecord.Status, Bool)] = [
            ("nothing", .active, false), ("owing", .suspended, true), ("closed", .closed, true), ("failed", .failed, true),
            ("other", .active, true),
        ]
        for (id, status, owes) in rows {
            var record = SessionRecord.named(id, status: status)
            record.owesOutputs = owes
            record.webhooks = Array(#"{"f":"https://h/"}"#.utf8)
            _ = try await log.createSession(record)
        }
        #expect(try await log.sessionsOwingOutputs() == ["owing", "other"])
        let history = try #require(try await log.history(of: "owing"))
        var record = try #require(try await log.storedSession("owing")).record
        #expect(record.webhooks == Array(#"{"f":"https://h/"}"#.utf8))
        record.owesOutputs = false
        record.webhooks = nil
        try await history.commit(1, record: record).get()
        #expect(try await log.sessionsOwingOutputs() == ["other"])
        #expect(try await log.storedSession("owing")?.record == record)
        await log.close()
    }

    /// A start asks, whatever the number of sessions.
    @Test func onlySessionsThatOweAreLookedAt() throws {
        let store = try SQLiteEventStore(folder: TemporaryFolder.make(), synchronous: .normal)
        let plan = try store.pool.read { db in
            try Row.fetchAll(db, sql: "EXPLAIN QUERY PLAN " + SQLiteEventStore.owingSessions).map { $0["detail"] as String }
        }
        #expect(plan.contains { $0.contains("session_owing") } && !plan.contains { $0.contains("TEMP B-TREE") }, "\(plan)")
        try store.close()
    }
}
