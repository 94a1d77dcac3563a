import NIOConcurrencyHelpers
import Testing

@testable import EventLog

@Suite(.timeLimit(.minutes(1)))
struct RetentionTests {
    @Test(arguments: StoreKind.allCases)
    func theOldestEventsGoAndCursorsBeforeThemAreGaps(_ kind: StoreKind) async throws {
        let store = try kind.makeStore()
        let log = EventLog.make(store) { configuration in
            configuration.retainedBytesPerSession = 100 * 164
            configuration.windowBytesPerSession = 10 * 164
        }
        let history = try await log.createSession(.named("a"))
        await history.commit(1...1700, frameBytes: 100)
        try await log.applyRetention()
        #expect(history.start.seq == 1600)
        #expect(history.tail.seq == 1700)
        let seqs = try await history.pagedSeqs(after: 1600)
        #expect(seqs == Array(1601...1700))
        let old = try await history.page(after: 5, limit: 10, maximumBytes: .max)
        #expect(old.isEmpty)
        #expect(history.check(EventPosition(epoch: 1, seq: 1599)) == .gap(why: .retention, resumeAfter: history.start))
        #expect(history.check(EventPosition(epoch: 1, seq: 1600)) == .valid(afterSeq: 1600))
        let stored = try await log.storedSession("a")
        #expect(stored?.firstSeq == 1601)

        // Counted on from there, also by a history that was read again.
        let row = try #require(try await store.history(of: "a"))
        #expect(row.removedBytes == 1600 * 164)
        await history.commit(1701...1710, frameBytes: 100)
        try await log.applyRetention()
        #expect(history.start.seq == 1610)
        await log.close()
    }

    @Test(arguments: StoreKind.allCases)
    func theLastEventStaysWhateverItsSize(_ kind: StoreKind) async throws {
        let log = EventLog.make(try kind.makeStore()) { $0.retainedBytesPerSession = 10 }
        let history = try await log.createSession(.named("a"))
        await history.commit(1...3, frameBytes: 1000)
        try await log.applyRetention()
        #expect(history.start.seq == 2)
        let seqs = try await history.pagedSeqs(after: 2)
        #expect(seqs == [3])
        await log.close()
    }

    @Test(arguments: StoreKind.allCases)
    func sessionsThatEndedLongAgoAreDeleted(_ kind: StoreKind) async throws {
        let now = NIOLockedValueBox(1_000_000)
        let log = EventLog.make(try kind.makeStore(), now: { now.withLockedValue { $0 } }) { $0.retainedAfterEnd = .seconds(100) }
        for (id, endedAt) in [("old", 999_990), ("new", 1_000_050), ("live", nil)] as [(String, Int?)] {
            let history = try await log.createSession(.named(id))
            var record = SessionRecord.named(id, status: endedAt == nil ? .active : .closed)
            record.endedAt = endedAt
            await history.commit(1, record: record)
        }
        func stored() async throws -> [String] {
            try await log.applyRetention()
            return try await log.sessions(SessionQuery(owner: .any)).summaries.map(\.record.id)
        }
        #expect(try await stored() == ["live", "new", "old"])
        now.withLockedValue { $0 = 1_000_091 }
        #expect(try await stored() == ["live", "new"])
        let gone = try await log.history(of: "old")
        #expect(gone == nil)
        now.withLockedValue { $0 = 1_000_151 }
        #expect(try await stored() == ["live"])
        await log.close()
    }

    @Test(arguments: StoreKind.allCases)
    func whatWasMadeForOneResponseIsInNoListAndGoesSooner(_ kind: StoreKind) async throws {
        let now = NIOLockedValueBox(1_000_000)
        let log = EventLog.make(try kind.makeStore(), now: { now.withLockedValue { $0 } }) {
            ($0.retainedAfterEnd, $0.oneShotRetainedAfterEnd) = (.seconds(1_000), .seconds(100))
        }
        for (id, isOneShot, hasEnded) in [
            ("a", false, true), ("b", true, true), ("c", true, false), ("d", false, false), ("e", true, true),
        ] {
            var record = SessionRecord.named(id, status: hasEnded ? .closed : .active, isOneShot: isOneShot, isKept: id == "e")
            let history = try await log.createSession(record)
            record.endedAt = hasEnded ? 1_000_000 : nil
            await history.commit(1, record: record)
            #expect(try await log.storedSession(id)?.record == record)
        }
        func listed() async throws -> [String] { try await log.sessions(SessionQuery(owner: .any)).summaries.map(\.record.id) }
        #expect(try await listed() == ["d", "a"])
        #expect(try await log.sessionsNeedingRecovery() == ["c", "d"])
        #expect(try await log.sessionCounts() == SessionCounts(live: 2, stored: 2, oneShots: 3))
        func kept() async throws -> [String] {
            try await log.applyRetention()
            var kept: [String] = []
            for id in ["a", "b", "c", "d", "e"] where try await log.storedSession(id) != nil { kept.append(id) }
            return kept
        }
        now.withLockedValue { $0 = 1_000_100 }
        #expect(try await kept() == ["a", "b", "c", "d", "e"])
        now.withLockedValue { $0 = 1_000_101 }
        #expect(try await kept() == ["a", "c", "d", "e"])
        now.withLockedValue { $0 = 1_001_001 }
        #expect(try await kept() == ["c", "d"])
        // A place in the list outlives its element; what was in no list has none.
        var after = SessionQuery(owner: .any)
        after.after = "a"
        #expect(try await log.sessions(after).isCursorKnown)
        after.after = "b"
        #expect(try await log.sessions(after).isCursorKnown == false)
        await log.close()
    }

    @Test func aSessionsWindowHoldsItsNewestEvents() async throws {
        let log = EventLog.make { $0.windowBytesPerSession = 10 * 164 }
        let history = try await log.createSession(.named("a"))
        await history.commit(1...25, frameBytes: 100)
        #expect(history.window(after: 14, maximumBytes: 1).name == "behind")
        #expect(history.windowSeqs(after: 15) == Array(16...25))
        guard case .events(let some) = history.window(after: 20, maximumBytes: 250) else {
            Issue.record("nothing in the window")
            return
        }
        #expect(some.map(\.position.seq) == [21, 22])
        await history.commit(26, [UInt8](repeating: 0, count: 100_000))
        #expect(history.windowSeqs(after: 25) == [26])
        await log.close()
    }

    @Test func theLeastRecentlyAppendedSessionsGiveUpTheirWindowsFirst() async throws {
        let log = EventLog.make { $0.windowBytesTotal = 4 * 1000 }
        var histories: [SessionHistory] = []
        for number in 0..<4 {
            let history = try await log.createSession(.named("s\(number)"))
            await history.commit(1, SessionHistory.frame(1, 936))
            histories.append(history)
        }
        #expect(histories.map { $0.window(after: 0, maximumBytes: 1).name } == ["events", "events", "events", "events"])
        await histories[0].commit(2, SessionHistory.frame(2, 936))
        // The bound is kept after readers were woken; the next commit comes after that.
        await histories[0].commit(nil)
        #expect(histories.map { $0.window(after: 0, maximumBytes: 1).name } == ["events", "behind", "behind", "events"])
        await log.close()
    }
}
