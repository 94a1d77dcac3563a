import EventLog
import Realtime
import Testing

@testable import Sessions

@Suite struct RehydrationPlanTests {
    /// An item as the projection has it.
    static func record(
        _ id: String, _ json: String, status: String? = "completed", producedMilliseconds: Int = 0, cutAt: Int? = nil
    ) -> ItemRecord {
        var record = ItemRecord(
            id: id, createdSeq: 1, previousItemID: nil, json: Array(json.utf8), status: status, responseID: nil)
        record.producedAudioBytes = producedMilliseconds * 48
        record.truncatedAtMilliseconds = cutAt
        return record
    }

    static func plan(
        _ records: [ItemRecord], inputs: [String: Int] = [:], _ dialect: Dialect = .ga, tokenLimit: Int = 1_000_000
    ) -> RehydrationPlan {
        RehydrationPlan.make(
            conversation: records, inputs: inputs, dialect: dialect, inputFormat: .pcm16, outputFormat: .pcm16, tokenLimit: tokenLimit)
    }

    private func text(_ seed: RehydrationPlan.Seed?, _ input: ItemInput? = nil) -> String? {
        seed?.item(input: input).map { String(decoding: $0.bytes, as: UTF8.self) }
    }

    private static func user(_ parts: String, id: String = "i") -> String {
        "{\"id\":\"\(id)\",\"object\":\"realtime.item\",\"type\":\"message\",\"status\":\"completed\",\"role\":\"user\",\"content\":[\(parts)]}"
    }

    private static func assistant(_ parts: String) -> String {
        "{\"id\":\"i\",\"type\":\"message\",\"status\":\"completed\",\"role\":\"assistant\",\"content\":[\(parts)]}"
    }

    // MARK: Kinds of items

    struct Row: Sendable, CustomTestStringConvertible {
        let name: String
        let stored: String
        /// What both dialects spell alike, or the beta spelling.
        let created: String
        var ga: String?
        var alteration: String?
        var testDescription: String { name }
    }

