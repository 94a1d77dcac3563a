import Foundation
import GRDB

extension SQLiteEventStore {
    /// On GRDB's reader threads, in one snapshot. Not GRDB's `async` read: that one fails when the task is cancelled, and a handler
    /// whose client has left still has to know what is stored.
    func read<T: Sendable>(_ body: @escaping @Sendable (Database) throws -> T) async throws(EventLogError) -> T {
        let result: Result<T, EventLogError> = await withCheckedContinuation { continuation in
            pool.asyncRead { database in
                continuation.resume(
                    returning: Result { try body(database.get()) }.mapError { EventLogError(sqlite: $0) })
            }
        }
        return try result.get()
    }

    package func history(of id: String) async throws(EventLogError) -> HistoryRow? {
        try await read { db in
            let session = try Row.fetchOne(
                try db.cachedStatement(sql: "SELECT key, status FROM session WHERE id = ?"), arguments: [id])
            guard let session else { return nil }
            let key: SessionKey = session["key"]
            let ends = try ["ASC", "DESC"].map { order in
                try Row.fetchOne(
                    try db.cachedStatement(
                        sql: """
                            SELECT seq, cumulative_bytes, length(frame) AS bytes FROM event WHERE session = ?
                            ORDER BY seq \(order) LIMIT 1
                            """), arguments: [key])
            }
            var epochs = EpochList()
            let starts = try Row.fetchAll(
                try db.cachedStatement(sql: "SELECT epoch, first_seq FROM session_epoch WHERE session = ? ORDER BY epoch"),
                arguments: [key])
            for start in starts { epochs.begin(start["epoch"], at: start["first_seq"]) }
            let hasEnded = SessionRecord.Status(rawValue: session["status"])?.hasEnded ?? false
            let outOfBand = try String.fetchSet(
                try db.cachedStatement(sql: "SELECT id FROM response WHERE session = ? AND is_out_of_band"), arguments: [key])
            guard let first = ends[0], let last = ends[1] else {
                return HistoryRow(key: key, epochs: epochs, hasEnded: hasEnded, outOfBandResponses: outOfBand)
            }
            return HistoryRow(
                key: key, firstSeq: first["seq"], lastSeq: last["seq"], epochs: epochs,
                cumulativeBytes: last["cumulative_bytes"],
                removedBytes: first["cumulative_bytes"] - first["bytes"] - StoredEvent.overheadBytes, hasEnded: hasEnded,
                outOfBandResponses: outOfBand)
        }
    }

    package func events(
        of session: SessionKey, after: Int, through: Int, limit: Int, maximumBytes: Int
    ) async throws(EventLogError) -> [StoredEvent] {
        try await read { db in
            let rows = try Row.fetchCursor(
                try db.cachedStatement(
                    sql: """
                        SELECT seq, created_at_ms, frame FROM event WHERE session = ? AND seq > ? AND seq <= ?
                        ORDER BY seq LIMIT ?
                        """), arguments: [session, after, through, limit])
            var page: [StoredEvent] = []
            var bytes = 0
            while let row = try rows.next() {
                let frame = try row.withUnsafeData(atIndex: 2) { data in data.map { [UInt8]($0) } ?? [] }
                bytes += frame.count
                guard page.isEmpty || bytes <= maximumBytes else { break }
                page.append(StoredEvent(seq: row[0], createdAtMilliseconds: row[1], frame: frame))
            }
            return page
        }
    }

    package func session(_ id: String) async throws(EventLogError) -> StoredSession? {
        try await read { db in
            let session = try Row.fetchOne(try db.cachedStatement(sql: "SELECT * FROM session WHERE id = ?"), arguments: [id])
            guard let row = session else { return nil }
            let key: SessionKey = row["key"]
            let range = try Row.fetchOne(
                try db.cachedStatement(
                    sql: """
                        SELECT (SELECT min(seq) FROM event WHERE session = ?1), (SELECT max(seq) FROM event WHERE session = ?1)
                        """), arguments: [key])
            return StoredSession(
                record: try SessionRecord(row), items: ItemChain.ordered(try Self.items(of: id, db)),
                responses: try Self.responses(of: id, db), firstSeq: range?[0] ?? 1, lastSeq: range?[1] ?? 0)
        }
    }

