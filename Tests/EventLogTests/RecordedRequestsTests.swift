import NIOConcurrencyHelpers
import Testing

@testable import EventLog

/// What is remembered of requests that are carried out once, by every store.
@Suite(.timeLimit(.minutes(1)))
struct RecordedRequestsTests {
    private static let key = RequestKey(digest: [UInt8](repeating: 7, count: 32))
    private static let other = RequestKey(digest: [UInt8](repeating: 8, count: 32))

    private static func step(_ number: Int, of key: RequestKey = key) -> StepID { StepID(request: key, number: number) }

    @Test(arguments: StoreKind.allCases)
    func aStepIsThereBeforeItIsBegunAndItsAnswerComesWithItsEvent(_ kind: StoreKind) async throws {
        let log = EventLog.make(try kind.makeStore())
        #expect(try await log.request(Self.key) == nil)
        #expect(try await log.begin(Self.step(0), mark: "event_a", opening: [1, 2]))
        #expect(try await log.begin(Self.step(1), mark: "event_b", opening: nil))
        #expect(try await log.begin(Self.step(0, of: Self.other), mark: "event_c", opening: [3]))
        var expected = RecordedRequest(fingerprint: [1, 2], createdAt: 1_000_000)
        expected.steps = [RecordedStep(number: 0, mark: "event_a"), RecordedStep(number: 1, mark: "event_b")]
        #expect(try await log.request(Self.key) == expected)

        let history = try await log.createSession(.named("rts_1"))
        try await history.commit(1).get()
        history.append(LogEntry(seq: 2, frame: [1], createdAtMilliseconds: 1, answeredSteps: [Self.step(1)]))
        // What was appended before is read, whether or not anybody waited for it.
        expected.steps[1].answerSeq = 2
        #expect(try await log.request(Self.key) == expected)
        #expect(try await log.request(Self.other)?.steps == [RecordedStep(number: 0, mark: "event_c")])

        try await log.note([0: [9], 1: []], of: Self.key)
        expected.steps[0].note = [9]
        expected.steps[1].note = []
        #expect(try await log.request(Self.key) == expected)
        await log.close()
    }

    @Test(arguments: StoreKind.allCases)
    func anEventThatIsNotStoredAnswersNothing(_ kind: StoreKind) async throws {
        let store = InterceptedStore(try kind.makeStore())
        let log = EventLog.make(store)
        let history = try await log.createSession(.named("rts_1"))
        #expect(try await log.begin(Self.step(0), mark: "m", opening: [1]))
        store.onCommit { _ throws(EventLogError) in throw EventLogError(.corrupt, "no") }
        let refused = await history.commit(1, answering: [Self.step(0)])
        #expect(throws: EventLogError.self) { try refused.get() }
        #expect(try await log.request(Self.key)?.steps == [RecordedStep(number: 0, mark: "m")])
        await log.close()
    }

    @Test(arguments: StoreKind.allCases)
    func stepsThatWereNotCarriedOutAreForgottenAndWithThemTheRequest(_ kind: StoreKind) async throws {
        let log = EventLog.make(try kind.makeStore())
        #expect(try await log.begin(Self.step(0), mark: "a", opening: [1]))
        #expect(try await log.begin(Self.step(1), mark: "b", opening: nil))
        try await log.note([0: [1]], forgetting: [1], of: Self.key)
        #expect(try await log.request(Self.key)?.steps == [RecordedStep(number: 0, mark: "a", note: [1])])
        try await log.note([:], forgetting: [0], of: Self.key)
        #expect(try await log.request(Self.key) == nil)
        // What is not there takes no step, and no answer.
        #expect(try await !log.begin(Self.step(1), mark: "c", opening: nil))
        try await log.note([0: [1]], of: Self.key)
        #expect(try await log.request(Self.key) == nil)
        // Begun anew, nothing of the old one is left.
        #expect(try await log.begin(Self.step(0), mark: "d", opening: [2]))
        #expect(try await log.begin(Self.step(0), mark: "e", opening: [3]))
        #expect(try await log.request(Self.key)?.fingerprint == [3])
        #expect(try await log.request(Self.key)?.steps.map(\.mark) == ["e"])
        await log.close()
    }

