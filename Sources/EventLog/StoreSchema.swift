import GRDB

/// The tables of ``SQLiteEventStore``.
enum StoreSchema {
    /// "rtbr"; what `file` and other tools know the database by.
    static let applicationID = 0x7274_6272

    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1") { db in
            try db.execute(
                sql: """
                    PRAGMA application_id = \(applicationID);

                    CREATE TABLE store (
                        id INTEGER PRIMARY KEY CHECK (id = 1),
                        secret BLOB NOT NULL,
                        epoch INTEGER NOT NULL,
                        boot_id TEXT,
                        device INTEGER NOT NULL,
                        inode INTEGER NOT NULL,
                        synchronous TEXT NOT NULL,
                        stopped_clean INTEGER NOT NULL
                    ) STRICT;

                    -- Keys are never used again (AUTOINCREMENT): rows of a deleted session may outlive it for a while.
                    CREATE TABLE session (
                        key INTEGER PRIMARY KEY AUTOINCREMENT,
                        id TEXT NOT NULL UNIQUE,
                        owner TEXT,
                        created_at INTEGER NOT NULL,
                        model TEXT,
                        dialect TEXT NOT NULL,
                        upstream_name TEXT NOT NULL,
                        status TEXT NOT NULL,
                        end_reason TEXT,
                        ended_at INTEGER,
                        metadata BLOB NOT NULL,
                        settings BLOB NOT NULL,
                        upstream_dialect TEXT NOT NULL,
                        upstream_session_id TEXT,
                        generation INTEGER NOT NULL,
                        upstream_expires_at INTEGER,
                        configuration BLOB,
                        requested_configuration BLOB,
                        total_tokens INTEGER NOT NULL,
                        input_tokens INTEGER NOT NULL,
                        output_tokens INTEGER NOT NULL
                    ) STRICT;
                    CREATE INDEX session_live ON session (key) WHERE status NOT IN ('closed', 'failed');
                    CREATE INDEX session_ended ON session (ended_at) WHERE ended_at IS NOT NULL;

                    CREATE TABLE session_epoch (
                        session INTEGER NOT NULL,
                        epoch INTEGER NOT NULL,
                        first_seq INTEGER NOT NULL,
                        PRIMARY KEY (session, epoch)
                    ) STRICT, WITHOUT ROWID;

                    -- The frame is last: what only walks over rows does not load its overflow pages.
                    CREATE TABLE event (
                        session INTEGER NOT NULL,
                        seq INTEGER NOT NULL,
                        created_at_ms INTEGER NOT NULL,
                        cumulative_bytes INTEGER NOT NULL,
                        frame BLOB NOT NULL,
                        PRIMARY KEY (session, seq)
                    ) STRICT, WITHOUT ROWID;

                    CREATE TABLE item (
                        session INTEGER NOT NULL,
                        id TEXT NOT NULL,
                        created_seq INTEGER NOT NULL,
                        previous_item_id TEXT,
                        json BLOB NOT NULL,
                        updated_seq INTEGER NOT NULL,
                        status TEXT,
                        response_id TEXT,
                        produced_audio_bytes INTEGER NOT NULL,
                        truncated_at_ms INTEGER,
                        is_deleted INTEGER NOT NULL,
                        PRIMARY KEY (session, id)
                    ) STRICT;
                    CREATE INDEX item_shown ON item (session) WHERE is_deleted = 0;

                    CREATE TABLE response (
                        session INTEGER NOT NULL,
                        id TEXT NOT NULL,
                        created_seq INTEGER NOT NULL,
                        done_seq INTEGER,
                        status TEXT NOT NULL,
                        json BLOB NOT NULL,
                        token TEXT,
                        is_out_of_band INTEGER NOT NULL,
                        PRIMARY KEY (session, id)
                    ) STRICT;
                    CREATE INDEX response_open ON response (session, created_seq) WHERE done_seq IS NULL;

                    -- Deleted sessions whose rows are still there.
                    CREATE TABLE purge (session INTEGER PRIMARY KEY) STRICT;

                    CREATE TABLE probe (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT;
                    """)
        }
        migrator.registerMigration("2") { db in
            try db.execute(
                sql: """
                    ALTER TABLE session ADD COLUMN expires_at INTEGER;
                    CREATE INDEX session_expiring ON session (expires_at)
                        WHERE expires_at IS NOT NULL AND status NOT IN ('closed', 'failed');

                    -- Keys rise with age within a session. The content is last, so that sizes are read without its overflow pages.
                    CREATE TABLE item_input (
                        key INTEGER PRIMARY KEY,
                        session INTEGER NOT NULL,
                        item TEXT NOT NULL,
                        kind TEXT NOT NULL,
                        format TEXT,
                        bytes INTEGER NOT NULL,
                        content BLOB NOT NULL,
                        CHECK (kind <> 'audio' OR format IS NOT NULL)
                    ) STRICT;
                    CREATE UNIQUE INDEX item_input_item ON item_input (session, item);
                    CREATE INDEX item_input_session ON item_input (session);

                    -- What a session's inputs count; a sum over its rows at each of them would make many small ones slow.
                    CREATE TABLE item_input_total (session INTEGER PRIMARY KEY, bytes INTEGER NOT NULL) STRICT;
                    CREATE TRIGGER item_input_added AFTER INSERT ON item_input BEGIN
                        INSERT OR IGNORE INTO item_input_total VALUES (new.session, 0);
                        UPDATE item_input_total SET bytes = bytes + new.bytes + \(ItemInput.overheadBytes) WHERE session = new.session;
                    END;
                    CREATE TRIGGER item_input_removed AFTER DELETE ON item_input BEGIN
                        UPDATE item_input_total SET bytes = bytes - old.bytes - \(ItemInput.overheadBytes) WHERE session = old.session;
                    END;
                    """)
        }
        migrator.registerMigration("spoken") { db in
            try db.execute(
                sql: """
                    CREATE TABLE item_speech (
                        session INTEGER NOT NULL,
                        item TEXT NOT NULL,
                        generation INTEGER NOT NULL,
                        start_ms INTEGER,
                        length_ms INTEGER NOT NULL,
                        PRIMARY KEY (session, item)
                    ) STRICT, WITHOUT ROWID;
                    """)
        }
        migrator.registerMigration("places of deleted sessions") { db in
            try db.execute(
                sql: """
                    -- Where sessions stood in the list of all that are not there any more, for readers that stopped at one.
                    CREATE TABLE forgotten_session (
                        number INTEGER PRIMARY KEY AUTOINCREMENT,
                        id TEXT NOT NULL UNIQUE,
                        key INTEGER NOT NULL
                    ) STRICT;
                    """)
        }
        migrator.registerMigration("idempotency keys") { db in
            try db.execute(
                sql: """
                    -- Requests with an Idempotency-Key. Keys rise with age, so the first and the last tell about how many there are.
                    CREATE TABLE request (
                        key INTEGER PRIMARY KEY,
                        digest BLOB NOT NULL UNIQUE,
                        fingerprint BLOB NOT NULL,
                        created_at INTEGER NOT NULL
                    ) STRICT;

                    -- What such a request does once. An answer is an event of the session that the request is about.
                    CREATE TABLE request_step (
                        request INTEGER NOT NULL,
                        number INTEGER NOT NULL,
                        mark TEXT NOT NULL,
                        answer_seq INTEGER,
                        note BLOB,
                        PRIMARY KEY (request, number)
                    ) STRICT, WITHOUT ROWID;
                    """)
        }
        migrator.registerMigration("one-shots") { db in
            try db.execute(
                sql: """
                    -- 2: kept as long as other sessions.
                    ALTER TABLE session ADD COLUMN is_one_shot INTEGER NOT NULL DEFAULT 0;
                    CREATE INDEX session_one_shot ON session (ended_at) WHERE is_one_shot = 1 AND ended_at IS NOT NULL;
                    """)
        }
        migrator.registerMigration("webhooks") { db in
            try db.execute(
                sql: """
                    ALTER TABLE session ADD COLUMN webhooks BLOB;
                    ALTER TABLE session ADD COLUMN owes_outputs INTEGER NOT NULL DEFAULT 0;
                    CREATE INDEX session_owing ON session (key) WHERE owes_outputs = 1;
                    """)
        }
        migrator.registerMigration("one-shots counted") { db in
            try db.execute(sql: "CREATE INDEX session_one_shot_count ON session (is_one_shot) WHERE is_one_shot > 0")
        }
        migrator.registerMigration("uncommitted audio") { db in
            try db.execute(sql: "ALTER TABLE session ADD COLUMN uncommitted_audio_ms INTEGER NOT NULL DEFAULT 0")
        }
        return migrator
    }
}
