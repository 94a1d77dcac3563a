import Dispatch
import GRDB
import NIOConcurrencyHelpers
import Testing

@testable import EventLog

@Suite(.timeLimit(.minutes(1)))
struct StoreFailureTests {
    static let full = EventLogError(.unavailable, "full")

    @Test func aPassingFailureIsTriedAgain() async throws {
        let store = InterceptedStore(MemoryEventStore())
        let log = EventLog.make(store) { $0.storeRetryTime = .seconds(30) }
        let history = try await log.createSession(.named("a"))
        let tries = NIOLockedValueBox(0)
        let healthy = NIOLockedValueBox<[Bool]>([])
        store.onCommit { [weak log] _ throws(EventLogError) in
            healthy.withLockedValue { $0.append(log?.isHealthy ?? false) }
            let isLast = tries.withLockedValue { tries in
                tries += 1
                return tries == 3
            }
            if !isLast { throw Self.full }
        }
        let result = await history.commit(1)
        #expect(result.failureCode == nil)
        #expect(healthy.withLockedValue { $0 } == [true, false, false])
        #expect(log.isHealthy)
        #expect(log.metrics.failedCommits == 2)
        await log.close()
    }

    @Test func whatCannotBeStoredDoesNotExistAndTheSessionGoesOnAfterAReload() async throws {
        let store = InterceptedStore(MemoryEventStore())
        let log = EventLog.make(store)
        let history = try await log.createSession(.named("a"))
        await history.commit(1...2)
        let isFull = NIOLockedValueBox(true)
        store.onCommit { _ throws(EventLogError) in
            if isFull.withLockedValue({ $0 }) { throw Self.full }
        }
        let failures = NIOLockedValueBox<[Int]>([])
        for seq in 3...5 {
            history.append(
                LogEntry(seq: seq, frame: [1], createdAtMilliseconds: 0) { result in
                    if result.failureCode == .unavailable { failures.withLockedValue { $0.append(seq) } }
                })
        }
        // In its place behind the others; refused like them.
        let result = await history.commit(6)
        #expect(result.failureCode == .unavailable)
        #expect(failures.withLockedValue { $0 } == [3, 4, 5])
        #expect(!log.isHealthy)
        #expect(history.failure?.code == .unavailable)
        #expect(history.tail.seq == 2)
        #expect(history.windowSeqs(after: 0) == [1, 2])
        #expect(history.window(after: 2, maximumBytes: 1).name == "caughtUp")
        #expect(history.waitingBytes == 0)

        isFull.withLockedValue { $0 = false }
        // Not before the reload, or an event would follow one that does not exist.
        let refused = await history.commit(7)
        #expect(refused.failureCode == .unavailable)
        #expect(try history.reload() == EventPosition(epoch: 1, seq: 2))
        let again = await history.commit(3)
        #expect(again.failureCode == nil)
        #expect(log.isHealthy)
        #expect(history.windowSeqs(after: 0) == [1, 2, 3])
        let seqs = try await history.pagedSeqs()
        #expect(seqs == [1, 2, 3])
        await log.close()
    }

    /// The writer holds entries of before the failure; the session reloads and appends an event of the same number meanwhile.
    @Test func entriesOfBeforeAReloadFailAlsoBehindIt() async throws {
        let store = InterceptedStore(MemoryEventStore())
        let log = EventLog.make(store)
        let history = try await log.createSession(.named("a"))
        let other = try await log.createSession(.named("b"))
        let gate = CommitOrderTests.Gate()
        let commits = NIOLockedValueBox(0)
        store.onCommit { _ throws(EventLogError) in
            let number = commits.withLockedValue { commits in
                commits += 1
                return commits
            }
            if number <= 2 { gate.pass() }
            if number == 1 { throw Self.full }
        }
        history.append(LogEntry(seq: 1, frame: [1], createdAtMilliseconds: 0))
        await gate.reached.wait()
        let stale = NIOLockedValueBox<EventLogError.Code?>(nil)
        // Fills the next batch, so that the stale entry is in the one after it.
        for seq in 1...4000 { other.append(LogEntry(seq: seq, frame: [1], createdAtMilliseconds: 0)) }
        history.append(
            LogEntry(seq: 2, frame: [2], createdAtMilliseconds: 0) { result in
                stale.withLockedValue { $0 = result.failureCode }
            })
        gate.letGo()
        await gate.reached.wait()
        #expect(try history.reload().seq == 0)
        gate.letGo()
        let result = await history.commit(1, [9])
        #expect(result.failureCode == nil)
        #expect(stale.withLockedValue { $0 } == .unavailable)
        let page = try await history.page(after: 0, limit: 10, maximumBytes: .max)
        #expect(page.map(\.frame) == [[9]])
        await log.close()
    }

