import HTTPServer
import Realtime
import Testing

@testable import BridgeAPI

/// `POST …/interrupt` against the simulator.
@Suite struct InterruptTests {
    /// Begins an answer in sound, and waits until some of it is there.
    private func speaking(_ bridge: APIFixture, _ id: String) async throws -> String {
        let begun = try await bridge.send("POST", "/v1/sessions/\(id)/responses", #"{"input":"count to 200","background":true}"#)
        let response = try #require(begun.json?["id"]?.string, "\(begun.text)")
        // A long poll: it returns with the first sound.
        let page = try await bridge.send(
            "GET", "/v1/sessions/\(id)/events?types=*audio.delta&response_id=\(response)&wait=20", headers: ["accept": "application/json"])
        #expect(page.json?["data"]?.elements.isEmpty == false)
        return response
    }

    @Test(arguments: [(Dialect.beta, Dialect.beta), (.ga, .ga), (.ga, .beta), (.beta, .ga)])
    func anAnswerIsStoppedAndCutAtWhatWasHeardOnce(upstream: Dialect, shown: Dialect) async throws {
        try await APIFixture.run(dialect: upstream, deltaDelay: .milliseconds(5)) { bridge in
            let id = try await bridge.newSession("{\"dialect\":\"\(shown.rawValue)\"}")
            let response = try await speaking(bridge, id)
            let path = "/v1/sessions/\(id)/interrupt"
            let first = try await bridge.send("POST", path, #"{"played_ms":50}"#)
            #expect(first.status == 200, "\(first.text)")
            #expect(first.json?["object"]?.string == "realtime.interruption")
            #expect(first.json?["response"]?["id"]?.string == response)
            #expect(first.json?["response"]?["status"]?.string == "cancelled")
            #expect((first.json?["response"]?["output_modalities"] != nil) == (shown == .ga))
            #expect(first.json?["truncated"]?["audio_end_ms"]?.int == 50)
            #expect(first.json?["truncated"]?["clamped_from"] == nil)
            let item = try #require(first.json?["truncated"]?["id"]?.string)
            #expect(try await bridge.send("GET", "/v1/sessions/\(id)/items/\(item)").json?["role"]?.string == "assistant")
            let before = try await bridge.send("GET", "/v1/sessions/\(id)").json?["last_event_id"]?.string
            for body in [#"{"played_ms":50}"#, #"{"played_ms":900,"item_id":"\#(item)"}"#, "{}"] {
                let again = try await bridge.send("POST", path, body)
                #expect(again.status == 200)
                #expect(again.json?["response"]?.isNull == true)
                #expect(again.json?["truncated"]?.isNull == true)
            }
            #expect(try await bridge.send("GET", "/v1/sessions/\(id)").json?["last_event_id"]?.string == before)
        }
    }

    /// The conversation holds what was heard; the response is what was made, and paid.
    @Test(arguments: [(Dialect.beta, Dialect.beta), (.ga, .ga), (.ga, .beta), (.beta, .ga)])
    func theItemSaysWhatWasHeardAndTheResponseWhatWasSaid(upstream: Dialect, shown: Dialect) async throws {
        try await APIFixture.run(dialect: upstream) { bridge in
            let path = "/v1/sessions/\(try await bridge.newSession("{\"dialect\":\"\(shown.rawValue)\"}"))"
            let words = "one two three four five six"
            let spoken = try await bridge.send("POST", path + "/responses", "{\"input\":\"say \(words)\"}")
            let item = try #require(spoken.json?["output"]?[0]?["id"]?.string, "\(spoken.text)")
            func shownItems() async throws -> [JSON?] {
                [
                    try await bridge.send("GET", "\(path)/items/\(item)").json,
                    try await bridge.send("GET", path + "/items").json?["data"]?.elements.last,
                ]
            }
            for shown in try await shownItems() { #expect(shown?["content"]?[0]?["transcript"]?.string == words) }
            let length = try #require(spoken.json?["output_audio"]?["duration_ms"]?.int)
            for (played, isLast) in [(length / 2, false), (length, false), (0, true)] {
                _ = try await bridge.send("POST", path + "/interrupt", "{\"played_ms\":\(played)}")
                let transcript = try await bridge.send("GET", path + "/transcript").json?["data"]?.elements.last
                #expect(transcript?["text"]?.string == (isLast ? "" : "one two three"), "\(played) of \(length)")
                for shown in try await shownItems() {
                    #expect(shown?["content"]?[0]?["transcript"]?.string == transcript?["text"]?.string)
                    #expect(shown?["id"]?.string == item && shown?["role"]?.string == "assistant")
                }
            }
            let response = try await bridge.send("GET", "\(path)/responses/\(spoken.json?["id"]?.string ?? "")").json
            #expect(response?["output_text"]?.string == words)
            #expect(response?["output"]?[0]?["content"]?[0]?["transcript"]?.string == words)
        }
    }

    @Test func theResponseIsShownAsItIsElsewhere() async throws {
        try await APIFixture.run(deltaDelay: .milliseconds(5)) { bridge in
            let id = try await bridge.newSession()
            let response = try await speaking(bridge, id)
            let answer = try await bridge.send("POST", "/v1/sessions/\(id)/interrupt", #"{"played_ms":50}"#)
            let shown = try #require(answer.json?["response"])
            #expect(shown["output_audio"]?["duration_ms"]?.int == 50)
            let stored = try #require(try await bridge.send("GET", "/v1/sessions/\(id)/responses/\(response)").json)
            #expect(String(decoding: shown.lexeme, as: UTF8.self) == String(decoding: stored.lexeme, as: UTF8.self))
        }
    }

    @Test func moreThanWasProducedIsAllThatWas() async throws {
        try await APIFixture.run(deltaDelay: .milliseconds(5)) { bridge in
            let id = try await bridge.newSession()
            _ = try await speaking(bridge, id)
            let answer = try await bridge.send("POST", "/v1/sessions/\(id)/interrupt", #"{"played_ms":9999999}"#)
            #expect(answer.status == 200, "\(answer.text)")
            #expect(answer.json?["truncated"]?["clamped_from"]?.int == 9_999_999)
            #expect((answer.json?["truncated"]?["audio_end_ms"]?.int ?? .max) < 9_999_999)
        }
    }

    @Test func withoutWhatWasPlayedItOnlyStops() async throws {
        try await APIFixture.run(deltaDelay: .milliseconds(5)) { bridge in
            let id = try await bridge.newSession()
            _ = try await speaking(bridge, id)
            let answer = try await bridge.send("POST", "/v1/sessions/\(id)/interrupt")
            #expect(answer.json?["response"]?["status"]?.string == "cancelled", "\(answer.text)")
            #expect(answer.json?["truncated"]?.isNull == true)
        }
    }

    @Test func theLastAnswerIsCutWhenItHasEnded() async throws {
        try await APIFixture.run { bridge in
            let id = try await bridge.newSession()
            let path = "/v1/sessions/\(id)/interrupt"
            let nothing = try await bridge.send("POST", path, #"{"played_ms":10}"#)
            #expect(nothing.status == 200)
            #expect(nothing.json?["truncated"]?.isNull == true)
            let spoken = try await bridge.send("POST", "/v1/sessions/\(id)/responses", #"{"input":"say hello there"}"#)
            let item = try #require(spoken.json?["output"]?[0]?["id"]?.string)
            let whole = try await bridge.send("POST", path, #"{"played_ms":9999999}"#)
            #expect(whole.json?["truncated"]?.isNull == true)
            let cut = try await bridge.send("POST", path, #"{"played_ms":10}"#)
            #expect(cut.json?["response"]?.isNull == true)
            #expect(cut.json?["truncated"]?["id"]?.string == item)
            #expect(cut.json?["truncated"]?["audio_end_ms"]?.int == 10)
            let user = try await bridge.send("GET", "/v1/sessions/\(id)/items?limit=1").json?["first_id"]?.string ?? ""
            let wrong = try await bridge.send("POST", path, "{\"played_ms\":1,\"item_id\":\"\(user)\"}")
            #expect(wrong.status == 400)
            #expect(wrong.error?["param"]?.string == "item_id")
        }
    }

    /// Ten at once, while the response may end by itself: all are 200, and one cut is made.
    @Test func manyAtOnceStopAndCutOnce() async throws {
        try await APIFixture.run(deltaDelay: .milliseconds(2)) { bridge in
            let id = try await bridge.newSession()
            for _ in 0..<3 {
                _ = try await speaking(bridge, id)
                let answers = try await withThrowingTaskGroup(of: APIAnswer.self) { group in
                    for _ in 0..<10 {
                        group.addTask { try await bridge.send("POST", "/v1/sessions/\(id)/interrupt", #"{"played_ms":20}"#) }
                    }
                    return try await group.reduce(into: [APIAnswer]()) { $0.append($1) }
                }
                #expect(answers.allSatisfy { $0.status == 200 })
                #expect(answers.count { $0.json?["truncated"]?.isNull == false } == 1)
            }
            let page = try await bridge.send(
                "GET", "/v1/sessions/\(id)/events?types=conversation.item.truncated&limit=100",
                headers: ["accept": "application/json"])
            let events = page.json?["data"]?.elements ?? []
            #expect(events.count { $0["event"]?["type"]?.string == "conversation.item.truncated" } == 3)
        }
    }

    @Test func whatWaitsGoesOnAfterTheCut() async throws {
        try await APIFixture.run(deltaDelay: .milliseconds(5)) { bridge in
            let id = try await bridge.newSession()
            _ = try await speaking(bridge, id)
            async let next = bridge.send(
                "POST", "/v1/sessions/\(id)/responses", #"{"input":"say next","modalities":["text"],"if_active":"queue"}"#)
            try await bridge.waitUntil(id, queued: 1)
            #expect(try await bridge.send("POST", "/v1/sessions/\(id)/interrupt", #"{"played_ms":30}"#).status == 200)
            #expect(try await next.json?["output_text"]?.string == "next")
            let page = try await bridge.send(
                "GET",
                "/v1/sessions/\(id)/events?types=response.done,response.created,conversation.item.truncated,conversation.item.created",
                headers: ["accept": "application/json"])
            let types = (page.json?["data"]?.elements ?? []).compactMap { $0["event"]?["type"]?.string }
            #expect(
                types.suffix(6) == [
                    "response.done", "conversation.item.truncated", "conversation.item.created", "response.created",
                    "conversation.item.created", "response.done",
                ], "\(types)")
        }
    }
}
