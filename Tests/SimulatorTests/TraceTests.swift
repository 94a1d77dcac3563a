import Realtime
import Testing

@testable import Simulator

/// The order of events in every kind of turn, in both dialects.
@Suite struct TraceTests {
    private static func itemFrames(_ dialect: Dialect) -> [String] {
        dialect == .beta ? ["conversation.item.created"] : ["conversation.item.added", "conversation.item.done"]
    }

    /// From `response.created` to the open part.
    private static func opening(_ dialect: Dialect) -> [String] {
        dialect == .beta
            ? ["response.created", "rate_limits.updated", "response.output_item.added", "conversation.item.created"]
            : ["response.created", "response.output_item.added", "conversation.item.added"]
    }

    private static func closing(_ dialect: Dialect, rateLimits: Bool = true) -> [String] {
        dialect == .beta
            ? ["response.output_item.done", "response.done"]
            : ["conversation.item.done", "response.output_item.done", "response.done"] + (rateLimits ? ["rate_limits.updated"] : [])
    }

    private static func name(_ dialect: Dialect, _ suffix: String) -> String {
        dialect == .beta ? "response.\(suffix)" : "response.output_\(suffix)"
    }

    @Test(arguments: Dialect.allCases)
    func `a session opens`(dialect: Dialect) {
        let driver = MachineDriver(dialect)
        #expect(driver.events == (dialect == .beta ? ["session.created", "conversation.created"] : ["session.created"]))
        let session = driver.frames[0]["session"]
        #expect(session?["id"]?.string?.hasPrefix("sess_") == true)
        #expect(session?["expires_at"]?.int == 1_790_003_600)
        #expect(session?["model"]?.string == "sim-1")
        let detection = dialect == .beta ? session?["turn_detection"] : session?.at("audio.input.turn_detection")
        #expect(detection?["type"]?.string == "server_vad")
        #expect(detection?["silence_duration_ms"]?.int == 200)
        #expect((dialect == .beta ? session?["voice"] : session?.at("audio.output.voice"))?.string == "alloy")
    }

