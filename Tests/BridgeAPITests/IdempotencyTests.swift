import EventLog
import Foundation
import HTTPServer
import Logging
import NIOConcurrencyHelpers
import Realtime
import Sessions
import TestSupport
import Testing
import Upstream

@testable import BridgeAPI

/// POSTs with an `Idempotency-Key`, carried out once.
@Suite struct IdempotencyTests {
    struct Post: Sendable, CustomTestStringConvertible {
        let path: String
        let body: String
        var headers: HTTPHeaders = [:]
        let status: Int
        /// What comes after the answer.
        var until: String?

        var testDescription: String { "\(path) \(body)" }
    }

    /// In a session whose turn detection is off, where there is audio that was not committed.
    private static let posts: [Post] = [
        Post(path: "/items", body: #"{"text":"Say one"}"#, status: 201),
        Post(
            path: "/items", body: #"{"text":"Say one"}"#, headers: ["prefer": "respond-async"], status: 202,
            until: "conversation.item.created"),
        Post(
            path: "/items", body: #"{"item":{"id":"mine","type":"message","role":"user","content":[]},"previous_item_id":"none"}"#,
            status: 400),
        Post(path: "/input_audio", body: #"{"audio":"AAAAAAAA"}"#, status: 202),
        Post(path: "/input_audio/commit", body: "", status: 200, until: "conversation.item.created"),
        Post(path: "/input_audio?respond=true", body: #"{"audio":"AAAAAAAA"}"#, status: 200),
        Post(path: "/interrupt", body: #"{"played_ms":10}"#, status: 200),
        Post(path: "/responses", body: #"{"modalities":["text"]}"#, status: 200),
        Post(path: "/responses", body: #"{"input":"Say two","modalities":["text"],"if_active":"queue"}"#, status: 200),
        Post(path: "/responses", body: #"{"input":"Say two","conversation":"none"}"#, status: 200),
        Post(path: "/responses", body: #"{"input":"Say two","modalities":["text"]}"#, headers: ["accept": "text/plain"], status: 200),
        Post(path: "/responses", body: #"{"input":"Say two","modalities":["text"]}"#, status: 200),
        Post(
            path: "/responses", body: #"{"input":"Say two","modalities":["text"],"background":true}"#, status: 202, until: "response.done"),
        Post(path: "/responses", body: #"{"input":"Say two","modalities":["text"],"stream":true}"#, status: 200),
        Post(path: "/responses", body: #"{"input":"fail with server_error"}"#, status: 502),
        Post(path: "/responses", body: #"{"input":"Say two","max_output_tokens":"many"}"#, status: 400),
        Post(
            path: "/events",
            body: #"{"type":"conversation.item.create","event_id":"mine","item":{"type":"message","role":"user","content":[]}}"#,
            status: 201),
        Post(
            path: "/events",
            body: #"[{"type":"input_audio_buffer.append","audio":"AAAA"},{"type":"input_audio_buffer.append","audio":"?"},"#
                + #"{"type":"response.create","response":{"modalities":["text"]}},{"type":"conversation.item.delete","item_id":"none"}]"#,
            status: 200, until: "response.done"),
    ]

    /// Everything that was answered is answered again, and nothing happens again.
    @Test(arguments: posts)
    func aRepetitionIsAnsweredTheSameAndDoesNothing(_ post: Post) async throws {
        try await APIFixture.run { bridge in
            let session = "/v1/sessions/" + (try await bridge.newSession(#"{"session":{"turn_detection":null}}"#))
            #expect(
                try await bridge.send("POST", session + "/input_audio", #"{"audio":"\#(String(repeating: "A", count: 12_800))"}"#).status
                    == 202)
            var headers = post.headers
            headers.add("idempotency-key", "k1")
            let first = try await bridge.send("POST", session + post.path, post.body, headers: headers)
            #expect(first.status == post.status, "\(first.text)")
            #expect(first.headers["idempotent-replayed"] == nil)
            if let until = post.until { _ = try await bridge.send("GET", session + "/events?until=\(until)") }
            func conversation() async throws -> [String] {
                try await [
                    bridge.send("GET", session + "/items?limit=100").text, bridge.send("GET", session + "/responses?limit=100").text,
                ]
            }
            let before = try await conversation()
            let again = try await bridge.send("POST", session + post.path, post.body, headers: headers)
            #expect(again.headers["idempotent-replayed"] == "true")
            #expect(again.status == first.status)
            #expect(again.text == first.text)
            for name in ["location", "content-type", "preference-applied", "retry-after"] {
                #expect(again.headers[name] == first.headers[name], "\(name)")
            }
            #expect(try await conversation() == before)

            let other = try await bridge.send("POST", session + post.path, post.body + " ", headers: headers)
            #expect(other.status == 422)
            #expect(other.code == "idempotency_key_reused")
            #expect(other.error?["param"]?.string == "Idempotency-Key")
        }
    }

    @Test func anAnswersDialectIsTheRepetitionsOwn() async throws {
        try await APIFixture.run { bridge in
            let path = "/v1/sessions/" + (try await bridge.newSession()) + "/responses"
            let body = #"{"input":"Say one","modalities":["text"],"stream":true}"#
            let first = try await bridge.send("POST", path, body, headers: ["idempotency-key": "k"])
            #expect(first.text.contains("event: response.text.delta"))
            let ga = try await bridge.send("POST", path + "?dialect=ga", body, headers: ["idempotency-key": "k"])
            #expect(ga.status == 200)
            #expect(ga.headers["idempotent-replayed"] == "true")
            #expect(ga.text.contains("event: response.output_text.delta"))
            #expect(try await bridge.send("GET", path).json?["data"]?.elements.count == 1)
        }
    }

    @Test func aCutAndACancelAreRepeated() async throws {
        try await APIFixture.run(deltaDelay: .milliseconds(5)) { bridge in
            let session = "/v1/sessions/" + (try await bridge.newSession())
            let spoken = try await bridge.send("POST", session + "/responses", #"{"input":"Say one two three"}"#)
            let item = try #require(spoken.json?["output"]?[0]?["id"]?.string)
            let cut = #"{"audio_end_ms":999999}"#
            let first = try await bridge.send("POST", session + "/items/\(item)/truncate", cut, headers: ["idempotency-key": "k"])
            #expect(first.json?["clamped_from"]?.int == 999_999, "\(first.text)")
            let again = try await bridge.send("POST", session + "/items/\(item)/truncate", cut, headers: ["idempotency-key": "k"])
            #expect(again.text == first.text)
            #expect(again.headers["idempotent-replayed"] == "true")

            let begun = try await bridge.send(
                "POST", session + "/responses", #"{"input":"count to 1000","modalities":["text"],"background":true}"#)
            let response = try #require(begun.json?["id"]?.string)
            let cancelled = try await bridge.send(
                "POST", session + "/responses/\(response)/cancel", headers: ["idempotency-key": "k"])
            #expect(cancelled.status == 200)
            // Without the key it is 409 by now.
            let repeated = try await bridge.send(
                "POST", session + "/responses/\(response)/cancel", headers: ["idempotency-key": "k"])
            #expect(repeated.status == 200)
            #expect(repeated.text == cancelled.text)
        }
    }

    @Test func aSessionIsMadeOnce() async throws {
        try await APIFixture.run(dialect: .ga) { bridge in
            let body = #"{"session":{"modalities":["text"],"temperature":0.7},"dialect":"beta"}"#
            let first = try await bridge.send("POST", "/v1/sessions", body, headers: ["idempotency-key": "k"])
            #expect(first.status == 201, "\(first.text)")
            #expect(first.json?["warnings"]?.elements.count == 1)
            let again = try await bridge.send("POST", "/v1/sessions", body, headers: ["idempotency-key": "k"])
            #expect(again.status == 201)
            for name in ["id", "model", "created_at"] { #expect(again.json?[name]?.lexeme == first.json?[name]?.lexeme) }
            #expect(again.json?["warnings"]?.lexeme == first.json?["warnings"]?.lexeme)
            #expect(again.headers["location"] == first.headers["location"])
            #expect(again.headers["idempotent-replayed"] == "true")
            #expect(try await bridge.send("GET", "/v1/sessions").json?["data"]?.elements.count == 1)
            let id = try #require(first.json?["id"]?.string)
            #expect(try await bridge.send("DELETE", "/v1/sessions/\(id)").status == 200)
            // It was made; that it is gone is the caller's doing.
            #expect(try await bridge.send("POST", "/v1/sessions", body, headers: ["idempotency-key": "k"]).status == 404)
        }
    }

    /// The process ended while a session was made: a half of it may be in the store.
    @Test func whatIsLeftOfASessionThatWasCutOffIsDeleted() async throws {
        try await APIFixture.run { bridge in
            let half = try await bridge.newSession()
            let head = try APIFixture.head("POST", "/v1/sessions", bodyBytes: 2, headers: ["idempotency-key": "k"])
            let key = try #require(IdempotencyKey(head, by: Caller(owner: nil), body: Array("{}".utf8)))
            #expect(try await bridge.log.begin(StepID(request: key.request, number: 0), mark: half, opening: key.fingerprint))
            let made = try await bridge.send("POST", "/v1/sessions", "{}", headers: ["idempotency-key": "k"])
            #expect(made.status == 201)
            #expect(made.headers["idempotent-replayed"] == nil)
            let ids = try await bridge.send("GET", "/v1/sessions").json?["data"]?.elements.map { $0["id"]?.string }
            #expect(ids == [made.json?["id"]?.string])
            #expect(ids != [half])
            let again = try await bridge.send("POST", "/v1/sessions", "{}", headers: ["idempotency-key": "k"])
            #expect(again.json?["id"]?.string == made.json?["id"]?.string)
        }
    }

    @Test func callersPathsAndQueriesDoNotMeet() async throws {
        try await APIFixture.run(configure: { try $0.keys.add(variable: "alice=alice-key,bob=bob-key") }) {
            (bridge: APIFixture) async throws in
            var ids: Set<String> = []
            for bearer in ["alice-key", "bob-key", "alice-key"] {
                let headers: HTTPHeaders = ["authorization": "Bearer \(bearer)", "idempotency-key": "k"]
                ids.insert(try await bridge.newSession(headers: headers))
            }
            #expect(ids.count == 2)
            let alice: HTTPHeaders = ["authorization": "Bearer alice-key", "idempotency-key": "k"]
            var items: Set<String?> = []
            for _ in 0..<2 {
                let id = try await bridge.newSession(headers: ["authorization": "Bearer alice-key"])
                items.insert(
                    try await bridge.send("POST", "/v1/sessions/\(id)/items", #"{"text":"a"}"#, headers: alice).json?["id"]?.string)
            }
            #expect(items.count == 2 && !items.contains(nil))
        }
    }

    // MARK: Refusals

    /// Nothing was sent, so the key is free: for the same request when it fits, or for another one.
    @Test(arguments: [
        #"{"item":5}"#, #"{"text":"a","role":"nobody"}"#, #"{"item":{"id":"taken","type":"message","role":"user","content":[]}}"#,
        #"{"item":{"id":"\#(String(repeating: "x", count: 33))","type":"message"}}"#, "{",
    ])
    func aRefusalBeforeAnythingIsSentFreesTheKey(body: String) async throws {
        try await APIFixture.run { bridge in
            let path = "/v1/sessions/" + (try await bridge.newSession()) + "/items"
            #expect(
                try await bridge.send("POST", path, #"{"item":{"id":"taken","type":"message","role":"user","content":[]}}"#).status == 201)
            for _ in 0..<2 {
                let refused = try await bridge.send("POST", path, body, headers: ["idempotency-key": "k"])
                #expect([400, 409].contains(refused.status), "\(refused.text)")
                #expect(refused.headers["idempotent-replayed"] == nil)
                // With a key even a conflict may be repeated.
                #expect(refused.headers["x-should-retry"] == nil)
            }
            let other = try await bridge.send("POST", path, #"{"text":"a"}"#, headers: ["idempotency-key": "k"])
            #expect(other.status == 201)
        }
    }

    // MARK: While upstream has not answered

    private static let message = #"{"text":"Hello"}"#

    /// What upstream confirms an item with.
    private static func confirm(_ frame: String, on server: ScriptedConnection) throws {
        let item = try #require(try JSON.parse(frame)["item"])
        let text = String(decoding: item.lexeme, as: UTF8.self)
        server.push(#"{"type":"conversation.item.created","event_id":"event_i","previous_item_id":null,"item":\#(text)}"#)
    }

    private func scripted(
        _ scripts: [ScriptedUpstream.Script] = [.session()],
        _ body: (APIFixture, String, ScriptedConnection, ScriptedUpstream) async throws -> Void
    ) async throws {
        let upstream = ScriptedUpstream(scripts)
        try await APIFixture.run(connector: upstream) { (bridge: APIFixture) async throws in
            let session = "/v1/sessions/" + (try await bridge.newSession())
            try await body(bridge, session, upstream.nextConnection(), upstream)
        }
    }

    @Test func oneRunsAndTheOtherIsToldToComeBack() async throws {
        try await scripted { bridge, session, server, _ in
            let headers: HTTPHeaders = ["idempotency-key": "k"]
            async let first = bridge.send("POST", session + "/items", Self.message, headers: headers)
            let frame = try await server.nextSent()
            let second = try await bridge.send("POST", session + "/items", Self.message, headers: headers)
            #expect(second.status == 409)
            #expect(second.code == "idempotency_in_progress")
            #expect(second.headers["retry-after"] == "1")
            #expect(second.headers["x-should-retry"] == "true")
            #expect(try await bridge.send("POST", session + "/items", #"{"text":"Bye"}"#, headers: headers).status == 422)
            try Self.confirm(frame, on: server)
            let answer = try await first
            #expect(answer.status == 201)
            let third = try await bridge.send("POST", session + "/items", Self.message, headers: headers)
            #expect(third.text == answer.text)
            #expect(server.pendingSent == [])
        }
    }

    /// The first caller's time is over, not upstream's.
    @Test func afterATimeoutARepetitionWaitsForTheSameAnswer() async throws {
        try await scripted { bridge, session, server, _ in
            let late = try await bridge.send(
                "POST", session + "/items", Self.message, headers: ["idempotency-key": "k", "prefer": "wait=0"])
            #expect(late.status == 504)
            #expect(late.headers["x-should-retry"] == nil)
            let frame = try await server.nextSent()
            async let repeated = bridge.send("POST", session + "/items", Self.message, headers: ["idempotency-key": "k"])
            try Self.confirm(frame, on: server)
            let answer = try await repeated
            #expect(answer.status == 201)
            #expect(answer.headers["idempotent-replayed"] == "true")
            #expect(server.pendingSent == [])
        }
    }

    @Test func whatWasLostIsUnknownAndNotSentAgain() async throws {
        try await scripted([.session(), .session("sess_2")]) { bridge, session, server, upstream in
            let headers: HTTPHeaders = ["idempotency-key": "k"]
            async let lost = bridge.send("POST", session + "/responses", #"{"metadata":{"a":"b"}}"#, headers: headers)
            let frame = try await server.nextSent()
            server.end(UpstreamEnd(.lost))
            let first = try await lost
            #expect(first.status == 502)
            #expect(first.code == "upstream_lost")
            // With a key it may be repeated …
            #expect(first.headers["x-should-retry"] == nil)
            let second = try await upstream.nextConnection()
            for _ in 0..<2 {
                let again = try await bridge.send("POST", session + "/responses", #"{"metadata":{"a":"b"}}"#, headers: headers)
                // … and is told that it is of no use.
                #expect(again.status == 409)
                #expect(again.code == "idempotency_outcome_unknown")
                #expect(again.headers["x-should-retry"] == "false")
                #expect(again.error?["event_id"]?.string == (try JSON.parse(frame)["event_id"]?.string))
            }
            #expect(!second.pendingSent.contains { $0.contains("response.create") })
        }
    }

    @Test func whatWasNeverSentIsFree() async throws {
        let upstream = ScriptedUpstream([.session()])
        try await APIFixture.run(connector: upstream, limits: SessionLimits()) { (bridge: APIFixture) async throws in
            let id = try await bridge.newSession()
            let server = try await upstream.nextConnection()
            upstream.script(.stall)
            server.end(UpstreamEnd(.lost))
            let path = "/v1/sessions/\(id)/items"
            // Until the loss is noticed, what is asked for is sent to the lost connection.
            _ = try await bridge.send("GET", "/v1/sessions/\(id)/events?until=bridge.upstream.disconnected")
            let refused = try await bridge.send("POST", path, Self.message, headers: ["idempotency-key": "k", "prefer": "wait=0"])
            #expect(refused.status == 503, "\(refused.text)")
            let head = try APIFixture.head("POST", path, bodyBytes: Self.message.utf8.count, headers: ["idempotency-key": "k"])
            let kept = try #require(IdempotencyKey(head, by: Caller(owner: nil), body: Array(Self.message.utf8)))
            #expect(try await bridge.log.request(kept.request) == nil)
        }
    }

    @Test func upstreamsRefusalIsRepeated() async throws {
        try await scripted { bridge, session, server, _ in
            let headers: HTTPHeaders = ["idempotency-key": "k"]
            async let refused = bridge.send("POST", session + "/items", Self.message, headers: headers)
            let frame = try JSON.parse(try await server.nextSent())
            let id = try #require(frame["event_id"]?.string)
            server.push(
                #"{"type":"error","event_id":"e","error":{"type":"rate","code":"rate_limit_exceeded","message":"slow","event_id":"\#(id)"}}"#
            )
            let first = try await refused
            #expect(first.status == 429)
            let again = try await bridge.send("POST", session + "/items", Self.message, headers: headers)
            #expect(again.text == first.text)
            #expect(again.status == 429)
            #expect(again.headers["idempotent-replayed"] == "true")
            #expect(server.pendingSent == [])
        }
    }

    /// The item was sent, and then another response was faster: the item goes again, and nothing is left of it.
    @Test func aResponseWhoseItemWasTakenBackFreesTheKey() async throws {
        try await scripted { bridge, session, server, _ in
            for voice in ["resp_1", "resp_2"] {
                async let refused = bridge.send(
                    "POST", session + "/responses", #"{"input":"Hello"}"#, headers: ["idempotency-key": "k"])
                let item = try await server.nextSent()
                #expect(item.contains("conversation.item.create"))
                server.push(#"{"type":"response.created","event_id":"e","response":{"id":"\#(voice)","status":"in_progress","output":[]}}"#)
                try Self.confirm(item, on: server)
                let removal = try JSON.parse(try await server.nextSent())
                #expect(removal["type"]?.string == "conversation.item.delete")
                let id = try #require(removal["item_id"]?.string)
                server.push(#"{"type":"conversation.item.deleted","event_id":"d","item_id":"\#(id)"}"#)
                let answer = try await refused
                #expect(answer.status == 409)
                #expect(answer.code == "conversation_already_has_active_response")
                #expect(answer.error?["message"]?.string?.contains("deleted again") == true)
                #expect(answer.headers["idempotent-replayed"] == nil)
                server.push(#"{"type":"response.done","event_id":"f","response":{"id":"\#(voice)","status":"completed","output":[]}}"#)
            }
            async let other = bridge.send(
                "POST", session + "/responses", #"{"input":"Bye","background":true}"#, headers: ["idempotency-key": "k"])
            try Self.confirm(try await server.nextSent(), on: server)
            try Self.begin(try await server.nextSent(), on: server)
            #expect(try await other.status == 202)
        }
    }

    /// … but not if the item may still be there: it would be added twice.
    @Test func aResponseWhoseItemMayBeLeftIsNotAskedForAgain() async throws {
        try await scripted { bridge, session, server, _ in
            let (path, headers): (String, HTTPHeaders) = (session + "/responses", ["idempotency-key": "k"])
            async let refused = bridge.send("POST", path, #"{"input":"Hello"}"#, headers: headers)
            let item = try await server.nextSent()
            server.push(#"{"type":"response.created","event_id":"e","response":{"id":"resp_1","status":"in_progress","output":[]}}"#)
            try Self.confirm(item, on: server)
            let removal = try #require(try JSON.parse(try await server.nextSent())["event_id"]?.string)
            server.push(
                #"{"type":"error","event_id":"d","error":{"type":"server_error","message":"not now","event_id":"\#(removal)"}}"#)
            #expect(try await refused.error?["message"]?.string?.contains("may still be in the conversation") == true)
            let again = try await bridge.send("POST", path, #"{"input":"Hello"}"#, headers: headers)
            #expect(again.code == "idempotency_outcome_unknown", "\(again.text)")
            #expect(server.pendingSent == [])
        }
    }

    private static func begin(_ frame: String, on server: ScriptedConnection) throws {
        let create = try JSON.parse(frame)
        #expect(create["type"]?.string == "response.create")
        let token = try #require(create["response"]?["metadata"]?["realtime_bridge"]?.string)
        server.push(
            #"{"type":"response.created","event_id":"e","response":{"id":"resp_own","status":"in_progress","metadata":{"realtime_bridge":"\#(token)"}}}"#
        )
    }

    /// The client leaves between the item and the response: both go their way, and its repetition has the answer.
    @Test func aResponseWhoseClientLeftIsAnsweredToItsRepetition() async throws {
        try await scripted { bridge, session, server, _ in
            let headers: HTTPHeaders = ["idempotency-key": "k"]
            let body = #"{"input":"Hello"}"#
            let first = Task { try await bridge.send("POST", session + "/responses", body, headers: headers) }
            let item = try await server.nextSent()
            first.cancel()
            #expect(try await first.value.status == 504)
            async let second = bridge.send("POST", session + "/responses", body, headers: headers)
            try Self.confirm(item, on: server)
            try Self.begin(try await server.nextSent(), on: server)
            server.push(#"{"type":"response.done","event_id":"f","response":{"id":"resp_own","status":"completed","output":[]}}"#)
            let answer = try await second
            #expect(answer.status == 200, "\(answer.text)")
            #expect(answer.headers["idempotent-replayed"] == "true")
            let third = try await bridge.send("POST", session + "/responses", body, headers: headers)
            #expect(third.text == answer.text)
            #expect(server.pendingSent == [])
        }
    }

    /// The client leaves between the commit and the response: its repetition does what is left.
    @Test func aRequestThatWasCutOffGoesOnWhereItWas() async throws {
        try await scripted { bridge, session, server, _ in
            let headers: HTTPHeaders = ["idempotency-key": "k"]
            let (path, body) = (session + "/input_audio?respond=true", #"{"audio":"AAAAAAAA"}"#)
            let first = Task { try await bridge.send("POST", path, body, headers: headers) }
            #expect(try await server.nextSent().contains("input_audio_buffer.append"))
            #expect(try await server.nextSent().contains("input_audio_buffer.commit"))
            first.cancel()
            #expect(try await first.value.status == 504)
            server.push(#"{"type":"input_audio_buffer.committed","event_id":"c","previous_item_id":null,"item_id":"item_a"}"#)
            let second = Task { try await bridge.send("POST", path, body, headers: headers) }
            try Self.begin(try await server.nextSent(), on: server)
            server.push(#"{"type":"response.done","event_id":"f","response":{"id":"resp_own","status":"completed","output":[]}}"#)
            let answer = try await second.value
            #expect(answer.status == 200, "\(answer.text)")
            #expect(answer.json?["item_id"]?.string == "item_a")
            // Something was carried out now.
            #expect(answer.headers["idempotent-replayed"] == nil)
            let third = try await bridge.send("POST", path, body, headers: headers)
            #expect(third.text == answer.text)
            #expect(third.headers["idempotent-replayed"] == "true")
            #expect(server.pendingSent == [])
        }
    }

    // MARK: What was never sent

    /// As long as no connection is there, nothing goes anywhere.
    private func withoutUpstream(_ body: (APIFixture, String, ScriptedUpstream) async throws -> Void) async throws {
        let upstream = ScriptedUpstream([.session()])
        try await APIFixture.run(connector: upstream, limits: SessionLimits()) { (bridge: APIFixture) async throws in
            let session = "/v1/sessions/" + (try await bridge.newSession())
            let server = try await upstream.nextConnection()
            server.push(#"{"type":"response.created","response":{"id":"resp_1","status":"in_progress","output":[]}}"#)
            let call = #"{"id":"item_c","type":"function_call","status":"completed","call_id":"c","name":"f","arguments":"{}"}"#
            server.push(#"{"type":"response.output_item.added","response_id":"resp_1","output_index":0,"item":\#(call)}"#)
            server.push(#"{"type":"conversation.item.created","item":\#(call)}"#)
            server.push(#"{"type":"response.done","response":{"id":"resp_1","status":"completed","output":[\#(call)]}}"#)
            _ = try await bridge.send("GET", session + "/events?until=response.done")
            upstream.script(.stall)
            server.end(UpstreamEnd(.lost))
            _ = try await bridge.send("GET", session + "/events?until=bridge.upstream.disconnected")
            try await body(bridge, session, upstream)
        }
    }

    private static let unsentPosts = [
        ("/items", #"{"text":"Hello"}"#), ("/responses", "{}"), ("/responses", #"{"input":"Hello"}"#),
        ("/function_calls/c/output", #"{"output":"1"}"#), ("/function_calls/c/output", #"{"output":"1","respond":false}"#),
        ("/events", #"{"type":"input_audio_buffer.clear"}"#),
    ]

    @Test(arguments: unsentPosts)
    func whatCouldNotBeSentIsFree(path: String, body: String) async throws {
        try await withoutUpstream { bridge, session, _ in
            let headers: HTTPHeaders = ["idempotency-key": "k", "prefer": "wait=0"]
            for _ in 0..<2 {
                let refused = try await bridge.send("POST", session + path, body, headers: headers)
                #expect(refused.status == 503, "\(refused.text)")
                #expect(refused.headers["idempotent-replayed"] == nil)
            }
            let head = try APIFixture.head("POST", session + path, bodyBytes: body.utf8.count, headers: headers)
            let kept = try #require(IdempotencyKey(head, by: Caller(owner: nil), body: Array(body.utf8)))
            #expect(try await bridge.log.request(kept.request)?.steps ?? [] == [])
        }
    }

    /// Nobody waits for the session's word any more: it keeps it.
    @Test(arguments: unsentPosts)
    func whatCouldNotBeSentIsFreeAlsoIfItsClientHasLeft(path: String, body: String) async throws {
        try await withoutUpstream { bridge, session, _ in
            let gone = Task { try await bridge.send("POST", session + path, body, headers: ["idempotency-key": "k"]) }
            let head = try APIFixture.head("POST", session + path, bodyBytes: body.utf8.count, headers: ["idempotency-key": "k"])
            let kept = try #require(IdempotencyKey(head, by: Caller(owner: nil), body: Array(body.utf8)))
            while try await bridge.log.request(kept.request) == nil { await Task.yield() }
            gone.cancel()
            #expect(try await gone.value.status == 504)
            // Whether or not it had reached the session by then.
            _ = try await bridge.send("DELETE", session + "?keep=true")
            let again = try await bridge.send("POST", session + path, body, headers: ["idempotency-key": "k"])
            #expect(again.status == 410, "\(again.text)")
        }
    }

    @Test func aListThatCouldNotBeSentIsFree() async throws {
        try await withoutUpstream { bridge, session, upstream in
            let body = #"[{"type":"input_audio_buffer.clear"},{"type":"conversation.item.delete","item_id":"item_c"}]"#
            let headers: HTTPHeaders = ["idempotency-key": "k", "prefer": "wait=0"]
            let first = try await bridge.send("POST", session + "/events", body, headers: headers)
            #expect(first.status == 200)
            _ = try await bridge.send("DELETE", session + "?keep=true")
            let again = try await bridge.send("POST", session + "/events", body, headers: ["idempotency-key": "k"])
            #expect(again.headers["idempotent-replayed"] == nil, "\(first.text) \(again.text)")
            #expect(again.json?["data"]?.elements.allSatisfy { $0["error"]?["code"]?.string == "session_closed" } == true)
        }
    }

    /// The item is on its way when the wait is over; then it is taken back.
    @Test func aResponseWhoseItemCameTooLateIsFree() async throws {
        try await scripted { bridge, session, server, _ in
            let (path, body) = (session + "/responses", #"{"input":"Hello"}"#)
            let headers: HTTPHeaders = ["idempotency-key": "k", "prefer": "wait=2"]
            for _ in 0..<2 {
                async let late = bridge.send("POST", path, body, headers: headers)
                let item = try await server.nextSent()
                let removal = try JSON.parse(try await server.nextSent())
                try Self.confirm(item, on: server)
                let id = try #require(removal["item_id"]?.string)
                server.push(#"{"type":"conversation.item.deleted","event_id":"d","item_id":"\#(id)"}"#)
                let answer = try await late
                #expect(answer.status == 503)
                #expect(answer.code == "upstream_unavailable")
                #expect(
                    answer.error?["message"]?.string?.hasSuffix(
                        "it was not asked for. The item that was added for 'input' has been deleted again.") == true, "\(answer.text)")
                #expect(answer.headers["idempotent-replayed"] == nil)
            }
        }
    }

    /// The stop is confirmed after the caller's time, and then there is nothing to cut.
    @Test func anInterruptionThatTurnsOutToNeedNoCutIsRepeated() async throws {
        try await scripted { bridge, session, server, _ in
            server.push(#"{"type":"response.created","response":{"id":"resp_1","status":"in_progress","output":[]}}"#)
            _ = try await bridge.send("GET", session + "/events?until=response.created")
            let body = #"{"played_ms":200}"#
            let late = try await bridge.send(
                "POST", session + "/interrupt", body, headers: ["idempotency-key": "k", "prefer": "wait=0"])
            #expect(late.status == 504)
            #expect(try await server.nextSent().contains("response.cancel"))
            server.push(#"{"type":"response.done","response":{"id":"resp_1","status":"cancelled","output":[]}}"#)
            _ = try await bridge.send("GET", session + "/events?until=response.done")
            let again = try await bridge.send("POST", session + "/interrupt", body, headers: ["idempotency-key": "k"])
            #expect(again.status == 200, "\(again.text)")
            #expect(again.json?["response"]?["status"]?.string == "cancelled")
            #expect(again.json?["truncated"]?.isNull == true)
            #expect(server.pendingSent == [])
        }
    }

    // MARK: The bookkeeping

    private func request(_ recorded: Int, _ body: (IdempotentRequest, EventLog, RequestKey) async throws -> Void) async throws {
        let log = try EventLog.open(
            EventLogConfiguration(storage: .memory), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let head = try APIFixture.head("POST", "/v1/sessions", headers: ["idempotency-key": "k"])
        let key = try #require(IdempotencyKey(head, by: Caller(owner: nil), body: []))
        for number in 0..<recorded {
            let step = StepID(request: key.request, number: number)
            #expect(try await log.begin(step, mark: "\(number)", opening: number == 0 ? key.fingerprint : nil))
        }
        try await body(IdempotentRequest(key, recorded: try await log.request(key.request), log: log), log, key.request)
        await log.close()
    }

    @Test func whatWasBegunBeforeIsNotForgottenForAnErrorInFrontOfIt() async throws {
        try await request(2) { request, log, key in
            _ = try await request.next(mark: "new")
            request.undoneSoFar()
            try await request.finish(hasFailed: true)
            #expect(request.isReplay == false)
            #expect(try await log.request(key)?.steps.map(\.number) == [0, 1])
        }
    }

    @Test func whatCouldNotBeSentBetweenOthersIsForgottenAlone() async throws {
        try await request(0) { request, log, key in
            var steps: [StepID] = []
            for _ in 0..<3 { if case .new(let step, _) = try await request.next(mark: "m") { steps.append(step) } }
            request.unsent([steps[1]])
            request.note(.refused(SessionError(.invalidValue, "no")), of: steps[2])
            try await request.finish(hasFailed: false)
            #expect(try await log.request(key)?.steps.map(\.number) == [0, 2])
        }
    }

    @Test func aRequestOfWhichNothingWasDoneIsForgottenWhateverItsAnswer() async throws {
        try await request(0) { request, log, key in
            var steps: [StepID] = []
            for _ in 0..<2 { if case .new(let step, _) = try await request.next(mark: "m") { steps.append(step) } }
            request.unsent([steps[0]])
            request.note(.refused(SessionError(.invalidValue, "no")), of: steps[1])
            try await request.finish(hasFailed: false)
            #expect(try await log.request(key) == nil)
        }
    }

    // MARK: What is more than one command

    @Test func aRepeatedInterruptionStopsNothingThatBeganLater() async throws {
        try await APIFixture.run(deltaDelay: .milliseconds(5)) { bridge in
            let session = "/v1/sessions/" + (try await bridge.newSession())
            func speak() async throws -> String {
                let begun = try await bridge.send("POST", session + "/responses", #"{"input":"count to 200","background":true}"#)
                let response = try #require(begun.json?["id"]?.string, "\(begun.text)")
                _ = try await bridge.send(
                    "GET", session + "/events?types=*audio.delta&response_id=\(response)&wait=20", headers: ["accept": "application/json"])
                return response
            }
            func interrupt(_ key: String) async throws -> APIAnswer {
                try await bridge.send("POST", session + "/interrupt", #"{"played_ms":50}"#, headers: ["idempotency-key": key])
            }
            let idle = try await interrupt("idle")
            #expect(idle.json?["response"]?.isNull == true)
            let first = try await speak()
            let stopped = try await interrupt("k")
            #expect(stopped.json?["response"]?["id"]?.string == first, "\(stopped.text)")
            #expect(stopped.json?["truncated"]?["audio_end_ms"]?.int == 50)
            let second = try await speak()
            for (key, answer) in [("k", stopped), ("idle", idle)] {
                let again = try await interrupt(key)
                #expect(again.text == answer.text)
                #expect(again.headers["idempotent-replayed"] == "true")
            }
            #expect(try await bridge.send("GET", session).json?["active_response_id"]?.string == second)
        }
    }

    /// Two outputs wait for one response: both keys have it.
    @Test func outputsOfOneTurnAreGivenOnce() async throws {
        try await APIFixture.run { bridge in
            let tools = ["get_weather", "get_time"].map { #"{"type":"function","name":"\#($0)","parameters":{"type":"object"}}"# }
            let session =
                "/v1/sessions/"
                + (try await bridge.newSession(#"{"session":{"modalities":["text"],"tools":[\#(tools.joined(separator: ","))]}}"#))
            _ = try await bridge.send("POST", session + "/responses", #"{"input":"get weather and get time in Oslo"}"#)
            let list = try await bridge.send("GET", session + "/function_calls")
            let calls = try (list.json?["data"]?.elements ?? []).map { try #require($0["call_id"]?.string) }
            try #require(calls.count == 2, "\(list.text)")
            func give(_ call: String) async throws -> APIAnswer {
                try await bridge.send(
                    "POST", session + "/function_calls/\(call)/output", #"{"output":"12"}"#, headers: ["idempotency-key": "k"])
            }
            let first = try await give(calls[0])
            #expect(first.status == 201)
            #expect(first.json?["waits_for"]?.elements.map(\.string) == [calls[1]])
            #expect(try await give(calls[0]).text == first.text)
            let second = try await give(calls[1])
            let response = try #require(second.json?["response"]?["id"]?.string, "\(second.text)")
            let again = try await give(calls[1])
            #expect(again.text == second.text)
            #expect(again.headers["idempotent-replayed"] == "true")
            // What it waited for has come meanwhile.
            #expect(try await give(calls[0]).json?["response"]?["id"]?.string == response)
            #expect(try await bridge.send("GET", session + "/responses").json?["data"]?.elements.count == 2)
        }
    }

    // MARK: Without a session

    private static let oneShot = "/v1/responses"

    @Test(
        arguments: [
            (#"{"input":"Say two","modalities":["text"]}"#, nil), (#"{"input":"Say two","modalities":["text"],"stream":true}"#, nil),
            (#"{"input":"Say two"}"#, "audio/wav"), (#"{"input":"fail with server_error"}"#, nil),
            (#"{"input":"Say two","max_output_tokens":"many"}"#, nil),
        ] as [(String, String?)])
    func aResponseWithoutASessionIsAskedForOnce(body: String, accept: String?) async throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "record-\(UUID().uuidString).jsonl")
        defer { try? FileManager.default.removeItem(at: file) }
        try await APIFixture.run(record: file.path) { bridge in
            var headers: HTTPHeaders = ["idempotency-key": "k"]
            if let accept { headers.add("accept", accept) }
            let first = try await bridge.send("POST", Self.oneShot, body, headers: headers)
            #expect(first.headers["idempotent-replayed"] == nil)
            let again = try await bridge.send("POST", Self.oneShot, body, headers: headers)
            #expect(again.headers["idempotent-replayed"] == "true")
            #expect(again.status == first.status)
            // The header of a file that was still being made says no length.
            let isTheSame = again.bytes.dropFirst(accept == nil ? 0 : 44) == first.bytes.dropFirst(accept == nil ? 0 : 44)
            #expect(isTheSame)
            #expect(again.headers["location"] == first.headers["location"])
            #expect(try String(contentsOf: file, encoding: .utf8).matches(of: /"type":"response.create"/).count == 1)
            if let place = first.headers["location"]?.split(separator: "/"), place.count > 2 {
                // Not only for minutes.
                #expect(try await bridge.log.storedSession(String(place[2]))?.record.isKept == true)
            }
            #expect(try await bridge.send("POST", Self.oneShot, body + " ", headers: headers).status == 422)
        }
    }

    @Test(arguments: [#"{"upstream":"none"}"#, #"{"conversation":"auto"}"#, #"{"metadata":{"realtime_bridge":"mine"}}"#])
    func oneThatIsRefusedBeforeAnythingIsSentFreesTheKey(body: String) async throws {
        try await APIFixture.run { bridge in
            let headers: HTTPHeaders = ["idempotency-key": "k"]
            for _ in 0..<2 {
                let refused = try await bridge.send("POST", Self.oneShot, body, headers: headers)
                #expect(refused.status == 400)
                #expect(refused.headers["idempotent-replayed"] == nil)
            }
            let right = try await bridge.send("POST", Self.oneShot, #"{"input":"Say two","modalities":["text"]}"#, headers: headers)
            #expect(right.json?["output_text"]?.string == "two", "\(right.text)")
        }
    }

    // MARK: Sound

    @Test(arguments: [
        ("POST", "audio/pcm", "", "as JSON"), ("POST", nil, "", "as JSON"), ("PUT", "audio/pcm", "", "as JSON"),
        ("PUT", "application/json", "", "not taken here"), ("POST", "application/json", "?commit=true", "voice detection"),
    ])
    func soundWithAKeyIsRefused(method: String, type: String?, query: String, words: String) async throws {
        try await APIFixture.run { bridge in
            let path = "/v1/sessions/" + (try await bridge.newSession(#"{"session":{"turn_detection":{"type":"server_vad"}}}"#))
            var headers: HTTPHeaders = ["idempotency-key": "k"]
            if let type { headers.add("content-type", type) }
            let body = type == "application/json" ? #"{"audio":"AAAAAAAA"}"# : "RIFF\u{4}\u{0}\u{0}\u{0}WAVE"
            let refused = try await bridge.send(method, path + "/input_audio" + query, body, headers: headers)
            #expect(refused.status == 400)
            #expect(refused.code == "idempotency_not_available", "\(refused.text)")
            #expect(refused.error?["message"]?.string?.contains(words) == true, "\(refused.text)")
            #expect(
                try await bridge.send("GET", path + "/events?wait=0", headers: ["accept": "application/json"]).text.contains("error")
                    == false)
        }
    }
}
