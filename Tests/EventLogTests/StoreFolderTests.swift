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
    @Test func theWriteAheadLogIsCopiedBackAndStartsOver() async throws {
        let folder = try TemporaryFolder.make()
        let store = try SQLiteEventStore(folder: folder, synchronous: .normal)
        let log = EventLog.make(store)
        let histories = [try await log.createSession(.named("a")), try await log.createSession(.named("b"))]
        var largest = 0
        for seq in 1...2500 {
            for history in histories {
                await history.commit(seq, SessionHistory.frame(seq, 1500))
                // The writer asks for a checkpoint behind its commit, and an operation comes behind that. What is committed while a
                // checkpoint runs would be left to the next one.
                try await log.applyRetention()
                store.waitForCheckpoint()
                largest = max(largest, store.folder.walBytes)
            }
        }
        let status = try FileManager.default.attributesOfItem(atPath: folder + "/events.sqlite")
        #expect(try #require(status[.size] as? NSNumber).intValue > 5_000_000)
        #expect(largest >= SQLiteEventStore.checkpointBytes)
        #expect(largest < SQLiteEventStore.checkpointBytes * 5 / 4)
        await log.close()
    }
}
