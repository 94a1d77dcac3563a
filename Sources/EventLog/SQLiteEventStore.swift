import Dispatch
import Foundation
import GRDB
import NIOConcurrencyHelpers

/// Keeps everything in one SQLite file, in WAL mode.
///
/// One connection writes, on the log's writer thread; readers are GRDB's pool. Checkpoints copy the WAL back every 4 MiB from a
/// connection of their own, so that no commit waits for their two fsyncs. Where the disk has less room left than the WAL takes, or has
/// none, the writer waits for a checkpoint that gives the WAL's room back.
package final class SQLiteEventStore: EventStore {
    package let epoch: Int
    package let secret: [UInt8]

    let pool: DatabasePool
    let folder: StoreFolder
    let inputBytesPerSession: Int
    private let checkpointer: DatabaseQueue
    private let checkpoints = DispatchQueue(label: "event-log.checkpoint")
    private let log = NIOLockedValueBox(WriteAheadLog())

    private struct WriteAheadLog: Sendable {
        /// Of entries, since the file's size was last looked at.
        var unseenCommits = 0
        var unseenBytes = 0
        /// The file's size at the last checkpoint, or 0 if it has started over since.
        var checkpointedBytes = 0
        var isCheckpointing = false
        /// A write failed for want of room, and none has succeeded since.
        var isOutOfRoom = false
    }

    /// A batch of 1,000 sessions touches a page of each; with SQLite's 2 MiB it would spill them while it runs.
    private static let writerCacheKibibytes = 16 * 1024
    /// The file's size is looked at after so many commits or bytes of entries; one look costs a twentieth of a commit.
    private static let unseenCommits = 16
    private static let unseenBytes = 256 * 1024
    static let checkpointBytes = 4 * 1024 * 1024
    /// Readers that never let the WAL start over let it grow; past this the writer waits for them.
    private static let truncateBytes = 64 * 1024 * 1024
    private static let reclaimPages = 4096

    /// - Parameter bootID: the machine's, to tell whether it was restarted.
    /// - Parameter file: stands for the database file's device and inode; nil asks the file.
    package init(
        folder path: String, synchronous: EventLogConfiguration.Synchronous,
        inputBytesPerSession: Int = EventLogConfiguration.defaultInputBytesPerSession, bootID: String? = StoreFolder.bootID,
        file: FileIdentity? = nil
    ) throws(EventLogError) {
        self.inputBytesPerSession = inputBytesPerSession
        folder = try StoreFolder(path)
        do {
            var configuration = Configuration()
            configuration.label = "event-log"
            configuration.maximumReaderCount = 3
            // Only another program on the same file can hold it; the writer tries again by itself, and for longer.
            configuration.busyMode = .timeout(0.2)
            configuration.prepareDatabase { db in
                // Before the first page is written, hence before WAL mode and the first table; later it has no effect.
                if !db.configuration.readonly { try db.execute(sql: "PRAGMA auto_vacuum = INCREMENTAL") }
                try db.execute(sql: "PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = \(synchronous.rawValue)")
            }
            pool = try DatabasePool(path: folder.databasePath, configuration: configuration)
            let applicationID = try pool.read { try Int.fetchOne($0, sql: "PRAGMA application_id") } ?? 0
            guard applicationID == 0 || applicationID == StoreSchema.applicationID else {
                throw EventLogError(.corrupt, "\(folder.databasePath) is another program's database.")
            }
            let isNewer = try pool.read { try StoreSchema.migrator.hasBeenSuperseded($0) }
            guard !isNewer else { throw EventLogError(.corrupt, "\(folder.databasePath) was made by a newer version.") }
            try StoreSchema.migrator.migrate(pool)
            let run = StoreRun(bootID: bootID, file: try file ?? folder.identity(), synchronous: synchronous)
            (epoch, secret) = try pool.writeWithoutTransaction { db in
                // Synced whatever the mode: if a power cut took the end of a clean stop's mark but not the stop itself, events of
                // this run could be lost without the epoch showing it.
                try db.execute(sql: "PRAGMA synchronous = FULL")
                let begun = try Self.begin(run, db)
                // GRDB sets NORMAL when it turns WAL on, after `prepareDatabase`.
                // Without a limit of 0 a WAL that starts over would keep the size it once had, and its size would not tell what it holds.
                try db.execute(
                    sql: """
                        PRAGMA synchronous = \(synchronous.rawValue);
                        PRAGMA cache_size = -\(Self.writerCacheKibibytes);
                        PRAGMA journal_size_limit = 0
                        """)
                return begun
            }
            checkpointer = try DatabaseQueue(path: folder.databasePath, configuration: configuration)
        } catch let error as EventLogError {
            throw error
        } catch {
            throw EventLogError(sqlite: error)
        }
    }

    private static func begin(_ run: StoreRun, _ db: Database) throws -> (epoch: Int, secret: [UInt8]) {
        var begun: (epoch: Int, secret: [UInt8])
        if let row = try Row.fetchOne(db, sql: "SELECT * FROM store") {
            let last = StoreRun(
                bootID: row["boot_id"],
                file: FileIdentity(
                    device: UInt64(bitPattern: row["device"] as Int64), inode: UInt64(bitPattern: row["inode"] as Int64)),
                synchronous: EventLogConfiguration.Synchronous(rawValue: row["synchronous"]) ?? .normal,
                stoppedClean: row["stopped_clean"])
            begun = (StoreEpoch.next(after: last, epoch: row["epoch"], for: run), [UInt8](row["secret"] as Data))
        } else {
            begun = (1, (0..<32).map { _ in UInt8.random(in: .min ... .max) })
        }
        try db.inTransaction(.immediate) {
            try db.execute(
                sql: "INSERT OR REPLACE INTO store VALUES (1, ?, ?, ?, ?, ?, ?, 0)",
                arguments: [
                    Data(begun.secret), begun.epoch, run.bootID, Int64(bitPattern: run.file.device),
                    Int64(bitPattern: run.file.inode), run.synchronous.rawValue,
                ])
            return .commit
        }
        return begun
    }

    // MARK: Writing

    func write<T>(_ body: (Database) throws -> T) throws(EventLogError) -> T {
        do {
            let value = try pool.write(body)
            log.withLockedValue { $0.isOutOfRoom = false }
            return value
        } catch {
            let code = (error as? DatabaseError)?.resultCode
            if code == .SQLITE_FULL || code == .SQLITE_IOERR { ranOutOfRoom() }
            throw EventLogError(sqlite: error)
        }
    }

    /// It may be the WAL that fills the disk. Once in a row of failures; then ``probe()`` sees to it.
    private func ranOutOfRoom() {
        let isFirst = log.withLockedValue { log in
            defer { log.isOutOfRoom = true }
            return !log.isOutOfRoom
        }
        if isFirst { truncateLog() }
    }

    /// Copies all of the WAL back and gives its room to the file system. Failing is harmless, the next one does it: readers may hold pages
    /// back, the disk may be full.
    private func truncateLog() {
        _ = try? pool.writeWithoutTransaction { try $0.checkpoint(.truncate) }
    }

    package func commit(_ writes: [StoreWrite]) throws(EventLogError) {
        try write { db in
            let events = try db.cachedStatement(sql: "INSERT INTO event VALUES (?, ?, ?, ?, ?)")
            for write in writes {
                if let event = write.event {
                    try events.execute(arguments: [
                        write.session, event.seq, event.createdAtMilliseconds, event.cumulativeBytes, Data(event.frame),
                    ])
                    if let epoch = event.startsEpoch {
                        try db.cachedStatement(sql: "INSERT INTO session_epoch VALUES (?, ?, ?)")
                            .execute(arguments: [write.session, epoch, event.seq])
                    }
                }
                for change in write.changes {
                    switch change {
                    case .item(let item):
                        try item.save(in: write.session, db)
                        if item.isDeleted { try removeInput(of: item.id, in: write.session, db) }
                    case .response(let response): try response.save(in: write.session, db)
                    case .input(let item, let input): try keep(input, of: item, in: write.session, db)
                    case .speech(let item, let speech): try speech.save(of: item, in: write.session, db)
                    case .inputCopied(let item, let source): try copyInput(of: item, from: source, to: write.session, db)
                    }
                }
                if let record = write.record { try record.update(write.session, db) }
                if let event = write.event {
                    for step in write.answeredSteps { try answer(step, seq: event.seq, db) }
                }
                try settle(write.settledSteps, db)
            }
        }
    }

    package func createSession(_ record: SessionRecord) throws(EventLogError) -> SessionKey {
        do throws(EventLogError) {
            return try write { db in
                try record.insert(db)
                return db.lastInsertedRowID
            }
        } catch {
            let isDuplicate = (error.cause as? DatabaseError)?.extendedResultCode == .SQLITE_CONSTRAINT_UNIQUE
            throw isDuplicate ? .duplicateSession : error
        }
    }

    package func removableEvents(
        of session: SessionKey, keepingBytes: Int, maximumRows: Int
    ) throws(EventLogError) -> RemovablePrefix? {
        do {
            return try pool.writeWithoutTransaction { db in
                let last = try Row.fetchOne(
                    try db.cachedStatement(
                        sql: "SELECT seq, cumulative_bytes FROM event WHERE session = ? ORDER BY seq DESC LIMIT 1"),
                    arguments: [session])
                guard let last else { return nil }
                let (lastSeq, removable) = (last[0] as Int, (last[1] as Int) - keepingBytes)
                let oldest = try Row.fetchCursor(
                    try db.cachedStatement(
                        sql: "SELECT seq, cumulative_bytes FROM event WHERE session = ? AND seq < ? ORDER BY seq LIMIT ?"),
                    arguments: [session, lastSeq, maximumRows])
                var prefix: RemovablePrefix?
                while let row = try oldest.next(), (row[1] as Int) <= removable {
                    prefix = RemovablePrefix(throughSeq: row[0], cumulativeBytes: row[1])
                }
                return prefix
            }
        } catch {
            throw EventLogError(sqlite: error)
        }
    }

    package func removeEvents(of session: SessionKey, through seq: Int) throws(EventLogError) {
        try write { db in
            try db.cachedStatement(sql: "DELETE FROM event WHERE session = ? AND seq <= ?").execute(arguments: [session, seq])
        }
    }

    package func forgetSession(_ id: String) throws(EventLogError) {
        try write { db in try Self.forget(id, db) }
    }

    package func forgetSessions(endedBefore seconds: Int, oneShots: Int, limit: Int) throws(EventLogError) -> [String] {
        try write { db in
            // Spelt as the conditions of their indexes, so that these are used.
            let ids = try String.fetchAll(
                db,
                sql: """
                    SELECT id FROM session WHERE ended_at < ?
                    UNION SELECT id FROM session WHERE is_one_shot = 1 AND ended_at IS NOT NULL AND ended_at < ? LIMIT ?
                    """, arguments: [seconds, oneShots, limit])
            for id in ids { try Self.forget(id, db) }
            return ids
        }
    }

    private static func forget(_ id: String, _ db: Database) throws {
        try db.execute(sql: "INSERT INTO purge SELECT key FROM session WHERE id = ?", arguments: [id])
        // Those in no list are no places in one.
        try db.execute(
            sql: "INSERT OR REPLACE INTO forgotten_session (id, key) SELECT id, key FROM session WHERE id = ? AND is_one_shot = 0",
            arguments: [id])
        try db.execute(
            sql: "DELETE FROM forgotten_session WHERE number <= (SELECT max(number) FROM forgotten_session) - ?",
            arguments: [SessionQuery.forgottenPlaces])
        try db.execute(sql: "DELETE FROM session WHERE id = ?", arguments: [id])
    }

    package func purgeTurn(maximumRows: Int) throws(EventLogError) -> Bool {
        try write { db in
            guard let session = try SessionKey.fetchOne(db, sql: "SELECT session FROM purge LIMIT 1") else {
                return try Self.reclaim(db)
            }
            if try Self.purgeInputs(of: session, maximumRows: maximumRows, db) { return true }
            for (table, key) in [("event", "seq"), ("item", "rowid"), ("response", "rowid"), ("item_speech", "item")] {
                try db.execute(
                    sql: """
                        DELETE FROM \(table) WHERE session = ?1 AND \(key) IN
                            (SELECT \(key) FROM \(table) WHERE session = ?1 ORDER BY \(key) LIMIT ?2)
                        """, arguments: [session, maximumRows])
                if db.changesCount > 0 { return true }
            }
            try db.execute(sql: "DELETE FROM session_epoch WHERE session = ?", arguments: [session])
            try db.execute(sql: "DELETE FROM purge WHERE session = ?", arguments: [session])
            return true
        }
    }

    /// Gives free pages back to the file system, some at a time; a few are kept, since new events will want them.
    private static func reclaim(_ db: Database) throws -> Bool {
        guard try Int.fetchOne(db, sql: "PRAGMA freelist_count") ?? 0 > reclaimPages else { return false }
        try db.execute(sql: "PRAGMA incremental_vacuum(500)")
        return true
    }

    package func probe() throws(EventLogError) {
        truncateLog()
        // An update in place may fit where nothing else does, so it has to be new pages, and they have to be committed.
        try write { db in try db.execute(sql: "INSERT OR REPLACE INTO probe VALUES (1, zeroblob(65536))") }
        try write { db in try db.execute(sql: "DELETE FROM probe") }
    }

    // MARK: Checkpoints and end

    package func committed(bytes: Int) {
        let mustLook = log.withLockedValue { log in
            log.unseenCommits += 1
            log.unseenBytes += bytes
            guard log.unseenCommits >= Self.unseenCommits || log.unseenBytes >= Self.unseenBytes else { return false }
            (log.unseenCommits, log.unseenBytes) = (0, 0)
            return !log.isCheckpointing
        }
        guard mustLook else { return }
        let size = folder.walBytes
        let room = folder.freeBytes
        // Near the end of the disk in smaller steps, so that what is still to be copied back fits into what is left.
        let step = min(Self.checkpointBytes, max(Self.unseenBytes, room / 2))
        let isDue = log.withLockedValue { log in
            if size < log.checkpointedBytes { log.checkpointedBytes = 0 }
            guard size - log.checkpointedBytes >= step else { return false }
            log.checkpointedBytes = size
            log.isCheckpointing = true
            return true
        }
        guard isDue else { return }
        if size > min(Self.truncateBytes, room) {
            truncateLog()
            log.withLockedValue { $0.isCheckpointing = false }
        } else {
            checkpoints.async {
                _ = try? self.checkpointer.inDatabase { try $0.checkpoint(.passive) }
                self.log.withLockedValue { $0.isCheckpointing = false }
            }
        }
    }

    /// Blocks until no checkpoint runs beside the writer.
    func waitForCheckpoint() {
        checkpoints.sync {}
    }

    package func close() throws(EventLogError) {
        defer { folder.release() }
        do {
            waitForCheckpoint()
            // GRDB closes its readers last, and those, being read-only, would leave the WAL behind.
            try pool.close()
            try checkpointer.inDatabase { db in
                // The mark is synced, and with it, being the last in the log, all that was written before it.
                try db.execute(sql: "PRAGMA synchronous = FULL")
                try db.checkpoint(.truncate)
                try db.execute(sql: "UPDATE store SET stopped_clean = 1")
            }
            // The last connection copies the mark into the file and removes the WAL.
            try checkpointer.close()
        } catch {
            throw EventLogError(sqlite: error)
        }
    }
}

extension EventLogError {
    init(sqlite error: any Error) {
        switch (error as? DatabaseError)?.resultCode {
        case .SQLITE_CORRUPT?, .SQLITE_NOTADB?, .SQLITE_CONSTRAINT?, .SQLITE_TOOBIG?, .SQLITE_MISMATCH?:
            self.init(.corrupt, "The event store is damaged or was asked to hold what it cannot.", cause: error)
        case .SQLITE_MISUSE?:
            // What GRDB answers once the connection is closed.
            self.init(.closed, EventLogError.logClosed.message, cause: error)
        default:
            self.init(.unavailable, "The event store cannot be used now.", cause: error)
        }
    }
}
