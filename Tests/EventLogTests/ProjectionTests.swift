import Foundation
import Realtime
import Testing

@testable import EventLog

/// Replays the protocol's example traces, in both spellings.
@Suite struct ProjectionTests {
    struct Trace: CustomTestStringConvertible, Sendable {
        let name: String
        let frames: [[UInt8]]
        var testDescription: String { name }
    }

    /// The server's side of every ordered trace in `examples.jsonl`.
    static let traces: [Trace] = {
        let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../Fixtures/examples.jsonl")
        guard let text = try? String(contentsOf: file, encoding: .utf8) else { return [] }
        var traces: [String: [(seq: Int, frame: [UInt8])]] = [:]
        for line in text.split(separator: "\n") {
            guard let example = try? JSON.parse(String(line)), example["direction"]?.string == "server",
                let payload = example["payload"], let dialect = example["dialect"]?.string, let scenario = example["scenario"]?.string
            else { continue }
            traces["\(dialect) \(scenario)", default: []].append((example["seq"]?.int ?? 0, Array(payload.lexeme)))
        }
        return traces.map { Trace(name: $0.key, frames: $0.value.sorted { $0.seq < $1.seq }.map(\.frame)) }.sorted { $0.name < $1.name }
    }()

    private func rows(_ frames: [[UInt8]]) -> (items: [String: ItemRecord], responses: [String: ResponseRecord], projection: Projection) {
        var projection = Projection()
        var items: [String: ItemRecord] = [:]
        var responses: [String: ResponseRecord] = [:]
        for (index, frame) in frames.enumerated() {
            guard let event = ServerEvent(frame) else { continue }
            for change in projection.apply(event, seq: index + 1) {
                switch change {
                case .item(let item): items[item.id] = item
                case .response(let response): responses[response.id] = response
                case .input, .inputCopied, .speech: Issue.record("no event carries an input")
                }
            }
        }
        return (items, responses, projection)
    }

    @Test func theExamplesAreThere() {
        #expect(Self.traces.count > 25)
    }

    /// Invariant I8: a projection loaded from its rows in the middle goes on as one that saw everything.
    @Test(arguments: traces)
    func aProjectionReloadedAtAnyPointEndsUpTheSame(trace: Trace) {
        let whole = rows(trace.frames)
        for cut in trace.frames.indices {
            let first = rows(Array(trace.frames[..<cut]))
            var resumed = Projection(
                items: Array(first.items.values), responses: Array(first.responses.values), configuration: first.projection.configuration,
                usage: first.projection.usage)
            var items = first.items
            var responses = first.responses
            for index in cut..<trace.frames.count {
                guard let event = ServerEvent(trace.frames[index]) else { continue }
                for change in resumed.apply(event, seq: index + 1) {
                    switch change {
                    case .item(let item): items[item.id] = item
                    case .response(let response): responses[response.id] = response
                    case .input, .inputCopied, .speech: Issue.record("no event carries an input")
                    }
                }
            }
            // Which response an item belongs to is known between two frames only in memory; a reload there ends the response anyway.
            let withoutResponse = { (items: [String: ItemRecord]) in
                items.mapValues { item in
                    ItemRecord(
                        id: item.id, createdSeq: item.createdSeq, previousItemID: item.previousItemID, json: item.json, status: item.status,
                        responseID: nil)
                }
            }
            #expect(withoutResponse(items) == withoutResponse(whole.items))
            #expect(responses == whole.responses)
        }
    }

    @Test(arguments: ["beta", "ga"])
    func aTextTurnLeavesTwoFinishedItemsAndOneResponse(dialect: String) throws {
        let trace = try #require(Self.traces.first { $0.name == "\(dialect) text_turn" })
        let (items, responses, projection) = rows(trace.frames)
        #expect(projection.conversation.map { try? JSON.parse($0.json)["role"]?.string } == ["user", "assistant"])
        #expect(items.values.allSatisfy { $0.status == "completed" })
        #expect(responses.values.map(\.status) == ["completed"])
        #expect(projection.activeResponse == nil)
        #expect(projection.usage.totalTokens > 0)
        let assistant = try #require(projection.conversation.last)
        #expect(assistant.responseID == responses.keys.first)
    }

