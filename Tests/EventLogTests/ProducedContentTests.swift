import Realtime
import Testing

@testable import EventLog

/// What an item holds whose response ended before it was finished.
@Suite(.timeLimit(.minutes(1)))
struct ProducedContentTests {
    private static let opening = [
        #"{"type":"response.created","response":{"id":"r","status":"in_progress","conversation_id":"c"}}"#,
        #"{"type":"response.output_item.added","response_id":"r","item":{"id":"a","type":"message","status":"in_progress","content":[]}}"#,
        #"{"type":"conversation.item.added","item":{"id":"a","type":"message","status":"in_progress","role":"assistant","content":[]}}"#,
    ]

    private static let lost: String = {
        guard let response = try? JSON.parse(#"{"id":"r","status":"in_progress","conversation_id":"c"}"#) else { return "" }
        return String(decoding: BridgeEvent.responseLost(response: response, eventID: "e", message: "gone"), as: UTF8.self)
    }()

    private static func delta(_ name: String, _ text: String, at index: Int? = 0, of item: String = "a") -> String {
        let place = index.map { #","content_index":\#($0)"# } ?? ""
        return #"{"type":"response.\#(name).delta","response_id":"r","item_id":"\#(item)"\#(place),"delta":"\#(text)"}"#
    }

    private func apply(_ frames: [String], to projection: inout Projection) throws -> [[ProjectionChange]] {
        try frames.enumerated().map { projection.apply(try #require(ServerEvent(Array($1.utf8))), seq: $0 + 1) }
    }

    /// The item's content after those frames.
    private func content(_ frames: [String]) throws -> String? {
        var projection = Projection()
        _ = try apply(frames, to: &projection)
        return try JSON.parse(try #require(projection.items["a"]).json)["content"].map { String(decoding: $0.lexeme, as: UTF8.self) }
    }

    @Test(arguments: [
        ("text", "text", "text"), ("audio_transcript", "audio", "transcript"), ("output_text", "output_text", "text"),
        ("output_audio_transcript", "output_audio", "transcript"),
    ])
    func anInterruptedItemHoldsWhatWasSaidOfIt(delta: String, type: String, member: String) throws {
        let said = Self.opening + [Self.delta(delta, "One \\\"two\\\""), Self.delta(delta, ""), Self.delta(delta, " thr")]
        var projection = Projection()
        let changes = try apply(said + [Self.lost], to: &projection)
        // No row is written for a delta.
        #expect(Array(changes[3..<6]) == [[], [], []])
        let item = try #require(projection.items["a"])
        #expect(changes.last?.last == .item(item))
        #expect(item.status == "incomplete")
        #expect(
            String(decoding: item.json, as: UTF8.self)
                == #"{"id":"a","type":"message","status":"incomplete","role":"assistant","content":[{"type":"\#(type)","\#(member)":"One \"two\" thr"}]}"#
        )
    }

    @Test func eachPartHasItsPlaceAndItsKind() throws {
        let frames = [
            Self.delta("output_audio_transcript", "c", at: 2), Self.delta("output_text", "a", at: nil),
            Self.delta("output_text", "x", at: 2),
            Self.delta("output_text", "b"), Self.delta("output_audio_transcript", "d", at: 2),
        ]
        #expect(
            try content(Self.opening + frames + [Self.lost])
                == #"[{"type":"output_text","text":"ab"},{"type":"output_audio","transcript":"cd"}]"#)
    }

    @Test func aCharacterMayComeInTwoHalves() throws {
        let frames = [Self.delta("text", #"\ud83d"#), Self.delta("text", #"\ude00"#), Self.lost]
        let json = try JSON.parse(try #require(try content(Self.opening + frames)))
        #expect(json[0]?["text"]?.string == "😀")
    }

    @Test func whatUpstreamSaysOfAFinishedItemStands() throws {
        let done = #"{"type":"conversation.item.done","item":{"id":"a","status":"completed","content":[]}}"#
        #expect(try content(Self.opening + [Self.delta("text", "x"), done, Self.delta("text", "y"), Self.lost]) == "[]")
        // Spelt before its end, with something in it, or with nothing.
        let spelt = { (text: String) in
            #"{"type":"conversation.item.created","item":{"id":"a","status":"in_progress","content":[{"type":"text","text":"\#(text)"}]}}"#
        }
        #expect(try content(Self.opening + [Self.delta("text", "x"), spelt("whole"), Self.lost]) == #"[{"type":"text","text":"whole"}]"#)
        #expect(try content(Self.opening + [Self.delta("text", "x"), spelt(""), Self.lost]) == #"[{"type":"text","text":"x"}]"#)
        // Its own terminal leaves the item open as well.
        let cancelled = #"{"type":"response.done","response":{"id":"r","status":"cancelled"}}"#
        #expect(try content(Self.opening + [Self.delta("text", "x"), cancelled]) == #"[{"type":"text","text":"x"}]"#)
    }

    @Test func nothingIsCollectedOfWhatIsNotBeingProduced() throws {
        // Before the item is named, after its response's end, and of the caller's own.
        let early = [Self.opening[0], Self.opening[1], Self.delta("text", "x"), Self.opening[2], Self.lost, Self.delta("text", "y")]
        #expect(try content(early) == "[]")
        let own = [Self.opening[0], Self.opening[2], Self.delta("text", "x"), Self.lost]
        #expect(try content(own) == "[]")
    }

    @Test func itIsBoundedAndHasNoGap() throws {
        let half = String(repeating: "x", count: ProducedContent.maximumBytesPerItem / 2)
        let frames = [half, half, "y", ""].map { Self.delta("text", $0) }
        #expect(try content(Self.opening + frames + [Self.lost]) == #"[{"type":"text","text":"\#(half + half)"}]"#)
        let parts = (0..<20).map { Self.delta("text", "x", at: $0) }
        let json = try JSON.parse(try #require(try content(Self.opening + parts + [Self.lost])))
        #expect(json.elements.count == ProducedContent.maximumPartsPerItem)
    }

    /// I8 across a restart: it finds the response open, and its terminal leaves the rows that the whole log gives.
    @Test(arguments: StoreKind.allCases, [false, true])
    func aRestartLosesNothingOfAHalfSpokenAnswer(_ kind: StoreKind, spells: Bool) async throws {
        let log = EventLog.make(try kind.makeStore())
        let history = try await log.createSession(.named("s"))
        let deltas = (0..<1_500).map { Self.delta("output_audio_transcript", " \($0)") }
        let spelt = #"{"type":"conversation.item.added","item":{"id":"a","status":"in_progress","content":[{"type":"x","text":"own"}]}}"#
        let frames = Self.opening + [Self.delta("text", "z", of: "other")] + deltas + (spells ? [spelt] : [])
        var before = Projection()
        for (seq, changes) in zip(1..., try apply(frames, to: &before)) {
            history.append(
                LogEntry(seq: seq, frame: Array(frames[seq - 1].utf8), createdAtMilliseconds: 0, changes: changes))
        }
        try await history.commit(nil).get()

        let stored = try #require(try await log.storedSession("s"))
        var after = Projection(
            items: stored.items, responses: stored.responses, configuration: stored.record.configuration, usage: stored.record.usage)
        let terminal = try #require(ServerEvent(Array(Self.lost.utf8)))
        let live = before.apply(terminal, seq: frames.count + 1)
        #expect(after.apply(terminal, seq: frames.count + 1) == live)
        #expect(after.items == before.items)
        let json = try JSON.parse(try #require(after.items["a"]).json)
        #expect(json["content"]?[0]?[spells ? "text" : "transcript"]?.string?.hasSuffix(spells ? "own" : "1498 1499") == true)
        // Whoever only counts them does not read the events.
        let bare = try #require(try await log.storedSession("s", withProducedContent: false))
        let item = try #require(try JSON.parse(spells ? spelt : Self.opening[2])["item"])
        #expect(bare.items.map(\.json) == [Array(item.lexeme)])
        await log.close()
    }
}