    package func sessions(_ query: SessionQuery) async throws(EventLogError) -> SessionPage {
        let epoch = epoch
        return try await read { db in
            var conditions = ["s.is_one_shot = 0"]
            var arguments = StatementArguments()
            let isNewestFirst = query.order == .newestFirst
            for (bound, isAfter) in [(query.after, true), (query.before, false)] {
                guard let bound else { continue }
                let place = try SessionKey.fetchOne(
                    try db.cachedStatement(
                        sql: "SELECT key FROM session WHERE id = ?1 UNION ALL SELECT key FROM forgotten_session WHERE id = ?1"),
                    arguments: [bound])
                guard let place else { return .ofUnknownCursor }
                conditions.append("s.key \(isNewestFirst == isAfter ? "<" : ">") ?")
                arguments += [place]
            }
            if let statuses = query.statuses {
                conditions.append("s.status IN (\(statuses.map { _ in "?" }.joined(separator: ", ")))")
                arguments += StatementArguments(statuses.map(\.rawValue))
            }
            switch query.owner {
            case .any: break
            case .exactly(let owner):
                conditions.append("s.owner IS ?")
                arguments += [owner]
            case .exactlyOrNobody(let owner):
                conditions.append("(s.owner IS ? OR s.owner IS NULL)")
                arguments += [owner]
            }
            for (name, value) in query.metadata {
                // What is not JSON matches nothing, instead of failing the whole list.
                conditions.append(
                    """
                    CASE WHEN json_valid(CAST(s.metadata AS TEXT)) THEN EXISTS (
                        SELECT 1 FROM json_each(CAST(s.metadata AS TEXT)) AS pair
                        WHERE pair.key = ? AND pair.type = 'text' AND pair.value = ?) ELSE FALSE END
                    """)
                arguments += [name, value]
            }
            // The page before an id is the nearest to it, so it is read backwards.
            let isBackwards = query.before != nil && query.after == nil
            arguments += [query.limit + 1]
            let rows = try Row.fetchAll(
                db,
                sql: """
                    SELECT s.*,
                        (SELECT max(seq) FROM event WHERE session = s.key) AS last_seq,
                        (SELECT max(epoch) FROM session_epoch WHERE session = s.key) AS last_epoch,
                        (SELECT count(*) FROM item WHERE session = s.key AND is_deleted = 0) AS item_count,
                        (SELECT id FROM response WHERE session = s.key AND done_seq IS NULL AND is_out_of_band = 0
                            ORDER BY created_seq DESC LIMIT 1) AS active_response_id
                    FROM session AS s WHERE \(conditions.joined(separator: " AND "))
                    ORDER BY s.key \(isNewestFirst == isBackwards ? "ASC" : "DESC") LIMIT ?
                    """, arguments: arguments)
            let summaries = try rows.prefix(query.limit).map { row in
                SessionSummary(
                    record: try SessionRecord(row),
                    last: EventPosition(epoch: row["last_epoch"] ?? epoch, seq: row["last_seq"] ?? 0),
                    itemCount: row["item_count"], activeResponseID: row["active_response_id"])
            }
            return SessionPage(summaries: isBackwards ? summaries.reversed() : summaries, hasMore: rows.count > query.limit)
        }
    }

    package func counts() async throws(EventLogError) -> SessionCounts {
        try await read { db in
            // Each by a small index, none by the rows.
            let oneShots = try Int.fetchOne(db, sql: "SELECT count(*) FROM session WHERE is_one_shot > 0") ?? 0
            return SessionCounts(
                live: try Int.fetchOne(db, sql: "SELECT count(*) FROM session WHERE status NOT IN ('closed', 'failed')") ?? 0,
                stored: (try Int.fetchOne(db, sql: "SELECT count(*) FROM session") ?? 0) - oneShots, oneShots: oneShots)
        }
    }

    package func items(of id: String) async throws(EventLogError) -> [ItemRecord] {
        try await read { db in try Self.items(of: id, db) }
    }

    package func item(_ item: String, of id: String) async throws(EventLogError) -> ItemRecord? {
        try await read { db in
            try Row.fetchOne(
                try db.cachedStatement(
                    sql: "SELECT * FROM item WHERE session = (SELECT key FROM session WHERE id = ?) AND id = ?"),
                arguments: [id, item]
            ).map(ItemRecord.init)
        }
    }

    package func responses(of id: String) async throws(EventLogError) -> [ResponseRecord] {
        try await read { db in try Self.responses(of: id, db) }
    }

    package func response(_ response: String, of id: String) async throws(EventLogError) -> ResponseRecord? {
        try await read { db in
            try Row.fetchOne(
                try db.cachedStatement(
                    sql: "SELECT * FROM response WHERE session = (SELECT key FROM session WHERE id = ?) AND id = ?"),
                arguments: [id, response]
            ).map(ResponseRecord.init)
        }
    }

    package func speech(of id: String) async throws(EventLogError) -> [String: ItemSpeech] {
        try await read { db in
            let rows = try Row.fetchAll(
                try db.cachedStatement(sql: "SELECT * FROM item_speech WHERE session = (SELECT key FROM session WHERE id = ?)"),
                arguments: [id])
            return Dictionary(rows.map { ($0["item"], ItemSpeech($0)) }) { first, _ in first }
        }
    }

    package func sessionsNeedingRecovery() async throws(EventLogError) -> [String] {
        try await read { db in
            try String.fetchAll(
                db,
                sql: """
                    SELECT id FROM session WHERE status NOT IN ('suspended', 'closed', 'failed')
                        OR key IN (SELECT session FROM response WHERE done_seq IS NULL)
                    ORDER BY key
                    """)
        }
    }

    /// Spelt as the condition of its index, so that the index is used.
    static let owingSessions = "SELECT id FROM session WHERE owes_outputs = 1 AND status NOT IN ('closed', 'failed') ORDER BY key"

    package func sessionsOwingOutputs() async throws(EventLogError) -> [String] {
        try await read { db in try String.fetchAll(db, sql: Self.owingSessions) }
    }

    /// The same.
    static let expiredSessions = """
        SELECT id FROM session WHERE expires_at <= ? AND status NOT IN ('closed', 'failed') ORDER BY expires_at, key LIMIT ?
        """

    package func sessionsExpired(by seconds: Int, limit: Int) async throws(EventLogError) -> [String] {
        try await read { db in
            try String.fetchAll(
                try db.cachedStatement(sql: Self.expiredSessions), arguments: [seconds, limit])
        }
    }

    private static func items(of id: String, _ db: Database) throws -> [ItemRecord] {
        try Row.fetchAll(
            try db.cachedStatement(
                sql: "SELECT * FROM item WHERE session = (SELECT key FROM session WHERE id = ?) ORDER BY created_seq, id"),
            arguments: [id]
        ).map(ItemRecord.init)
    }

    private static func responses(of id: String, _ db: Database) throws -> [ResponseRecord] {
        try Row.fetchAll(
            try db.cachedStatement(
                sql: "SELECT * FROM response WHERE session = (SELECT key FROM session WHERE id = ?) ORDER BY created_seq, id"),
            arguments: [id]
        ).map(ResponseRecord.init)
    }
}
