import Audio
import EventLog
import HTTPServer
import Realtime
import Sessions
import TestSupport
import Testing
import Upstream

@testable import BridgeAPI

/// `POST /v1/responses`: a response without a session of the caller's.
@Suite struct OneShotRouteTests {
    private static let path = "/v1/responses"

    private static func text(_ dialect: Dialect) -> String {
        dialect == .ga ? #""output_modalities":["text"]"# : #""modalities":["text"]"#
    }

    /// `/v1/sessions/rts_…` of an answer's `location`.
    private static func session(_ answer: APIAnswer) throws -> String {
        let place = try #require(answer.headers["location"]).split(separator: "/")
        return "/" + place.prefix(3).joined(separator: "/")
    }

    @Test(arguments: [(Dialect.beta, Dialect.beta), (.ga, .ga), (.ga, .beta), (.beta, .ga)])
    func itIsAnsweredInTheCallersDialectAndCanBeReadAgain(upstream: Dialect, shown: Dialect) async throws {
        try await APIFixture.run(dialect: upstream) { bridge in
            let query = "?dialect=\(shown.rawValue)"
            let body = "{\"input\":\"say one two\",\(Self.text(shown)),\"metadata\":{\"a\":\"b\"},\"if_active\":\"queue\"}"
            let answer = try await bridge.send("POST", Self.path + query, body)
            #expect(answer.status == 200, "\(answer.text)")
            #expect(answer.json?["output_text"]?.string == "one two")
            #expect(answer.json?["metadata"]?["a"]?.string == "b" && answer.json?["metadata"]?.members.count == 1)
            let type = shown == .ga ? "output_text" : "text"
            #expect(answer.json?["output"]?[0]?["content"]?[0]?["type"]?.string == type)
            let place = try #require(answer.headers["location"])
            #expect(place.hasPrefix("/v1/sessions/rts_") && place.hasSuffix("/responses/\(answer.json?["id"]?.string ?? "?")"))
            #expect(try await bridge.send("GET", place + query).json?["output_text"]?.string == "one two")
            let session = try await bridge.closed(Self.session(answer))
            #expect(session["item_count"]?.int == 0)
            #expect(try await bridge.send("GET", "/v1/sessions").json?["data"]?.elements.isEmpty == true)
            let events = try await bridge.send("GET", Self.session(answer) + "/events" + query).events
            #expect(events.last == "bridge.session.closed" && events.count { $0 == "response.done" } == 1)
        }
    }

