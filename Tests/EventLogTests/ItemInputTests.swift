import GRDB
import TestSupport
import Testing

@testable import EventLog

/// What upstream never gives back, in every store.
@Suite(.timeLimit(.minutes(1)))
struct ItemInputTests {
    private static func audio(_ bytes: Int, _ byte: UInt8 = 7) -> ItemInput {
        .audio([UInt8](repeating: byte, count: bytes), format: "f")
    }

    private static func deleted(_ id: String, seq: Int = 1) -> ProjectionChange {
        var item = ItemRecord.named(id, seq: seq)
        item.isDeleted = true
        return .item(item)
    }

    @Test(arguments: StoreKind.allCases)
    func anInputIsReadAsItWasGiven(_ kind: StoreKind) async throws {
        let log = EventLog.make(try kind.makeStore())
        let history = try await log.createSession(.named("a"))
        let other = try await log.createSession(.named("b"))
        let item = Array(#"{"content":[{"type":"input_image"}]}"#.utf8)
        try await history.commit(1, changes: [.item(.named("u", seq: 1)), .input(itemID: "u", .audio([0, 255, 1], format: "f"))]).get()
        // For an item that no event has named yet, and without an event.
        try await history.commit(2, changes: [.input(itemID: "i", .item(item))]).get()
        try await history.commit(nil, changes: [.input(itemID: "none", .audio([], format: ""))]).get()
        try await other.commit(1, changes: [.input(itemID: "u", .audio([9], format: "f"))]).get()

        #expect(try await log.input(of: "u", session: "a") == .audio([0, 255, 1], format: "f"))
        #expect(try await log.input(of: "i", session: "a") == .item(item))
        #expect(try await log.input(of: "none", session: "a") == .audio([], format: ""))
        #expect(try await log.input(of: "u", session: "b") == .audio([9], format: "f"))
        #expect(try await log.input(of: "i", session: "b") == nil)
        #expect(try await log.input(of: "u", session: "c") == nil)
        #expect(try await log.inputSizes(of: "a") == ["u": 3, "i": item.count, "none": 0])
        #expect(try await log.inputSizes(of: "c") == [:])

        try await history.commit(3, changes: [.input(itemID: "u", .item([2]))]).get()
        #expect(try await log.input(of: "u", session: "a") == .item([2]))
        #expect(try await log.inputSizes(of: "a") == ["u": 1, "i": item.count, "none": 0])
        // They are no events.
        #expect(history.tail.seq == 3)
        #expect(try await history.pagedSeqs() == [1, 2, 3])
        await log.close()
    }

    @Test(arguments: StoreKind.allCases)
    func anInputIsStoredWithItsEventOrNotAtAll(_ kind: StoreKind) async throws {
        let store = try kind.makeStore()
        let session = try store.createSession(.named("a"))
        func write(_ seq: Int, _ changes: [ProjectionChange]) -> StoreWrite {
            let event = StoreWrite.Event(
                seq: seq, createdAtMilliseconds: 0, frame: [1], cumulativeBytes: seq, startsEpoch: seq == 1 ? 1 : nil)
            return StoreWrite(session: session, event: event, changes: changes, record: nil)
        }
        try store.commit([write(1, [.input(itemID: "u", .audio([1], format: "f"))])])
        let refused = [
            write(2, [.input(itemID: "u", .audio([2], format: "f")), .input(itemID: "v", .audio([2], format: "f"))]), write(2, []),
        ]
        #expect(throws: EventLogError.self) { try store.commit(refused) }
        #expect(try await store.input(of: "u", session: "a") == .audio([1], format: "f"))
        #expect(try await store.inputSizes(of: "a") == ["u": 1])
        try store.close()
    }

    @Test(arguments: StoreKind.allCases)
    func aDeletedItemTakesItsInputWithIt(_ kind: StoreKind) async throws {
        let log = EventLog.make(try kind.makeStore())
        let history = try await log.createSession(.named("a"))
        let source = try await log.createSession(.named("b"))
        for session in [history, source] {
            try await session.commit(
                1,
                changes: [
                    .item(.named("u", seq: 1)), .input(itemID: "u", .audio([1], format: "f")),
                    .input(itemID: "early", .audio([2], format: "f")),
                    .input(itemID: "other", .audio([3], format: "f")),
                ]
            ).get()
        }
        // One that was named after its input was given, too.
        try await history.commit(2, changes: [Self.deleted("u"), Self.deleted("early", seq: 2)]).get()
        #expect(try await log.inputSizes(of: "a") == ["other": 1])
        // What comes too late for it would stay as long as the session.
        try await history.commit(
            3, changes: [.input(itemID: "u", .audio([4], format: "f")), .inputCopied(itemID: "early", fromSession: "b")]
        ).get()
        #expect(try await log.inputSizes(of: "a") == ["other": 1])
        #expect(try await log.inputSizes(of: "b") == ["u": 1, "early": 1, "other": 1])
        await log.close()
    }

    @Test(arguments: StoreKind.allCases)
    func anInputIsCopiedFromAnotherSession(_ kind: StoreKind) async throws {
        let log = EventLog.make(try kind.makeStore())
        let source = try await log.createSession(.named("a"))
        let copy = try await log.createSession(.named("b"))
        try await source.commit(
            1,
            changes: [
                .input(itemID: "u", .audio([1, 2], format: "g/8000")), .input(itemID: "i", .item([3])),
                .input(itemID: "x", .audio([4], format: "f")),
            ]
        ).get()
        try await copy.commit(
            1,
            changes: [
                .input(itemID: "u", .audio([9, 9, 9], format: "f")), .inputCopied(itemID: "u", fromSession: "a"),
                .inputCopied(itemID: "i", fromSession: "a"), .inputCopied(itemID: "none", fromSession: "a"),
                .inputCopied(itemID: "x", fromSession: "none"), .inputCopied(itemID: "u", fromSession: "b"),
            ]
        ).get()
        #expect(try await log.inputSizes(of: "b") == ["u": 2, "i": 1])
        #expect(try await log.input(of: "u", session: "b") == .audio([1, 2], format: "g/8000"))
        #expect(try await log.input(of: "i", session: "b") == .item([3]))
        // It is the session's own from then on.
        try await source.commit(2, changes: [Self.deleted("u", seq: 2)]).get()
        try await log.deleteSession("a")
        try await log.applyRetention()
        #expect(try await log.input(of: "u", session: "b") == .audio([1, 2], format: "g/8000"))
        #expect(try await log.inputSizes(of: "a") == [:])
        await log.close()
    }

    @Test(arguments: StoreKind.allCases)
    func theOldestInputsGoFirst(_ kind: StoreKind) async throws {
        let limit = 10 * (100 + ItemInput.overheadBytes)
        let log = EventLog.make(try kind.makeStore(inputBytesPerSession: limit))
        let history = try await log.createSession(.named("a"))
        let other = try await log.createSession(.named("b"))
        try await other.commit(1, changes: [.input(itemID: "0", Self.audio(100))]).get()
        for seq in 1...10 { try await history.commit(seq, changes: [.input(itemID: "\(seq)", Self.audio(100))]).get() }
        #expect(try await log.inputSizes(of: "a").count == 10)
        // Given again it is the newest; a deleted one makes room.
        try await history.commit(11, changes: [.input(itemID: "1", Self.audio(100)), Self.deleted("5")]).get()
        #expect(try await log.inputSizes(of: "a").count == 9)
        try await history.commit(12, changes: [.input(itemID: "12", Self.audio(100))]).get()
        #expect(try await log.inputSizes(of: "a").count == 10)
        try await history.commit(13, changes: [.inputCopied(itemID: "0", fromSession: "b")]).get()
        #expect(try await log.inputSizes(of: "a").keys.sorted() == ["0", "1", "10", "12", "3", "4", "6", "7", "8", "9"])
        // As many go as have to.
        try await history.commit(14, changes: [.input(itemID: "14", Self.audio(limit - 3 * ItemInput.overheadBytes - 200))]).get()
        #expect(try await log.inputSizes(of: "a").keys.sorted() == ["0", "12", "14"])
        // What never fits is not kept, and drives nothing out; nor does what was kept of the item before stay.
        let tooLarge = Self.audio(limit - ItemInput.overheadBytes + 1)
        try await history.commit(15, changes: [.input(itemID: "15", tooLarge), .input(itemID: "12", tooLarge)]).get()
        #expect(try await log.inputSizes(of: "a").keys.sorted() == ["0", "14"])
        try await history.commit(16, changes: [.input(itemID: "16", Self.audio(limit - ItemInput.overheadBytes))]).get()
        #expect(try await log.inputSizes(of: "a") == ["16": limit - ItemInput.overheadBytes])
        #expect(try await log.inputSizes(of: "b") == ["0": 100])
        await log.close()
    }

    @Test func theOldestInputsGoFirstWhateverHappenedBefore() {
        var held = HeldInputs()
        var model: [(item: String, bytes: Int)] = []
        var random = SeededRandom(seed: 7)
        for _ in 0..<5000 {
            let item = "\(Int.random(in: 0..<30, using: &random))"
            model.removeAll { $0.item == item }
            if Int.random(in: 0..<4, using: &random) == 0 {
                held.remove(item)
            } else {
                let bytes = Int.random(in: 0...300, using: &random)
                held.keep(Self.audio(bytes), of: item, maximumBytes: 1000)
                model.append((item, bytes + ItemInput.overheadBytes))
                while model.reduce(0, { $0 + $1.bytes }) > 1000 { model.removeFirst() }
            }
            #expect(held.sizes == Dictionary(uniqueKeysWithValues: model.map { ($0.item, $0.bytes - ItemInput.overheadBytes) }))
        }
    }

    @Test(arguments: StoreKind.allCases)
    func anInputWaitsForItsCommitWithItsBytes(_ kind: StoreKind) {
        let without = LogEntry(seq: 1, frame: [1], createdAtMilliseconds: 0)
        let with = LogEntry(seq: 1, frame: [1], createdAtMilliseconds: 0, changes: [.input(itemID: "u", Self.audio(5000))])
        #expect(with.waitingBytes == without.waitingBytes + 5000)
    }

    @Test func aForgottenSessionsInputsAreRemovedInSmallTurns() async throws {
        let store = try SQLiteEventStore(folder: TemporaryFolder.make(), synchronous: .normal)
        let log = EventLog.make(store)
        for (id, endedAt) in [("deleted", nil), ("ended", 1), ("kept", nil)] as [(String, Int?)] {
            let history = try await log.createSession(.named(id))
            var record = SessionRecord.named(id, status: endedAt == nil ? .active : .closed)
            record.endedAt = endedAt
            let large = (0..<5).map { ProjectionChange.input(itemID: "large \($0)", Self.audio(3_000_000)) }
            let small = (0..<700).map { ProjectionChange.input(itemID: "\($0)", Self.audio(1)) }
            try await history.commit(1, changes: large + small).get()
            // Retention looks only when it is asked to below.
            try await history.commit(nil, record: record).get()
        }
        try await log.deleteSession("deleted")
        #expect(try await log.inputSizes(of: "deleted") == [:])
        try await log.applyRetention()
        let rows = try await store.read { db in
            (
                try Int.fetchOne(db, sql: "SELECT count(*) FROM item_input") ?? 0,
                try Int.fetchOne(db, sql: "SELECT count(*) FROM item_input_total") ?? 0,
                try Int.fetchOne(db, sql: "SELECT bytes FROM item_input_total")
            )
        }
        #expect(rows == (705, 1, 15_000_000 + 700 + 705 * ItemInput.overheadBytes))
        #expect(try await log.inputSizes(of: "kept").count == 705)
        await log.close()
    }

    @Test func oneTurnRemovesAFewMebibytesAtMost() throws {
        let store = try SQLiteEventStore(folder: TemporaryFolder.make(), synchronous: .normal)
        let session = try store.createSession(.named("a"))
        let changes = (0..<5).map { ProjectionChange.input(itemID: "\($0)", Self.audio(3_000_000)) }
        try store.commit([StoreWrite(session: session, event: nil, changes: changes, record: nil)])
        try store.forgetSession("a")
        var left: [Int] = []
        while try store.purgeTurn(maximumRows: 500) {
            left.append(try store.pool.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM item_input") ?? -1 })
        }
        #expect(left.prefix(3) == [3, 1, 0])
        try store.close()
    }
}