    @Test(arguments: ["beta", "ga"])
    func producedAudioIsCountedFromTheDeltas(dialect: String) throws {
        let trace = try #require(Self.traces.first { $0.name == "\(dialect) audio_turn_manual" })
        let deltas = try trace.frames.map { try JSON.parse($0) }.filter { $0["type"]?.string?.hasSuffix("audio.delta") == true }
        let bytes = try deltas.map { try #require(Data(base64Encoded: $0["delta"]?.string ?? "")).count }.reduce(0, +)
        #expect(bytes > 0)
        #expect(rows(trace.frames).items.values.map(\.producedAudioBytes).max() == bytes)
    }

    @Test func transcriptsLandInTheirItemAlsoAfterTheResponse() throws {
        var projection = Projection()
        let frames = [
            #"{"type":"conversation.item.created","item":{"id":"u","content":[{"type":"input_audio","transcript":null}]}}"#,
            #"{"type":"conversation.item.input_audio_transcription.completed","item_id":"u","content_index":0,"transcript":"Hi \"you\""}"#,
        ]
        for (index, frame) in frames.enumerated() { _ = projection.apply(try #require(ServerEvent(Array(frame.utf8))), seq: index + 1) }
        let item = try JSON.parse(try #require(projection.items["u"]).json)
        #expect(item["content"]?[0]?["transcript"]?.string == "Hi \"you\"")
    }

    @Test func anOpenItemBecomesIncompleteWithItsResponsesEnd() throws {
        var projection = Projection()
        let lost = BridgeEvent.responseLost(
            response: try JSON.parse(#"{"id":"r","status":"in_progress","conversation_id":"c"}"#), eventID: "e", message: "gone")
        let frames = [
            #"{"type":"response.created","response":{"id":"r","status":"in_progress","conversation_id":"c"}}"#,
            #"{"type":"response.output_item.added","response_id":"r","item":{"id":"a","status":"in_progress"}}"#,
            #"{"type":"conversation.item.created","item":{"id":"a","status":"in_progress"}}"#, String(decoding: lost, as: UTF8.self),
        ]
        for (index, frame) in frames.enumerated() { _ = projection.apply(try #require(ServerEvent(Array(frame.utf8))), seq: index + 1) }
        #expect(projection.items["a"]?.status == "incomplete")
        #expect(projection.responses["r"]?.status == "failed")
        // A late terminal of upstream's changes nothing: there is one per response (I9).
        let late = #"{"type":"response.done","response":{"id":"r","status":"completed","usage":{"total_tokens":5}}}"#
        #expect(projection.apply(try #require(ServerEvent(Array(late.utf8))), seq: 9).isEmpty)
        #expect(projection.usage.totalTokens == 0)
    }

    @Test func itemsOfALaterUpstreamConversationFollowTheEarlierOnes() throws {
        var projection = Projection()
        let frames = [
            #"{"type":"conversation.item.created","previous_item_id":null,"item":{"id":"a"}}"#,
            #"{"type":"conversation.item.created","previous_item_id":"a","item":{"id":"b"}}"#,
            #"{"type":"bridge.upstream.switched","state_restored":false,"items_lost":[{"id":"a"},{"id":"b"}]}"#,
            #"{"type":"conversation.item.created","previous_item_id":null,"item":{"id":"c"}}"#,
            #"{"type":"conversation.item.created","previous_item_id":"c","item":{"id":"d"}}"#,
        ]
        for (index, frame) in frames.enumerated() { _ = projection.apply(try #require(ServerEvent(Array(frame.utf8))), seq: index + 1) }
        #expect(projection.conversation.map(\.id) == ["a", "b", "c", "d"])
    }

    @Test func deletedItemsKeepTheirPlaceAndTheirId() throws {
        var projection = Projection()
        let frames = [
            #"{"type":"conversation.item.created","previous_item_id":null,"item":{"id":"a"}}"#,
            #"{"type":"conversation.item.created","previous_item_id":"a","item":{"id":"b"}}"#,
            #"{"type":"conversation.item.deleted","item_id":"a"}"#,
            #"{"type":"conversation.item.created","previous_item_id":"b","item":{"id":"c"}}"#,
            #"{"type":"conversation.item.created","previous_item_id":null,"item":{"id":"first"}}"#,
        ]
        for (index, frame) in frames.enumerated() { _ = projection.apply(try #require(ServerEvent(Array(frame.utf8))), seq: index + 1) }
        #expect(projection.conversation.map(\.id) == ["first", "b", "c"])
        #expect(projection.itemCount == 3)
        #expect(projection.items["a"]?.isDeleted == true)
    }

    @Test func whatWasCutOnceStaysCut() throws {
        let cuts = { (ends: [Int]) in
            ends.map {
                String(
                    decoding: BridgeEvent.itemTruncated(itemID: "a", contentIndex: 0, audioEndMilliseconds: $0, eventID: "e"), as: UTF8.self
                )
            }
        }
        let item = #"{"type":"conversation.item.created","item":{"id":"a"}}"#
        #expect(try projection([item] + cuts([200, 900])).items["a"]?.truncatedAtMilliseconds == 200)
        #expect(try projection([item] + cuts([900, 200])).items["a"]?.truncatedAtMilliseconds == 200)
        let without = #"{"type":"conversation.item.truncated","item_id":"a"}"#
        #expect(try projection([item, without]).items["a"]?.truncatedAtMilliseconds == nil)
        #expect(try projection([item] + cuts([200]) + [without]).items["a"]?.truncatedAtMilliseconds == 200)
    }

    @Test func responsesInProgressAreThoseWithoutATerminal() throws {
        let created = { (id: String, conversation: String) in
            #"{"type":"response.created","response":{"id":"\#(id)","conversation_id":\#(conversation)}}"#
        }
        let done = { (id: String) in #"{"type":"response.done","response":{"id":"\#(id)","status":"completed"}}"# }
        var frames = [created("z", "null"), created("b", #""c""#), created("a", "null"), done("unknown")]
        func check(_ inProgress: [String], active: String?) throws {
            let live = try projection(frames)
            let loaded = Projection(
                items: [], responses: Array(live.responses.values).shuffled(), configuration: nil, usage: UsageTotals())
            for projection in [live, loaded] {
                #expect(projection.responsesInProgress.map(\.id) == inProgress)
                #expect(projection.activeResponse?.id == active)
                #expect(projection.isResponding == !inProgress.isEmpty)
            }
        }
        try check(["z", "b", "a"], active: "b")
        frames += [done("z"), done("z"), created("z", #""c""#)]
        try check(["b", "a"], active: "b")
        frames += [done("b")]
        try check(["a"], active: nil)
        frames += [done("a")]
        try check([], active: nil)
    }

    private func projection(_ frames: [String]) throws -> Projection {
        var projection = Projection()
        for (index, frame) in frames.enumerated() { _ = projection.apply(try #require(ServerEvent(Array(frame.utf8))), seq: index + 1) }
        return projection
    }

    @Test func usageThatDoesNotFitStaysAtTheLargestNumber() throws {
        let frames = ["a", "b", "c"].flatMap { id in
            [
                #"{"type":"response.created","response":{"id":"\#(id)"}}"#,
                #"""
                {"type":"response.done","response":{"id":"\#(id)",
                "usage":{"total_tokens":9223372036854775807,"input_tokens":-5,"output_tokens":3}}}
                """#,
            ]
        }
        let usage = try projection(frames).usage
        #expect(usage.totalTokens == .max)
        #expect(usage.inputTokens == 0)
        #expect(usage.outputTokens == 9)
    }

    @Test(arguments: [#""text""#, "[]", "1", "null"])
    func aTranscriptForAPartThatIsNoObjectChangesNothing(part: String) throws {
        let frames = [
            #"{"type":"conversation.item.created","item":{"id":"u","content":[\#(part)]}}"#,
            #"{"type":"conversation.item.input_audio_transcription.completed","item_id":"u","content_index":0,"transcript":"Hi"}"#,
        ]
        let item = try #require(try projection(frames).items["u"])
        #expect(String(decoding: item.json, as: UTF8.self) == #"{"id":"u","content":[\#(part)]}"#)
        #expect(item.updatedSeq == 1)
    }

    @Test func escapedSlashesInAudioAreOneCharacter() throws {
        let frames = [
            #"{"type":"conversation.item.created","item":{"id":"a"}}"#,
            #"{"type":"response.audio.delta","response_id":"r","item_id":"a","delta":"\/\/\/\/\u002b\/8="}"#,
        ]
        #expect(try projection(frames).items["a"]?.producedAudioBytes == 5)
    }

    @Test func aResponseAnnouncedTwiceIsOne() throws {
        var projection = try projection([
            #"{"type":"response.created","response":{"id":"r","status":"in_progress"}}"#,
            #"{"type":"response.done","response":{"id":"r","status":"completed","usage":{"total_tokens":5}}}"#,
        ])
        let again = #"{"type":"response.created","response":{"id":"r","status":"in_progress"}}"#
        #expect(projection.apply(try #require(ServerEvent(Array(again.utf8))), seq: 3).isEmpty)
        #expect(projection.responses["r"]?.doneSeq == 2)
        #expect(projection.activeResponse == nil)
        let done = #"{"type":"response.done","response":{"id":"r","status":"completed","usage":{"total_tokens":5}}}"#
        #expect(projection.apply(try #require(ServerEvent(Array(done.utf8))), seq: 4).isEmpty)
        #expect(projection.usage.totalTokens == 5)
    }

    /// What `response.created` says of its conversation holds, whatever the terminal spells.
    @Test(arguments: [(#","conversation_id":null"#, true), (#","conversation_id":"c""#, false), ("", false)])
    func whereAResponseBelongsIsSaidOnceAtItsStart(member: String, isOutOfBand: Bool) throws {
        for end in [#","conversation_id":null"#, #","conversation_id":"c""#, ""] {
            let projection = try projection([
                #"{"type":"response.created","response":{"id":"r"\#(member)}}"#, #"{"type":"response.done","response":{"id":"r"\#(end)}}"#,
            ])
            #expect(projection.responses["r"]?.isOutOfBand == isOutOfBand)
        }
    }

    @Test func anItemWithoutAWordOnItsPlaceIsAppended() throws {
        let frames = [
            #"{"type":"conversation.item.created","item":{"id":"a"}}"#,
            #"{"type":"conversation.item.created","item":{"id":"b"}}"#,
            #"{"type":"conversation.item.created","previous_item_id":null,"item":{"id":"first"}}"#,
            #"{"type":"conversation.item.deleted","item_id":"b"}"#,
            #"{"type":"conversation.item.created","item":{"id":"c"}}"#,
            #"{"type":"bridge.upstream.switched","state_restored":false,"items_lost":[{"id":"a"},{"id":"first"},{"id":"c"}]}"#,
            #"{"type":"conversation.item.created","item":{"id":"d"}}"#,
            #"{"type":"conversation.item.created","item":{"id":"e"}}"#,
            #"{"type":"conversation.item.created","previous_item_id":null,"item":{"id":"between"}}"#,
        ]
        #expect(try projection(frames).conversation.map(\.id) == ["first", "a", "c", "between", "d", "e"])
    }
}