    @Test(arguments: [Dialect.beta, .ga])
    func everyFormOfAnAnswerIsThere(dialect: Dialect) async throws {
        try await APIFixture.run(dialect: dialect) { bridge in
            func ask(_ body: String, _ accept: String? = nil) async throws -> APIAnswer {
                let answer = try await bridge.send("POST", Self.path, body, headers: accept.map { ["accept": $0] } ?? [:])
                #expect(answer.headers["location"]?.hasPrefix("/v1/sessions/rts_") == true)
                return answer
            }
            let text = Self.text(dialect)
            for streamed in [
                try await ask("{\"input\":\"say hi\",\"stream\":true,\(text)}"),
                try await ask("{\"input\":\"say hi\",\(text)}", "text/event-stream"),
            ] {
                #expect(streamed.status == 200 && streamed.headers["content-type"] == "text/event-stream")
                #expect(streamed.events.first == "response.created" && streamed.events.last == "response.done")
                // What broke off is gone on with.
                let ids = streamed.text.split(separator: "\n").filter { $0.hasPrefix("id: ") }.map { String($0.dropFirst(4)) }
                let again = try await bridge.send(
                    "GET", (streamed.headers["location"] ?? "") + "?stream=true", headers: ["last-event-id": ids[ids.count - 2]])
                #expect(again.events == ["response.done"])
            }
            let words = try await ask(#"{"input":"say one two three"}"#, "text/plain")
            #expect(words.status == 200 && words.text == "one two three\n")
            let wav = try await ask(#"{"input":"say one two three"}"#, "audio/wav")
            let place = try #require(wav.headers["location"])
            let stored = try await bridge.send("GET", place + "/audio", headers: ["accept": "audio/pcm"])
            #expect(stored.bytes.count > 10_000)
            let isAll = wav.bytes.dropFirst(44).elementsEqual(stored.bytes)
            #expect(isAll)
            let isTheSame = try await ask(#"{"input":"say one two three"}"#, "audio/pcm").bytes == stored.bytes
            #expect(isTheSame)
            let spoken = try await ask(#"{"input":"say one two three"}"#)
            let href = try #require(spoken.json?["output_audio"]?["href"]?.string)
            #expect(try await bridge.send("GET", href, headers: ["accept": "audio/pcm"]).bytes.count == stored.bytes.count)

            let begun = try await ask("{\"input\":\"say later\",\"background\":true,\(text)}")
            #expect(begun.status == 202 && begun.json?["status"]?.string == "in_progress")
            let later = try await bridge.send("GET", (begun.headers["location"] ?? "") + "?stream=true")
            #expect(later.events.last == "response.done")
            let receipt = try await bridge.send(
                "POST", Self.path, "{\"input\":\"say x\",\(text)}", headers: ["prefer": "respond-async"])
            #expect(receipt.status == 202 && receipt.json?["object"]?.string == "realtime.command")
            #expect(receipt.headers["location"]?.hasPrefix("/v1/sessions/rts_") == true)
            #expect(bridge.api.streams.registry.gauges.open == 0)
        }
    }

    @Test func theInputIsAllItKnows() async throws {
        try await APIFixture.run { bridge in
            let input = #"[{"type":"message","role":"user","content":[{"type":"input_text","text":"say from the array"}]}]"#
            let array = try await bridge.send("POST", Self.path, "{\"input\":\(input),\"conversation\":\"none\",\"modalities\":[\"text\"]}")
            #expect(array.json?["output_text"]?.string == "from the array")
            #expect(array.json?["conversation_id"]?.isNull == true)
            #expect(try await bridge.send("POST", Self.path, #"{"input":"say x","model":"gpt-realtime-2","upstream":"u"}"#).status == 200)
            #expect(try await bridge.send("POST", Self.path).status == 200)
        }
    }

    @Test func whatUpstreamRefusesOrFailsIsAnError() async throws {
        try await APIFixture.run { bridge in
            for (body, status, code, isPlaced) in [
                (#"{"max_output_tokens":"many"}"#, 400, "invalid_value", false),
                (#"{"input":"fail with rate_limit_exceeded"}"#, 429, "rate_limit_exceeded", true),
                (#"{"input":"fail with server_error"}"#, 502, "server_error", true),
            ] {
                for accept in ["application/json", "text/plain", "text/event-stream"] where status == 400 || accept != "text/event-stream" {
                    let answer = try await bridge.send("POST", Self.path, body, headers: ["accept": accept])
                    #expect(answer.status == status && answer.code == code, "\(answer.text)")
                    #expect((answer.headers["location"] != nil) == isPlaced)
                }
            }
            #expect(bridge.api.streams.registry.gauges.open == 0)
        }
    }

    /// The time that its caller waits is also the connection's.
    @Test(arguments: ["/v1/responses", "/v1/sessions"])
    func aConnectionThatTakesLongerThanItsCallerWaitsIsGivenUp(path: String) async throws {
        let upstream = ScriptedUpstream([.stall])
        try await APIFixture.run(connector: upstream) { bridge in
            let answer = try await bridge.send("POST", path, #"{"model":"m"}"#, headers: ["prefer": "wait=1"])
            #expect(answer.status == 503 && answer.code == "upstream_unavailable", "\(answer.text)")
            #expect(answer.text.contains("nothing was sent") && answer.headers["x-should-retry"] == "true")
            #expect(try await bridge.send("GET", "/v1/sessions").json?["data"]?.elements.isEmpty == true)
        }
    }

    @Test func speechThatDoesNotComeSaysWhereTheAnswerIsRead() async throws {
        try await APIFixture.run { bridge in
            let tools = #"[{"type":"function","name":"get_weather","parameters":{"type":"object","properties":{}}}]"#
            let answer = try await bridge.send(
                "POST", Self.path, "{\"input\":\"please get weather\",\"tools\":\(tools)}", headers: ["accept": "audio/wav"])
            #expect(answer.code == "response_has_no_audio", "\(answer.text)")
            let read = try await bridge.send("GET", (answer.headers["location"] ?? "") + "/responses")
            #expect(read.json?["data"]?[0]?["output"]?[0]?["name"]?.string == "get_weather", "\(read.text)")
        }
    }

    @Test func whileItRunsItIsHiddenAndTakesOnlyItsCancel() async throws {
        try await APIFixture.run(deltaDelay: .milliseconds(20)) { bridge in
            let begun = try await bridge.send("POST", Self.path, #"{"input":"count to 1000","modalities":["text"],"background":true}"#)
            let (place, session) = (try #require(begun.headers["location"]), try Self.session(begun))
            #expect(try await bridge.send("GET", session).json?["status"]?.string == "active")
            for query in ["", "?status=active", "?order=asc"] {
                #expect(try await bridge.send("GET", "/v1/sessions" + query).json?["data"]?.elements.isEmpty == true)
            }
            for (method, path, body) in [
                ("POST", "/items", #"{"text":"x"}"#), ("POST", "/responses", #"{"input":"say x"}"#),
                ("POST", "/responses", #"{"conversation":"none"}"#), ("POST", "/input_audio", #"{"audio":"AAAAAAAA"}"#),
                ("PATCH", "", #"{"session":{"instructions":"x"}}"#), ("POST", "/input_audio/commit", "{}"),
                ("PATCH", "", #"{"metadata":{"a":"b"}}"#), ("PATCH", "", #"{"dialect":"ga"}"#), ("PATCH", "", #"{"max_duration":1}"#),
                ("PATCH", "", #"{"on_last_viewer_gone":"close"}"#), ("PATCH", "", #"{"idle_timeout":null}"#),
            ] {
                let refused = try await bridge.send(method, session + path, body)
                #expect(refused.status == 409 && refused.code == "session_is_one_shot", "\(method) \(path): \(refused.text)")
                #expect(refused.headers["x-should-retry"] == "false")
            }
            let upload = try await bridge.upload(
                [UInt8](repeating: 0, count: 4_800), to: session + "/input_audio", headers: ["content-type": "audio/pcm"])
            #expect(upload.status == 409 && upload.code == "session_is_one_shot", "\(upload.text)")
            let cancelled = try await bridge.send("POST", place + "/cancel")
            #expect(cancelled.status == 200 && cancelled.json?["status"]?.string == "cancelled")
            _ = try await bridge.closed(session)
            #expect(try await bridge.send("POST", session + "/items", #"{"text":"x"}"#).status == 410)
            #expect(try await bridge.send("POST", place + "/cancel").status == 410)
            #expect(try await bridge.send("GET", place).json?["status"]?.string == "cancelled")
            let events = try await bridge.send("GET", session + "/events").events
            #expect(events.last == "bridge.session.closed" && !events.contains("bridge.input_audio.failed"))
        }
    }

    @Test func nobodyGoesOnFromIt() async throws {
        try await APIFixture.run(deltaDelay: .milliseconds(20)) { bridge in
            let begun = try await bridge.send("POST", Self.path, #"{"input":"count to 1000","modalities":["text"],"background":true}"#)
            let session = try Self.session(begun)
            func goOn(_ key: String? = nil) async throws -> APIAnswer {
                try await bridge.send(
                    "POST", "/v1/sessions", "{\"from\":\"\(session.split(separator: "/")[2])\"}",
                    headers: key.map { ["authorization": "Bearer \($0)"] } ?? [:])
            }
            for _ in 0..<2 {
                let refused = try await goOn()
                #expect(
                    refused.status == 409 && refused.code == "session_is_one_shot" && refused.json?["error"]?["param"]?.string == "from")
                _ = try await bridge.send("POST", (begun.headers["location"] ?? "") + "/cancel")
                _ = try await bridge.closed(session)
            }
            #expect(try await bridge.send("GET", "/v1/sessions").json?["data"]?.elements.isEmpty == true)
        }
    }

    @Test func itIsItsCallersAlone() async throws {
        try await APIFixture.run { bridge in
            let answer = try await bridge.send(
                "POST", Self.path, #"{"input":"say x","modalities":["text"]}"#, headers: ["authorization": "Bearer sk-mine"])
            let place = try #require(answer.headers["location"])
            #expect(try await bridge.send("GET", place, headers: ["authorization": "Bearer sk-mine"]).status == 200)
            #expect(try await bridge.send("GET", place).status == 404)
        }
    }

    @Test func itCountsAmongTheLiveSessions() async throws {
        try await APIFixture.run(connector: ScriptedUpstream([.session()]), limits: SessionLimits(live: 1)) { bridge in
            _ = try await bridge.newSession()
            let answer = try await bridge.send("POST", Self.path, #"{"input":"x"}"#)
            #expect(answer.status == 429 && answer.code == "session_limit_exceeded")
        }
    }

    /// Whoever leaves has not changed its mind.
    @Test func aClientThatHangsUpDoesNotStopIt() async throws {
        let upstream = ScriptedUpstream([.session()])
        try await APIFixture.run(connector: upstream) { bridge in
            let asking = Task { try await bridge.send("POST", Self.path, #"{"input":"x"}"#) }
            let server = try await upstream.nextConnection()
            let create = try JSON.parse(try await server.nextSent())
            #expect(create["response"]?["conversation"]?.string == "none")
            asking.cancel()
            _ = try? await asking.value
            try server.answer(create, "resp_1", status: "completed")
            #expect(try await server.waitForEnd().kind == .closedByUs)
            #expect(server.pendingSent.isEmpty)
        }
    }

    @Test func aConnectionThatIsLostOnceItWasAskedIsToldAndNotAskedAgain() async throws {
        let upstream = ScriptedUpstream([.session(), .session()])
        try await APIFixture.run(connector: upstream) { bridge in
            for begins in [false, true] {
                async let asking = bridge.send("POST", Self.path, #"{"input":"x"}"#)
                let server = try await upstream.nextConnection()
                let create = try JSON.parse(try await server.nextSent())
                if begins { try server.answer(create, "resp_1", status: nil) }
                // Whether the socket has taken it is known by now.
                try await Task.sleep(for: .milliseconds(20))
                server.end(UpstreamEnd(.lost))
                let answer = try await asking
                #expect(answer.status == 502 && answer.code == "upstream_lost", "\(answer.text)")
                #expect(answer.headers["x-should-retry"] == "false")
                _ = try await bridge.closed(Self.session(answer))
            }
            #expect(upstream.connectedEndpoints.count == 2)
        }
    }

    private static let speaches = UpstreamConfiguration(
        name: "s", url: "ws://scripted", dialect: .beta, tls: UpstreamTLS(), defaultModel: "m", apiKey: "k",
        profile: UpstreamProfile(supportsOutOfBand: false, maximumSessionAge: nil))

    @Test(arguments: [
        (#""x""#, 1), (#"[{"type":"message","role":"user","content":[]},{"type":"message","role":"user","content":[]}]"#, 2), ("null", 0),
    ])
    func aServerWithoutResponsesOutOfBandIsGivenTheItemsAndClosed(input: String, items: Int) async throws {
        let upstream = ScriptedUpstream([.session()])
        try await APIFixture.run(connector: upstream, others: [Self.speaches]) { bridge in
            async let asking = bridge.send("POST", Self.path, "{\"upstream\":\"s\",\"conversation\":\"none\",\"input\":\(input)}")
            let server = try await upstream.nextConnection()
            for _ in 0..<items {
                let item = try JSON.parse(try await server.nextSent())
                #expect(item["type"]?.string == "conversation.item.create")
                let id = try #require(item["item"]?["id"]?.string)
                server.push("{\"type\":\"conversation.item.created\",\"item\":{\"id\":\"\(id)\",\"type\":\"message\",\"role\":\"user\"}}")
            }
            let create = try JSON.parse(try await server.nextSent())
            #expect(create["type"]?.string == "response.create" && create["response"]?["conversation"] == nil)
            #expect(create["response"]?["input"]?.elements.isEmpty != false)
            try server.answer(create, "resp_1", status: "completed", conversation: #""conv_1""#)
            #expect(try await asking.status == 200)
            #expect(try await server.waitForEnd().kind == .closedByUs)
        }
    }

    private static func items(_ number: Int) -> String {
        let item = #"{"type":"message","role":"user","content":[]}"#
        return "{\"upstream\":\"s\",\"modalities\":[\"text\"],\"input\":[\(Array(repeating: item, count: number).joined(separator: ","))]}"
    }

    @Test func soManyItemsAreGivenToItAndNoMore() async throws {
        let upstream = ScriptedUpstream([.session()])
        try await APIFixture.run(connector: upstream, others: [Self.speaches]) { bridge in
            let refused = try await bridge.send("POST", Self.path, Self.items(257))
            #expect(refused.status == 400 && refused.code == "too_many_events", "\(refused.text)")
            #expect(refused.json?["error"]?["param"]?.string == "input" && refused.text.contains("256"))
            #expect(upstream.connectedEndpoints.isEmpty)
            async let asking = bridge.send("POST", Self.path, Self.items(256))
            let server = try await upstream.nextConnection()
            for _ in 0..<256 { try await server.confirmItem() }
            try server.answer(try JSON.parse(try await server.nextSent()), "resp_1", status: "completed", conversation: #""conv_1""#)
            #expect(try await asking.status == 200)
        }
    }

    @Test func anItemThatIsRefusedIsNamedByItsPlace() async throws {
        let upstream = ScriptedUpstream([.session()])
        try await APIFixture.run(connector: upstream, others: [Self.speaches]) { bridge in
            async let asking = bridge.send("POST", Self.path, Self.items(2))
            let server = try await upstream.nextConnection()
            try await server.confirmItem()
            let refused = try JSON.parse(try await server.nextSent())
            let id = try #require(refused["event_id"]?.string)
            server.push(
                #"{"type":"error","error":{"type":"invalid_request_error","code":"invalid_value","message":"No.","#
                    + #""param":"item.content","event_id":"\#(id)"}}"#)
            let answer = try await asking
            #expect(answer.status == 400 && answer.json?["error"]?["param"]?.string == "input[1].content", "\(answer.text)")
        }
    }

    /// Each is confirmed within the time, all of them are not.
    @Test func allItemsHaveOneTimeTogetherAndNothingIsAskedThenWhichMayBeAskedAgain() async throws {
        let upstream = ScriptedUpstream([.session(), .session()])
        try await APIFixture.run(connector: upstream, others: [Self.speaches]) { bridge in
            func ask(wait: Int) async throws -> APIAnswer {
                try await bridge.send("POST", Self.path, Self.items(3), headers: ["prefer": "wait=\(wait)", "idempotency-key": "k"])
            }
            async let asking = ask(wait: 3)
            let server = try await upstream.nextConnection()
            let slow = Task {
                for _ in 0..<3 { try await server.confirmItem(after: .milliseconds(1_800)) }
                try server.answer(try JSON.parse(try await server.nextSent()), "resp_1", status: "completed", conversation: #""conv_1""#)
            }
            let late = try await asking
            slow.cancel()
            #expect(late.status == 504 && late.code == "upstream_timeout" && late.headers["x-should-retry"] == "true", "\(late.text)")
            #expect(late.text.contains("input[1]") && late.text.contains("asked for") && !late.text.contains("event stream"))
            #expect(try await server.waitForEnd().kind == .closedByUs)

            async let again = ask(wait: 30)
            let other = try await upstream.nextConnection()
            for _ in 0..<3 { try await other.confirmItem() }
            try other.answer(try JSON.parse(try await other.nextSent()), "resp_1", status: "completed", conversation: #""conv_1""#)
            #expect(try await again.status == 200)
        }
    }

    @Test func aConnectionThatIsLostWithAnItemOnItMayBeAskedAgain() async throws {
        let upstream = ScriptedUpstream([.session()])
        try await APIFixture.run(connector: upstream, others: [Self.speaches]) { bridge in
            async let asking = bridge.send("POST", Self.path, Self.items(1), headers: ["prefer": "wait=1"])
            let server = try await upstream.nextConnection()
            _ = try await server.nextSent()
            server.end(UpstreamEnd(.lost))
            let answer = try await asking
            #expect([502, 503, 504].contains(answer.status) && answer.headers["x-should-retry"] == "true", "\(answer.text)")
        }
    }

    @Test func anItemThatIsRefusedThereIsAnErrorAndNothingIsAsked() async throws {
        let upstream = ScriptedUpstream([.session()])
        try await APIFixture.run(connector: upstream, others: [Self.speaches]) { bridge in
            async let asking = bridge.send("POST", Self.path, #"{"upstream":"s","input":[{"type":"nonsense"}]}"#)
            let server = try await upstream.nextConnection()
            let id = try #require(try JSON.parse(try await server.nextSent())["event_id"]?.string)
            server.push("{\"type\":\"error\",\"error\":{\"code\":\"invalid_value\",\"message\":\"no\",\"event_id\":\"\(id)\"}}")
            #expect(try await asking.code == "invalid_value")
            #expect(try await server.waitForEnd().kind == .closedByUs)
            #expect(server.pendingSent.isEmpty)
        }
    }

    @Test func withoutAPlaceForItsStreamNothingIsAsked() async throws {
        let upstream = ScriptedUpstream([.session()])
        try await APIFixture.run(connector: upstream, configure: { $0.maximumStreams = 0 }) { bridge in
            let answer = try await bridge.send("POST", Self.path, #"{"input":"x","stream":true}"#, headers: ["accept": "*/*"])
            #expect(answer.status == 429)
            let server = try await upstream.nextConnection()
            #expect(try await server.waitForEnd().kind == .closedByUs)
            #expect(server.pendingSent.isEmpty)
        }
    }

    @Test func badInputOpensNoConnection() async throws {
        let upstream = ScriptedUpstream()
        try await APIFixture.run(connector: upstream, others: [Self.speaches]) { bridge in
            for body in [
                #"{"metadata":5}"#, #"{"conversation":"auto"}"#, #"{"input":5}"#, #"{"upstream":"nobody"}"#,
                #"{"upstream":"s","input":[{"id":"\#(String(repeating: "x", count: 40))"}]}"#, #"{"upstream":"s","input":[5]}"#,
            ] {
                let answer = try await bridge.send("POST", Self.path, body)
                #expect(answer.status == 400, "\(body): \(answer.text)")
            }
            #expect(upstream.connectedEndpoints.isEmpty)
        }
    }
}

extension APIFixture {
    /// The session once it is closed, which is stored right behind the response's end.
    fileprivate func closed(_ path: String) async throws -> JSON {
        for _ in 0..<1_000 {
            if let session = try await send("GET", path).json, session["status"]?.string == "closed" { return session }
            try await Task.sleep(for: .milliseconds(5))
        }
        throw WaitedTooLong(what: "the end of \(path)")
    }
}

extension ScriptedConnection {
    /// The item that is sent next is added.
    fileprivate func confirmItem(after delay: Duration = .zero) async throws {
        let id = try JSON.parse(try await nextSent())["item"]?["id"]?.string ?? "none"
        if delay > .zero { try await Task.sleep(for: delay) }
        push("{\"type\":\"conversation.item.created\",\"item\":{\"id\":\"\(id)\",\"type\":\"message\",\"role\":\"user\"}}")
    }

    /// The response that a `response.create` asks for.
    /// - Parameter status: nil: it does not end.
    fileprivate func answer(_ create: JSON, _ id: String, status: String?, conversation: String = "null") throws {
        let token = create["response"].flatMap(CorrelationToken.read) ?? "none"
        let rest = "\"conversation_id\":\(conversation),\"metadata\":{\"realtime_bridge\":\"\(token)\"}"
        push("{\"type\":\"response.created\",\"response\":{\"id\":\"\(id)\",\"status\":\"in_progress\",\(rest)}}")
        guard let status else { return }
        push("{\"type\":\"response.done\",\"response\":{\"id\":\"\(id)\",\"status\":\"\(status)\",\"output\":[],\(rest)}}")
    }
}
