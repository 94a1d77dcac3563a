import Testing

@testable import Realtime

/// Which frames an event of upstream's is, in the view of the other dialect.
@Suite struct ServerEventViewTests {
    @Test(arguments: [
        Spelling("response.text.delta", "response.output_text.delta"), Spelling("response.text.done", "response.output_text.done"),
        Spelling("response.audio.delta", "response.output_audio.delta"), Spelling("response.audio.done", "response.output_audio.done"),
        Spelling("response.audio_transcript.delta", "response.output_audio_transcript.delta"),
        Spelling("response.audio_transcript.done", "response.output_audio_transcript.done"),
        Spelling("response.function_call_arguments.delta"), Spelling("response.function_call_arguments.done"),
        Spelling("response.content_part.added"), Spelling("response.content_part.done"), Spelling("rate_limits.updated"),
        Spelling("input_audio_buffer.committed"), Spelling("input_audio_buffer.cleared"), Spelling("input_audio_buffer.speech_started"),
        Spelling("input_audio_buffer.speech_stopped"), Spelling("input_audio_buffer.timeout_triggered"),
        Spelling("input_audio_buffer.dtmf_event_received"), Spelling("output_audio_buffer.started"),
        Spelling("output_audio_buffer.stopped"), Spelling("output_audio_buffer.cleared"), Spelling("conversation.item.deleted"),
        Spelling("conversation.item.truncated"), Spelling("conversation.item.input_audio_transcription.delta"),
        Spelling("conversation.item.input_audio_transcription.completed"),
        Spelling("conversation.item.input_audio_transcription.failed"),
        Spelling("conversation.item.input_audio_transcription.segment"), Spelling("mcp_list_tools.in_progress"),
        Spelling("mcp_list_tools.completed"), Spelling("mcp_list_tools.failed"), Spelling("response.mcp_call.in_progress"),
        Spelling("response.mcp_call.completed"), Spelling("response.mcp_call.failed"), Spelling("response.mcp_call_arguments.delta"),
        Spelling("response.mcp_call_arguments.done"), Spelling("vendor.heartbeat"), Spelling("bridge.upstream.connected"),
    ])
    func anEventThatIsTheSameButForItsName(name: Spelling) {
        let event = { (name: String) in #" { "delta":"\u00e9" ,"type" : "\#(name)","audio":{"n":1.50},"voice":"a" }"# }
        #expect(Dialect.ga.foreignView.texts(event(name.beta)) == [event(name.ga)])
        #expect(Dialect.beta.foreignView.texts(event(name.ga)) == [event(name.beta)])
    }

    @Test func theConversationOfASessionIsToldInBeta() {
        let frames = Dialect.beta.foreignView.texts(
            #"{"type":"session.created","event_id":"e","session":{"type":"realtime","id":"sess_1","audio":{"output":{"voice":"a"}}}}"#)
        #expect(
            frames == [
                #"{"type":"session.created","event_id":"e","session":{"id":"sess_1","voice":"a"}}"#,
                #"{"type":"conversation.created","event_id":"e_conversation","conversation":{"id":"conv_1","object":"realtime.conversation"},"bridge":{"synthesized":true}}"#,
            ])
    }

    @Test func aSessionThatOnlyWritesDownHasEventsOfItsOwnInBeta() {
        for event in ["created", "updated"] {
            let beta = #"{"type":"transcription_session.\#(event)","session":{"id":"s","turn_detection":null}}"#
            let ga = #"{"type":"session.\#(event)","session":{"type":"transcription","id":"s","audio":{"input":{"turn_detection":null}}}}"#
            #expect(Dialect.beta.foreignView.texts(ga) == [beta])
            let nested = #"{"id":"s","audio":{"input":{"turn_detection":null}},"type":"transcription"}"#
            #expect(Dialect.ga.foreignView.texts(beta) == [#"{"type":"session.\#(event)","session":\#(nested)}"#])
        }
    }

    @Test func anItemIsToldOfOnceInBeta() {
        let item = #"{"id":"i","role":"assistant","status":"in_progress","content":[]}"#
        #expect(
            Dialect.beta.foreignView.texts(#"{"type":"conversation.item.added","previous_item_id":null,"item":\#(item)}"#)
                == [#"{"type":"conversation.item.created","previous_item_id":null,"item":\#(item)}"#])
        #expect(Dialect.beta.foreignView.texts(#"{"type":"conversation.item.done","item":\#(item)}"#) == [])
    }

    @Test func aFinishedItemIsToldOfTwiceInGA() {
        let created = #"{"type":"conversation.item.created","event_id":"e","previous_item_id":"p","item":{"id":"i","status":"completed"}}"#
        #expect(
            Dialect.ga.foreignView.texts(created) == [
                #"{"type":"conversation.item.added","event_id":"e","previous_item_id":"p","item":{"id":"i","status":"completed"}}"#,
                #"{"type":"conversation.item.done","event_id":"e_item_done","previous_item_id":"p","item":{"id":"i","status":"completed"},"bridge":{"synthesized":true}}"#,
            ])
    }

    /// It is done when its response says so; out of band there is no conversation that it is an item of.
    @Test func anItemThatIsBeingProducedIsDoneWithItsResponse() {
        let item = #"{"id":"i","role":"assistant","status":"in_progress","content":[]}"#
        #expect(
            Dialect.ga.foreignView.texts(#"{"type":"conversation.item.created","item":\#(item)}"#)
                == [#"{"type":"conversation.item.added","item":\#(item)}"#])
        let done = #"{"type":"response.output_item.done","event_id":"e","response_id":"r","output_index":0,"item":{"id":"i"}}"#
        let frames = [#"{"type":"conversation.item.done","event_id":"e_item_done","item":{"id":"i"},"bridge":{"synthesized":true}}"#, done]
        #expect(Dialect.ga.foreignView.texts(done) == frames)
        #expect(Dialect.ga.foreignView.texts(done, isOutOfBand: { $0 == "r" }) == [done])
    }

    @Test func aFrameSaysWhichResponseItIsOf() throws {
        let done = #"{"type":"response.output_item.done","response_id":"r","item":{"id":"i"}}"#
        let event = try #require(ServerEvent(Array(done.utf8)))
        let frames = Dialect.ga.foreignView.frames(of: event)
        #expect(frames.map(\.type) == ["conversation.item.done", "response.output_item.done"])
        #expect(frames.map(\.responseID) == [nil, "r"])
    }

    /// The part that stands alone has the short names in both; a ga server that has the long ones is understood.
    @Test func aContentPart() {
        let part = { (text: String) in #"{"type":"response.content_part.added","part":{"type":"\#(text)","text":"audio"}}"# }
        for type in ["text", "audio"] {
            #expect(Dialect.ga.foreignView.texts(part(type)) == [part(type)])
            #expect(Dialect.beta.foreignView.texts(part("output_\(type)")) == [part(type)])
        }
    }

    @Test(arguments: [
        Spelling("session.voice", "session.audio.output.voice"), Spelling("session.speed", "session.audio.output.speed"),
        Spelling("session.modalities", "session.output_modalities"), Spelling("session.modalities[0]", "session.output_modalities[0]"),
        Spelling("session.turn_detection.threshold", "session.audio.input.turn_detection.threshold"),
        Spelling("session.turn_detection", "session.audio.input.turn_detection"),
        Spelling("session.input_audio_transcription.model", "session.audio.input.transcription.model"),
        Spelling("session.input_audio_noise_reduction.type", "session.audio.input.noise_reduction.type"),
        Spelling("session.input_audio_format", "session.audio.input.format"),
        Spelling("session.output_audio_format", "session.audio.output.format"),
        Spelling("session.max_response_output_tokens", "session.max_output_tokens"), Spelling("session.tools[0].name"),
        Spelling("response.max_response_output_tokens", "response.max_output_tokens"), Spelling("response.metadata.k"),
        Spelling("response.voice", "response.audio.output.voice"), Spelling("session.voices"), Spelling("voice"),
        Spelling("item.content[0].text"), Spelling("session"), Spelling(""), Spelling("session.vendor"),
    ])
    func whatAnErrorNames(path: Spelling) {
        let error = { (text: String) in #"{"type":"error","error":{"param":"\#(text)","message":"Bad '\#(text)': \"x\""}}"# }
        #expect(Dialect.ga.foreignView.texts(error(path.beta)) == [error(path.ga)])
        #expect(Dialect.beta.foreignView.texts(error(path.ga)) == [error(path.beta)])
    }

    /// What has parts in ga only is named as a whole in beta.
    @Test(arguments: [
        ("session.audio.input.format.rate", "session.input_audio_format"),
        ("session.audio.output.format.type", "session.output_audio_format"),
        ("session.audio.output.voice.id", "session.voice"), ("session.tool_choice.name", "session.tool_choice.function.name"),
    ])
    func whatAnErrorNamesInsideAValue(ga: String, beta: String) {
        #expect(Dialect.beta.foreignView.parameter(ga) == beta)
    }

    @Test(arguments: [
        #"{"type":"error","error":{"code":null,"message":"caf\u00e9 \/","param":null}}"#,
        #"{"type":"error","error":{"message":"caf\u00e9 'tools' \ud800","param":"session.too\u006cs"}}"#,
        #"{"type":"error","error":"out of memory"}"#, #"{"type":"error","error":null}"#, #"{"type":"error"}"#,
        #"{"type":"error","error":{"message":5,"param":7}}"#, #"{"type":"error","error":{"param":"session.tools"}}"#,
    ])
    func anErrorThatNamesNothingToRespellKeepsItsBytes(error: String) {
        for dialect in Dialect.allCases { #expect(dialect.foreignView.texts(error) == [error]) }
    }

    @Test func aCallersEventIDComesBackInEveryView() {
        let error = #"{"type":"error","error":{"event_id":"event_rb0123456789abcdef.mine","param":"session.audio.output.voice"}}"#
        let seen = #"{"type":"error","error":{"event_id":"mine","param":"session.voice"}}"#
        #expect(Dialect.beta.foreignView.texts(error) == [seen])
    }
}
