import Foundation
import GRDB

extension SQLiteEventStore {
    package func begin(
        _ step: StepID, mark: String, opening: RecordedRequest?, maximumRequests: Int
    ) throws(EventLogError) -> Bool {
        try write { db in
            if let opening {
                try Self.forget(step.request, db)
                let bounds = try Row.fetchOne(db, sql: "SELECT min(key), max(key) FROM request")
                // Gaps of requests that were forgotten early count too, until they are the oldest.
                if let bounds, let first: Int = bounds[0], let last: Int = bounds[1], last - first + 1 >= maximumRequests { return false }
                try db.cachedStatement(sql: "INSERT INTO request VALUES (NULL, ?, ?, ?)")
                    .execute(arguments: [Data(step.request.digest), Data(opening.fingerprint), opening.createdAt])
            }
            try db.cachedStatement(
                sql: "INSERT INTO request_step SELECT key, ?, ?, NULL, NULL FROM request WHERE digest = ?"
            ).execute(arguments: [step.number, mark, Data(step.request.digest)])
            return db.changesCount > 0
        }
    }

    /// Part of the transaction of the event that is the answer.
    func answer(_ step: StepID, seq: Int, _ db: Database) throws {
        try db.cachedStatement(
            sql: "UPDATE request_step SET answer_seq = ? WHERE request = (SELECT key FROM request WHERE digest = ?) AND number = ?"
        ).execute(arguments: [seq, Data(step.request.digest), step.number])
    }

    func settle(_ steps: SettledSteps, _ db: Database) throws {
        let place = "WHERE request = (SELECT key FROM request WHERE digest = ?) AND number = ? AND answer_seq IS NULL"
        for (steps, change) in [
            (steps.freed, "DELETE FROM request_step"), (steps.accepted, "UPDATE request_step SET note = x''"),
        ] {
            for step in steps {
                try db.cachedStatement(sql: "\(change) \(place)").execute(arguments: [Data(step.request.digest), step.number])
            }
        }
    }

    package func note(
        _ notes: [Int: [UInt8]], forgetting steps: [Int], of request: RequestKey
    ) throws(EventLogError) {
        try write { db in
            guard let key = try Self.key(of: request, db) else { return }
            for (step, note) in notes {
                try db.execute(
                    sql: "UPDATE request_step SET note = ? WHERE request = ? AND number = ?", arguments: [Data(note), key, step])
            }
            for step in steps {
                try db.execute(sql: "DELETE FROM request_step WHERE request = ? AND number = ?", arguments: [key, step])
            }
            try db.execute(
                sql: "DELETE FROM request WHERE key = ?1 AND NOT EXISTS (SELECT 1 FROM request_step WHERE request = ?1)",
                arguments: [key])
        }
    }

    package func forgetRequests(begunBefore seconds: Int, limit: Int) throws(EventLogError) -> Bool {
        try write { db in
            // By key: the oldest come first, and no index on their age is needed.
            let oldest = try Row.fetchAll(db, sql: "SELECT key, created_at FROM request ORDER BY key LIMIT ?", arguments: [limit])
            let old = oldest.prefix { ($0["created_at"] as Int) < seconds }
            guard let youngest = old.last else { return false }
            let last: Int64 = youngest["key"]
            try db.execute(sql: "DELETE FROM request_step WHERE request <= ?", arguments: [last])
            try db.execute(sql: "DELETE FROM request WHERE key <= ?", arguments: [last])
            return old.count == limit
        }
    }

    package func request(_ key: RequestKey) async throws(EventLogError) -> RecordedRequest? {
        try await read { db in
            guard let row = try Row.fetchOne(db, sql: "SELECT * FROM request WHERE digest = ?", arguments: [Data(key.digest)])
            else { return nil }
            var request = RecordedRequest(fingerprint: [UInt8](row["fingerprint"] as Data), createdAt: row["created_at"])
            request.steps = try Row.fetchAll(
                db, sql: "SELECT * FROM request_step WHERE request = ? ORDER BY number", arguments: [row["key"] as Int64]
            ).map { step in
                RecordedStep(
                    number: step["number"], mark: step["mark"], answerSeq: step["answer_seq"],
                    note: (step["note"] as Data?).map { [UInt8]($0) })
            }
            return request
        }
    }

    private static func key(of request: RequestKey, _ db: Database) throws -> Int64? {
        try Int64.fetchOne(db, sql: "SELECT key FROM request WHERE digest = ?", arguments: [Data(request.digest)])
    }

    private static func forget(_ request: RequestKey, _ db: Database) throws {
        guard let key = try key(of: request, db) else { return }
        try db.execute(sql: "DELETE FROM request_step WHERE request = ?", arguments: [key])
        try db.execute(sql: "DELETE FROM request WHERE key = ?", arguments: [key])
    }
}
