import Foundation
import GRDB
import Testing

@testable import EventLog

struct StoreFolderTests {
    @Test func aFolderIsHeldByOneLogUntilItIsClosed() async throws {
        let folder = try TemporaryFolder.make()
        let log = try EventLog.open(folder)
        #expect {
            try EventLog.open(folder)
        } throws: { error in
            let error = error as? EventLogError
            return error?.code == .locked && error?.message.contains(folder) == true
        }
        let secret = log.secret
        await log.close()
        let next = try EventLog.open(folder)
        #expect(next.secret == secret)
        #expect(secret.count == 32)
        await next.close()
    }

    @Test func onlyTheOwnerMayReadWhatIsStored() async throws {
        let folder = try TemporaryFolder.make() + "/deep/down"
        let log = try EventLog.open(folder)
        _ = try await log.createSession(.named("rts_1"))
        func mode(_ path: String) throws -> Int {
            let attributes = try FileManager.default.attributesOfItem(atPath: path)
            return try #require(attributes[.posixPermissions] as? NSNumber).intValue
        }
        #expect(try mode(folder) == 0o700)
        for name in ["lock", "events.sqlite", "events.sqlite-wal", "events.sqlite-shm"] {
            #expect(try mode(folder + "/" + name) == 0o600, "\(name)")
        }
        await log.close()
        // A clean stop leaves one file to copy.
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == ["events.sqlite", "lock"])
    }

    @Test(arguments: [(EventLogConfiguration.Synchronous.normal, 1), (.full, 2)])
    func theFileIsSetUpOnceAndForAll(_ synchronous: EventLogConfiguration.Synchronous, _ level: Int) throws {
        let store = try SQLiteEventStore(folder: TemporaryFolder.make(), synchronous: synchronous)
        let pragmas = try store.pool.writeWithoutTransaction { db in
            try ["auto_vacuum", "application_id", "journal_mode", "synchronous", "wal_autocheckpoint"].map { name in
                try String.fetchOne(db, sql: "PRAGMA \(name)")
            }
        }
        #expect(pragmas == ["2", "\(StoreSchema.applicationID)", "wal", "\(level)", "0"])
        try store.close()
    }

    @Test func whatIsNoStoreOfOursIsRefused() throws {
        let folder = try TemporaryFolder.make()
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try Data(repeating: 65, count: 8192).write(to: URL(fileURLWithPath: folder + "/events.sqlite"))
        #expect { try EventLog.open(folder) } throws: { ($0 as? EventLogError)?.code == .corrupt }
        #expect { try EventLog.open("/dev/null/x") } throws: { ($0 as? EventLogError)?.code == .unavailable }

        let other = try TemporaryFolder.make()
        try FileManager.default.createDirectory(atPath: other, withIntermediateDirectories: true)
        try DatabaseQueue(path: other + "/events.sqlite").write { try $0.execute(sql: "PRAGMA application_id = 7") }
        #expect { try EventLog.open(other) } throws: { ($0 as? EventLogError)?.code == .corrupt }
    }

    /// Lone commits of small events, each of which takes several pages: what counts is what the file grows by.
    @Test func theWriteAheadLogIsCopiedBackAndStartsOver() throws {
        let store = try SQLiteEventStore(folder: TemporaryFolder.make(), synchronous: .normal)
        // Without a writer's thread: what goes on while a checkpoint runs would be left to the next one.
        let sessions = [try store.createSession(.named("a")), try store.createSession(.named("b"))]
        var largest = 0
        for seq in 1...3000 {
            for session in sessions {
                let event = StoreWrite.Event(
                    seq: seq, createdAtMilliseconds: 0, frame: SessionHistory.frame(seq, 1500), cumulativeBytes: seq * 1564,
                    startsEpoch: nil)
                try store.commit([StoreWrite(session: session, event: event, changes: [], record: nil)])
                store.committed(bytes: 1564)
                store.waitForCheckpoint()
                largest = max(largest, store.folder.walBytes)
            }
        }
        let size = try FileManager.default.attributesOfItem(atPath: store.folder.databasePath)[.size]
        #expect(try #require(size as? NSNumber).intValue > 5_000_000)
        #expect(largest >= SQLiteEventStore.checkpointBytes)
        #expect(largest < SQLiteEventStore.checkpointBytes * 5 / 4)
        try store.close()
    }
}