    @Test(arguments: StoreKind.allCases)
    func aDayLaterItIsForgotten(_ kind: StoreKind) async throws {
        let now = NIOLockedValueBox(1_000_000)
        let store = try kind.makeStore()
        let log = EventLog.make(store, now: { now.withLockedValue { $0 } }) { _ in }
        for number in 0..<250 {
            let key = RequestKey(digest: [UInt8](repeating: UInt8(number), count: 32))
            #expect(try await log.begin(Self.step(0, of: key), mark: "m", opening: [1]))
        }
        now.withLockedValue { $0 += 10 }
        let young = RequestKey(digest: [1])
        #expect(try await log.begin(Self.step(0, of: young), mark: "m", opening: [1]))
        now.withLockedValue { $0 = 1_000_000 + 86_399 }
        try await log.applyRetention()
        #expect(try await log.request(Self.key) != nil)
        now.withLockedValue { $0 += 1 }
        #expect(try await log.request(Self.key) == nil)
        // Its rows go a moment later, in turns.
        #expect(try await store.request(Self.key) != nil)
        now.withLockedValue { $0 += 1 }
        try await log.applyRetention()
        for number in [0, 7, 249] {
            #expect(try await store.request(RequestKey(digest: [UInt8](repeating: UInt8(number), count: 32))) == nil)
        }
        #expect(try await log.request(young) != nil)
        await log.close()
    }

    /// What the session knows of a step that no event answers.
    @Test(arguments: StoreKind.allCases)
    func stepsAreSettledByTheirSessionUnlessTheyAreAnswered(_ kind: StoreKind) async throws {
        let log = EventLog.make(try kind.makeStore())
        let history = try await log.createSession(.named("s"))
        for number in 0..<4 {
            #expect(try await log.begin(Self.step(number), mark: "\(number)", opening: number == 0 ? [1] : nil))
        }
        history.append(
            LogEntry(seq: 1, frame: Array("{}".utf8), createdAtMilliseconds: 1, answeredSteps: [Self.step(2), Self.step(3)]))
        let settled = SettledSteps(freed: [Self.step(0), Self.step(2)], accepted: [Self.step(1), Self.step(3)])
        history.append(LogEntry(seq: nil, frame: [], createdAtMilliseconds: 1, settledSteps: settled))
        #expect(
            try await log.request(Self.key)?.steps == [
                RecordedStep(number: 1, mark: "1", note: []), RecordedStep(number: 2, mark: "2", answerSeq: 1),
                RecordedStep(number: 3, mark: "3", answerSeq: 1),
            ])
        await log.close()
    }

    @Test(arguments: StoreKind.allCases)
    func noMoreThanSoManyAreRemembered(_ kind: StoreKind) async throws {
        let log = EventLog.make(try kind.makeStore()) { $0.maximumKeptRequests = 2 }
        #expect(try await log.begin(Self.step(0), mark: "a", opening: [1]))
        #expect(try await log.begin(Self.step(0, of: Self.other), mark: "b", opening: [1]))
        let third = RequestKey(digest: [3])
        #expect(try await !log.begin(Self.step(0, of: third), mark: "c", opening: [1]))
        #expect(try await log.request(third) == nil)
        // Those that are remembered go on.
        #expect(try await log.begin(Self.step(1), mark: "d", opening: nil))
        try await log.note([:], forgetting: [0], of: Self.other)
        #expect(try await log.begin(Self.step(0, of: third), mark: "c", opening: [1]))
        await log.close()
    }

    @Test func itOutlivesTheProcess() async throws {
        let folder = try TemporaryFolder.make()
        var log = try EventLog.open(folder)
        let history = try await log.createSession(.named("rts_1"))
        #expect(try await log.begin(Self.step(0), mark: "m", opening: [1]))
        try await history.commit(1, answering: [Self.step(0)]).get()
        await log.close()
        log = try EventLog.open(folder)
        #expect(try await log.request(Self.key)?.steps == [RecordedStep(number: 0, mark: "m", answerSeq: 1)])
        await log.close()
    }
}
