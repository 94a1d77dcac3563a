import Testing

@testable import EventLog

/// What is stored of when items were spoken, in both stores.
@Suite struct ItemSpeechTests {
    private static let speech = ItemSpeech(generation: 2, startMilliseconds: 120, milliseconds: 3_400)

    @Test(arguments: StoreKind.allCases)
    func itIsKeptWithTheItem(_ kind: StoreKind) async throws {
        let log = EventLog.make(try kind.makeStore())
        let history = try await log.createSession(.named("a"))
        try await history.commit(1, changes: [.speech(itemID: "u", Self.speech)]).get()
        try await history.commit(2, changes: [.item(.named("u", seq: 2)), .item(.named("v", seq: 2))]).get()
        #expect(try await log.speech(of: "a") == ["u": Self.speech])
        #expect(try await log.speech(of: "none") == [:])
        let other = ItemSpeech(generation: 3, startMilliseconds: nil, milliseconds: 1)
        try await history.commit(3, changes: [.speech(itemID: "u", other)]).get()
        #expect(try await log.speech(of: "a") == ["u": other])
        try await log.deleteSession("a")
        #expect(try await log.speech(of: "a") == [:])
        await log.close()
    }

    /// A session that was given an item knows how long it was spoken, not when.
    @Test(arguments: StoreKind.allCases)
    func itIsCopiedWithTheInput(_ kind: StoreKind) async throws {
        let log = EventLog.make(try kind.makeStore())
        let source = try await log.createSession(.named("a"))
        try await source.commit(1, changes: [.speech(itemID: "u", Self.speech), .input(itemID: "u", .audio([1], format: "f"))]).get()
        let copy = try await log.createSession(.named("b"))
        try await copy.commit(
            1,
            changes: [
                .item(.named("u", seq: 1)), .inputCopied(itemID: "u", fromSession: "a"), .inputCopied(itemID: "x", fromSession: "a"),
            ]
        ).get()
        #expect(try await log.speech(of: "b") == ["u": ItemSpeech(generation: 0, startMilliseconds: nil, milliseconds: 3_400)])
        await log.close()
    }

    @Test func itIsThereAfterARestart() async throws {
        let folder = try TemporaryFolder.make()
        let log = EventLog.make(try SQLiteEventStore(folder: folder, synchronous: .normal))
        let history = try await log.createSession(.named("a"))
        try await history.commit(1, changes: [.speech(itemID: "u", Self.speech)]).get()
        await log.close()
        let again = EventLog.make(try SQLiteEventStore(folder: folder, synchronous: .normal))
        #expect(try await again.speech(of: "a") == ["u": Self.speech])
        await again.close()
    }
}
