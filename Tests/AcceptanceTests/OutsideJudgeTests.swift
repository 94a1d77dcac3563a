import Foundation
import Realtime
import TestSupport
import Testing

/// The official `openai` package, which knows nothing of us: its client talks to the simulator, and its types judge what came.
struct OutsideJudgeTests {
    @Test(arguments: Dialect.allCases)
    func theOfficialClientHoldsAConversationWithTheSimulator(dialect: Dialect) async throws {
        try await BridgeProcess.run("simulate", ["--dialect", dialect.rawValue, "--delta-delay", "2"]) { simulator in
            let speech = PythonTool.root.appending(path: "Tests/Fixtures/spoken-question.pcm").path
            let driven = try await PythonTool("drive_simulator.py")(dialect.rawValue, simulator.authority, speech)
            guard let driven else { return }
            #expect(driven.status == 0, "\(driven.errors)")
            let judged = try await PythonTool.withFile(holding: driven.output) {
                try await PythonTool("judge_events.py")("--at-least", "25", $0.path)
            }
            #expect(judged?.status == 0, "\(judged?.text ?? "")\(judged?.errors ?? "")")
        }
    }

    /// Whatever its upstream speaks. Read as pages, so that each view is of all events.
    @Test(arguments: Dialect.allCases)
    func aSessionIsShownInEitherDialectAsTheOfficialTypesHaveIt(upstream: Dialect) async throws {
        try await BridgeProcess.run("demo", ["--upstream-dialect", upstream.rawValue]) { bridge in
            let curl = Curl(base: bridge.address)
            let settings = #"{"turn_detection":null,"input_audio_transcription":{"model":"whisper-1"}}"#
            let created = try await curl("POST", "/v1/sessions", json: "{\"session\":\(settings)}")
            let path = "/v1/sessions/\(try #require(try created.json()["id"]?.string))"
            try await Self.converse(curl, path)
            var payloads: [(Dialect, [UInt8])] = []
            for view in Dialect.allCases {
                let before = payloads.count
                var cursor = ""
                while true {
                    let target = "\(path)/events?limit=100&dialect=\(view.rawValue)\(cursor)"
                    let page = try await curl("GET", target, headers: ["accept: application/json"]).json()
                    payloads += page["data"]?.elements.compactMap { $0["event"] }.map { (view, Array($0.lexeme)) } ?? []
                    guard page["has_more"]?.bool == true, let last = page["last_id"]?.string else { break }
                    cursor = "&after=\(last)"
                }
                #expect(payloads.count > before)
            }
            guard let judged = try await PythonTool.judge(payloads, atLeast: 50) else { return }
            #expect(judged.status == 0, "\(judged.text)\(judged.errors)")
        }
    }

