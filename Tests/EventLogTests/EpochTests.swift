import Foundation
import GRDB
import Testing

@testable import EventLog

struct EpochTests {
    static let file = FileIdentity(device: 1, inode: 2)

    @Test(arguments: [
        (boot: "a", inode: 2 as UInt64, last: EventLogConfiguration.Synchronous.normal, clean: false, stays: true),
        ("b", 2, .normal, false, false),
        ("b", 2, .normal, true, true),
        ("b", 2, .full, false, true),
        ("a", 3, .normal, false, false),
        ("a", 3, .full, true, false),
        ("", 2, .normal, false, false),
        ("", 2, .normal, true, true),
    ])
    func theEpochStaysOnlyIfNothingCanBeLost(
        _ boot: String, _ inode: UInt64, _ last: EventLogConfiguration.Synchronous, _ clean: Bool, _ stays: Bool
    ) {
        let before = StoreRun(bootID: boot.isEmpty ? nil : "a", file: Self.file, synchronous: last, stoppedClean: clean)
        let now = StoreRun(
            bootID: boot.isEmpty ? nil : boot, file: FileIdentity(device: 1, inode: inode), synchronous: .normal)
        #expect(StoreEpoch.next(after: before, epoch: 4, for: now) == (stays ? 4 : 5))
    }

    @Test(arguments: [
        ("1.0", CursorCheck.valid(afterSeq: 0)), ("1.50", .valid(afterSeq: 50)),
        ("1.51", .gap(why: .lostTail, resumeAfter: EventPosition(epoch: 1, seq: 50))),
        ("2.51", .gap(why: .lostTail, resumeAfter: EventPosition(epoch: 1, seq: 50))),
        ("3.51", .valid(afterSeq: 51)), ("3.60", .valid(afterSeq: 60)), ("3.50", .valid(afterSeq: 50)),
        // Epoch 4 has no events yet: what epoch 3 gave out beyond the tail was lost.
        ("3.61", .gap(why: .lostTail, resumeAfter: EventPosition(epoch: 3, seq: 60))),
        ("4.60", .valid(afterSeq: 60)),
        ("4.61", .gap(why: .unknown, resumeAfter: EventPosition(epoch: 1, seq: 0))),
        ("5.10", .gap(why: .unknown, resumeAfter: EventPosition(epoch: 1, seq: 0))),
    ])
    func aCursorIsHeldAgainstTheEpochsOfItsSession(_ cursor: String, _ check: CursorCheck) throws {
        var epochs = EpochList()
        epochs.begin(1, at: 1)
        epochs.begin(3, at: 51)
        let position = try #require(EventPosition(cursor))
        #expect(epochs.check(position, firstSeq: 1, lastSeq: 60, current: 4) == check)
    }

    @Test(arguments: [
        ("1.0", CursorCheck.gap(why: .retention, resumeAfter: EventPosition(epoch: 1, seq: 9))),
        ("1.8", .gap(why: .retention, resumeAfter: EventPosition(epoch: 1, seq: 9))),
        ("1.9", .valid(afterSeq: 9)), ("1.10", .valid(afterSeq: 10)),
        ("1.21", .gap(why: .unknown, resumeAfter: EventPosition(epoch: 1, seq: 9))),
    ])
    func aCursorOlderThanRetentionIsAGap(_ cursor: String, _ check: CursorCheck) throws {
        var epochs = EpochList()
        epochs.begin(1, at: 1)
        let position = try #require(EventPosition(cursor))
        #expect(epochs.check(position, firstSeq: 10, lastSeq: 20, current: 1) == check)
    }

