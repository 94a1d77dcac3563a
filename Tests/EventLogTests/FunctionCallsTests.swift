import Realtime
import Testing

@testable import EventLog

struct FunctionCallsTests {
    private static func call(_ id: String, _ call: String, _ status: String = "completed", event: String = "conversation.item.added")
        -> String
    {
        #"{"type":"\#(event)","item":{"id":"\#(id)","type":"function_call","call_id":"\#(call)","status":"\#(status)"}}"#
    }

    private static func output(_ id: String, _ call: String) -> String {
        #"{"type":"conversation.item.added","item":{"id":"\#(id)","type":"function_call_output","call_id":"\#(call)"}}"#
    }

    private static func deleted(_ id: String) -> String { #"{"type":"conversation.item.deleted","item_id":"\#(id)"}"# }

    struct Row: Sendable, CustomTestStringConvertible {
        let name: String
        let frames: [String]
        var pending: Set<String> = []
        var answered: Set<String> = []
        var testDescription: String { name }
    }

    @Test(arguments: [
        Row(name: "a completed call waits", frames: [call("f", "c")], pending: ["c"]),
        Row(name: "a call that is being written does not", frames: [call("f", "c", "in_progress")]),
        Row(
            name: "it does when it is done",
            frames: [call("f", "c", "in_progress"), call("f", "c", event: "response.output_item.done")], pending: ["c"]),
        Row(name: "one that was cut short never does", frames: [call("f", "c", "incomplete")]),
        Row(name: "its output answers it", frames: [call("f", "c"), output("o", "c")], answered: ["c"]),
        Row(name: "an output may come first", frames: [output("o", "c"), call("f", "c")], answered: ["c"]),
        Row(
            name: "calls wait apart", frames: [call("f", "c"), call("g", "d"), output("o", "d"), call("h", "e")], pending: ["c", "e"],
            answered: ["d"]),
        Row(name: "a deleted call does not wait", frames: [call("f", "c"), deleted("f")]),
        Row(name: "without its output a call waits again", frames: [call("f", "c"), output("o", "c"), deleted("o")], pending: ["c"]),
        Row(
            name: "and takes another one", frames: [call("f", "c"), output("o", "c"), deleted("o"), output("p", "c")], answered: ["c"]),
        Row(name: "unless it is deleted too", frames: [call("f", "c"), output("o", "c"), deleted("f"), deleted("o")]),
        Row(
            name: "one of two outputs is enough", frames: [call("f", "c"), output("o", "c"), output("p", "c"), deleted("o")],
            answered: ["c"]),
        Row(
            name: "words on a deleted item do not bring it back",
            frames: [call("f", "c"), deleted("f"), call("f", "c", event: "conversation.item.done")]),
        Row(
            name: "a call that a switch lost still waits",
            frames: [call("f", "c"), #"{"type":"bridge.upstream.switched","state_restored":false,"items_lost":[{"id":"f"}]}"#],
            pending: ["c"]),
        Row(
            name: "a call outside of the conversation does not", frames: [call("f", "c", event: "response.output_item.done")]),
    ])
    func callsWaitForTheirOutputs(_ row: Row) throws {
        var projection = Projection()
        for (index, frame) in row.frames.enumerated() {
            _ = projection.apply(try #require(ServerEvent(Array(frame.utf8))), seq: index + 1)
            let loaded = Projection(
                items: Array(projection.items.values), responses: [], configuration: nil, usage: UsageTotals())
            #expect(loaded.pendingCalls == projection.pendingCalls)
            #expect(loaded.answeredCalls == projection.answeredCalls)
        }
        #expect(projection.pendingCalls == row.pending)
        #expect(projection.answeredCalls == row.answered)
    }

    /// Upstream may nest deeper and name twice what the bridge's own callers may not.
    @Test func aCallThatUpstreamSpeltOddlyIsKnownAfterLoadingToo() throws {
        let deep = String(repeating: "[", count: 80) + String(repeating: "]", count: 80)
        let frame = #"""
            {"type":"conversation.item.added","item":{"id":"f","x":\#(deep),"x":1,"type":"function_call","call_id":"c","status":"completed"}}
            """#
        var projection = Projection()
        _ = projection.apply(try #require(ServerEvent(Array(frame.utf8))), seq: 1)
        let loaded = Projection(items: Array(projection.items.values), responses: [], configuration: nil, usage: UsageTotals())
        #expect(projection.pendingCalls == ["c"])
        #expect(loaded.pendingCalls == ["c"])
    }
}
