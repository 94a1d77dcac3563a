import Foundation
import GRDB

/// The rows of ``ItemInput``s.
extension SQLiteEventStore {
    private static let purgedBytesPerTurn = 4 * 1024 * 1024

    // MARK: Within a transaction of the writer's

    func keep(_ input: ItemInput, of item: String, in session: SessionKey, _ db: Database) throws {
        try removeInput(of: item, in: session, db)
        let bytes = input.bytes
        guard bytes.count <= inputBytesPerSession - ItemInput.overheadBytes, try !Self.isDeleted(item, in: session, db) else { return }
        try db.cachedStatement(sql: "INSERT INTO item_input (session, item, kind, format, bytes, content) VALUES (?, ?, ?, ?, ?, ?)")
            .execute(arguments: [session, item, input.kind.rawValue, input.format, bytes.count, Data(bytes)])
        try removeOldInputs(of: session, db)
    }

    func copyInput(of item: String, from source: String, to session: SessionKey, _ db: Database) throws {
        let original = try Int64.fetchOne(
            try db.cachedStatement(
                sql: """
                    SELECT key FROM item_input WHERE session = (SELECT key FROM session WHERE id = ?) AND item = ?
                        AND session <> ? AND bytes <= ?
                    """), arguments: [source, item, session, inputBytesPerSession - ItemInput.overheadBytes])
        guard let original, try !Self.isDeleted(item, in: session, db) else { return }
        let speech = try Row.fetchOne(
            try db.cachedStatement(
                sql: "SELECT * FROM item_speech WHERE session = (SELECT key FROM session WHERE id = ?) AND item = ?"),
            arguments: [source, item]
        ).map(ItemSpeech.init)
        try speech?.elsewhere.save(of: item, in: session, db)
        try removeInput(of: item, in: session, db)
        try db.cachedStatement(
            sql: """
                INSERT INTO item_input (session, item, kind, format, bytes, content)
                SELECT ?, item, kind, format, bytes, content FROM item_input WHERE key = ?
                """
        ).execute(arguments: [session, original])
        try removeOldInputs(of: session, db)
    }

    func removeInput(of item: String, in session: SessionKey, _ db: Database) throws {
        try db.cachedStatement(sql: "DELETE FROM item_input WHERE session = ? AND item = ?").execute(arguments: [session, item])
    }

    private static func isDeleted(_ item: String, in session: SessionKey, _ db: Database) throws -> Bool {
        try Bool.fetchOne(
            try db.cachedStatement(sql: "SELECT is_deleted FROM item WHERE session = ? AND id = ?"), arguments: [session, item]) ?? false
    }

    private func removeOldInputs(of session: SessionKey, _ db: Database) throws {
        let total = try Int.fetchOne(
            try db.cachedStatement(sql: "SELECT bytes FROM item_input_total WHERE session = ?"), arguments: [session])
        var excess = (total ?? 0) - inputBytesPerSession
        while excess > 0 {
            let oldest = try Row.fetchOne(
                try db.cachedStatement(sql: "SELECT key, bytes FROM item_input WHERE session = ? ORDER BY key LIMIT 1"),
                arguments: [session])
            guard let oldest else { return }
            try db.cachedStatement(sql: "DELETE FROM item_input WHERE key = ?").execute(arguments: [oldest["key"] as Int64])
            excess -= (oldest["bytes"] as Int) + ItemInput.overheadBytes
        }
    }

    /// Removes some rows of a forgotten session; false when there are none left.
    static func purgeInputs(of session: SessionKey, maximumRows: Int, _ db: Database) throws -> Bool {
        // By bytes too: each page of a row is written to be freed.
        try db.execute(
            sql: """
                DELETE FROM item_input WHERE key IN (
                    SELECT key FROM (
                        SELECT key, sum(bytes) OVER (ORDER BY key) - bytes AS before
                        FROM (SELECT key, bytes FROM item_input WHERE session = ?1 ORDER BY key LIMIT ?2))
                    WHERE before < ?3)
                """, arguments: [session, maximumRows, purgedBytesPerTurn])
        guard db.changesCount == 0 else { return true }
        try db.execute(sql: "DELETE FROM item_input_total WHERE session = ?", arguments: [session])
        return false
    }

    // MARK: Reading

    package func input(of itemID: String, session id: String) async throws(EventLogError) -> ItemInput? {
        try await read { db in
            let row = try Row.fetchOne(
                try db.cachedStatement(
                    sql: "SELECT kind, format, content FROM item_input WHERE session = (SELECT key FROM session WHERE id = ?) AND item = ?"),
                arguments: [id, itemID])
            return try row.map(ItemInput.init)
        }
    }

    package func inputSizes(of id: String) async throws(EventLogError) -> [String: Int] {
        try await read { db in
            let rows = try Row.fetchAll(
                try db.cachedStatement(
                    sql: "SELECT item, bytes FROM item_input WHERE session = (SELECT key FROM session WHERE id = ?)"),
                arguments: [id])
            return Dictionary(uniqueKeysWithValues: rows.map { ($0["item"], $0["bytes"]) })
        }
    }
}

extension ItemInput {
    fileprivate enum Kind: String {
        case audio, item
    }

    fileprivate var kind: Kind {
        switch self {
        case .audio: .audio
        case .item: .item
        }
    }

    fileprivate var format: String? {
        switch self {
        case .audio(_, let format): format
        case .item: nil
        }
    }

    fileprivate init(_ row: Row) throws {
        let content = try row.withUnsafeData(named: "content") { data in data.map { [UInt8]($0) } ?? [] }
        switch Kind(rawValue: row["kind"]) {
        case .audio: self = .audio(content, format: row["format"])
        case .item: self = .item(content)
        case nil: throw DatabaseError(resultCode: .SQLITE_CORRUPT, message: "an input's kind has no meaning")
        }
    }
}
