import Realtime
import Testing

@testable import Simulator

/// What a client may get wrong, and the error it gets for it.
@Suite struct RefusalTests {
    struct Row: Sendable, CustomTestStringConvertible {
        var dialects: [Dialect]
        var send: String
        var code: String?
        var param: String?
        var testDescription: String { "\(code ?? "-") \(param ?? "-"): \(send.prefix(80))" }

        init(_ send: String, _ code: String?, _ param: String?) {
            self.init(Dialect.allCases, send, code, param)
        }

        init(_ dialects: [Dialect], _ send: String, _ code: String?, _ param: String?) {
            self.dialects = dialects
            self.send = send
            self.code = code
            self.param = param
        }
    }

    private static func item(_ inside: String) -> String { #"{"type":"conversation.item.create","event_id":"e1","item":{\#(inside)}}"# }
    private static func message(_ role: String, _ part: String) -> String {
        item(#""type":"message","role":"\#(role)","content":[{\#(part)}]"#)
    }
    private static func beta(_ inside: String) -> String { #"{"type":"session.update","event_id":"e1","session":{\#(inside)}}"# }
    private static func ga(_ inside: String) -> String {
        #"{"type":"session.update","event_id":"e1","session":{"type":"realtime",\#(inside)}}"#
    }
    private static func respond(_ inside: String) -> String { #"{"type":"response.create","event_id":"e1","response":{\#(inside)}}"# }

    static let rows: [Row] = [
        Row(#"{"type":"nope","event_id":"e1"}"#, "invalid_value", "type"),
        Row(#"{"event_id":"e1"}"#, "invalid_event", nil),
        Row(#"{"type":"output_audio_buffer.clear","event_id":"e1"}"#, "invalid_value", "type"),
        Row([.ga], #"{"type":"transcription_session.update","event_id":"e1","session":{}}"#, "invalid_value", "type"),
        Row(#"{"type":"response.create","event_id":"e1","bogus":1}"#, "unknown_parameter", "bogus"),
        // session.update
        Row(#"{"type":"session.update","event_id":"e1"}"#, "missing_required_parameter", "session"),
        Row([.ga], beta(#""instructions":"x""#), "missing_required_parameter", "session.type"),
        Row([.ga], beta(#""type":"transcription""#), "invalid_value", "session.type"),
        Row([.beta], beta(#""bogus_field":1"#), "unknown_parameter", "session.bogus_field"),
        Row([.ga], ga(#""bogus_field":1"#), "unknown_parameter", "session.bogus_field"),
        Row([.ga], ga(#""temperature":0.8"#), "unknown_parameter", "session.temperature"),
        Row([.beta], beta(#""temperature":0.5"#), "invalid_value", "session.temperature"),
        Row([.beta], beta(#""temperature":1.3"#), "invalid_value", "session.temperature"),
        Row([.beta], beta(#""modalities":["audio"]"#), "invalid_value", "session.modalities"),
        Row([.ga], ga(#""output_modalities":["audio","text"]"#), "invalid_value", "session.output_modalities"),
        Row([.beta], beta(#""voice":"nobody""#), "invalid_value", "session.voice"),
        Row([.ga], ga(#""audio":{"output":{"voice":"nobody"}}"#), "invalid_value", "session.audio.output.voice"),
        Row([.beta], beta(#""input_audio_format":"mp3""#), "invalid_value", "session.input_audio_format"),
        Row(
            [.ga], ga(#""audio":{"input":{"format":{"type":"audio/pcm","rate":16000}}}"#), "integer_below_min_value",
            "session.audio.input.format.rate"),
        Row([.ga], ga(#""audio":{"input":{"format":{"type":"audio/mp3"}}}"#), "invalid_value", "session.audio.input.format.type"),
        Row([.beta], beta(#""turn_detection":{"type":"none"}"#), "invalid_value", "session.turn_detection.type"),
        Row([.beta], beta(#""turn_detection":{"type":"server_vad","threshold":2}"#), "invalid_value", "session.turn_detection.threshold"),
        Row(
            [.ga], ga(#""audio":{"input":{"turn_detection":{"type":"server_vad","idle_timeout_ms":100}}}"#), "integer_below_min_value",
            "session.audio.input.turn_detection.idle_timeout_ms"),
        Row(
            [.ga], ga(#""audio":{"input":{"turn_detection":{"type":"semantic_vad","threshold":0.5}}}"#), "unknown_parameter",
            "session.audio.input.turn_detection.threshold"),
        Row([.beta], beta(#""tools":[{"type":"function"}]"#), "missing_required_parameter", "session.tools[0].name"),
        Row([.beta], beta(#""tools":[{"type":"function","name":"a b"}]"#), "invalid_value", "session.tools[0].name"),
        Row(
            [.ga], ga(#""tools":[{"type":"function","name":"f","strict":true}]"#), "unknown_parameter", "session.tools[0].strict"),
        Row([.beta], beta(#""tool_choice":"maybe""#), "invalid_value", "session.tool_choice"),
        Row([.beta], beta(#""max_response_output_tokens":0"#), "integer_below_min_value", "session.max_response_output_tokens"),
        Row([.ga], ga(#""max_output_tokens":5000"#), "invalid_value", "session.max_output_tokens"),
        Row([.beta], beta(#""instructions":7"#), "invalid_value", "session.instructions"),
        Row([.beta], beta(#""model":"another""#), "invalid_value", "session.model"),
        // items
        Row(#"{"type":"conversation.item.create","event_id":"e1"}"#, "missing_required_parameter", "item"),
        Row(item(#""type":"message","content":[]"#), "missing_required_parameter", "item.role"),
        Row(item(#""type":"song""#), "invalid_value", "item.type"),
        Row(message("user", #""type":"text","text":"x""#), "invalid_value", "item.content[0].type"),
        Row(message("system", #""type":"input_audio","audio":"""#), "invalid_value", "item.content[0].type"),
        Row(message("user", #""type":"input_text""#), "missing_required_parameter", "item.content[0].text"),
        Row(message("user", #""type":"input_audio","audio":"%%%""#), "invalid_value", "item.content[0].audio"),
        Row([.beta], message("assistant", #""type":"audio","audio":"AAAA""#), "missing_required_parameter", "item.content[0].text"),
        Row([.ga], message("assistant", #""type":"output_audio","audio":"AAAA""#), "missing_required_parameter", "item.content[0].text"),
        Row([.ga], message("assistant", #""type":"text","text":"x""#), "invalid_value", "item.content[0].type"),
        Row(
            item(#""id":"a23456789012345678901234567890123","type":"message","role":"user","content":[]"#), "string_above_max_length",
            "item.id"),
        Row(
            item(#""type":"function_call","call_id":"a23456789012345678901234567890123","name":"f","arguments":"{}""#),
            "string_above_max_length", "item.call_id"),
        Row(item(#""type":"function_call_output","call_id":"call_unknown","output":"x""#), "invalid_tool_call_id", "item.call_id"),
        Row(
            #"{"type":"conversation.item.create","event_id":"e1","previous_item_id":"ghost","item":{"type":"message","role":"user","content":[]}}"#,
            "item_create_invalid_previous_item_id", "previous_item_id"),
        Row(#"{"type":"conversation.item.retrieve","event_id":"e1","item_id":"ghost"}"#, "item_retrieve_invalid_item_id", "item_id"),
        Row(#"{"type":"conversation.item.delete","event_id":"e1","item_id":"ghost"}"#, "item_delete_invalid_item_id", "item_id"),
        Row(#"{"type":"conversation.item.delete","event_id":"e1"}"#, "missing_required_parameter", "item_id"),
        Row(
            #"{"type":"conversation.item.truncate","event_id":"e1","item_id":"ghost","content_index":0,"audio_end_ms":1}"#,
            "item_truncate_invalid_item_id", "item_id"),
        Row(
            #"{"type":"conversation.item.truncate","event_id":"e1","item_id":"known","content_index":0,"audio_end_ms":1}"#, "invalid_value",
            "item_id"),
        // audio
        Row(#"{"type":"input_audio_buffer.append","event_id":"e1","audio":"not base64"}"#, "invalid_value", "audio"),
        Row(#"{"type":"input_audio_buffer.append","event_id":"e1"}"#, "missing_required_parameter", "audio"),
        Row(#"{"type":"input_audio_buffer.commit","event_id":"e1"}"#, "input_audio_buffer_commit_empty", nil),
        // responses
        Row(#"{"type":"response.cancel","event_id":"e1"}"#, "response_cancel_not_active", nil),
        Row(respond(#""conversation":"other""#), "invalid_value", "response.conversation"),
        Row(respond(#""input":[{"type":"item_reference","id":"ghost"}]"#), "invalid_value", "response.input[0].id"),
        Row(respond(#""tool_choice":{"type":"function","name":"ghost"}"#), "invalid_value", "response.tool_choice"),
        Row(respond(#""metadata":{"k":1}"#), "invalid_value", "response.metadata.k"),
        Row([.ga], respond(#""modalities":["text"]"#), "unknown_parameter", "response.modalities"),
        Row([.beta], respond(#""output_modalities":["text"]"#), "unknown_parameter", "response.output_modalities"),
    ]

    @Test(arguments: rows)
    func `a bad event is refused and changes nothing`(row: Row) {
        for dialect in row.dialects {
            var driver = MachineDriver(dialect)
            driver.send(Request.text("known", id: "known"))
            driver.forget()
            let items = driver.machine.conversation.items.map(\.id)
            let session = driver.machine.sessionJSON.bytes
            driver.send(row.send)
            #expect(driver.events == ["error"], "\(dialect)")
            let error = driver.last("error")?["error"]
            #expect(error?["type"]?.string == "invalid_request_error")
            #expect(error?["code"]?.string == row.code, "\(error?["message"]?.string ?? "")")
            #expect(error?["param"]?.string == row.param)
            #expect(error?["event_id"]?.string == "e1")
            #expect(driver.machine.conversation.items.map(\.id) == items)
            #expect(driver.machine.sessionJSON.bytes == session)
            #expect(driver.machine.nextTick == .seconds(3600))
        }
    }

    @Test func `what is no event has no event id to answer with`() {
        var driver = MachineDriver(.ga)
        driver.forget()
        for text in ["{", "", "[1]", "\u{FEFF}{}", "{\"type\":\"response.create\"} x"] { driver.send(text) }
        driver.sendBinary()
        #expect(
            driver.recent.map { $0.at("error.code")?.string } == [
                "invalid_json", "invalid_json", "invalid_event", "invalid_json", "invalid_json", "invalid_event",
            ])
        #expect(driver.recent.allSatisfy { $0.at("error.event_id")?.isNull == true })
    }

    @Test func `an unknown type is answered with the list of types`() {
        var driver = MachineDriver(.ga)
        driver.send(#"{"type":"nope"}"#)
        #expect(driver.last("error")?.at("error.message")?.string?.contains("'conversation.item.create'") == true)
    }

    @Test(arguments: Dialect.allCases, ["response.create", "response.cancel", "conversation.item.truncate"])
    func `a transcription session has no responses, and its list of types does not name them`(dialect: Dialect, type: String) {
        var driver = MachineDriver(dialect, kind: .transcription)
        driver.send(#"{"type":"\#(type)"}"#)
        let message = driver.last("error")?.at("error.message")?.string
        #expect(message?.hasPrefix("Invalid value: '\(type)'. Supported values are:") == true)
        #expect(message?.dropFirst(20).contains("'\(type)'") == false)
    }

    @Test(arguments: Dialect.allCases)
    func `an update is dropped whole`(dialect: Dialect) {
        var driver = MachineDriver(dialect)
        let type = dialect == .ga ? #""type":"realtime","# : ""
        driver.send(#"{"type":"session.update","session":{\#(type)"instructions":"new","tool_choice":"maybe"}}"#)
        #expect(driver.machine.settings.instructions != "new")
        driver.send(#"{"type":"session.update","session":{\#(type)"instructions":""}}"#)
        #expect(driver.last("session.updated")?.at("session.instructions")?.string == "")
    }

    @Test(arguments: Dialect.allCases)
    func `only what an update names changes, and null clears`(dialect: Dialect) {
        var driver = MachineDriver(dialect)
        driver.send(Request.tools(dialect, Request.weatherTool))
        driver.send(Request.transcription(dialect, "whisper-1"))
        driver.send(Request.turnDetection(dialect, "null"))
        let session = driver.last("session.updated")?["session"]
        #expect(session?["tools"]?.elements.count == 1)
        let input = dialect == .beta ? session : session?.at("audio.input")
        #expect(input?["turn_detection"]?.isNull == true)
        #expect(input?[dialect == .beta ? "input_audio_transcription" : "transcription"]?["model"]?.string == "whisper-1")
        driver.send(Request.tools(dialect, "[]"))
        driver.send(
            dialect == .ga
                ? #"{"type":"session.update","session":{"type":"realtime","audio":{"input":{"transcription":null}}}}"#
                : #"{"type":"session.update","session":{"input_audio_transcription":null}}"#)
        let cleared = driver.last("session.updated")?["session"]
        #expect(cleared?["tools"]?.elements.isEmpty == true)
        #expect((dialect == .beta ? cleared?["input_audio_transcription"] : cleared?.at("audio.input.transcription"))?.isNull == true)
    }

    @Test(arguments: Dialect.allCases)
    func `one response at a time, and one voice`(dialect: Dialect) {
        var driver = MachineDriver(dialect, deltaDelay: .milliseconds(10))
        let voice =
            dialect == .ga
            ? #"{"type":"session.update","session":{"type":"realtime","audio":{"output":{"voice":"ash"}}}}"#
            : #"{"type":"session.update","session":{"voice":"ash"}}"#
        driver.send(voice)
        #expect(driver.last("session.updated") != nil)
        driver.send(Request.text("hello"))
        driver.send(Request.respond)
        driver.send(#"{"type":"response.create","event_id":"second"}"#)
        #expect(driver.last("error")?.at("error.code")?.string == "conversation_already_has_active_response")
        #expect(driver.last("error")?.at("error.event_id")?.string == "second")
        driver.settle()
        driver.send(voice.replacing("ash", with: "coral"))
        #expect(driver.last("error")?.at("error.code")?.string == "cannot_update_voice")
        driver.send(voice)
        #expect(driver.recent.last?.type == "session.updated")
    }

    @Test func `a duplicate item id is refused`() {
        var driver = MachineDriver(.ga)
        driver.send(Request.text("a", id: "same"))
        driver.send(Request.text("b", id: "same"))
        #expect(driver.last("error")?.at("error.code")?.string == "item_create_duplicate_item_id")
        #expect(driver.machine.conversation.items.count == 1)
    }

    @Test func `metadata has limits`() {
        var driver = MachineDriver(.ga)
        driver.forget()
        func create(_ pairs: Int, key: Int = 8, value: Int = 8) -> String {
            let members = (0..<pairs).map { index in
                let name = String(String(repeating: "k", count: key - 2) + (index < 10 ? "0" : "") + String(index))
                return (name, JSONValue.string(String(repeating: "v", count: value)))
            }
            let frame: JSONValue = ["type": "response.create", "response": ["conversation": "none", "metadata": .object(members)]]
            return String(decoding: frame.bytes, as: UTF8.self)
        }
        for text in [create(16), create(17), create(1, key: 64), create(1, key: 65), create(1, value: 512), create(1, value: 513)] {
            driver.send(text)
        }
        #expect(driver.events == ["response.created", "error", "response.created", "error", "response.created", "error"])
        #expect(driver.recent[0].at("response.metadata")?.members.count == 16)
    }

    @Test func `under 100 ms is nothing to commit, and voice activity takes its turn first`() {
        var driver = MachineDriver(.ga)
        driver.append(Sound.silence(milliseconds: 99), chunkMilliseconds: 33)
        driver.send(Request.commit)
        #expect(driver.last("error")?.at("error.code")?.string == "input_audio_buffer_commit_empty")
        driver.append(Sound.speech(milliseconds: 400) + Sound.silence(milliseconds: 290))
        #expect(driver.last("input_audio_buffer.committed") != nil)
        driver.forget()
        driver.send(Request.commit)
        #expect(driver.events == ["error"])
    }
}
