import Foundation
import GRDB
import Testing

@testable import EventLog

@Suite(.timeLimit(.minutes(1)))
struct MigrationTests {
    /// The tables as the first release made them.
    private static let version1 = """
        CREATE TABLE store (
            id INTEGER PRIMARY KEY CHECK (id = 1), secret BLOB NOT NULL, epoch INTEGER NOT NULL, boot_id TEXT, device INTEGER NOT NULL,
            inode INTEGER NOT NULL, synchronous TEXT NOT NULL, stopped_clean INTEGER NOT NULL
        ) STRICT;
        CREATE TABLE session (
            key INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, owner TEXT, created_at INTEGER NOT NULL, model TEXT,
            dialect TEXT NOT NULL, upstream_name TEXT NOT NULL, status TEXT NOT NULL, end_reason TEXT, ended_at INTEGER,
            metadata BLOB NOT NULL, settings BLOB NOT NULL, upstream_dialect TEXT NOT NULL, upstream_session_id TEXT,
            generation INTEGER NOT NULL, upstream_expires_at INTEGER, configuration BLOB, requested_configuration BLOB,
            total_tokens INTEGER NOT NULL, input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL
        ) STRICT;
        CREATE INDEX session_live ON session (key) WHERE status NOT IN ('closed', 'failed');
        CREATE INDEX session_ended ON session (ended_at) WHERE ended_at IS NOT NULL;
        CREATE TABLE session_epoch (
            session INTEGER NOT NULL, epoch INTEGER NOT NULL, first_seq INTEGER NOT NULL, PRIMARY KEY (session, epoch)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE event (
            session INTEGER NOT NULL, seq INTEGER NOT NULL, created_at_ms INTEGER NOT NULL, cumulative_bytes INTEGER NOT NULL,
            frame BLOB NOT NULL, PRIMARY KEY (session, seq)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE item (
            session INTEGER NOT NULL, id TEXT NOT NULL, created_seq INTEGER NOT NULL, previous_item_id TEXT, json BLOB NOT NULL,
            updated_seq INTEGER NOT NULL, status TEXT, response_id TEXT, produced_audio_bytes INTEGER NOT NULL,
            truncated_at_ms INTEGER, is_deleted INTEGER NOT NULL, PRIMARY KEY (session, id)
        ) STRICT;
        CREATE INDEX item_shown ON item (session) WHERE is_deleted = 0;
        CREATE TABLE response (
            session INTEGER NOT NULL, id TEXT NOT NULL, created_seq INTEGER NOT NULL, done_seq INTEGER, status TEXT NOT NULL,
            json BLOB NOT NULL, token TEXT, is_out_of_band INTEGER NOT NULL, PRIMARY KEY (session, id)
        ) STRICT;
        CREATE INDEX response_open ON response (session, created_seq) WHERE done_seq IS NULL;
        CREATE TABLE purge (session INTEGER PRIMARY KEY) STRICT;
        CREATE TABLE probe (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT;
        """

    private static let rows = """
        INSERT INTO store VALUES (1, zeroblob(32), 4, NULL, 0, 0, 'normal', 0);
        INSERT INTO session VALUES (
            5, 'rts_1', 'alice', 1795363200, 'm', 'beta', 'openai', 'suspended', NULL, NULL, CAST('{"a":"b"}' AS BLOB),
            CAST('{}' AS BLOB), 'ga', 'sess_1', 2, 7, CAST('{"voice":"v"}' AS BLOB), NULL, 10, 4, 6);
        INSERT INTO session VALUES (
            6, 'rts_2', NULL, 1795363200, NULL, 'ga', 'openai', 'closed', 'idle', 999999, CAST('{}' AS BLOB), CAST('{}' AS BLOB), 'ga',
            NULL, 1, NULL, NULL, NULL, 0, 0, 0);
        INSERT INTO session_epoch VALUES (5, 4, 1);
        INSERT INTO event VALUES (5, 1, 1001, 66, CAST('{}' AS BLOB)), (5, 2, 1002, 133, CAST('[1]' AS BLOB));
        INSERT INTO item VALUES (5, 'i', 1, NULL, CAST('{"id":"i"}' AS BLOB), 2, 'completed', 'r', 480, NULL, 0);
        INSERT INTO response VALUES (5, 'r', 1, 2, 'completed', CAST('{}' AS BLOB), 'tok', 0);
        INSERT INTO purge VALUES (3);
        """

