import EventLog
import Foundation
import HTTPServer
import Realtime
import Sessions
import TestSupport
import Testing
import Upstream
import Webhooks

@testable import BridgeAPI

/// Tools with a webhook: what upstream sees of them, which calls are made, and what becomes of their outputs. Upstream and webhooks are scripts.
@Suite(.timeLimit(.minutes(2))) struct WebhookToolTests {
    private static let url = "https://h.example.com/weather?token=SECRET"
    private static func tool(_ name: String, _ more: String = "") -> String {
        #"{"type":"function", "name":"\#(name)"\#(more),"parameters":{"n":1.50}}"#
    }
    private static func withWebhook(_ name: String) -> String { tool(name, #","x-webhook":"\#(url)""#) }

    /// A session, the upstream it talks to, and the webhooks it calls.
    private struct Scene {
        let bridge: APIFixture
        let upstream: ScriptedUpstream
        let connection: ScriptedConnection
        let webhooks: ScriptedWebhooks
        let id: String
        var path: String { "/v1/sessions/\(id)" }

        func begin(_ response: String = "resp_1") {
            connection.push(#"{"type":"response.created","response":{"id":"\#(response)","status":"in_progress","output":[]}}"#)
        }

        func call(_ id: String, _ name: String = "f", of response: String = "resp_1", status: String = "completed") {
            func item(_ status: String, _ arguments: String) -> String {
                #"{"id":"item_\#(id)","type":"function_call","status":"\#(status)","call_id":"\#(id)","name":"\#(name)","arguments":"\#(arguments)"}"#
            }
            let place = #""response_id":"\#(response)","output_index":0"#
            connection.push(#"{"type":"response.output_item.added",\#(place),"item":\#(item("in_progress", ""))}"#)
            connection.push(#"{"type":"conversation.item.created","item":\#(item("in_progress", ""))}"#)
            connection.push(#"{"type":"response.output_item.done",\#(place),"item":\#(item(status, #"{\"city\":\"\u00d6slo\"}"#))}"#)
        }

        func end(_ response: String = "resp_1", _ status: String = "completed") {
            connection.push(#"{"type":"response.done","response":{"id":"\#(response)","status":"\#(status)","output":[]}}"#)
        }

        /// The next frame that upstream is sent, of this type.
        func sent(_ type: String, on connection: ScriptedConnection? = nil) async throws -> JSON {
            let text = try await (connection ?? self.connection).nextSent()
            #expect(!text.contains("x-webhook") && !text.contains("SECRET"), "\(text)")
            let event = try JSON.parse(text)
            try #require(event["type"]?.string == type, "\(text)")
            return event
        }

        /// Upstream takes the output of a call; its text.
        func takeOutput(_ call: String, on connection: ScriptedConnection? = nil) async throws -> String {
            let item = try #require(try await sent("conversation.item.create", on: connection)["item"])
            try #require(item["call_id"]?.string == call && item["type"]?.string == "function_call_output")
            (connection ?? self.connection).push(
                #"{"type":"conversation.item.created","item":\#(String(decoding: item.lexeme, as: UTF8.self))}"#)
            return item["output"]?.string ?? ""
        }

        /// A new connection takes the configuration and the call that it is given again, with its output if it has one.
        func takeCall(_ call: String, withOutput: Bool = false, on connection: ScriptedConnection) async throws {
            _ = try await sent("session.update", on: connection)
            connection.push(#"{"type":"session.updated","session":{"id":"sess_2"}}"#)
            for type in withOutput ? ["function_call", "function_call_output"] : ["function_call"] {
                let item = try #require(try await sent("conversation.item.create", on: connection)["item"])
                try #require(item["call_id"]?.string == call && item["type"]?.string == type)
                connection.push(#"{"type":"conversation.item.created","item":\#(String(decoding: item.lexeme, as: UTF8.self))}"#)
            }
        }

        /// Upstream begins the response that the bridge has asked for.
        func takeResponse(_ id: String, on connection: ScriptedConnection? = nil) async throws {
            let request = try await sent("response.create", on: connection)
            let metadata = request["response"]?["metadata"].map { String(decoding: $0.lexeme, as: UTF8.self) } ?? "null"
            (connection ?? self.connection).push(
                #"{"type":"response.created","response":{"id":"\#(id)","status":"in_progress","output":[],"metadata":\#(metadata)}}"#)
        }

        /// Upstream has the output of the only call, and is asked for the response.
        func giveOutput() async throws {
            begin()
            call("call_a")
            end()
            webhooks.answer(200, "4 °C")
            _ = try await takeOutput("call_a")
            _ = try await sent("response.create")
        }

        /// Until the stored events have one that fits.
        func stored(_ type: String, where fits: (JSON) -> Bool = { _ in true }) async throws -> JSON {
            while true {
                if let event = try await events().first(where: { $0["type"]?.string == type && fits($0) }) { return event }
                await Task.yield()
            }
        }

        func events() async throws -> [JSON] {
            let history = try #require(try await bridge.log.history(of: id))
            return try await history.page(after: 0, limit: 1_000, maximumBytes: 1 << 18).map { try JSON.parse($0.frame) }
        }

        func tools() async throws -> [String] {
            try await events().compactMap { event in
                guard let type = event["type"]?.string, type.hasPrefix("bridge.tool.") else { return nil }
                return "\(type.dropFirst("bridge.tool.".count)) \(event["call_id"]?.string ?? "") \(event["attempt"]?.int ?? 0)"
            }
        }

        func session() async throws -> JSON { try #require(try await bridge.send("GET", path).json) }

        func update(_ body: String, confirm: Bool = true) async throws -> APIAnswer {
            async let answer = bridge.send("PATCH", path, body)
            let event = try await sent("session.update")
            if confirm {
                connection.push(#"{"type":"session.updated","session":{"id":"sess_1"}}"#)
            } else {
                connection.push(
                    #"{"type":"error","error":{"type":"invalid_request_error","code":"invalid_value","message":"no","event_id":"\#(event["event_id"]?.string ?? "")"}}"#
                )
            }
            return try await answer
        }
    }

    private static func play(
        _ tools: [String] = [withWebhook("f")], storage: EventLogConfiguration = EventLogConfiguration(storage: .memory),
        allowed: [String] = ["https://h.example.com/"], _ body: (Scene) async throws -> Void
    ) async throws {
        let upstream = ScriptedUpstream([.session()])
        let webhooks = ScriptedWebhooks()
        try await APIFixture.run(
            connector: upstream, storage: storage, webhooks: try webhooks.webhooks(allowed: allowed)
        ) { (bridge: APIFixture) async throws in
            async let created = bridge.newSession(#"{"metadata":{"user":"42"},"session":{"tools":[\#(tools.joined(separator: ","))]}}"#)
            let connection = try await upstream.nextConnection()
            let update = try JSON.parse(try await connection.nextSent())
            #expect(update["session"]?["tools"]?.elements.count == tools.count)
            connection.push(#"{"type":"session.updated","session":{"id":"sess_1"}}"#)
            let id = try await created
            try await body(Scene(bridge: bridge, upstream: upstream, connection: connection, webhooks: webhooks, id: id))
        }
    }

    // MARK: What upstream sees

    /// Whatever is asked in which dialect: the member is gone, and everything around it is as it was written.
    @Test(arguments: [Dialect.beta, .ga], [Dialect.beta, .ga])
    func upstreamNeverSeesAWebhook(upstream dialect: Dialect, shown: Dialect) async throws {
        let upstream = ScriptedUpstream([.session()])
        let webhooks = try ScriptedWebhooks().webhooks()
        try await APIFixture.run(connector: upstream, dialect: dialect, webhooks: webhooks, configure: { $0.dialect = shown }) {
            (bridge: APIFixture) async throws in
            let tools = "[\(Self.withWebhook("f")),\(Self.tool("g")),\(Self.tool("h", #","x-webhook":null"#))]"
            let session = #"{"type":"realtime","tools":\#(tools)}"#
            async let created = bridge.send("POST", "/v1/sessions", #"{"session":\#(session)}"#)
            let connection = try await upstream.nextConnection()
            func expectBare(_ frame: String) throws {
                let event = try JSON.parse(frame)
                let seen = event["session"]?["tools"]?.elements.map { String(decoding: $0.lexeme, as: UTF8.self) } ?? []
                #expect(seen == [Self.tool("f"), Self.tool("g"), Self.tool("h")])
                #expect(!frame.contains("x-webhook") && !frame.contains("SECRET"))
            }
            try expectBare(try await connection.nextSent())
            connection.push(#"{"type":"session.updated","session":{"id":"sess_1","tools":[]}}"#)
            let answer = try await created
            #expect(answer.status == 201, "\(answer.text)")
            // Its owner sees it.
            #expect(answer.json?["webhooks"]?["f"]?.string == Self.url)
            #expect(answer.json?["webhooks"]?.members.count == 1)
            let path = "/v1/sessions/\(answer.json?["id"]?.string ?? "")"

            async let sent = bridge.send("POST", path + "/events", #"{"type":"session.update","session":\#(session)}"#)
            try expectBare(try await connection.nextSent())
            connection.push(#"{"type":"session.updated","session":{"id":"sess_1","tools":[]}}"#)
            #expect(try await sent.status == 200)
            let list = try await bridge.send("GET", "/v1/sessions")
            #expect(list.json?["data"]?[0]?["webhooks"]?["f"]?.string == Self.url)
            // Not one event has it, since it is stored with the session only.
            let stream = try await bridge.send("GET", path + "/events?until=session.updated")
            #expect(!stream.text.contains("SECRET"))
        }
    }

    struct Bad: Sendable, CustomTestStringConvertible {
        let tools: String
        let place: Int
        let says: String
        var testDescription: String { "\(says): \(tools)" }
        init(_ tools: String, at place: Int = 0, _ says: String) { (self.tools, self.place, self.says) = (tools, place, says) }
    }

    @Test(arguments: [
        Bad(tool("f", #","x-webhook":5"#), "must be a URL, a string"), Bad(tool("f", #","x-webhook":"""#), "must start with https://"),
        Bad(tool("f", #","x-webhook":"http://h.example.com/""#), "no entry of --webhook-allow"),
        Bad(tool("f", #","x-webhook":"https://i.example.com/SECRET""#), "on https://i.example.com, and no entry of --webhook-allow"),
        Bad(tool("f", #","x-webhook":"https://h.example.com/SECRET/../x""#), "segment of dots"),
        Bad(tool("g") + "," + tool("f", #","x-webhook":[]"#), at: 1, "must be a URL, a string"),
        Bad(withWebhook("f") + "," + withWebhook("f"), at: 1, "two tools of the name 'f'"),
        Bad(#"{"type":"mcp","server_label":"s","x-webhook":"https://h.example.com/"}"#, "only a tool of type 'function'"),
        Bad(#"{"type":"function","x-webhook":"https://h.example.com/"}"#, "only a tool of type 'function' that has a name"),
        Bad(#"{"x-webhook":"https://h.example.com/"}"#, "only a tool of type 'function'"),
        Bad(withWebhook(String(repeating: "n", count: 65)), "longer than 64 characters"),
        Bad((0...128).map { withWebhook("f\($0)") }.joined(separator: ","), at: 128, "more than 128 tools"),
    ])
    func whatCannotBeAWebhookIsRefusedBeforeAnythingIsSent(_ bad: Bad) async throws {
        try await Self.play { scene in
            let session = #"{"session":{"tools":[\#(bad.tools)]}}"#
            for answer in [
                try await scene.bridge.send("PATCH", scene.path + "?dialect=beta", session),
                try await scene.bridge.send("POST", "/v1/sessions", session),
                try await scene.bridge.send(
                    "POST", scene.path + "/events", #"{"type":"session.update",\#(session.dropFirst().dropLast())}"#),
            ] {
                #expect(answer.status == 400)
                #expect(answer.code == "invalid_value")
                #expect(answer.error?["param"]?.string == "session.tools[\(bad.place)].x-webhook")
                #expect(answer.error?["message"]?.string?.contains(bad.says) == true, "\(answer.text)")
                #expect(!answer.text.contains("SECRET"))
            }
            #expect(scene.connection.pendingSent.isEmpty)
            // A session that cannot be is not begun.
            #expect(scene.upstream.connectedEndpoints.count == 1)
            #expect(try await scene.session()["webhooks"]?["f"]?.string == Self.url)
        }
    }

    @Test func anUpdateCountsWhenItIsConfirmedAndReplacesAllOfThem() async throws {
        try await Self.play { scene in
            #expect(try await scene.session()["webhooks"]?["f"]?.string == Self.url)
            #expect(try await scene.update(#"{"session":{"instructions":"x"}}"#).json?["webhooks"]?["f"]?.string == Self.url)
            let refused = try await scene.update(#"{"session":{"tools":[\#(Self.withWebhook("g"))]}}"#, confirm: false)
            #expect(refused.status == 400)
            #expect(try await scene.session()["webhooks"]?["f"]?.string == Self.url)
            let replaced = try await scene.update(#"{"session":{"tools":[\#(Self.withWebhook("g")),\#(Self.tool("f"))]}}"#)
            #expect(replaced.json?["webhooks"]?.members.map(\.name) == ["g"])
            #expect(try await scene.update(#"{"session":{"tools":[]}}"#).json?["webhooks"] == nil)
        }
    }

    @Test func aForkTakesThemOverWithItsTools() async throws {
        try await Self.play { scene in
            for (body, names) in [
                ("", ["f"]), (#","session":{"instructions":"x"}"#, ["f"]), (#","session":{"tools":[\#(Self.withWebhook("g"))]}"#, ["g"]),
                (#","session":{"tools":[]}"#, []),
            ] {
                scene.upstream.script(.session("sess_2"))
                async let forked = scene.bridge.send("POST", "/v1/sessions", #"{"from":"\#(scene.id)"\#(body)}"#)
                let connection = try await scene.upstream.nextConnection()
                let update = try await scene.sent("session.update", on: connection)
                #expect(update["session"]?["tools"]?.elements.allSatisfy { $0["name"] != nil } == true)
                connection.push(#"{"type":"session.updated","session":{"id":"sess_2"}}"#)
                let answer = try await forked
                #expect(answer.status == 201, "\(answer.text)")
                #expect(answer.json?["webhooks"]?.members.map(\.name) ?? [] == names)
            }
        }
    }

    // MARK: Calls

    @Test func aCallIsMadeAndTheResponseGoesOn() async throws {
        try await Self.play { scene in
            scene.begin()
            scene.call("call_a")
            // Not before the model has said all it wants to say.
            _ = try await scene.stored("response.output_item.done")
            #expect(scene.webhooks.requests.pending.isEmpty)
            scene.end()
            let request = try await scene.webhooks.requests.next()
            #expect(request.url.target == "/weather?token=SECRET")
            #expect(
                String(decoding: request.body, as: UTF8.self)
                    == #"{"type":"function_call","session_id":"\#(scene.id)","call_id":"call_a","name":"f","arguments":"{\"city\":\"\u00d6slo\"}","response_id":"resp_1","item_id":"item_call_a","metadata":{"user":"42"}}"#
            )
            scene.webhooks.answer(200, "4 °C")
            #expect(try await scene.takeOutput("call_a") == "4 °C")
            _ = try await scene.sent("response.create")
            #expect(try await scene.tools() == ["started call_a 1", "completed call_a 1"])
            let started = try await scene.stored("bridge.tool.started")
            #expect(started["webhook_id"]?.string == request.header("webhook-id"))
            #expect(started["name"]?.string == "f")
            #expect(try await scene.stored("bridge.tool.completed")["status"]?.int == 200)
            let all = try await scene.events().map { String(decoding: $0.source, as: UTF8.self) }.joined()
            #expect(!all.contains("SECRET") && !all.contains("h.example.com"))
            _ = try await scene.stored("conversation.item.created") { $0["item"]?["output"] != nil }
            let listed = try await scene.bridge.send("GET", scene.path + "/function_calls?status=answered")
            #expect(listed.json?["data"]?.elements.count == 1)
        }
    }

    /// One by its webhook, one by a client: the turn goes on when both have theirs.
    @Test func aTurnWaitsForAllItsCalls() async throws {
        try await Self.play([Self.withWebhook("f"), Self.tool("g")]) { scene in
            scene.begin()
            scene.call("call_a")
            scene.call("call_b", "g")
            scene.call("call_c")
            scene.end()
            for _ in 0..<2 { _ = try await scene.webhooks.requests.next() }
            scene.webhooks.answer()
            scene.webhooks.answer()
            var taken: Set<String> = []
            for _ in 0..<2 {
                let item = try #require(try await scene.sent("conversation.item.create")["item"])
                taken.insert(item["call_id"]?.string ?? "")
                scene.connection.push(#"{"type":"conversation.item.created","item":\#(String(decoding: item.lexeme, as: UTF8.self))}"#)
            }
            #expect(taken == ["call_a", "call_c"])
            let answered = Task {
                try await scene.bridge.send(
                    "POST", scene.path + "/function_calls/call_b/output", #"{"output":"1"}"#, headers: ["prefer": "wait=0"])
            }
            #expect(try await scene.takeOutput("call_b") == "1")
            _ = try await answered.value
            _ = try await scene.sent("response.create")
            #expect(scene.webhooks.requests.pending.isEmpty)
        }
    }

    @Test(arguments: ["cancelled", "incomplete", "failed"])
    func aCallOfAResponseThatDidNotEndWellIsNotMade(status: String) async throws {
        try await Self.play { scene in
            scene.begin()
            scene.call("call_a")
            scene.end("resp_1", status)
            // The next one is made, so the first would have been by now.
            scene.begin("resp_2")
            scene.call("call_b", of: "resp_2")
            scene.call("call_c", of: "resp_2", status: "incomplete")
            scene.end("resp_2")
            #expect(String(decoding: try await scene.webhooks.requests.next().body, as: UTF8.self).contains("call_b"))
            scene.webhooks.answer()
            _ = try await scene.takeOutput("call_b")
            _ = try await scene.sent("response.create")
            _ = try await scene.stored("conversation.item.created") {
                $0["item"]?["call_id"]?.string == "call_b" && $0["item"]?["output"] != nil
            }
            #expect(scene.webhooks.requests.pending.isEmpty)
            let pending = try await scene.bridge.send("GET", scene.path + "/function_calls?status=pending")
            #expect(pending.json?["data"]?.elements.map { $0["call_id"]?.string } == ["call_a"])
        }
    }

    @Test func aClientThatAnswersFirstIsTheOneThatCounts() async throws {
        try await Self.play { scene in
            scene.begin()
            scene.call("call_a")
            scene.end()
            _ = try await scene.webhooks.requests.next()
            async let answered = scene.bridge.send(
                "POST", scene.path + "/function_calls/call_a/output", #"{"output":"mine","respond":false}"#)
            #expect(try await scene.takeOutput("call_a") == "mine")
            #expect(try await answered.status == 201)
            scene.webhooks.answer()
            _ = try await scene.stored("bridge.tool.completed")
            // Deleting the output does not have the tool called again.
            let output = try #require(try await scene.bridge.send("GET", scene.path + "/items").json?["data"]?[1]?["id"]?.string)
            async let deleted = scene.bridge.send("DELETE", scene.path + "/items/\(output)")
            _ = try await scene.sent("conversation.item.delete")
            scene.connection.push(#"{"type":"conversation.item.deleted","item_id":"\#(output)"}"#)
            #expect(try await deleted.status == 200)
            let pending = try await scene.bridge.send("GET", scene.path + "/function_calls?status=pending")
            #expect(pending.json?["data"]?.elements.count == 1)
            #expect(scene.webhooks.requests.pending.isEmpty)
            #expect(scene.connection.pendingSent.isEmpty)
            #expect(try await scene.tools() == ["started call_a 1", "completed call_a 1"])
        }
    }

    /// Between two attempts somebody else answers: there is no second one.
    @Test func aCallThatWasAnsweredIsNotTriedAgain() async throws {
        try await Self.play { scene in
            scene.begin()
            scene.call("call_a")
            scene.end()
            _ = try await scene.webhooks.requests.next()
            async let answered = scene.bridge.send(
                "POST", scene.path + "/function_calls/call_a/output", #"{"output":"mine","respond":false}"#)
            _ = try await scene.takeOutput("call_a")
            _ = try await answered
            scene.webhooks.answer(500)
            _ = try await scene.stored("bridge.tool.failed")
            // It goes round once more, and finds nothing to do.
            try await scene.bridge.directory.session(scene.id, for: Caller(owner: nil)).settled()
            #expect(scene.webhooks.requests.pending.isEmpty)
            #expect(try await scene.tools() == ["started call_a 1", "failed call_a 1"])
        }
    }

    @Test func afterTheLastFailureTheModelIsTold() async throws {
        try await Self.play { scene in
            scene.begin()
            scene.call("call_a")
            scene.end()
            for _ in 0..<3 { scene.webhooks.answer(503) }
            #expect(try await scene.takeOutput("call_a") == #"{"error":"the webhook answered 503"}"#)
            _ = try await scene.sent("response.create")
            let ids = Set(scene.webhooks.requests.pending.map { $0.header("webhook-id") })
            #expect(scene.webhooks.requests.pending.count == 3 && ids.count == 1)
            #expect(
                try await scene.tools() == [
                    "started call_a 1", "failed call_a 1", "started call_a 2", "failed call_a 2", "started call_a 3", "failed call_a 3",
                ])
            let last = try await scene.stored("bridge.tool.failed") { $0["attempt"]?.int == 3 }
            #expect(last["will_retry"]?.bool == false)
            #expect(last["error"]?.string == "the webhook answered 503")
        }
    }

    @Test func anOutputThatUpstreamRefusesIsReplacedByAnError() async throws {
        try await Self.play { scene in
            scene.begin()
            scene.call("call_a")
            scene.end()
            scene.webhooks.answer(200, "too much")
            let refused = try await scene.sent("conversation.item.create")
            scene.connection.push(
                #"{"type":"error","error":{"type":"invalid_request_error","code":"string_above_max_length","message":"too long","event_id":"\#(refused["event_id"]?.string ?? "")"}}"#
            )
            #expect(try await scene.takeOutput("call_a") == #"{"error":"the output of this function was refused"}"#)
            _ = try await scene.sent("response.create")
            #expect(try await scene.stored("bridge.tool.failed")["error"]?.string?.contains("too long") == true)
            #expect(scene.webhooks.requests.pending.count == 1)
        }
    }

    /// The connection is lost with the output that says so: that one is given like any other.
    @Test func theErrorInTheOutputsPlaceIsGivenOnAnotherConnectionToo() async throws {
        try await Self.play { scene in
            scene.begin()
            scene.call("call_a")
            scene.end()
            scene.webhooks.answer(200, "too much")
            func refuse(_ event: JSON, on connection: ScriptedConnection) {
                connection.push(
                    #"{"type":"error","error":{"type":"invalid_request_error","code":"x","message":"too long","event_id":"\#(event["event_id"]?.string ?? "")"}}"#
                )
            }
            refuse(try await scene.sent("conversation.item.create"), on: scene.connection)
            // The one in its place comes, and with it the connection ends three times: nobody can be reached.
            var last = scene.connection
            for number in 2...4 {
                _ = try await scene.sent("conversation.item.create", on: last)
                guard number < 4 else { break }
                scene.upstream.script(.session("sess_\(number)"))
                last.end(UpstreamEnd(.lost))
                last = try await scene.upstream.nextConnection()
                try await scene.takeCall("call_a", on: last)
            }
            // It was sent as often as anything is. Lost once more, the same words are given anew.
            scene.upstream.script(.session("sess_5"))
            last.end(UpstreamEnd(.lost))
            last = try await scene.upstream.nextConnection()
            try await scene.takeCall("call_a", on: last)
            #expect(try await scene.takeOutput("call_a", on: last) == #"{"error":"the output of this function was refused"}"#)
            _ = try await scene.sent("response.create", on: last)
            #expect(scene.webhooks.requests.pending.count == 1)
        }
    }

    /// The session has no room for another command all the time. The call is made again, on the same connection.
    @Test(arguments: [1, 100_000])
    func anOutputThatTheBridgeHadNoRoomForIsAskedForAgainOnTheSameConnection(bytes: Int) async throws {
        try await Self.play { scene in
            scene.begin()
            scene.call("call_a")
            scene.end()
            let first = try await scene.webhooks.requests.next()
            var items: [JSON] = []
            for _ in 0..<64 {
                // Nobody waits for it.
                _ = try await scene.bridge.send("POST", scene.path + "/items", #"{"text":"hi"}"#, headers: ["prefer": "wait=0"])
                items.append(try #require(try await scene.sent("conversation.item.create")["item"]))
            }
            scene.webhooks.answer(200, String(repeating: "x", count: bytes))
            let second = try await scene.webhooks.requests.next()
            #expect(second.header("webhook-id") == first.header("webhook-id"))
            for item in items {
                scene.connection.push(#"{"type":"conversation.item.created","item":\#(String(decoding: item.lexeme, as: UTF8.self))}"#)
            }
            _ = try await scene.stored("conversation.item.created") { $0["item"]?["id"]?.string == items[63]["id"]?.string }
            scene.webhooks.answer(200, "found")
            #expect(try await scene.takeOutput("call_a") == "found")
            _ = try await scene.sent("response.create")
        }
    }

    /// Eight calls of one session are under way, so that it takes no place from others; the ninth follows.
    @Test func aSessionCallsEightAtATime() async throws {
        try await Self.play { scene in
            scene.begin()
            for number in 1...10 { scene.call("call_\(number)") }
            scene.end()
            for _ in 1...8 { _ = try await scene.webhooks.requests.next() }
            try await scene.bridge.directory.session(scene.id, for: Caller(owner: nil)).settled()
            #expect(scene.webhooks.requests.pending.isEmpty)
            scene.webhooks.answer()
            let item = try #require(try await scene.sent("conversation.item.create")["item"])
            scene.connection.push(#"{"type":"conversation.item.created","item":\#(String(decoding: item.lexeme, as: UTF8.self))}"#)
            #expect(String(decoding: try await scene.webhooks.requests.next().body, as: UTF8.self).contains("call_9"))
        }
    }

    // MARK: What happens meanwhile

    @Test func anOutputGoesToTheConnectionThatThereIsByThen() async throws {
        try await Self.play { scene in
            scene.begin()
            scene.call("call_a")
            scene.end()
            _ = try await scene.webhooks.requests.next()
            scene.upstream.script(.session("sess_2"))
            scene.connection.end(UpstreamEnd(.lost))
            let connection = try await scene.upstream.nextConnection()
            scene.webhooks.answer(200, "late")
            try await scene.takeCall("call_a", on: connection)
            #expect(try await scene.takeOutput("call_a", on: connection) == "late")
            _ = try await scene.sent("response.create", on: connection)
            #expect(scene.webhooks.requests.pending.isEmpty)
        }
    }

    // MARK: The response that follows

    /// The connection is lost between the output's confirmation and `response.created`.
    @Test func aResponseThatIsLostIsAskedForAgainOnTheNextConnection() async throws {
        try await Self.play { scene in
            try await scene.giveOutput()
            #expect(try await scene.bridge.log.sessionsOwingOutputs() == [scene.id])
            scene.upstream.script(.session("sess_2"))
            scene.connection.end(UpstreamEnd(.lost))
            let connection = try await scene.upstream.nextConnection()
            try await scene.takeCall("call_a", withOutput: true, on: connection)
            try await scene.takeResponse("resp_2", on: connection)
            _ = try await scene.stored("response.created") { $0["response"]?["id"]?.string == "resp_2" }
            #expect(try await scene.bridge.log.sessionsOwingOutputs().isEmpty)
            // One that was created is not asked for again, whatever becomes of it.
            scene.upstream.script(.session("sess_3"))
            connection.end(UpstreamEnd(.lost))
            let third = try await scene.upstream.nextConnection()
            try await scene.takeCall("call_a", withOutput: true, on: third)
            _ = try await scene.stored("bridge.upstream.switched") { $0["generation"]?.int == 3 }
            try await scene.bridge.directory.session(scene.id, for: Caller(owner: nil)).settled()
            #expect(connection.pendingSent.isEmpty && third.pendingSent.isEmpty)
            #expect(scene.webhooks.requests.pending.count == 1)
        }
    }

    @Test func aResponseThatIsLostOverAndOverIsGivenUp() async throws {
        try await Self.play { scene in
            try await scene.giveOutput()
            var last = scene.connection
            for number in 2...4 {
                scene.upstream.script(.session("sess_\(number)"))
                last.end(UpstreamEnd(.lost))
                last = try await scene.upstream.nextConnection()
                try await scene.takeCall("call_a", withOutput: true, on: last)
                if number < 4 { _ = try await scene.sent("response.create", on: last) }
            }
            _ = try await scene.stored("bridge.upstream.switched") { $0["generation"]?.int == 4 }
            while try await !scene.bridge.log.sessionsOwingOutputs().isEmpty { await Task.yield() }
            #expect(last.pendingSent.isEmpty)
        }
    }

    @Test func aResponseThatUpstreamRefusesIsNotAskedForAgain() async throws {
        try await Self.play { scene in
            scene.begin()
            scene.call("call_a")
            scene.end()
            scene.webhooks.answer(200, "4 °C")
            _ = try await scene.takeOutput("call_a")
            let request = try await scene.sent("response.create")
            scene.connection.push(
                #"{"type":"error","error":{"type":"invalid_request_error","code":"quota","message":"no","event_id":"\#(request["event_id"]?.string ?? "")"}}"#
            )
            while try await !scene.bridge.log.sessionsOwingOutputs().isEmpty { await Task.yield() }
            #expect(scene.connection.pendingSent.isEmpty)
        }
    }

    /// The bridge is told to stop between the output's confirmation and `response.created`: it waits for the response, and for its end.
    @Test func aStopWaitsForTheResponseThatFollows() async throws {
        try await Self.play { scene in
            try await scene.giveOutput()
            let session = try await scene.bridge.directory.session(scene.id, for: Caller(owner: nil))
            let stopped = Task { await scene.bridge.directory.stop(within: .seconds(30)) }
            await session.settled()
            scene.begin("resp_2")
            scene.end("resp_2")
            await stopped.value
            let done = try await scene.events().first {
                $0["type"]?.string == "response.done" && $0["response"]?["id"]?.string == "resp_2"
            }
            #expect(done?["response"]?["status"]?.string == "completed")
            #expect(try await scene.bridge.log.sessionsOwingOutputs().isEmpty)
        }
    }

    /// It stops at once: the next start asks for the response, and the one after it does not.
    @Test func aResponseThatAStopHasCutOffIsAskedForByTheNextStart() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "webhooks-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let storage = EventLogConfiguration(storage: .directory(folder))
        var id = ""
        try await Self.play(storage: storage) { scene in
            try await scene.giveOutput()
            id = scene.id
        }
        for isFirst in [true, false] {
            let upstream = ScriptedUpstream([.session("sess_2")])
            let webhooks = ScriptedWebhooks()
            try await APIFixture.run(connector: upstream, storage: storage, webhooks: try webhooks.webhooks()) {
                (bridge: APIFixture) async throws in
                #expect(try await bridge.log.sessionsOwingOutputs() == (isFirst ? [id] : []))
                try await bridge.directory.recover()
                if isFirst {
                    let connection = try await upstream.nextConnection()
                    let scene = Scene(bridge: bridge, upstream: upstream, connection: connection, webhooks: webhooks, id: id)
                    try await scene.takeCall("call_a", withOutput: true, on: connection)
                    try await scene.takeResponse("resp_2")
                    _ = try await scene.stored("response.created") { $0["response"]?["id"]?.string == "resp_2" }
                    #expect(connection.pendingSent.isEmpty)
                } else {
                    try await bridge.directory.session(id, for: Caller(owner: nil)).settled()
                    #expect(upstream.connectedEndpoints.isEmpty)
                }
                #expect(webhooks.requests.pending.isEmpty)
            }
        }
    }

    /// A client that wants no response gets none, from this process or the next one.
    @Test func anOutputThatAClientGaveIsNotGoneOnFrom() async throws {
        try await Self.play { scene in
            scene.begin()
            scene.call("call_a")
            scene.end()
            _ = try await scene.webhooks.requests.next()
            async let answered = scene.bridge.send(
                "POST", scene.path + "/function_calls/call_a/output", #"{"output":"mine","respond":false}"#)
            _ = try await scene.takeOutput("call_a")
            #expect(try await answered.status == 201)
            #expect(try await scene.bridge.log.sessionsOwingOutputs().isEmpty)
            scene.webhooks.answer()
        }
    }

    // MARK: Ends

    /// Nobody's webhooks are called because the session is loaded to be ended.
    @Test(arguments: ["", "?keep=true"])
    func aSessionThatIsLoadedToBeEndedCallsNothing(query: String) async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "webhooks-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let storage = EventLogConfiguration(storage: .directory(folder))
        var id = ""
        try await Self.play(storage: storage) { scene in
            scene.begin()
            scene.call("call_a")
            scene.end()
            _ = try await scene.webhooks.requests.next()
            id = scene.id
        }
        let webhooks = ScriptedWebhooks()
        try await APIFixture.run(connector: ScriptedUpstream(), storage: storage, webhooks: try webhooks.webhooks()) {
            (bridge: APIFixture) async throws in
            #expect(try await bridge.log.sessionsOwingOutputs() == [id])
            #expect(try await bridge.send("DELETE", "/v1/sessions/\(id)\(query)").status == 200)
            #expect(webhooks.requests.pending.isEmpty)
            guard query.isEmpty else {
                let scene = Scene(
                    bridge: bridge, upstream: ScriptedUpstream(), connection: ScriptedConnection(), webhooks: webhooks, id: id)
                #expect(try await scene.tools() == ["started call_a 1"])
                return
            }
        }
    }

    @Test func aClosedSessionMakesNoFurtherAttempt() async throws {
        try await Self.play { scene in
            scene.begin()
            scene.call("call_a")
            scene.end()
            _ = try await scene.webhooks.requests.next()
            let session = try await scene.bridge.directory.session(scene.id, for: Caller(owner: nil))
            #expect(try await scene.bridge.send("DELETE", scene.path + "?keep=true").status == 200)
            scene.webhooks.answer(500)
            await session.settled()
            #expect(scene.webhooks.requests.pending.isEmpty)
            #expect(try await scene.tools() == ["started call_a 1"])
        }
    }

    /// The bridge stops while a webhook is called, and starts again: the call is made again under the same id, and answered once.
    @Test func aCallThatAStopHasCutOffIsMadeAgainByTheNextStart() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "webhooks-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let storage = EventLogConfiguration(storage: .directory(folder))
        var first: (session: String, id: String?) = ("", nil)
        try await Self.play(storage: storage) { scene in
            scene.begin()
            scene.call("call_a")
            scene.end()
            first = (scene.id, try await scene.webhooks.requests.next().header("webhook-id"))
        }
        let upstream = ScriptedUpstream([.session("sess_2")])
        let webhooks = ScriptedWebhooks()
        try await APIFixture.run(connector: upstream, storage: storage, webhooks: try webhooks.webhooks()) {
            (bridge: APIFixture) async throws in
            #expect(try await bridge.log.sessionsOwingOutputs() == [first.session])
            try await bridge.directory.recover()
            // Nobody has asked for the session.
            let request = try await webhooks.requests.next()
            #expect(request.header("webhook-id") == first.id)
            webhooks.answer(200, "again")
            let connection = try await upstream.nextConnection()
            let scene = Scene(bridge: bridge, upstream: upstream, connection: connection, webhooks: webhooks, id: first.session)
            try await scene.takeCall("call_a", on: connection)
            #expect(try await scene.takeOutput("call_a") == "again")
            try await scene.takeResponse("resp_2")
            while try await !bridge.log.sessionsOwingOutputs().isEmpty { await Task.yield() }
            #expect(try await scene.tools() == ["started call_a 1", "started call_a 1", "completed call_a 1"])
            #expect(webhooks.requests.pending.isEmpty)
        }
    }

    /// After a start upstream is not to be reached for the output. The call stays pending, and is made again when somebody has woken the session.
    @Test func anOutputThatCannotBeGivenIsAskedForAgainOnTheNextConnection() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "webhooks-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let storage = EventLogConfiguration(storage: .directory(folder))
        var id = ""
        try await Self.play(storage: storage) { scene in
            scene.begin()
            scene.call("call_a")
            scene.end()
            _ = try await scene.webhooks.requests.next()
            id = scene.id
        }
        let upstream = ScriptedUpstream()
        let webhooks = ScriptedWebhooks()
        try await APIFixture.run(connector: upstream, storage: storage, webhooks: try webhooks.webhooks()) {
            (bridge: APIFixture) async throws in
            let scene = Scene(
                bridge: bridge, upstream: upstream, connection: ScriptedConnection(), webhooks: webhooks, id: id)
            try await bridge.directory.recover()
            let first = try await webhooks.requests.next()
            webhooks.answer(200, "lost")
            let failed = try await scene.stored("bridge.tool.failed")
            #expect(failed["error"]?.string?.hasPrefix("the output could not be given to upstream") == true)
            #expect(failed["will_retry"]?.bool == false)
            let pending = try await bridge.send("GET", scene.path + "/function_calls?status=pending")
            #expect(pending.json?["data"]?.elements.count == 1)
            #expect(webhooks.requests.pending.isEmpty)

            upstream.script(.session("sess_2"))
            async let woken = bridge.send("POST", scene.path + "/items", #"{"text":"hi"}"#)
            let connection = try await upstream.nextConnection()
            try await scene.takeCall("call_a", on: connection)
            let item = try #require(try await scene.sent("conversation.item.create", on: connection)["item"])
            connection.push(#"{"type":"conversation.item.created","item":\#(String(decoding: item.lexeme, as: UTF8.self))}"#)
            #expect(try await woken.status == 201)
            let second = try await webhooks.requests.next()
            #expect(second.header("webhook-id") == first.header("webhook-id"))
            webhooks.answer(200, "found")
            #expect(try await scene.takeOutput("call_a", on: connection) == "found")
        }
    }

    /// The session is its caller's, whose key went with the process: without it upstream would take nothing, and it must not be asked with
    /// another one.
    @Test func aCallersOwnSessionGoesOnWhenItsCallerIsBack() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "webhooks-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let storage = EventLogConfiguration(storage: .directory(folder))
        let bearer: HTTPHeaders = ["authorization": "Bearer callers-key"]
        var (own, open) = ("", "")
        let first = (upstream: ScriptedUpstream([.session(), .session("sess_b")]), webhooks: ScriptedWebhooks())
        try await APIFixture.run(connector: first.upstream, storage: storage, webhooks: try first.webhooks.webhooks()) {
            (bridge: APIFixture) async throws in
            func owing(_ headers: HTTPHeaders) async throws -> String {
                async let created = bridge.newSession(#"{"session":{"tools":[\#(Self.withWebhook("f"))]}}"#, headers: headers)
                let connection = try await first.upstream.nextConnection()
                _ = try await connection.nextSent()
                connection.push(#"{"type":"session.updated","session":{"id":"sess_1"}}"#)
                let id = try await created
                let scene = Scene(bridge: bridge, upstream: first.upstream, connection: connection, webhooks: first.webhooks, id: id)
                scene.begin()
                scene.call("call_a")
                scene.end()
                _ = try await first.webhooks.requests.next()
                return id
            }
            own = try await owing(bearer)
            open = try await owing([:])
        }
        let upstream = ScriptedUpstream([.session("sess_2"), .session("sess_3")])
        let webhooks = ScriptedWebhooks()
        try await APIFixture.run(connector: upstream, storage: storage, webhooks: try webhooks.webhooks()) {
            (bridge: APIFixture) async throws in
            #expect(try await bridge.log.sessionsOwingOutputs() == [own, open])
            try await bridge.directory.recover()
            #expect(try await bridge.send("GET", "/v1/sessions/\(own)/function_calls", headers: bearer).status == 200)
            // The other one, which comes after it.
            #expect(String(decoding: try await webhooks.requests.next().body, as: UTF8.self).contains(open))
            webhooks.answer(200, "x")
            let connection = try await upstream.nextConnection()
            let scene = Scene(bridge: bridge, upstream: upstream, connection: connection, webhooks: webhooks, id: open)
            try await scene.takeCall("call_a", on: connection)
            _ = try await scene.takeOutput("call_a")
            _ = try await scene.sent("response.create")
            #expect(webhooks.requests.pending.isEmpty)
            #expect(upstream.connectedEndpoints.allSatisfy { !$0.headers.contains { $0.value == "Bearer callers-key" } })

            let items = "/v1/sessions/\(own)/items"
            let asked = Task { try await bridge.send("POST", items, #"{"text":"hi"}"#, headers: bearer) }
            #expect(String(decoding: try await webhooks.requests.next().body, as: UTF8.self).contains(own))
            asked.cancel()
            _ = try await upstream.nextConnection()
            #expect(upstream.connectedEndpoints.last?.headers.contains { $0.value == "Bearer callers-key" } == true)
        }
    }

    // MARK: Members that are not taken out

    struct Elsewhere: Sendable, CustomTestStringConvertible {
        let event: String
        let param: String
        var testDescription: String { "\(param): \(event)" }
        init(_ event: String, at param: String) { (self.event, self.param) = (event, param) }
    }

    private static let member = #""x-webhook":"\#(url)""#

    /// Upstream would be shown the URL, and nobody would call it.
    @Test(arguments: [
        Elsewhere(
            #"{"type":"session.update","session":{"tools":[{"type":"function","function":{"name":"f",\#(member)}}]}}"#,
            at: "session.tools[0].function.x-webhook"),
        Elsewhere(
            #"{"type":"session.update","session":{"tools":[\#(withWebhook("f")),{"type":"function","name":"g","X-Webhook":"\#(url)"}]}}"#,
            at: "session.tools[1].X-Webhook"),
        Elsewhere(
            #"{"type":"session.update","session":{"tools":[{"type":"function","name":"g","X-\u0057ebhook":"\#(url)"}]}}"#,
            at: "session.tools[0].X-Webhook"),
        Elsewhere(#"{"type":"session.update","session":{"tools":{\#(member)}}}"#, at: "session.tools.x-webhook"),
        Elsewhere(#"{"type":"session.update","session":{"tools":{"f":{\#(member)}}}}"#, at: "session.tools.f.x-webhook"),
        Elsewhere(#"{"type":"session.update","session":{"instructions":"x",\#(member)}}"#, at: "session.x-webhook"),
        Elsewhere(#"{"type":"session.update","session":{"instructions":"x"},\#(member)}"#, at: "x-webhook"),
        Elsewhere(#"{"type":"session.more","session":{"tools":[\#(withWebhook("f"))]}}"#, at: "session.tools[0].x-webhook"),
        Elsewhere(#"{"type":"tools.add","tool":\#(withWebhook("f"))}"#, at: "tool.x-webhook"),
        Elsewhere(#"{"type":"response.create","response":{"tools":[\#(withWebhook("f"))]}}"#, at: "response.tools[0].x-webhook"),
        Elsewhere(#"{"type":"response.create","response":{"tools":{\#(member)}}}"#, at: "response.tools.x-webhook"),
        Elsewhere(#"{"type":"response.create","response":{"x":[[{\#(member)}]]}}"#, at: "response.x[0][0].x-webhook"),
        Elsewhere(#"{"type":"response.cancel","response":{\#(member)}}"#, at: "response.x-webhook"),
        Elsewhere(#"{"type":"conversation.item.create","item":{"type":"function_call",\#(member)}}"#, at: "item.x-webhook"),
        Elsewhere(
            #"{"type":"conversation.item.create","item":{"type":"message","content":[{"type":"input_text",\#(member)}]}}"#,
            at: "item.content[0].x-webhook"),
    ])
    func aWebhookThatWouldGoUpstreamIsRefused(_ row: Elsewhere) async throws {
        try await Self.play { scene in
            let sent = Task { try await scene.bridge.send("POST", scene.path + "/events", row.event, headers: ["prefer": "wait=0"]) }
            let answer = try await sent.value
            #expect(answer.status == 400, "\(answer.text)")
            #expect(answer.code == "invalid_value")
            #expect(answer.error?["param"]?.string == row.param)
            #expect(answer.error?["message"]?.string?.contains("session.tools") == true, "\(answer.text)")
            #expect(!answer.text.contains("SECRET"))
            #expect(scene.connection.pendingSent.isEmpty)
        }
    }

    /// What only speaks of it is none.
    @Test func aTextAboutWebhooksIsPassedOn() async throws {
        try await Self.play { scene in
            let text = #"say \"x-webhook\": \u0078-webhook"#
            _ = try await scene.bridge.send(
                "POST", scene.path + "/events", #"{"type":"session.more","a-webhook":1,"session":{"instructions":"\#(text)"}}"#,
                headers: ["prefer": "wait=0"])
            #expect(try JSON.parse(try await scene.connection.nextSent())["session"]?["instructions"]?.string?.hasPrefix("say") == true)
        }
    }
}

extension Session {
    /// Returns when what has been begun by now has had its turn, several times over.
    fileprivate func settled() async {
        for _ in 0..<100 {
            _ = record
            await Task.yield()
        }
    }
}
