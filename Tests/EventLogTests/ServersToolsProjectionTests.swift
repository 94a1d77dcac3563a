import Realtime
import Testing

@testable import EventLog

/// What the protocol's later events leave in the conversation: tools that the server calls itself, approvals, retrieved items, and events
/// that are of no item.
@Suite struct ServersToolsProjectionTests {
    private static func projection(_ frames: [String], into projection: Projection = Projection()) throws -> Projection {
        var projection = projection
        for (index, frame) in frames.enumerated() {
            _ = projection.apply(try #require(ServerEvent(Array(frame.utf8))), seq: index + 1)
        }
        return projection
    }

    private static func text(_ item: ItemRecord?) -> String { item.map { String(decoding: $0.json, as: UTF8.self) } ?? "" }

    private static let noTools = #"{"id":"l","type":"mcp_list_tools","server_label":"s","tools":[]}"#
    private static let tools =
        #"{"id":"l","type":"mcp_list_tools","server_label":"s","tools":[{"name":"t","input_schema":{"minimum":1.50}}]}"#

    /// The names come with the second telling only.
    @Test func aListOfToolsIsTheLastThatWasTold() throws {
        let projection = try Self.projection([
            #"{"type":"mcp_list_tools.in_progress","item_id":"l"}"#,
            #"{"type":"conversation.item.added","previous_item_id":null,"item":\#(Self.noTools)}"#,
            #"{"type":"mcp_list_tools.completed","item_id":"l"}"#,
            #"{"type":"conversation.item.done","previous_item_id":null,"item":\#(Self.tools)}"#,
        ])
        #expect(projection.conversation.map(\.id) == ["l"])
        #expect(Self.text(projection.items["l"]) == Self.tools)
        // Whoever imports them again tells again.
        let again = try Self.projection([#"{"type":"conversation.item.done","item":\#(Self.noTools)}"#], into: projection)
        #expect(Self.text(again.items["l"]) == Self.noTools && again.itemCount == 1)
    }

    private static func call(_ status: String, output: String) -> String {
        #"{"id":"c","type":"mcp_call","status":"\#(status)","server_label":"s","name":"t","arguments":"{}","output":\#(output)}"#
    }

    /// `response.done` may come before the call has ended (PROTOCOL, MCP).
    @Test(arguments: ["conversation.item.done", "response.output_item.done"])
    func aServersCallMayEndAfterItsResponse(end: String) throws {
        let projection = try Self.projection([
            #"{"type":"response.created","response":{"id":"r","status":"in_progress","conversation_id":"c"}}"#,
            #"{"type":"response.output_item.added","response_id":"r","output_index":0,"item":\#(Self.call("in_progress", output: "null"))}"#,
            #"{"type":"conversation.item.added","item":\#(Self.call("in_progress", output: "null"))}"#,
            #"{"type":"response.mcp_call_arguments.delta","response_id":"r","item_id":"c","delta":"{"}"#,
            #"{"type":"response.mcp_call_arguments.done","response_id":"r","item_id":"c","arguments":"{}"}"#,
            #"{"type":"response.mcp_call.in_progress","item_id":"c"}"#,
            #"{"type":"response.done","response":{"id":"r","status":"completed"}}"#,
            #"{"type":"response.mcp_call.completed","item_id":"c"}"#,
            #"{"type":"\#(end)","response_id":"r","item":\#(Self.call("completed", output: #""42""#))}"#,
        ])
        let item = try #require(projection.items["c"])
        #expect(item.status == "completed" && item.responseID == "r")
        #expect(Self.text(item) == Self.call("completed", output: #""42""#))
        // The server has answered it itself.
        #expect(projection.pendingCalls.isEmpty && projection.answeredCalls.isEmpty)
        #expect(!projection.isResponding)
    }

    @Test(arguments: [["conversation.item.added", "conversation.item.done"], ["conversation.item.created"]])
    func anApprovalIsTwoItems(events: [String]) throws {
        let items = [
            #"{"id":"q","type":"mcp_approval_request","server_label":"s","name":"t","arguments":"{}"}"#,
            #"{"id":"a","type":"mcp_approval_response","approval_request_id":"q","approve":true,"reason":null}"#,
        ]
        let projection = try Self.projection(
            zip([#"null"#, #""q""#], items).flatMap { previous, item in
                events.map { #"{"type":"\#($0)","previous_item_id":\#(previous),"item":\#(item)}"# }
            })
        #expect(projection.conversation.map(Self.text) == items)
        #expect(projection.pendingCalls.isEmpty)
    }

    /// A retrieved item is a copy with all its audio, and spelt as only that event spells it: it is the answer of who asked.
    @Test func aRetrievedItemChangesNothing() throws {
        let said = #"{"id":"i","role":"assistant","status":"completed","content":[{"type":"output_audio","transcript":"t"}]}"#
        let whole = #"{"id":"i","role":"assistant","content":[{"type":"audio","transcript":"t","audio":"AAAA","format":"pcm16"}]}"#
        let before = try Self.projection([
            #"{"type":"conversation.item.added","item":\#(said)}"#,
            #"{"type":"conversation.item.truncated","item_id":"i","audio_end_ms":5}"#,
        ])
        var projection = before
        for item in [whole, #"{"id":"unknown","role":"user"}"#] {
            let event = try #require(ServerEvent(Array(#"{"type":"conversation.item.retrieved","item":\#(item)}"#.utf8)))
            #expect(projection.apply(event, seq: 9).isEmpty)
        }
        #expect(projection.items == before.items)
        #expect(Self.text(projection.items["i"]) == said)
    }

    /// The item that a timeout names is in the conversation once it is told of, like that of speech.
    @Test func anItemOfSilenceComesLikeOneOfSpeech() throws {
        let frames = ProjectionTests.traces.first { $0.name == "ga idle_timeout" }?.frames.map { String(decoding: $0, as: UTF8.self) } ?? []
        #expect(frames.count == 2)
        let before = try Self.projection(frames)
        #expect(before.items.isEmpty)
        let item =
            #"{"id":"item_Rb_idle1","type":"message","role":"user","status":"completed","content":[{"type":"input_audio","transcript":null}]}"#
        let after = try Self.projection([#"{"type":"conversation.item.added","item":\#(item)}"#], into: before)
        #expect(after.conversation.map(Self.text) == [item])
    }

    @Test(arguments: ["ga webrtc_sip_only", "beta webrtc_sip_only", "ga mcp_tool", "beta mcp_tool"])
    func whatIsOfNoItemLeavesNone(trace: String) throws {
        let frames = try #require(ProjectionTests.traces.first { $0.name == trace }).frames.map { String(decoding: $0, as: UTF8.self) }
        let projection = try Self.projection(frames)
        #expect(projection.items.isEmpty && projection.responses.isEmpty && projection.configuration == nil)
    }

    /// As lenient as the events are read: an item that nests deep, or says a member twice, is as open as any other.
    @Test(arguments: [
        #""x":1,"x":2"#, #""x":"# + String(repeating: "[", count: 80) + String(repeating: "]", count: 80),
    ])
    func anOddItemIsNotLeftOpen(members: String) throws {
        let projection = try Self.projection([
            #"{"type":"response.created","response":{"id":"r","status":"in_progress","conversation_id":"c"}}"#,
            #"{"type":"response.output_item.added","response_id":"r","item":{"id":"i","status":"in_progress"}}"#,
            #"{"type":"conversation.item.added","item":{"id":"i","status":"in_progress",\#(members)}}"#,
            #"{"type":"response.done","response":{"id":"r","status":"cancelled"}}"#,
        ])
        #expect(projection.items["i"]?.status == "incomplete")
        #expect(Self.text(projection.items["i"]) == #"{"id":"i","status":"incomplete",\#(members)}"#)
    }

    @Test func anOddItemHasItsTranscript() throws {
        let projection = try Self.projection([
            #"{"type":"conversation.item.added","item":{"id":"u","x":1,"x":2,"content":[{"type":"input_audio","transcript":null}]}}"#,
            #"{"type":"conversation.item.input_audio_transcription.completed","item_id":"u","content_index":0,"transcript":"caf\u00e9"}"#,
        ])
        #expect(Self.text(projection.items["u"]).hasSuffix(#"[{"type":"input_audio","transcript":"caf\u00e9"}]}"#))
    }
}