    /// Something of everything: text, sound, a call of a tool, a cut, a cancel, an error, a spoken turn.
    private static func converse(_ curl: Curl, _ path: String) async throws {
        func call(_ method: String, _ route: String, _ json: String? = nil) async throws -> JSON {
            let answer = try await curl(method, path + route, json: json)
            #expect((200..<300).contains(answer.status), "\(method) \(route): \(answer.text)")
            return try answer.json()
        }
        let speech = try Data(contentsOf: PythonTool.root.appending(path: "Tests/Fixtures/spoken-question.pcm"))
        let item = try #require(try await call("POST", "/items", #"{"text":"Hello"}"#)["id"]?.string)
        _ = try await call("DELETE", "/items/\(item)")
        _ = try await call("POST", "/input_audio", "{\"audio\":\"\(speech.base64EncodedString())\"}")
        _ = try await call("DELETE", "/input_audio")
        for model in ["whisper-1", "fail"] {
            _ = try await call("PATCH", "", "{\"session\":{\"input_audio_transcription\":{\"model\":\"\(model)\"}}}")
            _ = try await call("POST", "/input_audio", "{\"audio\":\"\(speech.base64EncodedString())\"}")
            _ = try await call("POST", "/input_audio/commit")
        }
        let spoken = try await call("POST", "/responses", #"{"input":"Say good morning"}"#)
        _ = try await call("POST", "/items/\(try #require(spoken["output"]?[0]?["id"]?.string))/truncate", #"{"audio_end_ms":100}"#)
        let tool = #"{"type":"function","name":"get_weather","parameters":{"type":"object","properties":{"city":{"type":"string"}}}}"#
        _ = try await call("POST", "/responses", "{\"modalities\":[\"text\"],\"tools\":[\(tool)],\"input\":\"The weather in Oslo?\"}")
        let long = try await call("POST", "/responses", #"{"modalities":["text"],"background":true,"input":"count to 300"}"#)
        _ = try await call("POST", "/responses/\(try #require(long["id"]?.string))/cancel")
        let refused = try await curl("POST", path + "/events", json: #"{"type":"conversation.item.delete","item_id":"item_nowhere"}"#)
        #expect(refused.status == 404)
        _ = try await call("PATCH", "", #"{"session":{"turn_detection":{"type":"server_vad"}}}"#)
        let last = try #require(try await call("GET", "")["last_event_id"]?.string)
        let stream = try CurlStream(curl.base + path + "/events", lastEventID: last)
        _ = try await call("POST", "/input_audio", "{\"audio\":\"\((speech + Data(count: 48_000)).base64EncodedString())\"}")
        try await stream.until("response.done")
        try await stream.stop()
    }

    /// All but those that the published GA specification has and no GA server was seen to send.
    @Test(arguments: [("server", 90), ("client", 20)])
    func theExamplesAreAsTheOfficialTypesHaveThem(direction: String, kinds: Int) async throws {
        let examples = try String(contentsOf: PythonTool.root.appending(path: "Tests/Fixtures/examples.jsonl"), encoding: .utf8)
        let lines = examples.split(separator: "\n").filter { !$0.contains(#""scenario": "spec_only_in_ga""#) }
        let judged = try await PythonTool.withFile(holding: Array(lines.joined(separator: "\n").utf8)) { file in
            let judge = PythonTool("judge_events.py")
            return direction == "client"
                ? try await judge("--client", "--at-least", String(kinds), file.path)
                : try await judge("--at-least", String(kinds), file.path)
        }
        if let judged { #expect(judged.status == 0, "\(judged.text)\(judged.errors)") }
    }

    private static let head = #""event_id":"e","response_id":"r","item_id":"i","output_index":0,"content_index":0"#

    /// Payloads with one fault each, and how it is called.
    private static let broken: [(Dialect, String, String)] = [
        (.ga, "{\"type\":\"response.text.delta\",\(head),\"delta\":\"a\"}", "ga response.text.delta: type: unknown"),
        (.beta, "{\"type\":\"response.output_text.delta\",\(head)}", "beta response.output_text.delta: type: unknown"),
        (.ga, "{\"type\":\"response.output_text.delta\",\(head)}", "ga response.output_text.delta: delta: missing"),
        (.ga, "{\"type\":\"response.output_text.done\",\(head),\"text\":\"a\",\"words\":1}", "ga response.output_text.done: words: extra"),
        (.beta, "{\"type\":\"response.text.delta\",\(head),\"delta\":7}", "beta response.text.delta: delta: string_type"),
        (
            .ga, #"{"type":"session.updated","event_id":"e","session":{"type":"realtime","modalities":["text"]}}"#,
            "ga session.updated: session/modalities: extra"
        ),
        (
            .beta, #"{"type":"session.updated","event_id":"e","session":{"modalities":["text"],"audio":{}}}"#,
            "beta session.updated: session/audio: extra"
        ),
        (
            .ga,
            #"{"type":"conversation.item.done","event_id":"e","item":{"type":"message","role":"assistant","content":[{"type":"text"}]}}"#,
            "ga conversation.item.done: item/content/type: literal_error"
        ),
        (
            .ga, #"{"type":"conversation.item.added","event_id":"e","item":{"type":"message","role":"robot","content":[]}}"#,
            "ga conversation.item.added: item: tag"
        ),
        (
            .ga, #"{"type":"response.done","event_id":"e","response":{"status":"over","bridge":{"own":1}}}"#,
            "ga response.done: response/status: literal_error"
        ),
    ]

    @Test func whatIsNotOfTheDialectIsNoticed() async throws {
        let whole = (Dialect.ga, #"{"type":"response.done","event_id":"e","response":{"status":"completed"},"bridge":{"own":1}}"#)
        let own = (Dialect.ga, #"{"type":"bridge.resumed","own":1}"#)
        let payloads = [whole, own] + Self.broken.map { ($0.0, $0.1) }
        guard let judged = try await PythonTool.judge(payloads.map { ($0.0, Array($0.1.utf8)) }) else { return }
        #expect(judged.status == 1)
        let lines = judged.text.split(separator: "\n").filter { !$0.hasPrefix(" ") }
        for ((_, _, fault), line) in zip(Self.broken, lines) {
            #expect(line.hasPrefix(fault + ": "))
        }
        #expect(lines.last?.hasPrefix("\(Self.broken.count) disagreements") == true, "\(judged.text)")
    }
}