    @Test(arguments: Dialect.allCases)
    func `a text turn`(dialect: Dialect) {
        var driver = MachineDriver(dialect)
        driver.send(Request.textOnly(dialect))
        driver.forget()
        driver.send(Request.text("Say hi there."))
        #expect(driver.events == Self.itemFrames(dialect))
        driver.forget()
        driver.send(Request.respond)
        driver.settle()
        #expect(
            driver.shape == Self.opening(dialect) + ["response.content_part.added", Self.name(dialect, "text.delta")]
                + [Self.name(dialect, "text.done"), "response.content_part.done"] + Self.closing(dialect))
        #expect(driver.last("response.content_part.added")?.at("part.type")?.string == "text")
        let deltas = driver.all(Self.name(dialect, "text.delta")).compactMap { $0["delta"]?.string }
        #expect(deltas.joined() == "hi there.")
        #expect(deltas.count > 1)
        let done = driver.last("response.done")
        #expect(done?.at("response.output.0.content.0.type")?.string == (dialect == .beta ? "text" : "output_text"))
        #expect((done?.at("response.output.0.object") == nil) == (dialect == .ga))
        #expect((done?.at("response.usage.total_tokens")?.int ?? 0) > 0)
        #expect(driver.last("response.created")?.at("response.usage")?.isNull == true)
    }

    @Test(arguments: Dialect.allCases)
    func `a manual audio turn with transcription`(dialect: Dialect) {
        var driver = MachineDriver(dialect)
        driver.send(Request.turnDetection(dialect, "null"))
        driver.send(Request.transcription(dialect, "gpt-4o-mini-transcribe"))
        driver.forget()
        driver.send(#"{"type":"input_audio_buffer.clear"}"#)
        driver.append(Sound.speech(milliseconds: 1800))
        driver.send(Request.commit)
        #expect(driver.events == ["input_audio_buffer.cleared", "input_audio_buffer.committed"] + Self.itemFrames(dialect))
        let item = driver.recent.last?["item"]
        #expect(item?.at("content.0.type")?.string == "input_audio")
        #expect(item?.at("content.0.transcript")?.isNull == true)
        #expect(item?.at("content.0.audio") == nil)
        driver.forget()
        driver.send(Request.respond)
        driver.settle()
        let transcription = "conversation.item.input_audio_transcription"
        let own = driver.shape.filter { !$0.hasPrefix(transcription) }
        #expect(own.starts(with: Self.opening(dialect) + ["response.content_part.added"]))
        let closing =
            [
                Self.name(dialect, "audio.done"), Self.name(dialect, "audio_transcript.done"), "response.content_part.done",
            ] + Self.closing(dialect)
        #expect(Array(own.suffix(closing.count)) == closing)
        // The transcript runs ahead of the sound.
        let transcriptAt = driver.events.firstIndex(of: Self.name(dialect, "audio_transcript.delta")) ?? .max
        let audioAt = driver.events.firstIndex(of: Self.name(dialect, "audio.delta")) ?? .max
        #expect(transcriptAt < audioAt && audioAt < .max)
        #expect(driver.last("response.content_part.added")?.at("part.type")?.string == "audio")
        let output = driver.last("response.done")?.at("response.output.0.content.0")
        #expect(output?["type"]?.string == (dialect == .beta ? "audio" : "output_audio"))
        #expect(output?["transcript"]?.string == "I heard 1.8 seconds of audio.")
        #expect(output?["audio"] == nil)
        #expect(driver.last("\(transcription).completed")?["transcript"]?.string == "[1.8 s of speech]")
        #expect(driver.all("\(transcription).delta").compactMap { $0["delta"]?.string }.joined() == "[1.8 s of speech]")
        #expect(driver.last("\(transcription).completed")?.at("usage.type")?.string == "tokens")
    }

    @Test(arguments: Dialect.allCases)
    func `a turn found by voice activity`(dialect: Dialect) {
        var driver = MachineDriver(dialect)
        driver.forget()
        driver.append(Sound.silence(milliseconds: 1000) + Sound.speech(milliseconds: 1000) + Sound.silence(milliseconds: 1000))
        #expect(
            driver.events == ["input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped", "input_audio_buffer.committed"]
                + Self.itemFrames(dialect) + ["response.created"])
        let id = driver.last("input_audio_buffer.speech_started")?["item_id"]?.string
        #expect(id != nil)
        #expect(driver.last("input_audio_buffer.speech_started")?["audio_start_ms"]?.int == 700)
        #expect(driver.last("input_audio_buffer.speech_stopped")?["audio_end_ms"]?.int == 2200)
        #expect(driver.last("input_audio_buffer.speech_stopped")?["item_id"]?.string == id)
        #expect(driver.last("input_audio_buffer.committed")?["item_id"]?.string == id)
        #expect(driver.last(Self.itemFrames(dialect)[0])?.at("item.id")?.string == id)
        driver.settle()
        #expect(driver.last("response.done")?.at("response.output.0.content.0.transcript")?.string == "I heard 1.5 seconds of audio.")
    }

    @Test(arguments: Dialect.allCases)
    func `a function call and the answer to its output`(dialect: Dialect) throws {
        var driver = MachineDriver(dialect)
        driver.send(Request.tools(dialect, Request.weatherTool))
        driver.send(Request.text("What is the weather in New York for the next 3 days?"))
        driver.forget()
        driver.send(Request.respond)
        driver.settle()
        #expect(
            driver.shape == Self.opening(dialect)
                + ["response.function_call_arguments.delta", "response.function_call_arguments.done"] + Self.closing(dialect))
        let call = try #require(driver.last("response.done")?.at("response.output.0"))
        #expect(call["type"]?.string == "function_call")
        #expect(call["status"]?.string == "completed")
        #expect(call["name"]?.string == "get_weather")
        #expect(call["arguments"]?.string == #"{"city":"New York","days":3}"#)
        #expect(driver.last("response.output_item.added")?.at("item.arguments")?.string == "")
        let callID = try #require(call["call_id"]?.string)
        #expect(callID.count <= 32)
        driver.forget()
        driver.send(
            #"{"type":"conversation.item.create","item":{"type":"function_call_output","call_id":"\#(callID)","output":"4 degrees"}}"#)
        driver.send(Request.respond)
        driver.settle()
        #expect(driver.last("response.done")?.at("response.output.0.content.0.text")?.string == "The result of get_weather is: 4 degrees")
    }

    @Test func `tools are called as tool_choice says`() {
        let cases: [(text: String, choice: String, called: [String])] = [
            ("What is the weather?", #""auto""#, ["get_weather"]),
            ("Tell me a joke", #""auto""#, []),
            ("Say the weather is nice", #""auto""#, []),
            ("What is the weather?", #""none""#, []),
            ("Tell me a joke", #""required""#, ["get_weather"]),
            ("What is the weather?", #"{"type":"function","name":"tell_joke"}"#, ["tell_joke"]),
        ]
        for (text, choice, called) in cases {
            var driver = MachineDriver(.ga)
            driver.send(
                Request.tools(
                    .ga,
                    Request.weatherTool.dropLast() + #",{"type":"function","name":"tell_joke_now"},{"type":"function","name":"tell_joke"}]"#
                ))
            driver.send(Request.text(text == "Tell me a joke" ? "Amuse us" : text))
            driver.send(#"{"type":"response.create","response":{"tool_choice":\#(choice)}}"#)
            driver.settle()
            let names = driver.last("response.done")?.at("response.output")?.elements.compactMap { $0["name"]?.string }
            #expect(names == called, "\(text) \(choice)")
        }
    }

    @Test func `arguments come from the text and the schema`() throws {
        let tool = try JSON.parse(
            #"""
            {"type":"function","name":"f","parameters":{"type":"object","properties":{"unit":{"type":"string","enum":["celsius","kelvin"]},
            "place":{"type":"string"},"amount":{"type":"number"},"sure":{"type":"boolean"},"tags":{"type":"array","items":{"type":"string"}},
            "where":{"type":"object","properties":{"street":{"type":"integer"}}}}}}
            """#)
        let arguments = ToolCalls.arguments(for: try Tool(tool, at: "tools[0]", dialect: .ga), from: "Go to Oslo, 2.5 times, in Kelvin")
        #expect(
            arguments
                == #"{"unit":"kelvin","place":"Oslo","amount":2.5,"sure":true,"tags":["Oslo"],"where":{"street":2}}"#)
    }

    @Test(arguments: Dialect.allCases)
    func `a message and then two calls in one response`(dialect: Dialect) {
        var driver = MachineDriver(dialect)
        driver.send(
            Request.tools(
                dialect, #"[{"type":"function","name":"lookup_weather"},{"type":"function","name":"book_hotel","parameters":{}}]"#))
        driver.send(Request.text("first tell me, then weather and a hotel"))
        driver.forget()
        driver.send(Request.respond)
        driver.settle()
        let outputs = driver.last("response.done")?.at("response.output")?.elements ?? []
        #expect(outputs.map { $0["type"]?.string } == ["message", "function_call", "function_call"])
        #expect(driver.all("response.output_item.added").map { $0["output_index"]?.int } == [0, 1, 2])
        // Each item is closed before the next opens.
        let items = driver.events.filter { $0.hasPrefix("response.output_item") }
        #expect(items == Array(repeating: ["response.output_item.added", "response.output_item.done"], count: 3).flatMap { $0 })
    }

    @Test(arguments: Dialect.allCases)
    func `the client cancels in the middle`(dialect: Dialect) {
        var driver = MachineDriver(dialect, deltaDelay: .milliseconds(10))
        driver.send(Request.text("Say one two three four five six seven."))
        driver.forget()
        driver.send(Request.respond)
        driver.advance(.milliseconds(55))
        driver.send(Request.cancel)
        let closing =
            [
                Self.name(dialect, "audio.done"), Self.name(dialect, "audio_transcript.done"), "response.content_part.done",
            ] + Self.closing(dialect, rateLimits: false)
        #expect(Array(driver.shape.suffix(closing.count)) == closing)
        let response = driver.last("response.done")?["response"]
        #expect(response?["status"]?.string == "cancelled")
        #expect(response?.at("status_details.reason")?.string == "client_cancelled")
        #expect(response?.at("output.0.status")?.string == "incomplete")
        let transcript = response?.at("output.0.content.0.transcript")?.string ?? ""
        #expect(!transcript.isEmpty && "one two three four five six seven.".hasPrefix(transcript) && transcript.count < 30)
        driver.forget()
        driver.advance(.seconds(1))
        #expect(driver.events.isEmpty)
        driver.send(#"{"type":"response.cancel","event_id":"late"}"#)
        #expect(driver.last("error")?.at("error.code")?.string == "response_cancel_not_active")
        #expect(driver.last("error")?.at("error.event_id")?.string == "late")
    }

    @Test(arguments: Dialect.allCases)
    func `speech before any output cancels the response for nothing`(dialect: Dialect) {
        var driver = MachineDriver(dialect, deltaDelay: .seconds(1))
        driver.send(Request.text("hello"))
        driver.forget()
        driver.send(Request.respond)
        driver.append(Sound.speech(milliseconds: 200))
        #expect(driver.events == ["response.created", "input_audio_buffer.speech_started", "response.done"])
        let response = driver.last("response.done")?["response"]
        #expect(response?.at("status_details.reason")?.string == "turn_detected")
        #expect(response?["output"]?.elements.isEmpty == true)
        #expect(response?.at("usage.total_tokens")?.int == 0)
    }

    @Test(arguments: Dialect.allCases)
    func `speech during the answer cuts it, and the new turn is answered`(dialect: Dialect) {
        var driver = MachineDriver(dialect, deltaDelay: .milliseconds(10))
        driver.send(Request.text("Say one two three four five six seven."))
        driver.send(Request.respond)
        driver.advance(.milliseconds(55))
        driver.forget()
        driver.append(Sound.speech(milliseconds: 400))
        #expect(
            driver.events == [
                "input_audio_buffer.speech_started", Self.name(dialect, "audio.done"), Self.name(dialect, "audio_transcript.done"),
                "response.content_part.done",
            ] + Self.closing(dialect, rateLimits: false))
        #expect(driver.last("response.done")?.at("response.status_details.reason")?.string == "turn_detected")
        #expect(driver.last("response.output_item.done")?.at("item.status")?.string == "incomplete")
        driver.forget()
        driver.append(Sound.silence(milliseconds: 300))
        #expect(
            driver.events == ["input_audio_buffer.speech_stopped", "input_audio_buffer.committed"] + Self.itemFrames(dialect)
                + ["response.created"])
    }

    @Test(arguments: Dialect.allCases)
    func `speech after the answer leaves it completed`(dialect: Dialect) {
        var driver = MachineDriver(dialect)
        driver.send(Request.text("hello"))
        driver.send(Request.respond)
        driver.settle()
        #expect(driver.last("response.done")?.at("response.status")?.string == "completed")
        driver.forget()
        driver.append(Sound.speech(milliseconds: 300))
        #expect(driver.events == ["input_audio_buffer.speech_started"])
    }

    @Test(arguments: Dialect.allCases)
    func `a turn that may not interrupt is answered afterwards`(dialect: Dialect) {
        var driver = MachineDriver(dialect, deltaDelay: .milliseconds(10))
        driver.send(Request.turnDetection(dialect, #"{"type":"server_vad","interrupt_response":false}"#))
        driver.send(Request.text("Say one two three four five six seven."))
        driver.send(Request.respond)
        driver.advance(.milliseconds(55))
        driver.append(Sound.speech(milliseconds: 400) + Sound.silence(milliseconds: 300))
        driver.settle()
        let done = driver.all("response.done").map { $0.at("response.status")?.string }
        #expect(done == ["completed", "completed"])
        #expect(driver.all("response.created").count == 2)
    }

    @Test(arguments: Dialect.allCases)
    func `with create_response off the server commits and waits`(dialect: Dialect) {
        var driver = MachineDriver(dialect)
        driver.send(Request.turnDetection(dialect, #"{"type":"server_vad","create_response":false}"#))
        driver.forget()
        driver.append(Sound.speech(milliseconds: 400) + Sound.silence(milliseconds: 300))
        driver.settle()
        #expect(driver.events.contains("input_audio_buffer.committed"))
        #expect(!driver.events.contains("response.created"))
    }

    @Test(arguments: Dialect.allCases)
    func `truncation cuts the sound and its transcript`(dialect: Dialect) throws {
        var driver = MachineDriver(dialect)
        driver.send(Request.text("Say one two three four five six seven."))
        driver.send(Request.respond)
        driver.settle()
        let id = try #require(driver.last("response.done")?.at("response.output.0.id")?.string)
        driver.forget()
        driver.send(#"{"type":"conversation.item.truncate","item_id":"\#(id)","content_index":0,"audio_end_ms":640}"#)
        #expect(driver.last("conversation.item.truncated")?["audio_end_ms"]?.int == 640)
        driver.send(#"{"type":"conversation.item.retrieve","item_id":"\#(id)"}"#)
        let transcript = driver.last("conversation.item.retrieved")?.at("item.content.0.transcript")?.string ?? "?"
        #expect(transcript.count < 20 && "one two three four five six seven.".hasPrefix(transcript))
        driver.send(#"{"type":"conversation.item.truncate","item_id":"\#(id)","content_index":0,"audio_end_ms":99999}"#)
        #expect(driver.last("error")?.at("error.code")?.string == "invalid_value")
        #expect(driver.last("error")?.at("error.message")?.string?.contains("already shorter than") == true)
    }

    @Test(arguments: Dialect.allCases)
    func `an out-of-band response runs beside the other and leaves no items`(dialect: Dialect) {
        var driver = MachineDriver(dialect, deltaDelay: .milliseconds(10))
        driver.send(Request.textOnly(dialect))
        driver.send(Request.text("Say a b c d e f.", id: "mine"))
        driver.send(Request.respond)
        driver.advance(.milliseconds(25))
        let modalities = dialect == .beta ? "modalities" : "output_modalities"
        driver.send(
            #"""
            {"type":"response.create","response":{"conversation":"none","metadata":{"bridge_request":"r-17"},"\#(modalities)":["text"],
            "input":[{"type":"item_reference","id":"mine"},{"type":"message","role":"user","content":[{"type":"input_text","text":"My order is late."}]}]}}
            """#)
        driver.settle()
        let done = driver.all("response.done").compactMap { $0["response"] }
        let outOfBand = done.first { $0["conversation_id"]?.isNull == true }
        #expect(done.count == 2)
        #expect(outOfBand?.at("metadata.bridge_request")?.string == "r-17")
        #expect(outOfBand?.at("output.0.content.0.text")?.string == "You said: My order is late.")
        let id = outOfBand?.at("output.0.id")?.string
        let itemEvents = driver.frames.filter { $0.type.hasPrefix("conversation.item") }
        #expect(!itemEvents.contains { $0.at("item.id")?.string == id })
        #expect(driver.machine.conversation.items.count == 2)
        // Both ran at the same time.
        let order = driver.events.filter { $0 == "response.created" || $0 == "response.done" }
        #expect(order == ["response.created", "response.created", "response.done", "response.done"])
    }

    @Test(arguments: Dialect.allCases)
    func `an empty input means no context`(dialect: Dialect) {
        var driver = MachineDriver(dialect)
        driver.send(Request.textOnly(dialect))
        driver.send(Request.text("remember this"))
        driver.send(#"{"type":"response.create","response":{"conversation":"none","input":[],"instructions":"Say cheese"}}"#)
        driver.settle()
        #expect(driver.last("response.done")?.at("response.output.0.content.0.text")?.string == "cheese")
    }

    @Test(arguments: Dialect.allCases)
    func `the token limit ends an answer incomplete`(dialect: Dialect) {
        var driver = MachineDriver(dialect)
        driver.send(Request.textOnly(dialect))
        driver.send(Request.text("count to 500"))
        driver.forget()
        let name = dialect == .beta ? "max_response_output_tokens" : "max_output_tokens"
        driver.send(#"{"type":"response.create","response":{"\#(name)":16}}"#)
        driver.settle()
        let response = driver.last("response.done")?["response"]
        #expect(response?["status"]?.string == "incomplete")
        #expect(response?.at("status_details.reason")?.string == "max_output_tokens")
        #expect(response?.at("output.0.status")?.string == "incomplete")
        #expect((response?.at("usage.output_tokens")?.int ?? 99) <= 16)
        #expect(response?["max_output_tokens"]?.int == 16)
    }

    @Test(arguments: Dialect.allCases)
    func `a response fails and is filtered on demand, and the session goes on`(dialect: Dialect) {
        var driver = MachineDriver(dialect)
        driver.send(Request.textOnly(dialect))
        driver.send(Request.text("Please fail with rate_limit_exceeded"))
        driver.send(Request.respond)
        driver.settle()
        let failed = driver.last("response.done")?["response"]
        #expect(failed?["status"]?.string == "failed")
        #expect(failed?.at("status_details.error.code")?.string == "rate_limit_exceeded")
        #expect(failed?["usage"]?.isNull == true)
        driver.send(Request.text("stop with content_filter"))
        driver.send(Request.respond)
        driver.settle()
        #expect(driver.last("response.done")?.at("response.status_details.reason")?.string == "content_filter")
        driver.send(Request.text("hello"))
        driver.send(Request.respond)
        driver.settle()
        #expect(driver.last("response.done")?.at("response.status")?.string == "completed")
    }

    @Test func `a long silence after an answer becomes a turn`() {
        var driver = MachineDriver(.ga)
        driver.send(Request.turnDetection(.ga, #"{"type":"server_vad","idle_timeout_ms":6000}"#))
        driver.send(Request.text("hello"))
        driver.send(Request.respond)
        driver.settle()
        driver.append(Sound.silence(milliseconds: 3000))
        driver.forget()
        driver.advance(.seconds(6))
        #expect(driver.events.isEmpty, "the caller is still listening to the answer")
        driver.advance(.seconds(10))
        #expect(
            driver.shape.starts(with: [
                "input_audio_buffer.timeout_triggered", "input_audio_buffer.committed", "conversation.item.added", "conversation.item.done",
                "response.created",
            ]))
        #expect(driver.recent.first?["audio_end_ms"]?.int == 3000)
    }

    @Test(arguments: Dialect.allCases)
    func `a transcription session has items and transcripts, never responses`(dialect: Dialect) {
        var driver = MachineDriver(dialect, kind: .transcription)
        #expect(driver.events == [dialect == .beta ? "transcription_session.created" : "session.created"])
        driver.forget()
        driver.send(
            dialect == .beta
                ? #"{"type":"transcription_session.update","session":{"input_audio_transcription":{"model":"whisper-1"}}}"#
                : #"{"type":"session.update","session":{"type":"transcription","audio":{"input":{"transcription":{"model":"whisper-1"}}}}}"#
        )
        #expect(driver.events == [dialect == .beta ? "transcription_session.updated" : "session.updated"])
        driver.forget()
        driver.append(Sound.speech(milliseconds: 500) + Sound.silence(milliseconds: 500))
        driver.settle()
        #expect(
            driver.events == ["input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped", "input_audio_buffer.committed"]
                + Self.itemFrames(dialect) + [
                    "conversation.item.input_audio_transcription.delta", "conversation.item.input_audio_transcription.completed",
                ])
        #expect(driver.recent.last?["transcript"]?.string == "[0.7 s of speech]\n")
        driver.send(Request.respond)
        #expect(driver.last("error")?.at("error.param")?.string == "type")
    }

    @Test func `a session expires with an error and a close`() {
        var driver = MachineDriver(.ga, lifetime: .seconds(30))
        driver.forget()
        driver.advance(.seconds(29))
        #expect(driver.events.isEmpty)
        driver.advance(.seconds(2))
        #expect(driver.last("error")?.at("error.code")?.string == "session_expired")
        #expect(driver.close?.code == 1001)
        #expect(driver.close?.reason == "Your session hit the maximum duration of 60 minutes.")
        driver.forget()
        driver.send(Request.respond)
        #expect(driver.events.isEmpty)
    }

    @Test func `items of a conversation go where they are asked to`() {
        var driver = MachineDriver(.ga)
        func create(_ id: String, after previous: String) -> String {
            #"{"type":"conversation.item.create","previous_item_id":\#(previous),"item":{"id":"\#(id)","type":"message","role":"user","content":[{"type":"input_text","text":"\#(id)"}]}}"#
        }
        driver.send(create("a", after: "\"\""))
        driver.send(create("c", after: "null"))
        driver.send(create("b", after: "\"a\""))
        driver.send(create("z", after: "\"root\""))
        #expect(driver.machine.conversation.items.map(\.id) == ["z", "a", "b", "c"])
        #expect(driver.all("conversation.item.added").map { $0["previous_item_id"]?.string } == [nil, "a", "a", nil])
        driver.send(#"{"type":"conversation.item.delete","item_id":"a"}"#)
        #expect(driver.last("conversation.item.deleted")?["item_id"]?.string == "a")
        #expect(driver.machine.conversation.items.map(\.id) == ["z", "b", "c"])
    }

    @Test(arguments: Dialect.allCases)
    func `retrieve returns the caller's audio, byte for byte`(dialect: Dialect) throws {
        var driver = MachineDriver(dialect)
        driver.send(Request.turnDetection(dialect, "null"))
        let sound = Sound.speech(milliseconds: 300)
        driver.append(sound)
        driver.send(Request.commit)
        let id = try #require(driver.last("input_audio_buffer.committed")?["item_id"]?.string)
        driver.send(#"{"type":"conversation.item.retrieve","item_id":"\#(id)"}"#)
        let audio = try #require(driver.last("conversation.item.retrieved")?.at("item.content.0.audio")?.string)
        #expect(Base64.decode(audio) == AudioFormat.pcm16.bytes(of: sound))
    }

    /// What another session held, made again as a client would.
    @Test(arguments: Dialect.allCases)
    func `a history can be given to a new session, and is answered from`(dialect: Dialect) throws {
        var driver = MachineDriver(dialect)
        driver.send(Request.tools(dialect, Request.weatherTool))
        let sound = AudioFormat.pcm16.bytes(of: Sound.speech(milliseconds: 300))
        let audio = String(decoding: Base64.quoted(sound[...]), as: UTF8.self)
        let spoken = dialect == .ga ? "output_text" : "text"
        driver.forget()
        let image =
            #"{"id":"i","type":"message","role":"user","content":[{"type":"input_image","image_url":"data:image/png;base64,AA=="}]}"#
        let items = [
            #"{"id":"a","type":"message","role":"system","content":[{"type":"input_text","text":"Be kind."}]}"#,
            #"{"id":"b","type":"message","role":"user","content":[{"type":"input_audio","audio":\#(audio),"transcript":"hello"}]}"#,
            #"{"id":"c","type":"message","role":"assistant","status":"incomplete","content":[{"type":"\#(spoken)","text":"Good mor"}]}"#,
            #"{"id":"d","type":"function_call","call_id":"call_1","name":"get_weather","arguments":"{}"}"#,
            #"{"id":"e","type":"function_call_output","call_id":"call_1","output":"rain"}"#,
        ]
        for item in items + (dialect == .ga ? [image] : []) { driver.send(#"{"type":"conversation.item.create","item":\#(item)}"#) }
        let confirmed = driver.all(dialect == .ga ? "conversation.item.added" : "conversation.item.created")
        #expect(confirmed.map { $0.at("item.id")?.string } == ["a", "b", "c", "d", "e"] + (dialect == .ga ? ["i"] : []))
        #expect(confirmed.map { $0["previous_item_id"]?.string } == [nil, "a", "b", "c", "d"] + (dialect == .ga ? ["e"] : []))
        #expect(confirmed[1].at("item.content.0.transcript")?.string == "hello")
        #expect(confirmed[1].at("item.content.0.audio") == nil)
        #expect(confirmed[2].at("item.status")?.string == "incomplete")
        driver.send(#"{"type":"conversation.item.retrieve","item_id":"b"}"#)
        let kept = try #require(driver.last("conversation.item.retrieved")?.at("item.content.0.audio")?.string)
        #expect(Base64.decode(kept) == sound)
        driver.send(#"{"type":"conversation.item.delete","item_id":"i"}"#)
        driver.send(Request.respond)
        driver.settle()
        #expect(
            driver.last("response.done")?.at("response.output.0.content.0.text")?.string == "The result of get_weather is: rain")
        // The call went, so its output has nothing to belong to.
        driver.send(#"{"type":"conversation.item.delete","item_id":"d"}"#)
        driver.forget()
        driver.send(#"{"type":"conversation.item.create","item":{"type":"function_call_output","call_id":"call_1","output":"rain"}}"#)
        #expect(driver.last("error")?.at("error.code")?.string == "invalid_tool_call_id")
    }

    @Test func `a call that was cut off is made again`() {
        var driver = MachineDriver(.ga)
        driver.send(Request.tools(.ga, Request.weatherTool))
        driver.send(Request.text("What is the weather in Oslo?"))
        driver.send(
            #"{"type":"conversation.item.create","item":{"type":"function_call","status":"incomplete","call_id":"c","name":"get_weather","arguments":"{\"ci"}}"#
        )
        driver.send(Request.respond)
        driver.settle()
        #expect(driver.last("response.done")?.at("response.output.0.arguments")?.string == #"{"city":"Oslo","days":1}"#)
    }

    @Test(arguments: Dialect.allCases)
    func `telephone formats are heard and spoken`(dialect: Dialect) throws {
        var driver = MachineDriver(dialect)
        driver.send(
            dialect == .beta
                ? #"{"type":"session.update","session":{"input_audio_format":"g711_ulaw","output_audio_format":"g711_alaw"}}"#
                : #"{"type":"session.update","session":{"type":"realtime","audio":{"input":{"format":{"type":"audio/pcmu"}},"output":{"format":{"type":"audio/pcma"}}}}}"#
        )
        driver.append(Sound.speech(milliseconds: 500) + Sound.silence(milliseconds: 500), format: .muLaw)
        driver.settle()
        #expect(driver.last("input_audio_buffer.speech_stopped")?["audio_end_ms"]?.int == 700)
        let sound = driver.all(Self.name(dialect, "audio.delta")).compactMap { $0["delta"]?.string.flatMap { Base64.decode($0) } }
        let milliseconds = sound.reduce(0) { $0 + $1.count } / 8
        #expect((1000...6000).contains(milliseconds))
        #expect(VoiceActivityDetector.probability(of: AudioFormat.aLaw.samples(sound[0][...])) > 0.5)
    }

    @Test func `sound that comes late holds back the audio, not the transcript`() {
        var driver = MachineDriver(.ga)
        driver.withholdsSpeech = true
        driver.send(Request.text("Say one two three."))
        driver.forget()
        driver.send(Request.respond)
        driver.settle()
        #expect(driver.events.contains("response.output_audio_transcript.delta"))
        #expect(!driver.events.contains("response.output_audio.delta"))
        driver.deliverSpeech()
        driver.settle()
        #expect(driver.events.contains("response.output_audio.delta"))
        #expect(driver.last("response.done")?.at("response.status")?.string == "completed")
    }

    @Test func `the answers show what the conversation knows`() {
        var driver = MachineDriver(.ga)
        driver.send(Request.textOnly(.ga))
        driver.send(Request.text("my name is Ada"))
        driver.send(Request.text("What did I say?"))
        driver.send(Request.respond)
        driver.settle()
        #expect(driver.last("response.done")?.at("response.output.0.content.0.text")?.string == "You said: \"my name is Ada\".")
        driver.send(Request.text("How many items are there?"))
        driver.send(Request.respond)
        driver.settle()
        #expect(driver.last("response.done")?.at("response.output.0.content.0.text")?.string == "There are 4 items in this conversation.")
    }

    @Test func `the same seed gives the same frames`() {
        var first = MachineDriver(.ga, seed: 7)
        var second = MachineDriver(.ga, seed: 7)
        let other = MachineDriver(.ga, seed: 8)
        for text in [Request.text("hello"), Request.respond] {
            first.send(text)
            second.send(text)
        }
        first.settle()
        second.settle()
        #expect(first.raw == second.raw)
        #expect(first.raw[0] != other.raw[0])
    }
}