    @Test func aReopenedStoreKeepsOrRaisesItsEpoch() async throws {
        let folder = try TemporaryFolder.make()
        func open(boot: String, file: FileIdentity = Self.file) throws -> SQLiteEventStore {
            try SQLiteEventStore(folder: folder, synchronous: .normal, bootID: boot, file: file)
        }
        let first = try open(boot: "a")
        #expect(first.epoch == 1)
        #expect(first.secret.count == 32)
        let log = EventLog.make(first)
        let history = try await log.createSession(.named("rts_1"))
        await history.commit(1...3)
        await log.close()

        // A clean stop, then another boot, without a clean stop.
        try SQLiteEventStore.abandon(open(boot: "b"))
        // The mark of the clean stop was for one start only.
        let second = try open(boot: "c")
        #expect(second.epoch == 2)
        #expect(second.secret == first.secret)
        let log2 = EventLog.make(second)
        let history2 = try #require(try await log2.history(of: "rts_1"))
        #expect(history2.tail.description == "1.3")
        #expect(history2.check(EventPosition(epoch: 1, seq: 5)) == .gap(why: .lostTail, resumeAfter: EventPosition(epoch: 1, seq: 3)))
        await history2.commit(4...6)
        #expect(history2.tail.description == "2.6")
        #expect(history2.position(ofSeq: 3).description == "1.3")
        #expect(history2.check(EventPosition(epoch: 1, seq: 4)) == .gap(why: .lostTail, resumeAfter: EventPosition(epoch: 1, seq: 3)))
        #expect(history2.check(EventPosition(epoch: 2, seq: 4)) == .valid(afterSeq: 4))
        let positions = try await history2.page(after: 0, limit: 10, maximumBytes: .max).map(\.position.description)
        #expect(positions == ["1.1", "1.2", "1.3", "2.4", "2.5", "2.6"])
        await log2.close()

        // A clean stop: the same epoch on another boot. Another file: a higher one.
        try SQLiteEventStore.abandon(open(boot: "d"), expecting: 2)
        try SQLiteEventStore.abandon(open(boot: "d", file: FileIdentity(device: 1, inode: 9)), expecting: 3)
        let last = try open(boot: "d", file: FileIdentity(device: 1, inode: 9))
        #expect(last.epoch == 3)
        let epochs = try #require(try await last.history(of: "rts_1")).epochs
        #expect(epochs.starts == [.init(epoch: 1, firstSeq: 1), .init(epoch: 2, firstSeq: 4)])
        try last.close()
    }

    /// What a kill leaves behind is what lies in the files at that moment.
    @Test func aCopyTakenAtAnyMomentHoldsADensePrefixInANewEpoch() async throws {
        let folder = try TemporaryFolder.make()
        let store = try SQLiteEventStore(folder: folder, synchronous: .normal)
        let log = EventLog.make(store)
        let history = try await log.createSession(.named("rts_1"))
        await history.commit(1, changes: [.item(.named("i", seq: 1, json: "1"))])
        let feeder = Task {
            for seq in 2...20_000 {
                history.append(
                    LogEntry(
                        seq: seq, frame: SessionHistory.frame(seq, 300), createdAtMilliseconds: 0,
                        changes: [.item(.named("i", seq: 1, json: "\(seq)"))]))
                await history.waitForRoom()
            }
        }
        for _ in 0..<5 {
            let copy = try TemporaryFolder.make()
            try FileManager.default.createDirectory(atPath: copy, withIntermediateDirectories: true)
            let visible = history.tail.seq
            // No checkpoint may run between the two copies: with the writer's connection held none can start over the WAL.
            try await store.pool.barrierWriteWithoutTransaction { _ in
                for name in ["events.sqlite", "events.sqlite-wal"] {
                    try FileManager.default.copyItem(atPath: folder + "/" + name, toPath: copy + "/" + name)
                }
            }
            let reopened = try EventLog.open(copy)
            let found = try #require(try await reopened.history(of: "rts_1"))
            let seqs = try await found.pagedSeqs()
            #expect(seqs == Array(1...found.tail.seq))
            #expect(found.tail.seq >= visible)
            #expect(found.position(ofSeq: 1).epoch == 1)
            // I8: the row is the one of the last event.
            let item = try await reopened.item("i", of: "rts_1")
            #expect(item?.json == Array("\(found.tail.seq)".utf8))
            await found.commit(found.tail.seq + 1)
            #expect(found.tail.epoch == 2)
            await reopened.close()
        }
        await feeder.value
        await log.close()
    }
}

extension SQLiteEventStore {
    /// Ends without the mark of a clean stop.
    static func abandon(_ store: SQLiteEventStore, expecting epoch: Int = 1) throws {
        #expect(store.epoch == epoch)
        try store.pool.close()
    }
}
