import EventLog
import HTTPServer
import Realtime
import TestSupport
import Testing
import Upstream

@testable import BridgeAPI

/// Function calls: listed, answered, and the response that goes on once a turn's calls all have their outputs.
@Suite struct FunctionCallTests {
    private static func tools(_ names: [String], _ more: String = "") -> String {
        let tools = names.map {
            #"{"type":"function","name":"\#($0)","parameters":{"type":"object","properties":{"city":{"type":"string"}}}}"#
        }
        return #"{"session":{"type":"realtime",\#(more)"tools":[\#(tools.joined(separator: ","))]}}"#
    }

    private static let text: [Dialect: String] = [.beta: #""modalities":["text"],"#, .ga: #""output_modalities":["text"],"#]

    @Test(arguments: [Dialect.beta, .ga], [Dialect.beta, .ga])
    func aCallIsListedAnsweredAndGoneOnFrom(upstream: Dialect, shown: Dialect) async throws {
        try await APIFixture.run(dialect: upstream, configure: { $0.dialect = shown }) { bridge in
            let id = try await bridge.newSession(Self.tools(["get_weather"], Self.text[shown] ?? ""))
            let path = "/v1/sessions/\(id)/function_calls"
            let asked = try await bridge.send(
                "POST", "/v1/sessions/\(id)/responses", #"{"input":"get weather in Oslo"}"#)
            #expect(asked.status == 200, "\(asked.text)")
            let list = try await bridge.send("GET", path + "?status=pending")
            let call = try #require(list.json?["data"]?[0], "\(list.text)")
            #expect(call["object"]?.string == "realtime.function_call")
            #expect(call["name"]?.string == "get_weather")
            #expect(call["arguments"]?.string?.contains("Oslo") == true)
            #expect(call["arguments_valid"]?.bool == true)
            #expect(call["status"]?.string == "pending")
            #expect(call["response_id"]?.string == asked.json?["id"]?.string)
            #expect(call["output_item_id"]?.isNull == true)
            let callID = try #require(call["call_id"]?.string)
            #expect(list.json?["first_id"]?.string == callID)

            let answered = try await bridge.send("POST", path + "/\(callID)/output", #"{"output":{"celsius":4.50}}"#)
            #expect(answered.status == 201, "\(answered.text)")
            // Any JSON goes up as its own text, as it was spelt.
            #expect(answered.json?["item"]?["output"]?.string == #"{"celsius":4.50}"#)
            #expect(answered.json?["item"]?["type"]?.string == "function_call_output")
            #expect(answered.json?["waits_for"]?.elements.isEmpty == true)
            let item = try #require(answered.json?["item"]?["id"]?.string)
            #expect(answered.headers["location"] == "/v1/sessions/\(id)/items/\(item)")
            let response = try #require(answered.json?["response"]?["id"]?.string)
            // It is answered when the response has begun, and goes on by itself.
            let done = try await bridge.send(
                "GET", "/v1/sessions/\(id)/events?until=response.done&response_id=\(response)")
            #expect(done.text.contains("celsius"))

            #expect(try await bridge.send("GET", path + "?status=pending").json?["data"]?.elements.isEmpty == true)
            let known = try await bridge.send("GET", path + "?status=answered,incomplete")
            #expect(known.json?["data"]?[0]?["output_item_id"]?.string == item)
            let again = try await bridge.send("POST", path + "/\(callID)/output", #"{"output":"5"}"#)
            #expect(again.status == 409)
            #expect(again.code == "function_call_already_answered")
            #expect(again.headers["x-should-retry"] == "false")
            #expect(try await bridge.send("GET", "/v1/sessions/\(id)/responses").json?["data"]?.elements.count == 2)
        }
    }

    @Test func aTurnOfTwoCallsGoesOnOnceBothHaveTheirOutputs() async throws {
        try await APIFixture.run { bridge in
            let id = try await bridge.newSession(Self.tools(["get_weather", "get_time"], #""modalities":["text"],"#))
            let path = "/v1/sessions/\(id)/function_calls"
            _ = try await bridge.send("POST", "/v1/sessions/\(id)/responses", #"{"input":"get weather and get time in Oslo"}"#)
            let list = try await bridge.send("GET", path)
            let calls = try (list.json?["data"]?.elements ?? []).map { try #require($0["call_id"]?.string) }
            try #require(calls.count == 2, "\(list.text)")
            #expect(try await bridge.send("GET", path + "?limit=1&after=\(calls[0])").json?["data"]?[0]?["call_id"]?.string == calls[1])
            let first = try await bridge.send("POST", path + "/\(calls[1])/output", #"{"output":"12:00"}"#)
            #expect(first.status == 201)
            #expect(first.json?["response"]?.isNull == true)
            #expect(first.json?["waits_for"]?.elements.map(\.string) == [calls[0]])
            // A walk goes on at a call that the filter no longer shows.
            let rest = try await bridge.send("GET", path + "?status=pending&order=desc&after=\(calls[1])")
            #expect(rest.json?["data"]?.elements.map { $0["call_id"]?.string } == [calls[0]])
            let second = try await bridge.send("POST", path + "/\(calls[0])/output", #"{"output":"rain"}"#)
            #expect(second.status == 201)
            #expect(second.json?["response"]?["object"]?.string == "realtime.response")
            #expect(second.json?["waits_for"]?.elements.isEmpty == true)
        }
    }

    // MARK: Races, against a script

    /// A conversation whose response `resp_1` makes calls.
    private struct Scene {
        let bridge: APIFixture
        let upstream: ScriptedConnection
        let path: String

        func begin(_ response: String = "resp_1") {
            upstream.push(#"{"type":"response.created","response":{"id":"\#(response)","status":"in_progress","output":[]}}"#)
        }

        func call(_ id: String, of response: String = "resp_1") {
            func item(_ status: String, _ arguments: String) -> String {
                #"{"id":"item_\#(id)","type":"function_call","status":"\#(status)","call_id":"\#(id)","name":"f","arguments":"\#(arguments)"}"#
            }
            let place = #""response_id":"\#(response)","output_index":0"#
            upstream.push(#"{"type":"response.output_item.added",\#(place),"item":\#(item("in_progress", ""))}"#)
            upstream.push(#"{"type":"conversation.item.created","item":\#(item("in_progress", ""))}"#)
            upstream.push(#"{"type":"response.output_item.done",\#(place),"item":\#(item("completed", "{"))}"#)
        }

        func end(_ response: String = "resp_1", _ status: String = "completed") {
            upstream.push(#"{"type":"response.done","response":{"id":"\#(response)","status":"\#(status)","output":[]}}"#)
        }

        /// Until the bridge has it stored.
        func stored(_ call: String, _ status: String = "pending") async throws {
            while true {
                let list = try await bridge.send("GET", path + "?status=\(status)&limit=100")
                if list.json?["data"]?.elements.contains(where: { $0["call_id"]?.string == call }) == true { return }
                await Task.yield()
            }
        }

        func output(_ call: String, _ body: String = #"{"output":"1"}"#, wait: Int = 20) async throws -> APIAnswer {
            try await bridge.send("POST", path + "/\(call)/output", body, headers: ["prefer": "wait=\(wait)"])
        }

        /// Upstream takes the next output, and says so.
        func takeOutput(_ call: String) async throws {
            let event = try JSON.parse(try await upstream.nextSent())
            try #require(event["item"]?["call_id"]?.string == call, "\(String(decoding: event.source, as: UTF8.self))")
            let item = try #require(event["item"])
            upstream.push(#"{"type":"conversation.item.created","item":\#(String(decoding: item.lexeme, as: UTF8.self))}"#)
        }

        /// Upstream is asked for a response; what it was asked with.
        func takeCreate() async throws -> JSON {
            let event = try JSON.parse(try await upstream.nextSent())
            try #require(event["type"]?.string == "response.create", "\(String(decoding: event.source, as: UTF8.self))")
            return event
        }

        func create(_ id: String, for event: JSON) {
            let metadata = event["response"]?["metadata"].map { String(decoding: $0.lexeme, as: UTF8.self) } ?? "null"
            upstream.push(
                #"{"type":"response.created","response":{"id":"\#(id)","status":"in_progress","output":[],"metadata":\#(metadata)}}"#)
        }
    }

    private static func play(_ body: (Scene) async throws -> Void) async throws {
        let upstream = ScriptedUpstream([.session()])
        try await APIFixture.run(connector: upstream) { (bridge: APIFixture) async throws in
            let id = try await bridge.newSession()
            let connection = try await upstream.nextConnection()
            try await body(Scene(bridge: bridge, upstream: connection, path: "/v1/sessions/\(id)/function_calls"))
            #expect(connection.pendingSent.isEmpty)
        }
    }

    /// OpenAI takes no `call_id` of more than 32 characters; servers that make longer ones do.
    @Test func anOutputNamesItsCallAsUpstreamDidHoweverLong() async throws {
        try await Self.play { scene in
            let long = "chatcmpl-tool-" + String(repeating: "0", count: 32)
            scene.begin()
            scene.call(long)
            scene.end()
            try await scene.stored(long)
            async let answer = scene.output(long)
            try await scene.takeOutput(long)
            scene.create("resp_2", for: try await scene.takeCreate())
            #expect(try await answer.status == 201)
            let item = #"{"item":{"type":"function_call_output","call_id":"\#(long)x","output":"1"}}"#
            let unknown = try await scene.bridge.send("POST", scene.path.replacing("/function_calls", with: "/items"), item)
            #expect(unknown.status == 400)
            #expect(unknown.code == "string_above_max_length")
        }
    }

    @Test func outputsThatCrossAreGoneOnFromOnce() async throws {
        try await Self.play { scene in
            scene.begin()
            scene.call("call_a")
            scene.call("call_b")
            scene.end()
            try await scene.stored("call_b")
            async let a = scene.output("call_a")
            async let b = scene.output("call_b")
            let first = try JSON.parse(try await scene.upstream.nextSent())
            let second = try JSON.parse(try await scene.upstream.nextSent())
            for event in [first, second] {
                let item = try #require(event["item"])
                scene.upstream.push(#"{"type":"conversation.item.created","item":\#(String(decoding: item.lexeme, as: UTF8.self))}"#)
            }
            scene.create("resp_2", for: try await scene.takeCreate())
            let answers = try await [a, b]
            #expect(answers.map(\.status) == [201, 201])
            // Whoever's was the last one, or came while the response was asked for, has it in its answer.
            #expect(answers.contains { $0.json?["response"]?["id"]?.string == "resp_2" })
            #expect(answers.allSatisfy { $0.json?["arguments_valid"] == nil })
        }
    }

    @Test func anOutputMayComeBeforeItsResponseHasEnded() async throws {
        try await Self.play { scene in
            scene.begin()
            scene.call("call_a")
            try await scene.stored("call_a")
            let list = try await scene.bridge.send("GET", scene.path)
            #expect(list.json?["data"]?[0]?["arguments_valid"]?.bool == false)
            let early = Task { try await scene.output("call_a", wait: 0) }
            try await scene.takeOutput("call_a")
            _ = try await early.value
            // The response makes another call before it ends: the turn is not over with the first output.
            scene.call("call_b")
            scene.end()
            try await scene.stored("call_b")
            #expect(scene.upstream.pendingSent.isEmpty)
            let last = Task { try await scene.output("call_b") }
            try await scene.takeOutput("call_b")
            scene.create("resp_2", for: try await scene.takeCreate())
            #expect(try await last.value.json?["response"]?["id"]?.string == "resp_2")
        }
    }

    @Test func anotherResponseIsWaitedForAndNamed() async throws {
        try await Self.play { scene in
            scene.begin()
            scene.call("call_a")
            scene.end()
            scene.begin("resp_voice")
            try await scene.stored("call_a")
            while try await scene.bridge.send("GET", scene.path.replacing("/function_calls", with: "")).json?["active_response_id"]?.isNull
                != false
            {}
            let answered = Task { try await scene.output("call_a", wait: 3) }
            try await scene.takeOutput("call_a")
            let answer = try await answered.value
            #expect(answer.status == 201)
            #expect(answer.json?["response"]?.isNull == true)
            #expect(answer.json?["waits_for"]?.elements.map(\.string) == ["resp_voice"])
            // Nobody waits any more, and it goes on all the same.
            scene.end("resp_voice")
            _ = try await scene.takeCreate()
        }
    }

    @Test func aResponseThatVoiceDetectionBeganFirstIsWaitedFor() async throws {
        try await Self.play { scene in
            scene.begin()
            scene.call("call_a")
            scene.end()
            try await scene.stored("call_a")
            async let answered = scene.output("call_a")
            try await scene.takeOutput("call_a")
            let asked = try await scene.takeCreate()
            scene.begin("resp_voice")
            let event = try #require(asked["event_id"]?.string)
            scene.upstream.push(
                #"{"type":"error","error":{"type":"invalid_request_error","code":"conversation_already_has_active_response","message":"m","event_id":"\#(event)"}}"#
            )
            scene.end("resp_voice", "cancelled")
            scene.create("resp_2", for: try await scene.takeCreate())
            let answer = try await answered
            #expect(answer.status == 201, "\(answer.text)")
            #expect(answer.json?["response"]?["id"]?.string == "resp_2")
        }
    }

    @Test func aRefusedOutputAsksForNothing() async throws {
        try await Self.play { scene in
            scene.begin()
            scene.call("call_a")
            scene.end()
            try await scene.stored("call_a")
            async let refused = scene.output("call_a")
            let sent = try JSON.parse(try await scene.upstream.nextSent())
            let event = try #require(sent["event_id"]?.string)
            scene.upstream.push(
                #"{"type":"error","error":{"type":"invalid_request_error","code":"invalid_value","message":"m","event_id":"\#(event)"}}"#)
            #expect(try await refused.status == 400)
            // The call is still open, and this output is not to be gone on from.
            let again = Task { try await scene.output("call_a", #"{"output":"1","respond":false}"#) }
            try await scene.takeOutput("call_a")
            let answer = try await again.value
            #expect(answer.status == 201)
            #expect(answer.json?["response"]?.isNull == true)
            #expect(answer.json?["waits_for"]?.elements.isEmpty == true)
        }
    }

    @Test func aClientThatHangsUpDoesNotStopTheTurn() async throws {
        try await Self.play { scene in
            scene.begin()
            scene.call("call_a")
            scene.end()
            try await scene.stored("call_a")
            let gone = Task { try await scene.output("call_a") }
            let sent = try JSON.parse(try await scene.upstream.nextSent())
            gone.cancel()
            _ = try? await gone.value
            let item = try #require(sent["item"])
            scene.upstream.push(#"{"type":"conversation.item.created","item":\#(String(decoding: item.lexeme, as: UTF8.self))}"#)
            _ = try await scene.takeCreate()
        }
    }

    @Test func aRefusedResponseSaysThatTheOutputIsThere() async throws {
        try await Self.play { scene in
            scene.begin()
            scene.call("call_a")
            scene.end()
            try await scene.stored("call_a")
            async let answered = scene.output("call_a")
            try await scene.takeOutput("call_a")
            let event = try #require(try await scene.takeCreate()["event_id"]?.string)
            scene.upstream.push(
                #"{"type":"error","error":{"type":"invalid_request_error","code":"rate_limit_exceeded","message":"m","event_id":"\#(event)"}}"#
            )
            let answer = try await answered
            #expect(answer.status == 429)
            #expect(answer.error?["message"]?.string?.contains("output is in the conversation") == true)
            #expect(answer.headers["x-should-retry"] == "false")
            try await scene.stored("call_a", "answered")
        }
    }

    /// Refuses what was sent with that id.
    private static func refuse(_ event: JSON, _ code: String, on upstream: ScriptedConnection) throws {
        let id = try #require(event["event_id"]?.string)
        upstream.push(
            #"{"type":"error","error":{"type":"invalid_request_error","code":"\#(code)","message":"m","event_id":"\#(id)"}}"#)
    }

    @Test func aTurnOutlivesTheRefusalOfOneOfItsOutputs() async throws {
        try await Self.play { scene in
            scene.begin()
            scene.call("call_a")
            scene.call("call_b")
            scene.end()
            try await scene.stored("call_b")
            let refused = Task { try await scene.output("call_a") }
            let first = try JSON.parse(try await scene.upstream.nextSent())
            let taken = Task { try await scene.output("call_b") }
            try await scene.takeOutput("call_b")
            try Self.refuse(first, "invalid_value", on: scene.upstream)
            #expect(try await refused.value.status == 400)
            #expect(try await taken.value.json?["waits_for"]?.elements.map(\.string) == ["call_a"])
            // Its second answer is the last one that was missing, and asks for nothing itself.
            let again = Task { try await scene.output("call_a", #"{"output":"1","respond":false}"#) }
            try await scene.takeOutput("call_a")
            _ = try await scene.takeCreate()
            #expect(try await again.value.status == 201)
        }
    }

    @Test func voicesThatAreAlwaysFasterAreWaitedForThreeTimes() async throws {
        try await Self.play { scene in
            scene.begin()
            scene.call("call_a")
            scene.end()
            try await scene.stored("call_a")
            async let answered = scene.output("call_a")
            try await scene.takeOutput("call_a")
            for voice in 1...4 {
                let asked = try await scene.takeCreate()
                scene.begin("resp_voice\(voice)")
                try Self.refuse(asked, "conversation_already_has_active_response", on: scene.upstream)
                scene.end("resp_voice\(voice)")
            }
            let answer = try await answered
            #expect(answer.status == 409, "\(answer.text)")
            #expect(answer.code == "conversation_already_has_active_response")
        }
    }

    @Test func onlySoManyTurnsWaitHalfAnswered() async throws {
        try await Self.play { scene in
            for turn in 1...17 {
                scene.begin("resp_\(turn)")
                scene.call("call_a\(turn)", of: "resp_\(turn)")
                scene.call("call_b\(turn)", of: "resp_\(turn)")
                scene.end("resp_\(turn)")
            }
            try await scene.stored("call_b17")
            for turn in 1...16 {
                async let half = scene.output("call_a\(turn)")
                try await scene.takeOutput("call_a\(turn)")
                #expect(try await half.status == 201)
            }
            let refused = try await scene.output("call_a17")
            #expect(refused.status == 429)
            #expect(refused.error?["message"]?.string?.contains("16 turns") == true)
            // One that waits already goes on.
            async let last = scene.output("call_b3")
            try await scene.takeOutput("call_b3")
            scene.create("resp_18", for: try await scene.takeCreate())
            #expect(try await last.json?["response"]?["id"]?.string == "resp_18")
        }
    }

    // MARK: The list

    private static func item(_ id: String, _ json: String, isDeleted: Bool = false) -> ItemRecord {
        var item = ItemRecord(id: id, createdSeq: 1, previousItemID: nil, json: Array(json.utf8), status: nil, responseID: nil)
        item.isDeleted = isDeleted
        return item
    }

    private static func call(_ status: String) -> ItemRecord {
        item("i1", #"{"type":"function_call","call_id":"c","status":"\#(status)","arguments":"{\"a\""}"#)
    }

    private static let output = #"{"type":"function_call_output","call_id":"c","output":"1"}"#

    @Test(arguments: [
        ([call("in_progress")], FunctionCallView.Status.inProgress, "null"),
        ([call("completed")], .pending, "false"),
        ([call("incomplete")], .incomplete, "false"),
        ([call("completed"), item("i2", output)], .answered, "false"),
        // The output was taken out of the conversation again.
        ([call("completed"), item("i2", output, isDeleted: true)], .pending, "false"),
        // Of two calls with one id the first counts.
        ([call("completed"), item("i3", #"{"type":"function_call","call_id":"c","status":"incomplete"}"#)], .pending, "false"),
    ])
    func aCallIsAsItsItemsSay(items: [ItemRecord], status: FunctionCallView.Status, areArgumentsValid: String) throws {
        let calls = FunctionCallView.calls(in: items)
        #expect(calls.map(\.status) == [status])
        let value = try JSON.parse(try #require(calls.first).value.bytes)
        #expect(value["item_id"]?.string == "i1")
        #expect(value["arguments_valid"].map { String(decoding: $0.lexeme, as: UTF8.self) } == areArgumentsValid)
    }
}
