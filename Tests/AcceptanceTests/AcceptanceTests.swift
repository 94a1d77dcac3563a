import Foundation
import Realtime
import TestSupport
import Testing

/// The issue of the whole path, as its users meet it: the real binary, curl, a cut stream, kill -9.
@Suite(.serialized) struct AcceptanceTests {
    /// One second of 24 kHz mono 16-bit audio.
    private static let bytesPerSecond = 48_000

    private static func fixture(_ name: String) throws -> Data {
        try Data(contentsOf: URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../Fixtures/\(name)"))
    }

    private static func chunks(_ audio: Data) -> [String] {
        stride(from: 0, to: audio.count, by: bytesPerSecond).map { start in
            audio[start..<min(start + bytesPerSecond, audio.count)].base64EncodedString()
        }
    }

    private func create(_ curl: Curl, _ session: String) async throws -> String {
        let created = try await curl("POST", "/v1/sessions", json: "{\"session\":\(session)}")
        try #require(created.status == 201, "\(created.text)")
        return try #require(try created.json()["id"]?.string)
    }

    /// Every id of a session once, in order, without a gap, however often the client was cut off in between. Where upstream's own dialect
    /// is shown, every event is one frame.
    private func expectDense(_ events: [CurlStream.Event]) throws {
        let numbers = try events.map { event in try #require(Int(event.id?.split(separator: ".").last ?? "")) }
        #expect(numbers == Array(1...max(1, numbers.count)))
    }

    /// The same where an event may be no frame or two of a view.
    private func expectRising(_ events: [CurlStream.Event]) throws {
        let numbers = try events.map { event in
            let match = try #require((event.id ?? "").wholeMatch(of: /1\.(\d+)(?:-(\d))?/))
            return try #require(Int(match.1)) * 10 - (match.2.flatMap { Int($0) } ?? 0)
        }
        #expect(zip(numbers, numbers.dropFirst()).allSatisfy(<))
    }

    @Test(arguments: ["beta", "ga"])
    func aSpokenConversationSurvivesTheClientAndTheProcess(dialect: String) async throws {
        try await BridgeProcess.run("demo", ["--upstream-dialect", dialect, "--dialect", dialect]) { bridge in
            let curl = Curl(base: bridge.address)
            let withoutDetection =
                dialect == "beta" ? #"{"turn_detection":null}"# : #"{"type":"realtime","audio":{"input":{"turn_detection":null}}}"#
            let session = try await create(curl, withoutDetection)
            let path = "/v1/sessions/\(session)"
            let terminal = try CurlStream(bridge.address + path + "/events")

            // A spoken sentence, by hand: append, commit, respond.
            for chunk in Self.chunks(try Self.fixture("spoken-question.pcm")) {
                let appended = try await curl("POST", path + "/input_audio", json: "{\"audio\":\"\(chunk)\"}")
                #expect(appended.status == 202)
            }
            let committed = try await curl("POST", path + "/input_audio/commit")
            #expect(committed.status == 200)
            #expect(try committed.json()["item_id"]?.string != nil)
            let answer = try await curl("POST", path + "/responses", json: "{}")
            #expect(answer.status == 200)
            #expect(try answer.json()["status"]?.string == "completed")
            #expect(try answer.json()["output_text"]?.string?.isEmpty == false)

            // The stream is cut and continued with the last id.
            let first = try await terminal.until("response.done")
            #expect(first.contains { $0.type.hasSuffix("audio.delta") })
            try await terminal.stop()
            var seen = terminal.all
            let textOnly = dialect == "beta" ? #""modalities":["text"]"# : #""output_modalities":["text"]"#
            let long = try await curl(
                "POST", path + "/responses", json: "{\(textOnly),\"background\":true,\"input\":\"count to 400\"}")
            #expect(long.status == 202)
            let response = try #require(try long.json()["id"]?.string)
            let second = try CurlStream(bridge.address + path + "/events", lastEventID: terminal.lastEventID)
            for _ in 0..<40 { _ = try await second.next() }

            // kill -9 in the middle of the response; a new process has ended it before it is ready.
            try await bridge.kill()
            try await second.stop()
            seen += second.all
            try await bridge.start()
            let ended = try await curl("GET", path + "/responses/\(response)")
            #expect(try ended.json()["status"]?.string == "failed")
            #expect(try ended.json()["status_details"]?["error"]?["code"]?.string == "upstream_lost")

            let third = try CurlStream(bridge.address + path + "/events", lastEventID: second.lastEventID)
            let rest = try await third.until("bridge.session.suspended")
            let terminals = (seen + rest).filter { $0.type == "response.done" }
            #expect(terminals.count == 2)
            #expect(try terminals.last?.json()["bridge"]?["synthesized"]?.bool == true)
            #expect(try terminals.last?.json()["usage"] == nil)

            // The conversation goes on over a new upstream connection, which is given what was said, the cut answer included.
            let item = try await curl("POST", path + "/items", json: #"{"text":"Are you still there?"}"#)
            #expect(item.status == 201)
            let switched = try #require(try await third.until("bridge.upstream.switched").last)
            #expect(try switched.json()["state_restored"]?.bool == true)
            #expect(try switched.json()["items_replayed"]?.int ?? 0 >= 4)
            #expect(try switched.json()["generation"]?.int == 2)
            let again = try await curl("POST", path + "/responses", json: "{}")
            #expect(again.status == 200)
            try await third.until("response.done")
            try await third.stop()
            seen += third.all
            try expectDense(seen)
            let items = try await curl("GET", path + "/items")
            #expect(try items.json()["data"]?.elements.count ?? 0 >= 6)

            #expect(try await bridge.stop() == 0)
        }
    }

    @Test(arguments: ["beta", "ga"])
    func voiceActivityDetectionTakesTheTurnByItself(dialect: String) async throws {
        try await BridgeProcess.run("demo", ["--upstream-dialect", dialect]) { bridge in
            let curl = Curl(base: bridge.address)
            let session = try #require(try await curl("POST", "/v1/sessions").json()["id"]?.string)
            let path = "/v1/sessions/\(session)"
            let stream = try CurlStream(bridge.address + path + "/events")
            let audio = try Self.fixture("spoken-question.pcm") + Data(count: Self.bytesPerSecond)
            for chunk in Self.chunks(audio) {
                let appended = try await curl("POST", path + "/input_audio", json: "{\"audio\":\"\(chunk)\"}")
                #expect(appended.status == 202)
            }
            let types = try await stream.until("response.done").map(\.type)
            let turn = [
                "input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped", "input_audio_buffer.committed",
                "response.created",
                "response.done",
            ]
            #expect(types.filter(turn.contains) == turn)
            try await stream.stop()
        }
    }

    /// The source documents' 9 client events by their routes, and all 28 server events on the stream.
    @Test(arguments: ["ga", "beta"])
    func everyEventOfTheSourceDocuments(upstream: String) async throws {
        try await BridgeProcess.run("demo", ["--upstream-dialect", upstream]) { bridge in
            let curl = Curl(base: bridge.address)
            let session = try await create(curl, #"{"turn_detection":null}"#)
            let path = "/v1/sessions/\(session)"
            let stream = try CurlStream(bridge.address + path + "/events")
            func call(_ method: String, _ route: String, _ json: String? = nil, expecting status: Int = 200) async throws -> JSON {
                let answer = try await curl(method, path + route, json: json)
                #expect(answer.status == status, "\(method) \(route): \(answer.text)")
                return try answer.json()
            }
            let speech = Self.chunks(try Self.fixture("spoken-question.pcm"))
            func append() async throws {
                for chunk in speech { _ = try await call("POST", "/input_audio", "{\"audio\":\"\(chunk)\"}", expecting: 202) }
            }

            // Items: create, get, delete. Audio: append, clear, commit with a transcript and with one that fails.
            let item = try #require(try await call("POST", "/items", #"{"text":"Hello"}"#, expecting: 201)["id"]?.string)
            _ = try await call("GET", "/items/\(item)")
            _ = try await call("DELETE", "/items/\(item)")
            try await append()
            _ = try await call("DELETE", "/input_audio")
            for model in ["whisper-1", "fail"] {
                _ = try await call("PATCH", "", "{\"session\":{\"input_audio_transcription\":{\"model\":\"\(model)\"}}}")
                try await append()
                _ = try await call("POST", "/input_audio/commit")
            }
            // Responses: sound, text, a call; cancel; truncate what was said.
            let spoken = try await call("POST", "/responses", #"{"input":"Say good morning"}"#)
            let said = try #require(spoken["output"]?[0]?["id"]?.string)
            let cut = try await call("POST", "/items/\(said)/truncate", #"{"audio_end_ms":100}"#)
            #expect(cut["clamped_from"] == nil)
            _ = try await call("POST", "/responses", #"{"modalities":["text"],"input":"Say good evening"}"#)
            let tool =
                #"{"type":"function","name":"get_weather","description":"Weather for a city","parameters":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}}"#
            let called = try await call(
                "POST", "/responses", "{\"tools\":[\(tool)],\"tool_choice\":\"required\",\"input\":\"What is the weather in Paris?\"}")
            #expect(called["output"]?.elements.contains { $0["type"]?.string == "function_call" } == true)
            let long = try await call(
                "POST", "/responses", #"{"modalities":["text"],"background":true,"input":"count to 300"}"#, expecting: 202)
            let cancelled = try await call("POST", "/responses/\(try #require(long["id"]?.string))/cancel")
            #expect(cancelled["status"]?.string == "cancelled")
            // An error of upstream's own, with the caller's event id.
            let refused = try await curl(
                "POST", path + "/events", json: #"{"type":"conversation.item.delete","item_id":"item_nowhere","event_id":"mine"}"#)
            #expect(refused.status == 404)
            // A turn by voice activity detection.
            _ = try await call("PATCH", "", #"{"session":{"turn_detection":{"type":"server_vad"}}}"#)
            try await append()
            let silence = Data(count: Self.bytesPerSecond).base64EncodedString()
            _ = try await call("POST", "/input_audio", "{\"audio\":\"\(silence)\"}", expecting: 202)

            let wanted = Set(try Self.seedServerEvents())
            #expect(wanted.count == 28)
            let deadline = ContinuousClock.now + .seconds(60)
            while !wanted.isSubset(of: stream.all.map(\.type)), ContinuousClock.now < deadline { _ = try await stream.next() }
            #expect(wanted.subtracting(stream.all.map(\.type)).isEmpty)
            let error = try #require(stream.all.first { $0.type == "error" })
            #expect(try error.json()["error"]?["event_id"]?.string == "mine")
            try await stream.stop()
            try expectRising(stream.all)
        }
    }

    /// Names of the source documents' server events, in the beta spelling.
    private static func seedServerEvents() throws -> [String] {
        String(decoding: try fixture("seed-server-events.txt"), as: UTF8.self).split(separator: "\n").map(String.init)
    }

    @Test func anUpstreamThatIsNotThereOrRefusesIsToldAndNothingIsLeftBehind() async throws {
        try await BridgeProcess.run(
            "serve", ["--upstream-url", "ws://127.0.0.1:9/v1/realtime"], environment: ["OPENAI_API_KEY": "sk-not-shown-0123456789"]
        ) { bridge in
            let curl = Curl(base: bridge.address)
            let refused = try await curl("POST", "/v1/sessions")
            #expect(refused.status == 503)
            #expect(try refused.json()["error"]?["code"]?.string == "upstream_unavailable")
            #expect(try await curl("GET", "/v1/sessions").json()["data"]?.elements.isEmpty == true)
            #expect(try await bridge.stop() == 0)
            #expect(!bridge.errorText.contains("sk-not-shown"))
        }
        try await BridgeProcess.run("simulate", ["--dialect", "ga"]) { simulator in
            try await BridgeProcess.run(
                "serve", ["--upstream-url", simulator.address, "--model", "gpt-realtime-2"],
                environment: ["OPENAI_API_KEY": "sk-invalid-0123456789abcdef"]
            ) { bridge in
                let curl = Curl(base: bridge.address)
                let unauthorized = try await curl("POST", "/v1/sessions")
                #expect(unauthorized.status == 502)
                #expect(try unauthorized.json()["error"]?["code"]?.string == "upstream_unauthorized")
                #expect(!unauthorized.text.contains("0123456789abcdef"))
                // In pass-through the caller's own key is refused to the caller.
                let own = try await curl("POST", "/v1/sessions", headers: ["Authorization: Bearer sk-invalid-of-the-caller-01"])
                #expect(own.status == 401)
                let good = ["Authorization: Bearer sk-of-the-caller-0123456789"]
                let missing = try await curl("POST", "/v1/sessions", json: #"{"model":"not-found-1"}"#, headers: good)
                #expect(missing.status == 404)
                let created = try await curl("POST", "/v1/sessions", headers: good)
                #expect(created.status == 201)
                // It belongs to that key.
                let id = try #require(try created.json()["id"]?.string)
                #expect(try await curl("GET", "/v1/sessions/\(id)").status == 404)
                #expect(try await curl("GET", "/v1/sessions/\(id)", headers: good).status == 200)
            }
        }
    }

    @Test func theStoreIsHeldByOneProcessAndADoorWithoutKeysStaysOnLoopback() async throws {
        try await BridgeProcess.run("demo") { bridge in
            let folder = bridge.folder.appending(path: "data").path
            let second = try ChildProcess(BridgeProcess.binary(), ["demo", "--listen", "127.0.0.1:0", "--data-dir", folder])
            #expect(try await second.exit() == 69)
            #expect(second.errorText.contains(folder))
            let taken = try ChildProcess(BridgeProcess.binary(), ["demo", "--listen", bridge.authority, "--data-dir", ":memory:"])
            #expect(try await taken.exit() == 69)
            let open = try ChildProcess(BridgeProcess.binary(), ["demo", "--listen", "0.0.0.0:0", "--data-dir", ":memory:"])
            #expect(try await open.exit() == 78)
            #expect(open.errorText.contains("--insecure-no-auth"))
            let usage = try ChildProcess(BridgeProcess.binary(), ["serve", "--no-such-flag"])
            #expect(try await usage.exit() == 64)
            let healthy = try ChildProcess(BridgeProcess.binary(), ["healthcheck", bridge.address])
            #expect(try await healthy.exit() == 0)
            #expect(try FileManager.default.attributesOfItem(atPath: folder)[.posixPermissions] as? Int == 0o700)
            try await bridge.kill()
            let dead = try ChildProcess(BridgeProcess.binary(), ["healthcheck", bridge.address])
            #expect(try await dead.exit() == 1)
        }
    }

    @Test func aDrainEndsStreamsAnswersWhoWaitsAndKeepsTheHistory() async throws {
        try await BridgeProcess.run("demo", ["--dialect", "ga"]) { bridge in
            let curl = Curl(base: bridge.address)
            let session = try await create(curl, #"{"type":"realtime","audio":{"input":{"turn_detection":null}}}"#)
            let path = "/v1/sessions/\(session)"
            let stream = try CurlStream(bridge.address + path + "/events")
            async let waiting = curl("POST", path + "/responses", json: #"{"output_modalities":["text"],"input":"count to 120"}"#)
            try await stream.until("response.created")
            #expect(try await bridge.stop() == 0)
            try await stream.stop()
            // The response had time to end: the drain waits for it.
            let answered = try await waiting
            #expect(answered.status == 200)
            try await bridge.start()
            let rest = try CurlStream(bridge.address + path + "/events", lastEventID: stream.lastEventID)
            try await rest.until("bridge.session.suspended")
            try await rest.stop()
            try expectDense(stream.all + rest.all)
            #expect(rest.all.count { $0.type == "response.done" } == 1)
        }
    }
}
