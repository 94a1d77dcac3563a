import NIOConcurrencyHelpers
import Realtime
import Testing

@testable import EventLog

/// What holds for every store.
@Suite(.timeLimit(.minutes(1)))
struct EventStoreContractTests {
    @Test(arguments: StoreKind.allCases)
    func anEventIsReadAsItWasAppended(_ kind: StoreKind) async throws {
        let log = EventLog.make(try kind.makeStore())
        let history = try await log.createSession(.named("rts_1"))
        let frame: [UInt8] = Array(#"{"type":"x","n":1.50,"s":"\u00e9é"}"#.utf8) + [0, 255]
        try await history.commit(1, frame).get()
        #expect(history.tail == EventPosition(epoch: 1, seq: 1))
        #expect(history.start == EventPosition(epoch: 1, seq: 0))
        guard case .events(let events) = history.window(after: 0, maximumBytes: 1) else {
            Issue.record("nothing in the window")
            return
        }
        let page = try await history.page(after: 0, limit: 10, maximumBytes: 1)
        for event in [events, page] {
            #expect(event.map(\.frame) == [frame])
            #expect(event.map(\.position) == [EventPosition(epoch: 1, seq: 1)])
            #expect(event.map(\.createdAtMilliseconds) == [1001])
        }
        await log.close()
    }

    @Test(arguments: StoreKind.allCases)
    func pagesAreBoundByRowsAndBytesAndTheTail(_ kind: StoreKind) async throws {
        let log = EventLog.make(try kind.makeStore())
        let history = try await log.createSession(.named("rts_1"))
        let none = try await history.page(after: 0, limit: 10, maximumBytes: 100)
        #expect(none.isEmpty)
        await history.commit(1...20, frameBytes: 100)
        let byRows = try await history.page(after: 3, limit: 5, maximumBytes: .max)
        #expect(byRows.map(\.position.seq) == [4, 5, 6, 7, 8])
        let byBytes = try await history.page(after: 3, limit: 100, maximumBytes: 350)
        #expect(byBytes.map(\.position.seq) == [4, 5, 6])
        let one = try await history.page(after: 3, limit: 100, maximumBytes: 1)
        #expect(one.map(\.position.seq) == [4])
        let rest = try await history.page(after: 18, limit: 100, maximumBytes: .max)
        #expect(rest.map(\.position.seq) == [19, 20])
        let beyond = try await history.page(after: 20, limit: 100, maximumBytes: .max)
        #expect(beyond.isEmpty)
        await log.close()
    }

    @Test(arguments: StoreKind.allCases)
    func responsesBesideTheConversationAreKnown(_ kind: StoreKind) async throws {
        let store = try kind.makeStore()
        let log = EventLog.make(store)
        let history = try await log.createSession(.named("rts_1"))
        let responses = [ResponseRecord.named("resp_in", seq: 1), .named("resp_out", seq: 1, isOutOfBand: true)]
        try await history.commit(1, changes: responses.map(ProjectionChange.response)).get()
        #expect(history.isOutOfBand("resp_out") && !history.isOutOfBand("resp_in") && !history.isOutOfBand("resp_other"))
        // What another start of the process finds.
        #expect(try await store.history(of: "rts_1")?.outOfBandResponses == ["resp_out"])
        await log.close()
    }

    @Test(arguments: StoreKind.allCases)
    func theRecordAndTheProjectionsAreStoredWithTheirEvent(_ kind: StoreKind) async throws {
        let log = EventLog.make(try kind.makeStore())
        var record = SessionRecord.named("rts_1", owner: "alice", metadata: #"{"a":"b"}"#)
        let history = try await log.createSession(record)
        record.status = .closed
        record.endReason = "idle"
        // Not so long ago that retention takes it.
        record.endedAt = 999_999
        record.upstreamSessionID = "sess_1"
        record.generation = 3
        record.upstreamExpiresAt = 7
        record.configuration = [1, 0, 255]
        record.requestedConfiguration = [2]
        record.usage.totalTokens = 10
        record.usage.inputTokens = 4
        record.usage.outputTokens = 6
        var item = ItemRecord.named("item_1", seq: 1, json: #"{"id":"item_1"}"#)
        item.status = "completed"
        item.producedAudioBytes = 1840
        item.truncatedAtMilliseconds = 900
        item.updatedSeq = 2
        var response = ResponseRecord.named("resp_1", seq: 1, doneSeq: 2)
        response.token = "tok"
        try await history.commit(1, changes: [.item(.named("item_1", seq: 1)), .response(.named("resp_1", seq: 1))]).get()
        let active = try await log.sessions(SessionQuery(owner: .any)).summaries.map(\.activeResponseID)
        #expect(active == ["resp_1"])
        try await history.commit(2, changes: [.item(item), .response(response)], record: record).get()
        try await history.commit(nil, changes: [.item(.named("item_2", seq: 2, after: "item_1"))]).get()

        let stored = try #require(try await log.storedSession("rts_1"))
        #expect(stored.record == record)
        #expect(stored.items == [item, .named("item_2", seq: 2, after: "item_1")])
        #expect(stored.responses == [response])
        #expect(stored.firstSeq == 1)
        #expect(stored.lastSeq == 2)
        let found = try await (log.item("item_1", of: "rts_1"), log.item("item_1", of: "rts_2"), log.item("x", of: "rts_1"))
        #expect(found == (item, nil, nil))
        let responses = try await (log.response("resp_1", of: "rts_1"), log.response("resp_1", of: "rts_2"))
        #expect(responses == (response, nil))
        let listed = try await log.responses(of: "rts_1")
        #expect(listed == [response])
        let unknown = try await log.storedSession("rts_2")
        #expect(unknown == nil)
        await log.close()
    }

    @Test(arguments: StoreKind.allCases)
    func itemsComeInConversationOrderWithoutDeletedOnes(_ kind: StoreKind) async throws {
        let log = EventLog.make(try kind.makeStore())
        let history = try await log.createSession(.named("rts_1"))
        var deleted = ItemRecord.named("b", seq: 2, after: "a")
        deleted.isDeleted = true
        try await history.commit(
            1,
            changes: [
                .item(.named("a", seq: 1)), .item(deleted), .item(.named("c", seq: 3, after: "b")),
                .item(.named("d", seq: 4, after: "a")),
            ]
        ).get()
        let items = try await log.items(of: "rts_1").map(\.id)
        #expect(items == ["a", "d", "c"])
        let summaries = try await log.sessions(SessionQuery(owner: .any)).summaries
        #expect(summaries.map(\.itemCount) == [3])
        await log.close()
    }

    @Test(arguments: StoreKind.allCases)
    func aSessionIDIsTakenOnce(_ kind: StoreKind) async throws {
        let store = try kind.makeStore()
        let log = EventLog.make(store)
        // Dropped at once, so that the second try does not find it in memory.
        do { _ = try await log.createSession(.named("rts_1")) }
        await #expect { _ = try await log.createSession(.named("rts_1")) } throws: { ($0 as? EventLogError)?.code == .duplicateSession }
        #expect(throws: EventLogError.self) { try store.createSession(.named("rts_1")) }
        let counts = try await log.sessionCounts()
        #expect(counts == SessionCounts(live: 1, stored: 1, oneShots: 0))
        await log.close()
    }

    @Test(arguments: StoreKind.allCases)
    func aSessionHasOneHistoryAsLongAsItIsHeld(_ kind: StoreKind) async throws {
        let log = EventLog.make(try kind.makeStore())
        var created: SessionHistory? = try await log.createSession(.named("rts_1"))
        let again = try await log.history(of: "rts_1")
        #expect(created === again)
        await created?.commit(1...3)
        created = nil
        let nobody = try await log.history(of: "rts_2")
        #expect(nobody == nil)
        let many = await withTaskGroup(of: ObjectIdentifier?.self) { group in
            for _ in 0..<20 { group.addTask { (try? await log.history(of: "rts_1")).flatMap { $0.map(ObjectIdentifier.init) } } }
            return await group.reduce(into: Set()) { $0.insert($1) }
        }
        #expect(many.count == 1)
        await log.close()
    }

    @Test(arguments: StoreKind.allCases)
    func aHistoryReadAgainGoesOnWhereItWas(_ kind: StoreKind) async throws {
        let log = EventLog.make(try kind.makeStore())
        do {
            let history = try await log.createSession(.named("rts_1"))
            await history.commit(1...5)
        }
        // The writer tells of a commit before it lets go of the history; what it does next comes after that.
        try await log.applyRetention()
        let history = try #require(try await log.history(of: "rts_1"))
        #expect(history.tail == EventPosition(epoch: 1, seq: 5))
        #expect(history.window(after: 3, maximumBytes: 100).name == "behind")
        #expect(history.window(after: 5, maximumBytes: 100).name == "caughtUp")
        await history.commit(6...6)
        #expect(history.windowSeqs(after: 5) == [6])
        #expect(history.window(after: 4, maximumBytes: 100).name == "behind")
        let seqs = try await history.pagedSeqs()
        #expect(seqs == Array(1...6))
        await log.close()
    }

    @Test(arguments: StoreKind.allCases)
    func sessionsAreListedByPages(_ kind: StoreKind) async throws {
        let log = EventLog.make(try kind.makeStore())
        for number in 1...7 {
            let history = try await log.createSession(
                .named(
                    "s\(number)", owner: number.isMultiple(of: 2) ? "even" : nil, status: number == 7 ? .closed : .active,
                    metadata: #"{"n":"\#(number % 3)","q\"":"'"}"#))
            if number == 2 { await history.commit(1...4) }
        }
        func ids(_ adjust: (inout SessionQuery) -> Void) async throws -> ([String], Bool) {
            var query = SessionQuery(owner: .any)
            adjust(&query)
            let page = try await log.sessions(query)
            return (page.summaries.map(\.record.id), page.hasMore)
        }
        #expect(try await ids { _ in } == (["s7", "s6", "s5", "s4", "s3", "s2", "s1"], false))
        #expect(try await ids { $0.limit = 3 } == (["s7", "s6", "s5"], true))
        #expect(try await ids { ($0.limit, $0.after) = (3, "s5") } == (["s4", "s3", "s2"], true))
        #expect(try await ids { ($0.limit, $0.after) = (3, "s3") } == (["s2", "s1"], false))
        #expect(try await ids { ($0.limit, $0.before) = (2, "s3") } == (["s5", "s4"], true))
        #expect(try await ids { ($0.limit, $0.before) = (9, "s3") } == (["s7", "s6", "s5", "s4"], false))
        #expect(try await ids { ($0.limit, $0.order) = (2, .oldestFirst) } == (["s1", "s2"], true))
        #expect(try await ids { ($0.after, $0.order, $0.limit) = ("s2", .oldestFirst, 2) } == (["s3", "s4"], true))
        #expect(try await ids { ($0.before, $0.order, $0.limit) = ("s4", .oldestFirst, 2) } == (["s2", "s3"], true))
        #expect(try await ids { ($0.after, $0.before) = ("s6", "s3") } == (["s5", "s4"], false))
        #expect(try await ids { $0.after = "none" } == ([], false))
        #expect(try await ids { $0.owner = .exactly("even") } == (["s6", "s4", "s2"], false))
        #expect(try await ids { $0.owner = .exactly(nil) } == (["s7", "s5", "s3", "s1"], false))
        #expect(try await ids { ($0.owner, $0.limit) = (.exactlyOrNobody("even"), 3) } == (["s7", "s6", "s5"], true))
        #expect(try await ids { ($0.owner, $0.limit) = (.exactlyOrNobody("other"), 3) } == (["s7", "s5", "s3"], true))
        #expect(try await ids { $0.owner = .exactlyOrNobody(nil) } == (["s7", "s5", "s3", "s1"], false))
        #expect(try await ids { $0.statuses = [.closed, .failed] } == (["s7"], false))
        #expect(try await ids { $0.statuses = [] } == ([], false))
        #expect(try await ids { $0.metadata = ["n": "0"] } == (["s6", "s3"], false))
        #expect(try await ids { $0.metadata = ["n": "0", "q\"": "'"] } == (["s6", "s3"], false))
        #expect(try await ids { $0.metadata = ["n": "0", "q\"": "x"] } == ([], false))
        let lasts = try await log.sessions(SessionQuery(owner: .any)).summaries.map(\.last.description)
        #expect(lasts == ["1.0", "1.0", "1.0", "1.0", "1.0", "1.4", "1.0"])
        await log.close()
    }

    @Test(arguments: StoreKind.allCases)
    func recoveryVisitsWhatIsNotAtRestOrIsInProgress(_ kind: StoreKind) async throws {
        let log = EventLog.make(try kind.makeStore())
        for (id, status, response) in [
            ("live", SessionRecord.Status.active, nil), ("new", .connecting, nil), ("rests", .suspended, nil),
            ("waits", .suspended, ResponseRecord.named("r", seq: 1)), ("done", .closed, ResponseRecord.named("r", seq: 1, doneSeq: 1)),
            ("open", .failed, .named("r", seq: 1)), ("ended", .closed, nil),
        ] {
            let history = try await log.createSession(.named(id, status: status))
            await history.commit(1, changes: response.map { [.response($0)] } ?? [])
        }
        let ids = try await log.sessionsNeedingRecovery()
        #expect(ids == ["live", "new", "waits", "open"])
        let counts = try await log.sessionCounts()
        #expect(counts == SessionCounts(live: 4, stored: 7, oneShots: 0))
        await log.close()
    }

    @Test(arguments: StoreKind.allCases)
    func aDeletedSessionIsGoneWithItsRows(_ kind: StoreKind) async throws {
        let log = EventLog.make(try kind.makeStore())
        let history = try await log.createSession(.named("rts_1"))
        await history.commit(1...1200)
        await history.commit(1201, changes: [.item(.named("i", seq: 1)), .response(.named("r", seq: 1))])
        let other = try await log.createSession(.named("rts_2"))
        await other.commit(1...3)
        let woken = Latch()
        _ = history.subscribe { woken.set() }
        try await log.deleteSession("rts_1")
        try await log.deleteSession("never")
        await woken.wait()
        try await log.applyRetention()

        let gone = try await (log.history(of: "rts_1"), log.storedSession("rts_1"))
        #expect(gone.0 == nil)
        #expect(gone.1 == nil)
        #expect(history.window(after: 1201, maximumBytes: 1).name == "ended")
        #expect(history.window(after: 1200, maximumBytes: 1).name == "events")
        let rows = try await history.pagedSeqs()
        #expect(rows.isEmpty)
        let refused = await history.commit(1202)
        #expect(refused.failureCode == .closed)
        let kept = try await other.pagedSeqs()
        #expect(kept == [1, 2, 3])
        let again = try await log.createSession(.named("rts_1"))
        #expect(again.tail.seq == 0)
        await log.close()
    }

    @Test(arguments: StoreKind.allCases)
    func aThousandSessionsAppendAtOnce(_ kind: StoreKind) async throws {
        let log = EventLog.make(try kind.makeStore())
        let all = try await withThrowingTaskGroup(of: SessionHistory.self) { group in
            for number in 0..<1000 {
                group.addTask {
                    let history = try await log.createSession(.named("s\(number)"))
                    await history.commit(1...20)
                    return history
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(all.count == 1000)
        for history in all {
            let seqs = try await history.pagedSeqs()
            #expect(seqs == Array(1...20))
        }
        let metrics = log.metrics
        #expect(metrics.events == 20_000)
        #expect(metrics.waitingEntries == 0)
        #expect(metrics.batches < 20_000)
        await log.close()
    }

    @Test(arguments: StoreKind.allCases)
    func aClosedLogRefusesAndCommitsWhatWaited(_ kind: StoreKind) async throws {
        let log = EventLog.make(try kind.makeStore())
        let history = try await log.createSession(.named("rts_1"))
        let released = NIOLockedValueBox(0)
        for seq in 1...500 {
            history.append(
                LogEntry(seq: seq, frame: [1], createdAtMilliseconds: 0) { if case .success = $0 { released.withLockedValue { $0 += 1 } } })
        }
        await log.close()
        await log.close()
        #expect(released.withLockedValue { $0 } == 500)
        let refused = await history.commit(501)
        #expect(refused.failureCode == .closed)
        #expect(!log.isHealthy)
        await #expect(throws: EventLogError.self) { _ = try await log.createSession(.named("rts_2")) }
    }
}

extension Result where Failure == EventLogError {
    var failureCode: EventLogError.Code? {
        if case .failure(let error) = self { error.code } else { nil }
    }
}
