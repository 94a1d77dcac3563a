import EventLog
import HTTPServer
import Realtime
import Sessions
import TestSupport
import Testing
import Upstream

@testable import BridgeAPI

/// Every session in both dialects, whatever its upstream speaks: which one a request means, what is sent, and what is shown.
@Suite struct DialectTests {
    private static func id(_ answer: APIAnswer) throws -> String {
        try #require(answer.status == 201, "\(answer.text)")
        return try #require(answer.json?["id"]?.string)
    }

    private static func isGA(_ session: JSON?) -> Bool { session?["output_modalities"] != nil && session?["modalities"] == nil }
    private static func isBeta(_ session: JSON?) -> Bool { session?["modalities"] != nil && session?["audio"] == nil }

    // MARK: Which dialect

    /// Query, header, the session's own, the server's: the first that is there counts.
    @Test(
        arguments: [
            ("", nil, nil, Dialect.beta, Dialect.beta),
            ("", nil, nil, .ga, .ga),
            ("", nil, "ga", .beta, .ga),
            ("", "realtime=v1", "ga", .beta, .beta),
            ("", "assistants=v2, realtime=v1", "ga", .beta, .beta),
            ("", "assistants=v2", "ga", .beta, .ga),
            ("?dialect=ga", "realtime=v1", "beta", .beta, .ga),
            ("?dialect=beta", nil, "ga", .ga, .beta),
        ] as [(String, String?, String?, Dialect, Dialect)], [Dialect.beta, .ga])
    func theFirstThatIsSaidCounts(
        asked: (query: String, header: String?, own: String?, server: Dialect, shown: Dialect), upstream: Dialect
    ) async throws {
        try await APIFixture.run(dialect: upstream, configure: { $0.dialect = asked.server }) { bridge in
            let headers: HTTPHeaders = asked.header.map { ["openai-beta": $0] } ?? [:]
            let body = asked.own.map { "{\"dialect\":\"\($0)\"}" } ?? "{}"
            let created = try await bridge.send("POST", "/v1/sessions\(asked.query)", body, headers: headers)
            let path = "/v1/sessions/\(try Self.id(created))"
            let isShown = asked.shown == .ga ? Self.isGA : Self.isBeta
            #expect(isShown(created.json?["session"]), "\(created.text)")
            let own = created.json?["dialect"]?.string
            #expect(
                own == asked.own
                    ?? (asked.query.isEmpty && asked.header?.contains("realtime") != true ? asked.server : asked.shown).rawValue)
            let got = try await bridge.send("GET", path + asked.query, headers: headers)
            #expect(isShown(got.json?["session"]))
            let listed = try await bridge.send("GET", "/v1/sessions\(asked.query)", headers: headers)
            #expect(isShown(listed.json?["data"]?[0]?["session"]))
            var page = headers
            page.add("accept", "application/json")
            let events = try await bridge.send("GET", path + "/events\(asked.query)", headers: page)
            #expect(isShown(events.json?["data"]?[0]?["event"]?["session"]))
        }
    }

    @Test func aSessionsDialectCanBeChanged() async throws {
        try await APIFixture.run(dialect: .ga) { bridge in
            let path = "/v1/sessions/\(try await bridge.newSession(#"{"dialect":"beta"}"#))"
            #expect(Self.isBeta(try await bridge.send("GET", path).json?["session"]))
            // The payload is spelt as the session is from then on, as at a creation.
            let changed = try await bridge.send(
                "PATCH", path, #"{"dialect":"ga","session":{"type":"realtime","output_modalities":["text"]}}"#)
            #expect(changed.status == 200 && changed.json?["dialect"]?.string == "ga")
            #expect(changed.json?["session"]?["output_modalities"]?[0]?.string == "text")
            #expect(Self.isGA(try await bridge.send("GET", path).json?["session"]))
        }
    }

    // MARK: What is sent, what comes back

    /// A whole turn in each dialect on each server: no word of the other one is in any answer, and nothing of upstream's is refused.
    @Test(arguments: [Dialect.beta, .ga], [Dialect.beta, .ga])
    func aTurnInEitherDialectOnEitherServer(client: Dialect, upstream: Dialect) async throws {
        try await APIFixture.run(dialect: upstream, configure: { $0.dialect = client }) { bridge in
            let isGA = client == .ga
            let configuration =
                isGA
                ? #"{"type":"realtime","output_modalities":["text"],"audio":{"input":{"turn_detection":null,"format":{"type":"audio/pcmu"}},"output":{"voice":"ash"}},"max_output_tokens":500}"#
                : #"{"modalities":["text"],"turn_detection":null,"input_audio_format":"g711_ulaw","voice":"ash","max_response_output_tokens":500}"#
            let created = try await bridge.send("POST", "/v1/sessions", "{\"session\":\(configuration)}")
            let path = "/v1/sessions/\(try Self.id(created))"
            let session = created.json?["session"]
            if isGA {
                #expect(session?["audio"]?["input"]?["format"]?["type"]?.string == "audio/pcmu")
                #expect(session?["audio"]?["output"]?["voice"]?.string == "ash")
                #expect(session?["max_output_tokens"]?.int == 500 && session?["type"]?.string == "realtime")
            } else {
                #expect(session?["input_audio_format"]?.string == "g711_ulaw" && session?["voice"]?.string == "ash")
                #expect(session?["max_response_output_tokens"]?.int == 500 && session?["turn_detection"]?.isNull == true)
            }
            let text = isGA ? "output_text" : "text"
            let item = try await bridge.send(
                "POST", path + "/items",
                "{\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":\"\(text)\",\"text\":\"Earlier\"}]}")
            #expect(item.status == 201 && item.json?["content"]?[0]?["type"]?.string == text, "\(item.text)")
            let answered = try await bridge.send("POST", path + "/responses", #"{"input":"Say hello"}"#)
            #expect(answered.status == 200, "\(answered.text)")
            #expect(answered.json?["output"]?[0]?["content"]?[0]?["type"]?.string == text)
            #expect(answered.json?[isGA ? "output_modalities" : "modalities"]?[0]?.string == "text")
            let response = try #require(answered.json?["id"]?.string)
            for route in ["/items", "/responses", "/responses/\(response)", "/events?until=response.done"] {
                let accept: HTTPHeaders = route.hasPrefix("/events") ? ["accept": "application/x-ndjson"] : [:]
                let shown = try await bridge.send("GET", path + route, headers: accept).text
                for word in isGA ? Self.wordsOfBeta : Self.wordsOfGA { #expect(!shown.contains(word), "\(route): \(word)") }
            }
            let raw = try await bridge.send(
                "POST", path + "/events",
                #"[{"type":"conversation.item.create","item":{"type":"message","role":"user","content":[{"type":"input_text","text":"x"}]}}]"#
            )
            #expect(raw.json?["data"]?[0]?["event"]?["type"]?.string == (isGA ? "conversation.item.added" : "conversation.item.created"))
        }
    }

    private static let wordsOfBeta = [
        #""modalities""#, #""response.text."#, #""conversation.item.created""#, #""input_audio_format""#, #""output_audio_format""#,
    ]
    private static let wordsOfGA = [
        #""type":"output_text""#, #""output_modalities""#, #""response.output_text."#, #""conversation.item.added""#,
        #""conversation.item.done""#, #""audio":{"#,
    ]

    @Test func theTwoStreamsOfOneSessionAreReadAtOnce() async throws {
        try await APIFixture.run(dialect: .ga, deltaDelay: .milliseconds(2), configure: { $0.dialect = .beta }) { bridge in
            let path = "/v1/sessions/\(try await bridge.newSession(#"{"session":{"modalities":["text"],"turn_detection":null}}"#))"
            async let beta = bridge.send("GET", path + "/events?until=response.done")
            async let ga = bridge.send("GET", path + "/events?dialect=ga&until=response.done")
            async let answer = bridge.send("POST", path + "/responses", #"{"input":"count to 20"}"#)
            let (inBeta, inGA) = (try await beta.text, try await ga.text)
            #expect(try await answer.status == 200)
            let deltas = (
                inBeta.split(separator: "event: response.text.delta\n").count,
                inGA.split(separator: "event: response.output_text.delta\n").count
            )
            #expect(deltas.0 == deltas.1 && deltas.0 > 20)
            #expect(inBeta.contains("id: 1.1-1\nevent: session.created\n") && inBeta.contains("id: 1.1\nevent: conversation.created\n"))
            #expect(inGA.contains("id: 1.1\nevent: session.created\n") && !inGA.contains("conversation.created"))
        }
    }

    /// beta does not say which items become part of the conversation; their response does.
    @Test func anItemOutOfBandIsNoItemOfTheConversation() async throws {
        try await APIFixture.run(dialect: .beta, configure: { $0.dialect = .ga }) { bridge in
            let path = "/v1/sessions/\(try await bridge.newSession(#"{"session":{"type":"realtime","output_modalities":["text"]}}"#))"
            _ = try await bridge.send("POST", path + "/responses", #"{"conversation":"none","input":"Say a"}"#)
            let outside = try await bridge.send("GET", path + "/events?until=response.done").text
            #expect(outside.contains("event: response.output_item.done") && !outside.contains("conversation.item.done"), "\(outside)")
            _ = try await bridge.send("POST", path + "/responses")
            let inside = try await bridge.send(
                "GET", path + "/events?types=*item.done,response.done", headers: ["accept": "application/json"])
            let types = (inside.json?["data"]?.elements ?? []).compactMap { $0["event"]?["type"]?.string }
            #expect(
                types == [
                    "response.output_item.done", "response.done", "conversation.item.done", "response.output_item.done", "response.done",
                ])
        }
    }

    // MARK: What has no counterpart

    @Test func whatUpstreamCannotBeToldIsNamedWhereTheRequestHasIt() async throws {
        try await APIFixture.run(dialect: .ga, configure: { $0.dialect = .beta }) { bridge in
            func params(_ answer: APIAnswer) -> [String] { (answer.json?["warnings"]?.elements ?? []).compactMap { $0["param"]?.string } }
            let created = try await bridge.send("POST", "/v1/sessions", #"{"session":{"modalities":["text"],"temperature":0.7}}"#)
            #expect(params(created) == ["session.temperature"], "\(created.text)")
            let path = "/v1/sessions/\(try Self.id(created))"
            #expect(params(try await bridge.send("GET", path)) == [])
            #expect(params(try await bridge.send("PATCH", path, #"{"session":{"temperature":0.9}}"#)) == ["session.temperature"])
            #expect(params(try await bridge.send("POST", path + "/responses", #"{"input":"Say a","temperature":1}"#)) == ["temperature"])
            let late = try await bridge.send(
                "POST", path + "/responses", #"{"conversation":"none","temperature":1}"#, headers: ["prefer": "respond-async"])
            #expect(late.status == 202 && params(late) == ["temperature"])
            let streamed = try await bridge.send("POST", path + "/responses", #"{"conversation":"none","temperature":1,"stream":true}"#)
            let header = try JSON.parse(try #require(streamed.headers["x-warnings"]))
            #expect(header[0]?["param"]?.string == "temperature")
            let raw = try await bridge.send(
                "POST", path + "/events", #"{"type":"response.create","response":{"conversation":"none","temperature":1}}"#)
            #expect(raw.json?["data"]?[0]?["warnings"]?[0]?["param"]?.string == "response.temperature", "\(raw.text)")
        }
    }

    /// However much is left out, the answer can be sent.
    @Test func warningsAreBounded() async throws {
        try await APIFixture.run(dialect: .beta, configure: { $0.dialect = .ga }) { bridge in
            let path = "/v1/sessions/\(try await bridge.newSession(#"{"session":{"type":"realtime","output_modalities":["text"]}}"#))"
            let tools = Array(repeating: #"{"type":"mcp","server_label":"d"}"#, count: 300).joined(separator: ",")
            let streamed = try await bridge.send(
                "POST", path + "/responses", "{\"conversation\":\"none\",\"stream\":true,\"tools\":[\(tools)]}")
            let header = try #require(streamed.headers["x-warnings"])
            #expect(streamed.status == 200 && header.utf8.count <= 2_048)
            #expect(try JSON.parse(header)[0]?["param"]?.string == "tools[0]")
            let waited = try await bridge.send("POST", path + "/responses", "{\"conversation\":\"none\",\"tools\":[\(tools)]}")
            #expect(waited.json?["warnings"]?.elements.count == 64)
        }
    }

    /// beta changes a part of the detection there is; ga has to be told its kind with it.
    @Test func aPartOfTheVoiceDetectionLeavesItsKind() async throws {
        try await APIFixture.run(dialect: .ga, configure: { $0.dialect = .beta }) { bridge in
            let id = try await bridge.newSession(#"{"session":{"turn_detection":{"type":"semantic_vad","eagerness":"low"}}}"#)
            let changed = try await bridge.send(
                "PATCH", "/v1/sessions/\(id)", #"{"session":{"turn_detection":{"interrupt_response":false}}}"#)
            let detection = changed.json?["session"]?["turn_detection"]
            #expect(detection?["type"]?.string == "semantic_vad" && detection?["eagerness"]?.string == "low", "\(changed.text)")
            #expect(detection?["interrupt_response"]?.bool == false)
        }
    }

    @Test(arguments: [Dialect.beta, .ga])
    func aDialectThereIsNotIsRefusedBeforeAnythingIsDone(upstream: Dialect) async throws {
        try await APIFixture.run(dialect: upstream) { bridge in
            let id = try await bridge.newSession()
            for (method, path) in [("DELETE", "/v1/sessions/\(id)"), ("GET", "/v1/sessions"), ("DELETE", "/v1/sessions/\(id)/input_audio")]
            {
                let refused = try await bridge.send(method, path + "?dialect=de")
                #expect(refused.status == 400 && refused.error?["param"]?.string == "dialect", "\(method) \(path)")
            }
            #expect(try await bridge.send("GET", "/v1/sessions/\(id)").json?["status"]?.string == "active")
        }
    }

    @Test func anErrorOfAResponseNamesTheBodysField() async throws {
        try await APIFixture.run(dialect: .ga, configure: { $0.dialect = .beta }) { bridge in
            let path = "/v1/sessions/\(try await bridge.newSession())"
            let refused = try await bridge.send("POST", path + "/responses", #"{"voice":5}"#)
            #expect(refused.status == 400 && refused.error?["param"]?.string == "voice", "\(refused.text)")
        }
    }

    @Test func whatABetaServerCannotBeToldIsNamedToo() async throws {
        try await APIFixture.run(dialect: .beta, configure: { $0.dialect = .ga }) { bridge in
            let created = try await bridge.send(
                "POST", "/v1/sessions",
                #"{"session":{"type":"realtime","reasoning":{"effort":"low"},"parallel_tool_calls":true,"tools":[{"type":"mcp","server_label":"d","server_url":"https://x.test"},{"type":"function","name":"f"}]}}"#
            )
            #expect(
                created.json?["warnings"]?.elements.compactMap { $0["param"]?.string }.sorted()
                    == ["session.parallel_tool_calls", "session.reasoning", "session.tools[0]"], "\(created.text)")
            #expect(created.json?["session"]?["tools"]?.elements.count == 1)
        }
    }

    @Test(arguments: [
        (#"{"turn_detection":{"type":"server_vad","threshold":7}}"#, "session.turn_detection.threshold"),
        (#"{"input_audio_format":"mp3"}"#, "session.input_audio_format"),
        (#"{"voice":7}"#, "session.voice"),
        (#"{"nonsense":7}"#, "session.nonsense"),
    ])
    func aRefusalNamesTheCallersField(configuration: String, param: String) async throws {
        try await APIFixture.run(dialect: .ga, configure: { $0.dialect = .beta }) { bridge in
            let refused = try await bridge.send("POST", "/v1/sessions", "{\"session\":\(configuration)}")
            #expect(refused.status == 400 && refused.error?["param"]?.string?.hasPrefix(param) == true, "\(refused.text)")
            #expect(!refused.text.contains("audio.input") && !refused.text.contains("audio.output"), "\(refused.text)")
            let path = "/v1/sessions/\(try await bridge.newSession())"
            let changed = try await bridge.send("PATCH", path, "{\"session\":\(configuration)}")
            #expect(changed.status == 400 && changed.error?["param"]?.string?.hasPrefix(param) == true, "\(changed.text)")
            let shown = try await bridge.send("GET", path + "/events?types=error", headers: ["accept": "application/json"])
            #expect(!shown.text.contains("audio.input") && !shown.text.contains("audio.output"), "\(shown.text)")
        }
    }
}