    @Test(arguments: [0, 2, 4, 9])
    func anEventThatDoesNotFollowFailsTheHistoryUntilAReload(seq: Int) async throws {
        let log = EventLog.make()
        let history = try await log.createSession(.named("a"))
        await history.commit(1...2)
        let refused = await history.commit(seq)
        #expect(refused.failureCode == .corrupt)
        #expect(history.failure?.code == .corrupt)
        let next = await history.commit(3)
        #expect(next.failureCode == .corrupt)
        #expect(history.waitingBytes == 0)
        #expect(try history.reload().seq == 2)
        let again = await history.commit(3)
        #expect(again.failureCode == nil)
        #expect(history.windowSeqs(after: 0) == [1, 2, 3])
        #expect(log.isHealthy)
        await log.close()
    }

    @Test(arguments: StoreKind.allCases)
    func oneSessionsBadEntryDoesNotTakeTheOthersWithIt(_ kind: StoreKind) async throws {
        let base = try kind.makeStore()
        let store = InterceptedStore(base)
        let log = EventLog.make(store)
        let good = try await log.createSession(.named("a"))
        let bad = try await log.createSession(.named("b"))
        // Somebody wrote an event 1 of the second session behind our back.
        try base.commit([
            StoreWrite(
                session: bad.key,
                event: .init(seq: 1, createdAtMilliseconds: 0, frame: [], cumulativeBytes: 64, startsEpoch: nil), changes: [],
                record: nil)
        ])
        let gate = CommitOrderTests.Gate()
        let isFirst = NIOLockedValueBox(true)
        store.onCommit { _ in
            let mustWait = isFirst.withLockedValue { isFirst in
                defer { isFirst = false }
                return isFirst
            }
            if mustWait { gate.pass() }
        }
        good.append(LogEntry(seq: 1, frame: [1], createdAtMilliseconds: 0))
        await gate.reached.wait()
        good.append(LogEntry(seq: 2, frame: [1], createdAtMilliseconds: 0))
        let badDone = Latch()
        let code = NIOLockedValueBox<EventLogError.Code?>(nil)
        bad.append(
            LogEntry(seq: 1, frame: [1], createdAtMilliseconds: 0) { result in
                code.withLockedValue { $0 = result.failureCode }
                badDone.set()
            })
        gate.letGo()
        let result = await good.commit(3)
        await badDone.wait()
        #expect(result.failureCode == nil)
        #expect(code.withLockedValue { $0 } == .corrupt)
        #expect(log.isHealthy)
        let seqs = try await good.pagedSeqs()
        #expect(seqs == [1, 2, 3])
        await log.close()
    }

    @Test func aFullDiskFailsAppendsKeepsReadersAndHeals() async throws {
        let store = try SQLiteEventStore(folder: TemporaryFolder.make(), synchronous: .normal)
        let log = EventLog.make(store)
        let history = try await log.createSession(.named("a"))
        await history.commit(1...10)
        func limitPages(to extra: Int?) throws {
            try store.pool.writeWithoutTransaction { db in
                let pages = try Int.fetchOne(db, sql: "PRAGMA page_count") ?? 0
                try db.execute(sql: "PRAGMA max_page_count = \(extra.map { pages + $0 } ?? 1_000_000)")
            }
        }
        try limitPages(to: 2)
        let refused = await history.commit(11, [UInt8](repeating: 1, count: 100_000))
        #expect(refused.failureCode == .unavailable)
        #expect(!log.isHealthy)
        // If the log was what filled the disk, its room is free now.
        #expect(store.folder.walBytes == 0)
        let seqs = try await history.pagedSeqs()
        #expect(seqs == Array(1...10))
        try limitPages(to: nil)
        _ = try history.reload()
        let stored = await history.commit(11, [UInt8](repeating: 1, count: 100_000))
        #expect(stored.failureCode == nil)
        #expect(log.isHealthy)
        await log.close()
    }

    @Test func aProbeGivesTheLogsRoomBackBeforeItWrites() async throws {
        let store = try SQLiteEventStore(folder: TemporaryFolder.make(), synchronous: .normal)
        _ = try store.createSession(.named("a"))
        try store.commit([
            StoreWrite(
                session: 1,
                event: .init(
                    seq: 1, createdAtMilliseconds: 0, frame: [UInt8](repeating: 1, count: 1_000_000), cumulativeBytes: 1, startsEpoch: nil),
                changes: [], record: nil)
        ])
        #expect(store.folder.walBytes > 1_000_000)
        try store.probe()
        #expect(store.folder.walBytes < 500_000)
        try store.close()
    }

    @Test func theWriterFindsOutByItselfThatTheStoreWritesAgain() async throws {
        let store = InterceptedStore(MemoryEventStore())
        let log = EventLog.make(store)
        let history = try await log.createSession(.named("a"))
        let gate = CommitOrderTests.Gate()
        store.onCommit { writes throws(EventLogError) in
            guard writes.isEmpty else { throw Self.full }
            gate.pass()
        }
        await history.commit(1)
        await gate.reached.wait()
        #expect(!log.isHealthy)
        gate.letGo()
        // Something in the writer's queue that is no commit.
        try await log.applyRetention()
        #expect(log.isHealthy)
        await log.close()
    }
}