    /// Words and marks of each table's and index's definition, without comments and line breaks.
    private static func definitions(_ db: Database) throws -> [String: [String]] {
        let rows = try Row.fetchAll(
            db, sql: "SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite%' AND name NOT LIKE 'grdb%'")
        return Dictionary(
            uniqueKeysWithValues: rows.map { row in
                let lines = (row["sql"] as String).split(separator: "\n").map { $0.prefix { $0 != "-" } }
                let spaced = lines.joined(separator: " ").replacing("(", with: " ( ").replacing(")", with: " ) ").replacing(
                    ",", with: " , ")
                return (row["name"], spaced.split(separator: " ").map(String.init))
            })
    }

    @Test func theShippedMigrationIsAsItWas() throws {
        let shipped = try DatabaseQueue()
        try shipped.write { try $0.execute(sql: Self.version1) }
        let migrated = try DatabaseQueue()
        try StoreSchema.migrator.migrate(migrated, upTo: "1")
        #expect(try migrated.read(Self.definitions) == shipped.read(Self.definitions))
    }

    @Test func aStoreOfTheFirstReleaseGoesOn() async throws {
        let folder = try TemporaryFolder.make()
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        do {
            let old = try DatabasePool(path: folder + "/events.sqlite")
            try await old.write { db in
                try db.execute(sql: "PRAGMA application_id = \(StoreSchema.applicationID);" + Self.version1 + Self.rows)
                try db.execute(sql: "CREATE TABLE grdb_migrations (identifier TEXT NOT NULL PRIMARY KEY)")
                try db.execute(sql: "INSERT INTO grdb_migrations VALUES ('1')")
            }
            try old.close()
        }
        let store = try SQLiteEventStore(folder: folder, synchronous: .normal)
        #expect(store.epoch == 5)
        #expect(store.secret == [UInt8](repeating: 0, count: 32))
        let log = EventLog.make(store)
        let stored = try #require(try await log.storedSession("rts_1"))
        var record = SessionRecord.named("rts_1", owner: "alice", status: .suspended, metadata: #"{"a":"b"}"#)
        record.upstreamSessionID = "sess_1"
        record.generation = 2
        record.upstreamExpiresAt = 7
        record.configuration = Array(#"{"voice":"v"}"#.utf8)
        (record.usage.totalTokens, record.usage.inputTokens, record.usage.outputTokens) = (10, 4, 6)
        #expect(stored.record == record)
        #expect(stored.items.map(\.id) == ["i"])
        #expect(stored.items.map(\.producedAudioBytes) == [480])
        #expect(stored.responses.map(\.token) == ["tok"])
        #expect(try await log.inputSizes(of: "rts_1") == [:])
        #expect(try await log.sessionsExpired(by: .max, limit: 10) == [])

        let history = try #require(try await log.history(of: "rts_1"))
        #expect(history.tail.description == "4.2")
        record.expiresAt = 100
        try await history.commit(3, changes: [.input(itemID: "i", .audio([1], format: "f"))], record: record).get()
        #expect(history.tail.description == "5.3")
        #expect(try await history.pagedSeqs() == [1, 2, 3])
        #expect(try await log.input(of: "i", session: "rts_1") == .audio([1], format: "f"))
        #expect(try await log.sessionsExpired(by: 100, limit: 10) == ["rts_1"])
        #expect(try await log.storedSession("rts_1")?.record == record)
        let request = RequestKey(digest: [1])
        #expect(try await log.request(request) == nil)
        #expect(try await log.begin(StepID(request: request, number: 0), mark: "m", opening: [1]))
        #expect(try await log.request(request)?.steps.map(\.mark) == ["m"])
        #expect(try await log.sessions(SessionQuery(owner: .any)).summaries.map(\.record.id) == ["rts_2", "rts_1"])
        await log.close()

        // Once, not at every start.
        let again = try SQLiteEventStore(folder: folder, synchronous: .normal)
        #expect(try await again.input(of: "i", session: "rts_1") == .audio([1], format: "f"))
        try again.close()
    }
}