    static let carried = [
        Row(
            name: "user text", stored: user(#"{"type":"input_text","text":"h\u00e9"}"#),
            created: #"{"id":"i","type":"message","role":"user","content":[{"type":"input_text","text":"hé"}]}"#),
        Row(
            name: "user text as some servers spell it", stored: user(#"{"type":"text","text":"hi"}"#),
            created: #"{"id":"i","type":"message","role":"user","content":[{"type":"input_text","text":"hi"}]}"#),
        Row(
            name: "user audio by its transcript", stored: user(#"{"type":"input_audio","transcript":"what time"}"#),
            created: #"{"id":"i","type":"message","role":"user","content":[{"type":"input_text","text":"what time"}]}"#,
            alteration: "audio_as_transcript"),
        Row(
            name: "user audio that the item itself holds", stored: user(#"{"type":"input_audio","audio":"AAAA","transcript":"a"}"#),
            created: #"{"id":"i","type":"message","role":"user","content":[{"type":"input_audio","audio":"AAAA","transcript":"a"}]}"#),
        Row(
            name: "user image that the item itself holds",
            stored: user(
                #"{"type":"input_text","text":"see"},{"type":"input_image","image_url":"data:image\/png;base64,AA","detail":"low"}"#),
            created:
                #"{"id":"i","type":"message","role":"user","content":[{"type":"input_text","text":"see"},{"type":"input_image","image_url":"data:image\/png;base64,AA","detail":"low"}]}"#
        ),
        Row(
            name: "several parts keep their order, and one that is gone is said",
            stored: user(
                #"{"type":"input_text","text":"a"},{"type":"input_audio","transcript":"b"},{"type":"input_image"},{"type":"input_text","text":"c"}"#
            ),
            created:
                #"{"id":"i","type":"message","role":"user","content":[{"type":"input_text","text":"a"},{"type":"input_text","text":"b"},{"type":"input_text","text":"c"}]}"#,
            alteration: "image_not_kept"),
        Row(
            name: "assistant text, beta spelling", stored: assistant(#"{"type":"text","text":"yes"}"#),
            created: #"{"id":"i","type":"message","role":"assistant","content":[{"type":"text","text":"yes"}]}"#,
            ga: #"{"id":"i","type":"message","role":"assistant","content":[{"type":"output_text","text":"yes"}]}"#),
        Row(
            name: "assistant text, ga spelling", stored: assistant(#"{"type":"output_text","text":"yes"}"#),
            created: #"{"id":"i","type":"message","role":"assistant","content":[{"type":"text","text":"yes"}]}"#,
            ga: #"{"id":"i","type":"message","role":"assistant","content":[{"type":"output_text","text":"yes"}]}"#),
        Row(
            name: "assistant audio, beta spelling", stored: assistant(#"{"type":"audio","transcript":"yes"}"#),
            created: #"{"id":"i","type":"message","role":"assistant","content":[{"type":"text","text":"yes"}]}"#,
            ga: #"{"id":"i","type":"message","role":"assistant","content":[{"type":"output_text","text":"yes"}]}"#,
            alteration: "audio_as_text"),
        Row(
            name: "assistant audio, ga spelling", stored: assistant(#"{"type":"output_audio","audio":null,"transcript":"yes"}"#),
            created: #"{"id":"i","type":"message","role":"assistant","content":[{"type":"text","text":"yes"}]}"#,
            ga: #"{"id":"i","type":"message","role":"assistant","content":[{"type":"output_text","text":"yes"}]}"#,
            alteration: "audio_as_text"),
        Row(
            name: "assistant with a part of a kind not known",
            stored: assistant(#"{"type":"text","text":"yes"},{"type":"drawing","strokes":[]}"#),
            created: #"{"id":"i","type":"message","role":"assistant","content":[{"type":"text","text":"yes"}]}"#,
            ga: #"{"id":"i","type":"message","role":"assistant","content":[{"type":"output_text","text":"yes"}]}"#,
            alteration: "not_replayable"),
        Row(
            name: "system message",
            stored: #"{"id":"i","type":"message","role":"system","status":"completed","content":[{"type":"input_text","text":"be kind"}]}"#,
            created: #"{"id":"i","type":"message","role":"system","content":[{"type":"input_text","text":"be kind"}]}"#),
        Row(
            name: "function call, also a pending one",
            stored:
                #"{"id":"i","object":"realtime.item","type":"function_call","status":"completed","name":"f","call_id":"c","arguments":"{\"a\":1}"}"#,
            created: #"{"id":"i","type":"function_call","name":"f","call_id":"c","arguments":"{\"a\":1}"}"#),
    ]

    @Test(arguments: carried, Dialect.allCases)
    func anItemIsCreatedInTheTargetsSpelling(row: Row, dialect: Dialect) throws {
        let plan = Self.plan([Self.record("i", row.stored)], dialect)
        #expect(plan.lost == [])
        let seed = try #require(plan.seeds.first)
        #expect(!seed.usesInput)
        #expect(text(seed) == (dialect == .ga ? row.ga ?? row.created : row.created))
        #expect(seed.item(input: nil)?.alteration == row.alteration)
        #expect(plan.altered == row.alteration.map { [ItemNote(id: "i", why: $0)] } ?? [])
    }

    @Test(arguments: [
        ("user audio without transcript", user(#"{"type":"input_audio","transcript":null}"#), "completed", "audio_not_kept"),
        ("user audio with nothing said", user(#"{"type":"input_audio","transcript":" \n"}"#), "completed", "audio_not_kept"),
        ("user image", user(#"{"type":"input_image"}"#), "completed", "image_not_kept"),
        ("user without content", user(""), "completed", "empty"),
        ("assistant that said nothing", assistant(""), "incomplete", "empty"),
        ("assistant with a blank transcript", assistant(#"{"type":"output_audio","transcript":" "}"#), "incomplete", "empty"),
        ("unknown role", #"{"id":"i","type":"message","role":"tool","content":[]}"#, "completed", "not_replayable"),
        ("unknown part", user(#"{"type":"input_video","video":"AA"}"#), "completed", "not_replayable"),
        (
            "call that was cut off", #"{"id":"i","type":"function_call","name":"f","call_id":"c","arguments":"{\"a"}"#, "incomplete",
            "incomplete"
        ),
        (
            "output without its call", #"{"id":"i","type":"function_call_output","call_id":"c","output":"1"}"#, "completed",
            "call_not_carried"
        ),
        ("mcp list", #"{"id":"i","type":"mcp_list_tools","server_label":"s","tools":[]}"#, "completed", "not_replayable"),
        ("mcp call", #"{"id":"i","type":"mcp_call","name":"f","arguments":"{}"}"#, "completed", "not_replayable"),
        ("mcp request", #"{"id":"i","type":"mcp_approval_request","name":"f","arguments":"{}"}"#, "completed", "not_replayable"),
        (
            "mcp response", #"{"id":"i","type":"mcp_approval_response","approval_request_id":"r","approve":true}"#, "completed",
            "not_replayable"
        ),
        ("unknown type", #"{"id":"i","type":"force_message","text":"x"}"#, "completed", "not_replayable"),
        ("no JSON", "{", "completed", "not_replayable"),
    ])
    func whatCannotBeCarriedIsLostAndSaysWhy(name: String, json: String, status: String, why: String) {
        for dialect in Dialect.allCases {
            let plan = Self.plan([Self.record("i", json, status: status)], dialect)
            #expect(plan.seeds == [], "\(name)")
            #expect(plan.lost == [ItemNote(id: "i", why: why)], "\(name)")
        }
    }

    @Test func anItemThatItsResponseNeverFinishedIsCarriedWithTheTextItHas() {
        let plan = Self.plan([Self.record("i", Self.assistant(#"{"type":"text","text":"half a"}"#), status: "incomplete")], .beta)
        #expect(text(plan.seeds.first)?.contains("half a") == true)
    }

    @Test func idsOver32CharactersAreLost() {
        let long = String(repeating: "x", count: 33)
        let fits = String(repeating: "x", count: 32)
        let call = #"{"id":"c1","type":"function_call","name":"f","call_id":"LONG","arguments":"{}"}"#.replacing("LONG", with: long)
        let output = #"{"id":"c2","type":"function_call_output","call_id":"LONG","output":"1"}"#.replacing("LONG", with: long)
        let said = Self.user(#"{"type":"input_text","text":"a"}"#)
        let plan = Self.plan([Self.record(long, said), Self.record("c1", call), Self.record("c2", output), Self.record(fits, said)])
        #expect(plan.seeds.map(\.itemID) == [fits])
        #expect(plan.lost == [long, "c1", "c2"].map { ItemNote(id: $0, why: "id_too_long") })
    }

    @Test func anItemWithoutAnIDIsNotCreatedSinceNothingWouldConfirmIt() {
        let plan = Self.plan([Self.record("", Self.user(#"{"type":"input_text","text":"a"}"#))])
        #expect(plan.lost == [ItemNote(id: "", why: "not_replayable")])
    }

    // MARK: What the caller gave

    @Test func committedAudioIsGivenAgain() throws {
        let record = Self.record("i", Self.user(#"{"type":"input_audio","transcript":"hey"}"#))
        let seed = try #require(Self.plan([record], inputs: ["i": 4]).seeds.first)
        #expect(seed.usesInput)
        #expect(
            text(seed, .audio([1, 2, 3, 4], format: "pcm16/24000"))
                == #"{"id":"i","type":"message","role":"user","content":[{"type":"input_audio","audio":"AQIDBA==","transcript":"hey"}]}"#)
        #expect(seed.item(input: .audio([1, 2, 3, 4], format: "pcm16/24000"))?.alteration == nil)
    }

    @Test func committedAudioOfAServerThatDoesNotShowItsPartIsGivenAgain() throws {
        let seed = try #require(Self.plan([Self.record("i", Self.user(""))], inputs: ["i": 4]).seeds.first)
        #expect(
            text(seed, .audio([1, 2, 3], format: "pcm16/24000"))
                == #"{"id":"i","type":"message","role":"user","content":[{"type":"input_audio","audio":"AQID"}]}"#)
    }

    /// Their bytes would be noise to a connection that takes another format now.
    @Test(arguments: [
        (AudioFormat.pcm16, "g711_ulaw/8000"), (AudioFormat(name: "audio/pcmu", bytesPerSample: 1, samplesPerSecond: 8_000), "pcm16/24000"),
        (AudioFormat.pcm16, "pcm16/16000"), (AudioFormat.pcm16, ""),
    ])
    func committedAudioInAnotherFormatIsCarriedByItsTranscriptOnly(now: AudioFormat, format: String) throws {
        let records = [
            Self.record("a", Self.user(#"{"type":"input_audio","transcript":"hey"}"#)),
            Self.record("b", Self.user(#"{"type":"input_audio","transcript":null}"#)), Self.record("c", Self.user("")),
        ]
        let plan = RehydrationPlan.make(
            conversation: records, inputs: ["a": 4, "b": 4, "c": 4], dialect: .ga, inputFormat: now, outputFormat: .pcm16,
            tokenLimit: 1_000)
        let input = ItemInput.audio([1, 2, 3, 4], format: format)
        #expect(
            text(plan.seeds.first, input)
                == #"{"id":"a","type":"message","role":"user","content":[{"type":"input_text","text":"hey"}]}"#)
        #expect(plan.seeds.first?.item(input: input)?.alteration == "audio_as_transcript")
        for seed in plan.seeds.dropFirst() {
            #expect(seed.item(input: input) == nil)
            #expect(seed.whyWithoutInput == "audio_not_kept")
        }
    }

    @Test func oneSoundUnderSeveralNamesIsOneEncoding() {
        func encoding(_ name: String, _ bytes: Int, _ rate: Int) -> String {
            AudioFormat(name: name, bytesPerSample: bytes, samplesPerSecond: rate).encoding
        }
        #expect(encoding("pcm16", 2, 24_000) == encoding("audio/pcm", 2, 24_000))
        #expect(encoding("pcm16", 2, 16_000) != encoding("pcm16", 2, 24_000))
        #expect(encoding("g711_ulaw", 1, 8_000) == encoding("audio/pcmu", 1, 8_000))
        #expect(encoding("g711_alaw", 1, 8_000) == encoding("audio/pcma", 1, 8_000))
        #expect(encoding("g711_alaw", 1, 8_000) != encoding("g711_ulaw", 1, 8_000))
    }

    @Test func anInputThatIsGoneWhenItIsLoadedLeavesTheTranscriptOrNothing() throws {
        let spoken = Self.record("a", Self.user(#"{"type":"input_audio","transcript":"hey"}"#))
        let mute = Self.record("b", Self.user(#"{"type":"input_audio","transcript":null}"#))
        let picture = Self.record("c", Self.user(#"{"type":"input_image"}"#))
        let plan = Self.plan([spoken, mute, picture], inputs: ["a": 4, "b": 4, "c": 4])
        #expect(plan.seeds.map(\.usesInput) == [true, true, true])
        #expect(plan.altered == [])
        #expect(plan.seeds[0].item(input: nil)?.alteration == "audio_as_transcript")
        #expect(plan.seeds[1].item(input: nil) == nil)
        #expect(plan.seeds[1].whyWithoutInput == "audio_not_kept")
        #expect(plan.seeds[2].item(input: nil) == nil)
        #expect(plan.seeds[2].whyWithoutInput == "image_not_kept")
    }

    @Test func theCallersOwnItemGivesItsAudioAndImagesBackInTheirOrder() throws {
        let stored = Self.user(#"{"type":"input_text","text":"see"},{"type":"input_image"},{"type":"input_audio","transcript":"this"}"#)
        let own =
            #"{"type":"message","role":"user","content":[{"type":"input_text","text":"see"},{"image_url":"data:image\/png;base64,AA","type":"input_image","detail":"high"},{"type":"input_audio","audio":"AAAA"}]}"#
        let seed = try #require(Self.plan([Self.record("i", stored)], inputs: ["i": own.utf8.count]).seeds.first)
        #expect(
            text(seed, .item(Array(own.utf8)))
                == #"{"id":"i","type":"message","role":"user","content":[{"type":"input_text","text":"see"},{"type":"input_image","image_url":"data:image\/png;base64,AA","detail":"high"},{"type":"input_audio","audio":"AAAA","transcript":"this"}]}"#
        )
        #expect(seed.item(input: .item(Array(own.utf8)))?.alteration == nil)
        #expect(seed.item(input: nil)?.alteration == "image_not_kept")
    }

    @Test func anInputIsNotLoadedForAnItemThatHoldsEverything() {
        let plan = Self.plan([Self.record("i", Self.user(#"{"type":"input_text","text":"a"}"#))], inputs: ["i": 9])
        #expect(plan.seeds.map(\.usesInput) == [false])
    }

    // MARK: What was heard

    @Test(
        arguments: [
            (0, "not_heard", nil), (1_000, "cut_where_heard", "one two three four"), (500, "cut_where_heard", "one two"),
            (490, "cut_where_heard", "one two"), (380, "cut_where_heard", "one"), (100, "not_heard", nil),
            (5_000, "cut_where_heard", "one two three four"),
        ] as [(Int, String, String?)])
    func aTruncatedAnswerIsCarriedAsFarAsItWasHeard(cutAt: Int, why: String, words: String?) {
        let json = Self.assistant(#"{"type":"output_audio","transcript":"one two three four"}"#)
        let plan = Self.plan([Self.record("i", json, producedMilliseconds: 1_000, cutAt: cutAt)])
        guard let words else {
            #expect(plan.lost == [ItemNote(id: "i", why: why)])
            return
        }
        #expect(plan.altered == [ItemNote(id: "i", why: why)])
        #expect(
            text(plan.seeds.first)
                == "{\"id\":\"i\",\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":\"\(words)\"}]}"
        )
    }

    @Test func aCutAnswerOfWhichNoAudioIsKnownWasNotHeard() {
        let json = Self.assistant(#"{"type":"audio","transcript":"one two"}"#)
        #expect(Self.plan([Self.record("i", json, cutAt: 700)]).lost == [ItemNote(id: "i", why: "not_heard")])
    }

    @Test func theHeardShareIsCountedInTheOutputFormat() {
        var record = Self.record("i", Self.assistant(#"{"type":"audio","transcript":"one two three four"}"#), cutAt: 500)
        record.producedAudioBytes = 8_000
        let ulaw = AudioFormat(name: "g711_ulaw", bytesPerSample: 1, samplesPerSecond: 8_000)
        let plan = RehydrationPlan.make(
            conversation: [record], inputs: [:], dialect: .beta, inputFormat: .pcm16, outputFormat: ulaw, tokenLimit: 1_000)
        #expect(text(plan.seeds.first)?.contains(#""one two""#) == true)
    }

    // MARK: Calls

    private static func call(_ id: String, status: String = "completed") -> ItemRecord {
        record(
            id, #"{"id":"ID","type":"function_call","name":"f","call_id":"call_ID","arguments":"{}"}"#.replacing("ID", with: id),
            status: status)
    }

    private static func output(_ id: String, of call: String) -> ItemRecord {
        record(
            id,
            #"{"id":"ID","type":"function_call_output","call_id":"call_CALL","output":"1"}"#.replacing("ID", with: id)
                .replacing("CALL", with: call))
    }

    @Test func callsGoWithTheirOutputsAndPendingOnesAlone() {
        let plan = Self.plan([
            Self.call("a"), Self.call("b"), Self.output("c", of: "a"), Self.call("d", status: "incomplete"), Self.output("e", of: "d"),
        ])
        #expect(plan.seeds.map(\.itemID) == ["a", "b", "c"])
        #expect(plan.lost == [ItemNote(id: "d", why: "incomplete"), ItemNote(id: "e", why: "call_not_carried")])
        #expect(text(plan.seeds[2]) == #"{"id":"c","type":"function_call_output","call_id":"call_a","output":"1"}"#)
    }

    @Test func anOutputBeforeItsCallIsNotCarried() {
        let plan = Self.plan([Self.output("b", of: "a"), Self.call("a")])
        #expect(plan.seeds.map(\.itemID) == ["a"])
    }

    // MARK: The token limit

    /// 400 bytes of text and the item itself.
    private static let weight = 100 + TokenEstimate.item

    private static func said(_ id: String) -> ItemRecord {
        record(id, user("{\"type\":\"input_text\",\"text\":\"\(String(repeating: "x", count: 400))\"}", id: id))
    }

    @Test(arguments: [
        (0, []), (weight - 1, []), (weight, ["d"]), (2 * weight - 1, ["d"]), (2 * weight, ["c", "d"]), (4 * weight, ["a", "b", "c", "d"]),
    ])
    func theNewestThatFitAreKept(limit: Int, kept: [String]) {
        let ids = ["a", "b", "c", "d"]
        let plan = Self.plan(ids.map(Self.said), tokenLimit: limit)
        #expect(plan.seeds.map(\.itemID) == kept)
        #expect(plan.lost == ids.filter { !kept.contains($0) }.map { ItemNote(id: $0, why: "token_limit") })
    }

    @Test func nothingOlderIsKeptThanTheFirstThatDoesNotFit() {
        let short = Self.record("a", Self.user(#"{"type":"input_text","text":"x"}"#))
        let plan = Self.plan([short, Self.said("b"), Self.said("c")], tokenLimit: 2 * Self.weight - 1)
        #expect(plan.seeds.map(\.itemID) == ["c"])
    }

    @Test func anOutputGoesWithTheCallThatTheLimitDropped() {
        let plan = Self.plan([Self.call("a"), Self.said("b"), Self.output("c", of: "a"), Self.said("d")], tokenLimit: 2 * Self.weight + 10)
        #expect(plan.seeds.map(\.itemID) == ["b", "d"])
        #expect(plan.lost == [ItemNote(id: "a", why: "token_limit"), ItemNote(id: "c", why: "call_not_carried")])
    }

    @Test func audioAndImagesWeighWhatTheyAreSaidTo() {
        let spoken = Self.record("a", Self.user(#"{"type":"input_audio","transcript":null}"#))
        let picture = Self.record("b", Self.user(#"{"type":"input_image"}"#))
        let seconds = 30
        let weight = 10 * seconds + 800 + 2 * TokenEstimate.item
        let inputs = ["a": 48_000 * seconds, "b": 2_000_000]
        #expect(Self.plan([spoken, picture], inputs: inputs, tokenLimit: weight).seeds.count == 2)
        #expect(Self.plan([spoken, picture], inputs: inputs, tokenLimit: weight - 1).seeds.count == 1)
    }

    @Test func whatIsLostAnywayDoesNotCountAgainstTheLimit() {
        let mcp = Self.record("b", #"{"id":"b","type":"mcp_call","arguments":"\#(String(repeating: "x", count: 4_000))"}"#)
        let plan = Self.plan([Self.said("a"), mcp, Self.said("c")], tokenLimit: 2 * Self.weight)
        #expect(plan.seeds.map(\.itemID) == ["a", "c"])
    }
}
