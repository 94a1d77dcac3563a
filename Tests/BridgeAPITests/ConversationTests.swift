import HTTPServer
import Realtime
import TestSupport
import Testing
import Upstream

@testable import BridgeAPI

/// Items, audio, responses and events against the simulator.
@Suite struct ConversationTests {
    @Test(arguments: [Dialect.beta, .ga])
    func aTextTurn(dialect: Dialect) async throws {
        try await APIFixture.run(dialect: dialect) { bridge in
            let id = try await bridge.newSession(dialect == .ga ? #"{"session":{"type":"realtime","output_modalities":["text"]}}"# : "{}")
            let item = try await bridge.send("POST", "/v1/sessions/\(id)/items", #"{"text":"Say good evening"}"#)
            #expect(item.status == 201)
            #expect(item.json?["role"]?.string == "user")
            let itemID = try #require(item.json?["id"]?.string)
            #expect(item.headers["location"] == "/v1/sessions/\(id)/items/\(itemID)")

            let body = dialect == .beta ? #"{"modalities":["text"],"metadata":{"k":"v"}}"# : #"{"metadata":{"k":"v"}}"#
            let response = try await bridge.send("POST", "/v1/sessions/\(id)/responses", body)
            #expect(response.status == 200, "\(response.text)")
            #expect(response.json?["status"]?.string == "completed")
            #expect(response.json?["output_text"]?.string == "good evening")
            // The caller's metadata, and nothing of the bridge's own.
            #expect(response.json?["metadata"]?.members.map(\.name) == ["k"])

            let responseID = try #require(response.json?["id"]?.string)
            let read = try await bridge.send("GET", "/v1/sessions/\(id)/responses/\(responseID)")
            #expect(read.json?["output_text"]?.string == "good evening")
            #expect(try await bridge.send("GET", "/v1/sessions/\(id)/responses").json?["data"]?.elements.count == 1)

            let items = try await bridge.send("GET", "/v1/sessions/\(id)/items")
            #expect(items.json?["data"]?.elements.map { $0["role"]?.string } == ["user", "assistant"])
            #expect(items.json?["first_id"]?.string == itemID)
            let newest = try await bridge.send("GET", "/v1/sessions/\(id)/items?order=desc&limit=1")
            #expect(newest.json?["data"]?.elements.first?["role"]?.string == "assistant")
            #expect(newest.json?["has_more"]?.bool == true)
            #expect(try await bridge.send("GET", "/v1/sessions/\(id)/items/\(itemID)").json?["id"]?.string == itemID)

            #expect(try await bridge.send("DELETE", "/v1/sessions/\(id)/items/\(itemID)").status == 200)
            #expect(try await bridge.send("GET", "/v1/sessions/\(id)/items/\(itemID)").code == "item_not_found")
            let again = try await bridge.send("DELETE", "/v1/sessions/\(id)/items/\(itemID)")
            #expect(again.status == 404, "\(again.text)")
            let usage = try await bridge.send("GET", "/v1/sessions/\(id)").json?["usage"]
            #expect((usage?["total_tokens"]?.int ?? 0) > 0)
        }
    }

    @Test func inputAsAStringAddsAMessageFirst() async throws {
        try await APIFixture.run { bridge in
            let id = try await bridge.newSession()
            let response = try await bridge.send("POST", "/v1/sessions/\(id)/responses", #"{"input":"say one","modalities":["text"]}"#)
            #expect(response.json?["output_text"]?.string == "one", "\(response.text)")
            #expect(try await bridge.send("GET", "/v1/sessions/\(id)").json?["item_count"]?.int == 2)
        }
    }

    @Test func anItemAddedForARefusedResponseIsDeletedAgain() async throws {
        try await APIFixture.run { bridge in
            let id = try await bridge.newSession()
            let refused = try await bridge.send(
                "POST", "/v1/sessions/\(id)/responses", #"{"input":"say one","max_output_tokens":"many"}"#)
            #expect(refused.status == 400)
            #expect(refused.error?["message"]?.string?.contains("deleted again") == true)
            #expect(try await bridge.send("GET", "/v1/sessions/\(id)").json?["item_count"]?.int == 0)
            // What can be seen without upstream is refused before the item is added.
            let before = try await bridge.send("GET", "/v1/sessions/\(id)").json?["last_event_id"]?.string
            let reserved = try await bridge.send(
                "POST", "/v1/sessions/\(id)/responses", #"{"input":"say one","metadata":{"realtime_bridge":"mine"}}"#)
            #expect(reserved.status == 400)
            #expect(try await bridge.send("GET", "/v1/sessions/\(id)").json?["last_event_id"]?.string == before)
        }
    }

    @Test(arguments: [17, 40])
    func moreMetadataThanThereMayBeIsCountedAndNothingIsSent(count: Int) async throws {
        let upstream = ScriptedUpstream([.session()])
        try await APIFixture.run(connector: upstream) { bridge in
            let id = try await bridge.newSession()
            let connection = try await upstream.nextConnection()
            let metadata = "\"metadata\":{\((1...count).map { "\"k\($0)\":\"v\"" }.joined(separator: ","))}"
            for (path, body) in [
                ("/v1/sessions/\(id)/responses", "{\"input\":\"hi\",\(metadata)}"),
                ("/v1/sessions/\(id)/responses", "{\"input\":\"hi\",\"if_active\":\"queue\",\"background\":true,\(metadata)}"),
                ("/v1/sessions/\(id)/responses", "{\"input\":\"hi\",\"conversation\":\"none\",\(metadata)}"),
                ("/v1/sessions/\(id)/events", "{\"type\":\"response.create\",\"response\":{\(metadata)}}"),
                ("/v1/responses", "{\"input\":\"hi\",\(metadata)}"),
            ] {
                let answer = try await bridge.send("POST", path, body)
                #expect(answer.status == 400 && answer.error?["param"]?.string == "metadata", "\(path): \(answer.text)")
                #expect(answer.error?["message"]?.string?.contains("\(count) pairs") == true)
            }
            let several = try await bridge.send(
                "POST", "/v1/sessions/\(id)/events", "[{\"type\":\"response.create\",\"response\":{\(metadata)}}]")
            #expect(several.json?["data"]?[0]?["status"]?.string == "refused")
            #expect(connection.pendingSent.isEmpty && upstream.connectedEndpoints.count == 1)
        }
    }

    @Test func aFailedResponseIsAnError() async throws {
        try await APIFixture.run { bridge in
            let id = try await bridge.newSession()
            let limited = try await bridge.send("POST", "/v1/sessions/\(id)/responses", #"{"input":"fail with rate_limit_exceeded"}"#)
            #expect(limited.status == 429)
            #expect(limited.code == "rate_limit_exceeded")
            // It was made and is paid, and so would be its repetition.
            #expect(limited.headers["x-should-retry"] == "false")
            let failed = try await bridge.send("POST", "/v1/sessions/\(id)/responses", #"{"input":"fail with server_error"}"#)
            #expect(failed.status == 502)
            #expect(failed.code == "server_error")
            #expect(failed.headers["x-should-retry"] == "false")
            let filtered = try await bridge.send("POST", "/v1/sessions/\(id)/responses", #"{"input":"stop with content_filter"}"#)
            #expect(filtered.status == 200)
            #expect(filtered.json?["status"]?.string == "incomplete")
        }
    }

    @Test func aStreamedResponseIsItsEventsFromCreatedToDone() async throws {
        try await APIFixture.run { bridge in
            let id = try await bridge.newSession()
            let streamed = try await bridge.send(
                "POST", "/v1/sessions/\(id)/responses", #"{"input":"say one two three","modalities":["text"],"stream":true}"#)
            #expect(streamed.status == 200)
            #expect(streamed.headers["content-type"] == "text/event-stream")
            let events = streamed.text.split(separator: "\n").compactMap { $0.hasPrefix("event: ") ? String($0.dropFirst(7)) : nil }
            #expect(events.first == "response.created")
            #expect(events.last == "response.done")
            #expect(events.contains("response.text.delta"))
            #expect(!streamed.text.contains("realtime_bridge"))
            let accepted = try await bridge.send(
                "POST", "/v1/sessions/\(id)/responses", #"{"input":"say one","modalities":["text"]}"#,
                headers: ["accept": "text/event-stream"])
            #expect(accepted.headers["content-type"] == "text/event-stream")
            let refused = try await bridge.send(
                "POST", "/v1/sessions/\(id)/responses", #"{"stream":true,"max_output_tokens":"many"}"#)
            #expect(refused.status == 400, "\(refused.text)")
        }
    }

    @Test func aStreamThatCannotBeOpenedSendsNothing() async throws {
        try await APIFixture.run(configure: { $0.maximumStreamsPerSession = 1 }) { (bridge: APIFixture) async throws in
            // With a configuration, whose confirmation is the last thing a server says at the beginning.
            let id = try await bridge.newSession(#"{"session":{"modalities":["text"]}}"#)
            let path = "/v1/sessions/\(id)/responses"
            let streamed = #"{"input":"say one","modalities":["text"],"stream":true}"#
            let before = try await bridge.send("GET", "/v1/sessions/\(id)").json?["last_event_id"]?.string
            let seat = try bridge.api.streams.registry.admit(session: id)
            let full = try await bridge.send("POST", path, streamed)
            #expect(full.status == 429)
            #expect(full.code == "stream_limit_exceeded")
            #expect(full.headers["x-should-retry"] == "true")
            #expect(full.headers["retry-after"] != nil)
            #expect(try await bridge.send("GET", "/v1/sessions/\(id)").json?["last_event_id"]?.string == before)
            seat.leave()
            // A refused response gives its place back.
            #expect(try await bridge.send("POST", path, #"{"stream":true,"max_output_tokens":"many"}"#).status == 400)
            #expect(bridge.api.streams.registry.gauges.open == 0)
            let opened = try await bridge.send("POST", path, streamed)
            #expect(opened.status == 200)
            #expect(opened.text.contains("event: response.done"))
            #expect(bridge.api.streams.registry.gauges.open == 0)
            let after = try await bridge.send("GET", "/v1/sessions/\(id)").json?["last_event_id"]?.string
            bridge.api.drain()
            let draining = try await bridge.send("POST", path, streamed)
            #expect(draining.status == 503)
            #expect(draining.code == "shutting_down")
            #expect(draining.headers["x-should-retry"] == "true")
            #expect(try await bridge.send("GET", "/v1/sessions/\(id)").json?["last_event_id"]?.string == after)
        }
    }

    @Test func aResponseInTheBackgroundCanBeCancelled() async throws {
        try await APIFixture.run(deltaDelay: .milliseconds(50)) { bridge in
            let id = try await bridge.newSession()
            let begun = try await bridge.send(
                "POST", "/v1/sessions/\(id)/responses", #"{"input":"count to 1000","modalities":["text"],"background":true}"#)
            #expect(begun.status == 202)
            #expect(begun.json?["status"]?.string == "in_progress")
            let responseID = try #require(begun.json?["id"]?.string)
            let second = try await bridge.send("POST", "/v1/sessions/\(id)/responses", #"{"input":"say two"}"#)
            #expect(second.status == 409)
            #expect(second.code == "conversation_already_has_active_response")
            #expect(second.headers["x-should-retry"] == "false")
            let cancelled = try await bridge.send("POST", "/v1/sessions/\(id)/responses/\(responseID)/cancel")
            #expect(cancelled.status == 200)
            #expect(cancelled.json?["status"]?.string == "cancelled")
            let late = try await bridge.send("POST", "/v1/sessions/\(id)/responses/\(responseID)/cancel")
            #expect(late.status == 409)
            #expect(late.code == "response_cancel_not_active")
            #expect(try await bridge.send("POST", "/v1/sessions/\(id)/responses/resp_none/cancel").status == 404)
        }
    }

    @Test func audioIsAppendedCommittedAndCleared() async throws {
        try await APIFixture.run { bridge in
            let id = try await bridge.newSession(#"{"session":{"turn_detection":null}}"#)
            let base64 = String(repeating: "A", count: 6_400)
            let appended = try await bridge.send("POST", "/v1/sessions/\(id)/input_audio", #"{"audio":"\#(base64)"}"#)
            #expect(appended.status == 202)
            #expect(appended.json?["bytes"]?.int == 4_800)
            #expect(appended.json?["duration_ms"]?.int == 100)
            #expect(appended.json?["appends"]?.int == 1)
            let committed = try await bridge.send("POST", "/v1/sessions/\(id)/input_audio/commit")
            #expect(committed.status == 200)
            #expect(committed.json?["item_id"]?.string != nil)
            #expect(try await bridge.send("DELETE", "/v1/sessions/\(id)/input_audio").status == 200)
            let empty = try await bridge.send("POST", "/v1/sessions/\(id)/input_audio/commit")
            #expect(empty.status == 400)
            #expect(empty.code == "input_audio_buffer_commit_empty")
            #expect(try await bridge.send("POST", "/v1/sessions/\(id)/input_audio", #"{"audio":"AAA"}"#).code == "invalid_audio")
        }
    }

    /// Some JSON writers escape every slash, and base64 is full of them.
    @Test func escapedAudioIsCountedAsItIsMeant() async throws {
        try await APIFixture.run { bridge in
            let id = try await bridge.newSession(#"{"session":{"turn_detection":null}}"#)
            for base64 in [String(repeating: #"\/"#, count: 6_400), String(repeating: #"\u002f///"#, count: 1_600)] {
                let appended = try await bridge.send("POST", "/v1/sessions/\(id)/input_audio", #"{"audio":"\#(base64)"}"#)
                #expect(appended.status == 202, "\(appended.text)")
                #expect(appended.json?["bytes"]?.int == 4_800)
                #expect(appended.json?["duration_ms"]?.int == 100)
            }
        }
    }

    @Test func truncationBeyondWhatWasProducedIsClamped() async throws {
        try await APIFixture.run { bridge in
            let id = try await bridge.newSession()
            let spoken = try await bridge.send("POST", "/v1/sessions/\(id)/responses", #"{"input":"say hello there"}"#)
            let item = try #require(spoken.json?["output"]?[0]?["id"]?.string)
            let cut = try await bridge.send("POST", "/v1/sessions/\(id)/items/\(item)/truncate", #"{"audio_end_ms":9999999}"#)
            #expect(cut.status == 200, "\(cut.text)")
            #expect(cut.json?["clamped_from"]?.int == 9_999_999)
            #expect((cut.json?["audio_end_ms"]?.int ?? .max) < 9_999_999)
        }
    }

    @Test func rawEventsAreReceipted() async throws {
        try await APIFixture.run { bridge in
            let id = try await bridge.newSession()
            let one = try await bridge.send(
                "POST", "/v1/sessions/\(id)/events",
                #"{"type":"conversation.item.create","event_id":"mine","item":{"type":"message","role":"user","content":[{"type":"input_text","text":"say x"}]}}"#
            )
            #expect(one.status == 201)
            let receipt = one.json?["data"]?[0]
            #expect(receipt?["event_id"]?.string == "mine")
            #expect(receipt?["status"]?.string == "confirmed")
            #expect(receipt?["event"]?["type"]?.string == "conversation.item.created")

            let several = try await bridge.send(
                "POST", "/v1/sessions/\(id)/events",
                """
                [{"type":"input_audio_buffer.append","audio":"AAAAAAAA"},{"type":"conversation.item.delete","item_id":"item_none","event_id":"d1"},
                 {"type":"response.create","response":{"modalities":["text"]}},{"type":5}]
                """)
            #expect(several.status == 200)
            let receipts = several.json?["data"]?.elements ?? []
            #expect(receipts.map { $0["status"]?.string } == ["accepted", "refused", "confirmed", "refused"])
            #expect(receipts[1]["error"]?["event_id"]?.string == "d1")
            #expect(receipts[2]["event"]?["type"]?.string == "response.created")

            let refused = try await bridge.send(
                "POST", "/v1/sessions/\(id)/events", #"{"type":"conversation.item.delete","item_id":"item_none","event_id":"d2"}"#)
            #expect(refused.status == 404)
            #expect(refused.error?["event_id"]?.string == "d2")

            let lines = "{\"type\":\"input_audio_buffer.clear\"}\n{\"type\":\"input_audio_buffer.clear\"}\n"
            for headers: HTTPHeaders in [["content-type": "application/x-ndjson"], ["content-type": "application/x-www-form-urlencoded"]] {
                let answer = try await bridge.send("POST", "/v1/sessions/\(id)/events", lines, headers: headers)
                #expect(answer.json?["data"]?.elements.map { $0["status"]?.string } == ["confirmed", "confirmed"])
            }
        }
    }

    private static let line = #"{"type":"conversation.item.create","item":{"type":"message","role":"user","content":[]}}"# + "\n"

    /// A session lets 64 wait; the others of one request wait for them.
    @Test func manyEventsOfOneRequestAreAllSentInTheirOrder() async throws {
        let upstream = ScriptedUpstream([.session()])
        try await APIFixture.run(connector: upstream) { bridge in
            let id = try await bridge.newSession()
            let server = try await upstream.nextConnection()
            async let answer = bridge.send(
                "POST", "/v1/sessions/\(id)/events", String(repeating: Self.line, count: 200) + #"{"type":"response.create"}"#,
                headers: ["content-type": "application/x-ndjson", "prefer": "wait=60"])
            var ids: [String] = []
            func take() async throws {
                ids.append(try #require(try JSON.parse(try await server.nextSent())["item"]?["id"]?.string))
            }
            for _ in 0..<64 { try await take() }
            for _ in 0..<1_000 { await Task.yield() }
            for number in 0..<200 {
                if number == ids.count { try await take() }
                let item = ids[number]
                server.push(#"{"type":"conversation.item.created","item":{"id":"\#(item)","type":"message","role":"user"}}"#)
            }
            let create = try JSON.parse(try await server.nextSent())
            #expect(create["type"]?.string == "response.create")
            let metadata = create["response"]?["metadata"].map { String(decoding: $0.lexeme, as: UTF8.self) } ?? "null"
            server.push(
                #"{"type":"response.created","response":{"id":"resp_1","status":"in_progress","output":[],"metadata":\#(metadata)}}"#)
            let receipts = try await answer.json?["data"]?.elements ?? []
            #expect(receipts.count == 201 && receipts.allSatisfy { $0["status"]?.string == "confirmed" })
            #expect(receipts.dropLast().map { $0["event"]?["item"]?["id"]?.string } == ids)
        }
    }

    @Test func behindAnEventThatFindsNoPlaceNothingIsSent() async throws {
        let upstream = ScriptedUpstream([.session()])
        try await APIFixture.run(connector: upstream) { bridge in
            let id = try await bridge.newSession()
            let server = try await upstream.nextConnection()
            let headers: HTTPHeaders = ["content-type": "application/x-ndjson", "prefer": "wait=1"]
            let append = #"{"type":"input_audio_buffer.append","audio":"AAAA","event_id":"mine"}"#
            let answer = try await bridge.send(
                "POST", "/v1/sessions/\(id)/events", String(repeating: Self.line, count: 66) + append, headers: headers)
            #expect(answer.status == 200)
            let receipts = answer.json?["data"]?.elements ?? []
            #expect(receipts.map { $0["status"]?.string } == Array(repeating: "accepted", count: 64) + ["refused", "refused", "refused"])
            #expect(receipts.suffix(3).allSatisfy { $0["error"]?["code"]?.string == "too_many_commands" })
            #expect(receipts.last?["event_id"]?.string == "mine")
            // Of one that finds no place at all nothing is told but that.
            let none = try await bridge.send("POST", "/v1/sessions/\(id)/events", Self.line + append, headers: headers)
            #expect(none.status == 429 && none.code == "too_many_commands" && none.headers["x-should-retry"] == "true")
            var sent = 0
            while server.pendingSent.count > 0 {
                #expect(try await server.nextSent().contains("conversation.item.create"))
                sent += 1
            }
            #expect(sent == 64)
        }
    }

    @Test func eventsAreReadAsAPage() async throws {
        try await APIFixture.run { bridge in
            let id = try await bridge.newSession()
            let page = try await bridge.send("GET", "/v1/sessions/\(id)/events?limit=1&wait=10", headers: ["accept": "application/json"])
            #expect(page.status == 200)
            #expect(page.json?["data"]?[0]?["event"]?["type"]?.string == "session.created")
            let bad = try await bridge.send("GET", "/v1/sessions/\(id)/events?limit=0", headers: ["accept": "application/json"])
            #expect(bad.status == 400)
            #expect(bad.error?["param"]?.string == "limit")
            #expect(try await bridge.send("POST", "/v1/sessions/\(id)/events").code == "missing_body")
        }
    }

    @Test func waitingIsAsTheCallerPrefers() async throws {
        let upstream = ScriptedUpstream([.session()])
        try await APIFixture.run(connector: upstream) { bridge in
            let id = try await bridge.newSession()
            let late = try await bridge.send("POST", "/v1/sessions/\(id)/items", #"{"text":"hi"}"#, headers: ["prefer": "wait=0"])
            #expect(late.status == 504)
            #expect(late.code == "upstream_timeout")
            #expect(late.headers["x-should-retry"] == "false")
            #expect(late.error?["event_id"]?.string?.hasPrefix("event_") == true)
            let receipt = try await bridge.send("POST", "/v1/sessions/\(id)/items", #"{"text":"hi"}"#, headers: ["prefer": "respond-async"])
            #expect(receipt.status == 202)
            #expect(receipt.headers["preference-applied"] == "respond-async")
            let both = try await bridge.send(
                "POST", "/v1/sessions/\(id)/items", #"{"text":"hi"}"#, headers: ["prefer": "respond-async, wait=0"])
            #expect(both.status == 202)
            #expect(both.headers["preference-applied"] == "respond-async, wait=0")
        }
    }

    @Test func aLostUpstreamIsABadGatewayThatMustNotBeRepeated() async throws {
        let upstream = ScriptedUpstream([.session()])
        try await APIFixture.run(connector: upstream) { bridge in
            let id = try await bridge.newSession()
            let connection = try await upstream.nextConnection()
            async let answer = bridge.send("POST", "/v1/sessions/\(id)/responses", "{}")
            _ = try await connection.nextSent()
            connection.end(UpstreamEnd(.lost))
            let lost = try await answer
            #expect(lost.status == 502)
            #expect(lost.code == "upstream_lost")
            #expect(lost.headers["x-should-retry"] == "false")
        }
    }
}
