import Foundation
import Realtime
import TestSupport
import Testing

/// Requests with an `Idempotency-Key` across kill -9: what upstream has seen is in the simulator's record.
@Suite(.serialized, .timeLimit(.minutes(5))) struct IdempotencyTests {
    private static let text = #"{"session":{"modalities":["text"],"turn_detection":null}}"#
    private static let key = ["Idempotency-Key: order-42"]

    /// A simulator of its own, and a bridge in front of it.
    private func run(
        _ faults: [String], _ body: (BridgeProcess, Curl, Record) async throws -> Void
    ) async throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "record-\(UUID().uuidString).jsonl")
        defer { try? FileManager.default.removeItem(at: file) }
        try await BridgeProcess.run("simulate", ["--record", file.path] + faults) { simulator in
            try await BridgeProcess.run(
                "serve", ["--upstream-url", simulator.address, "--model", "gpt-realtime-2", "--pool-min", "0", "--pool-max", "0"],
                environment: ["OPENAI_API_KEY": "sk-any-0123456789abcdef"]
            ) { bridge in
                try await body(bridge, Curl(base: bridge.address), Record(file: file))
            }
        }
    }

    /// What the simulator has been sent.
    private struct Record {
        let file: URL

        func frames(_ type: String) throws -> [JSON] {
            try String(contentsOf: file, encoding: .utf8).split(separator: "\n").compactMap { try? JSON.parse(String($0)) }.filter {
                $0["direction"]?.string == "in" && $0["frame"]?["type"]?.string == type
            }.compactMap { $0["frame"] }
        }

        func wait(for type: String) async throws {
            try await poll("\(type) in the simulator's record") { try !frames(type).isEmpty }
        }
    }

    private static func poll(_ what: String, _ isTrue: () async throws -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(20)
        while ContinuousClock.now < deadline {
            if try await isTrue() { return }
            try await Task.sleep(for: .milliseconds(10))
        }
        throw WaitedTooLong(what: what)
    }

    private static func commits(_ curl: Curl) async throws -> Int {
        let page = try await curl("GET", "/metrics").text
        return try #require(page.firstMatch(of: /\nrealtime_bridge_log_commits_total (\d+)/).flatMap { Int($0.1) })
    }

    private func create(_ curl: Curl) async throws -> String {
        let created = try await curl("POST", "/v1/sessions", json: Self.text)
        try #require(created.status == 201, "\(created.text)")
        return "/v1/sessions/" + (try #require(try created.json()["id"]?.string))
    }

    private func expectUnknown(_ answer: Curl.Answer) throws {
        #expect(answer.status == 409, "\(answer.text)")
        let error = try answer.json()["error"]
        #expect(error?["code"]?.string == "idempotency_outcome_unknown")
        #expect(error?["event_id"]?.string?.hasPrefix("event_rb") == true)
    }

    /// Recorded, and killed while the connection it would have been sent on was still being made.
    @Test func killedBeforeItWasSent() async throws {
        try await run(["--handshake-delay", "3000"]) { bridge, curl, record in
            let session = try await create(curl)
            try await bridge.kill()
            try await bridge.start()
            let before = try await Self.commits(curl)
            let cut = Task { try? await curl("POST", session + "/items", json: #"{"text":"Hello"}"#, headers: Self.key) }
            try await Self.poll("the request's step in the store") { try await Self.commits(curl) > before }
            try await bridge.kill()
            _ = await cut.value
            try await bridge.start()
            for _ in 0..<2 {
                try expectUnknown(try await curl("POST", session + "/items", json: #"{"text":"Hello"}"#, headers: Self.key))
            }
            #expect(try record.frames("conversation.item.create").isEmpty)
            // Another key is another request.
            let other = try await curl("POST", session + "/items", json: #"{"text":"Hello"}"#, headers: ["Idempotency-Key: order-43"])
            #expect(other.status == 201)
            #expect(try record.frames("conversation.item.create").count == 1)
        }
    }

    /// Sent, and killed before upstream confirmed it.
    @Test func killedBeforeItWasConfirmed() async throws {
        try await run(["--stall-after", "2"]) { bridge, curl, record in
            let session = try await create(curl)
            let cut = Task { try? await curl("POST", session + "/responses", json: "{}", headers: Self.key) }
            try await record.wait(for: "response.create")
            try await bridge.kill()
            _ = await cut.value
            try await bridge.start()
            for _ in 0..<2 { try expectUnknown(try await curl("POST", session + "/responses", json: "{}", headers: Self.key)) }
            #expect(try record.frames("response.create").count == 1)
        }
    }

    /// Confirmed, and killed before it was answered.
    @Test func killedBeforeItWasAnswered() async throws {
        try await run(["--delta-delay", "200"]) { bridge, curl, record in
            let session = try await create(curl)
            let body = #"{"input":"Count to 1000"}"#
            let stream = try CurlStream(bridge.address + session + "/events")
            let cut = Task { try? await curl("POST", session + "/responses", json: body, headers: Self.key) }
            try await stream.until("response.text.delta")
            try await bridge.kill()
            _ = await cut.value
            try await stream.stop()
            try await bridge.start()
            for _ in 0..<2 {
                let again = try await curl("POST", session + "/responses", json: body, headers: Self.key)
                // As the first one would have been answered: the response was cut off.
                #expect(again.status == 502, "\(again.text)")
                #expect(try again.json()["error"]?["code"]?.string == "upstream_lost")
                #expect(again.headers.lowercased().contains("idempotent-replayed: true"))
            }
            // Another wish for the same answer: the events of that response, in the other dialect.
            let events = try await curl(
                "POST", session + "/responses?dialect=ga", json: body, headers: Self.key + ["Accept: text/event-stream"])
            #expect(events.status == 200)
            #expect(events.text.contains("event: response.created") && events.text.contains("event: response.output_text.delta"))
            #expect(events.text.contains("event: response.done") && events.text.contains("upstream_lost"))
            #expect(try record.frames("response.create").count == 1)
            #expect(try record.frames("conversation.item.create").count == 1)
        }
    }

    /// Answered, and the answer lost on the way: the same answers from another run of the process, in both dialects.
    @Test func killedAfterItWasAnswered() async throws {
        try await run([]) { bridge, curl, record in
            let session = try await create(curl)
            let posts = [
                ("/items", #"{"text":"Say one"}"#), ("/responses", "{}"), ("/responses", #"{"input":"Say two","background":true}"#),
                ("/input_audio", #"{"audio":"\#(String(repeating: "A", count: 12_800))"}"#), ("/input_audio/commit", ""),
                ("/interrupt", "{}"), ("/responses", #"{"input":"Say three","if_active":"queue"}"#),
                ("/events", #"[{"type":"conversation.item.delete","item_id":"none"},{"type":"input_audio_buffer.clear"}]"#),
            ]
            func all() async throws -> [[String]] {
                var all: [[String]] = []
                for (index, post) in posts.enumerated() {
                    for query in ["", "?dialect=ga"] {
                        let answer = try await curl(
                            "POST", session + post.0 + query, json: post.1, headers: ["Idempotency-Key: \(index)"])
                        all.append([String(answer.status), answer.text, Self.location(answer) ?? ""])
                    }
                }
                return all
            }
            let answers = try await all()
            let sent = try record.frames("conversation.item.create").count
            #expect(sent == 3)
            try await bridge.kill()
            try await bridge.start()
            #expect(try await all() == answers)
            #expect(try record.frames("conversation.item.create").count == sent)
            #expect(try record.frames("response.create").count == 3)
            #expect(try record.frames("input_audio_buffer.append").count == 1)
        }
    }

    /// An output that was given is given, whoever the response after it was asked for by.
    @Test func killedBetweenTheOutputsOfOneTurn() async throws {
        try await run([]) { bridge, curl, record in
            let tools = ["get_weather", "get_time"].map { #"{"type":"function","name":"\#($0)","parameters":{"type":"object"}}"# }
            let created = try await curl(
                "POST", "/v1/sessions",
                json: #"{"session":{"modalities":["text"],"turn_detection":null,"tools":[\#(tools.joined(separator: ","))]}}"#)
            let session = "/v1/sessions/" + (try #require(try created.json()["id"]?.string))
            _ = try await curl("POST", session + "/responses", json: #"{"input":"get weather and get time in Oslo"}"#)
            let calls =
                try await curl("GET", session + "/function_calls").json()["data"]?.elements.compactMap { $0["call_id"]?.string } ?? []
            try #require(calls.count == 2)
            func give(_ call: String) async throws -> Curl.Answer {
                try await curl("POST", session + "/function_calls/\(call)/output", json: #"{"output":"1"}"#, headers: Self.key)
            }
            let first = try await give(calls[0])
            #expect(first.status == 201)
            try await bridge.kill()
            try await bridge.start()
            #expect(try await give(calls[0]).text == first.text)
            let last = try await give(calls[1])
            #expect(last.status == 201)
            for (call, status) in [(calls[0], 201), (calls[1], 201)] {
                let again = try await give(call)
                #expect(again.status == status, "\(again.text)")
                #expect(again.headers.lowercased().contains("idempotent-replayed: true"))
            }
            #expect(try record.frames("response.create").count == 2)
        }
    }

    /// Audio is never confirmed; that it was sent is known all the same.
    @Test func killedWhileSoundIsAnswered() async throws {
        // The answer is of a few words.
        try await run(["--delta-delay", "1000"]) { bridge, curl, record in
            let session = try await create(curl)
            let body = #"{"audio":"\#(String(repeating: "A", count: 64_000))"}"#
            let path = session + "/input_audio?respond=true"
            let stream = try CurlStream(bridge.address + session + "/events")
            let cut = Task { try? await curl("POST", path, json: body, headers: Self.key + ["content-type: application/json"]) }
            try await stream.until("response.text.delta")
            try await bridge.kill()
            _ = await cut.value
            try await stream.stop()
            try await bridge.start()
            let again = try await curl("POST", path, json: body, headers: Self.key + ["content-type: application/json"])
            #expect(again.status == 502, "\(again.text)")
            #expect(try again.json()["error"]?["code"]?.string == "upstream_lost")
            #expect(try record.frames("input_audio_buffer.append").count == 1)
            #expect(try record.frames("response.create").count == 1)
        }
    }

    /// The same of a response without a session: the bridge's own is found again.
    @Test func killedWhileAResponseWithoutASessionRuns() async throws {
        try await run(["--delta-delay", "200"]) { bridge, curl, record in
            let body = #"{"input":"Count to 1000","modalities":["text"]}"#
            let cut = Task { try? await curl("POST", "/v1/responses", json: body, headers: Self.key) }
            try await record.wait(for: "response.create")
            let before = try await Self.commits(curl)
            try await Self.poll("the response's beginning in the store") { try await Self.commits(curl) > before + 3 }
            try await bridge.kill()
            _ = await cut.value
            try await bridge.start()
            for _ in 0..<2 {
                let again = try await curl("POST", "/v1/responses", json: body, headers: Self.key)
                #expect(again.status == 502, "\(again.text)")
                #expect(try again.json()["error"]?["code"]?.string == "upstream_lost")
                #expect(again.headers.lowercased().contains("idempotent-replayed: true"))
            }
            #expect(try record.frames("response.create").count == 1)
            let other = try await curl(
                "POST", "/v1/responses", json: #"{"input":"Say two","modalities":["text"]}"#, headers: ["Idempotency-Key: order-43"])
            #expect(try other.json()["output_text"]?.string == "two")
        }
    }

    private static func location(_ answer: Curl.Answer) -> String? {
        answer.headers.split(separator: "\r\n").first { $0.lowercased().hasPrefix("location:") }.map(String.init)
    }

    /// A session that was being made is nobody's: its creation is free, and there is one in the end.
    @Test func killedWhileASessionIsMade() async throws {
        try await run(["--handshake-delay", "3000"]) { bridge, curl, _ in
            let before = try await Self.commits(curl)
            let cut = Task { try? await curl("POST", "/v1/sessions", json: Self.text, headers: Self.key) }
            try await Self.poll("the request's step in the store") { try await Self.commits(curl) > before }
            try await bridge.kill()
            _ = await cut.value
            try await bridge.start()
            let made = try await curl("POST", "/v1/sessions", json: Self.text, headers: Self.key)
            #expect(made.status == 201)
            try await bridge.kill()
            try await bridge.start()
            let again = try await curl("POST", "/v1/sessions", json: Self.text, headers: Self.key)
            #expect(try again.json()["id"]?.string == made.json()["id"]?.string)
            #expect(try await curl("GET", "/v1/sessions").json()["data"]?.elements.count == 1)
        }
    }
}
