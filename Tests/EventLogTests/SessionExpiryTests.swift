import GRDB
import Testing

@testable import EventLog

@Suite(.timeLimit(.minutes(1)))
struct SessionExpiryTests {
    @Test(arguments: StoreKind.allCases)
    func sessionsWhoseTimeIsUpAreFoundUntilTheyEnd(_ kind: StoreKind) async throws {
        let log = EventLog.make(try kind.makeStore())
        let rows: [(String, SessionRecord.Status, Int?)] = [
            ("late", .active, 300), ("first", .suspended, 100), ("never", .active, nil), ("second", .recovering, 200),
            ("same", .connecting, 200), ("closed", .closed, 50), ("failed", .failed, 50), ("next", .active, 201),
        ]
        for (id, status, expiresAt) in rows {
            var record = SessionRecord.named(id, status: status)
            record.expiresAt = expiresAt
            _ = try await log.createSession(record)
        }
        #expect(try await log.sessionsExpired(by: 99, limit: 10) == [])
        #expect(try await log.sessionsExpired(by: 200, limit: 10) == ["first", "second", "same"])
        #expect(try await log.sessionsExpired(by: 1000, limit: 2) == ["first", "second"])

        let history = try #require(try await log.history(of: "first"))
        var record = try #require(try await log.storedSession("first")).record
        #expect(record.expiresAt == 100)
        record.status = .closed
        try await history.commit(1, record: record).get()
        #expect(try await log.sessionsExpired(by: 200, limit: 10) == ["second", "same"])
        // A session may be given another end, and one that had none.
        for (id, expiresAt) in [("second", nil), ("never", 7)] as [(String, Int?)] {
            let history = try #require(try await log.history(of: id))
            var record = try #require(try await log.storedSession(id)).record
            record.expiresAt = expiresAt
            try await history.commit(nil, record: record).get()
        }
        #expect(try await log.sessionsExpired(by: 200, limit: 10) == ["never", "same"])
        await log.close()
    }

    /// Asked every few seconds, whatever the number of sessions.
    @Test func onlySessionsThatExpireAreLookedAt() throws {
        let store = try SQLiteEventStore(folder: TemporaryFolder.make(), synchronous: .normal)
        let plan = try store.pool.read { db in
            try Row.fetchAll(db, sql: "EXPLAIN QUERY PLAN " + SQLiteEventStore.expiredSessions, arguments: [1, 1])
                .map { $0["detail"] as String }
        }
        #expect(plan.contains { $0.contains("session_expiring") })
        #expect(!plan.contains { $0.contains("TEMP B-TREE") })
        try store.close()
    }
}
