import Testing

@testable import Realtime

/// What upstream is sent of a client's event, and what the caller is told was left out.
@Suite struct ClientEventTranslationTests {
    @Test(arguments: SessionSpellingTests.fields.dropLast())
    func aSessionUpdateHasOnlyWhatIsPresent(row: Spelling) throws {
        guard !row.ga.contains("mcp") else { return }
        let toGA = try ClientEventTranslation(#"{"type":"session.update","session":{\#(row.beta)}}"#, to: .ga)
        #expect(toGA.text == #"{"type":"session.update","session":{\#(row.ga),"type":"realtime"}}"#)
        let toBeta = try ClientEventTranslation(#"{"type":"session.update","session":{"type":"realtime",\#(row.ga)}}"#, to: .beta)
        #expect(toBeta.text == #"{"type":"session.update","session":{\#(row.beta)}}"#)
        #expect(toGA.params == [] && toBeta.params == [])
    }

    @Test func aSessionThatOnlyWritesDown() throws {
        let beta = #"{"type":"transcription_session.update","session":{"input_audio_transcription":{"model":"m"},"include":null}}"#
        let nested = #"{"audio":{"input":{"transcription":{"model":"m"}}},"include":null,"type":"transcription"}"#
        let ga = #"{"type":"session.update","session":\#(nested)}"#
        #expect(try ClientEventTranslation(beta, to: .ga).text == ga)
        #expect(try ClientEventTranslation(ga, to: .beta).text == beta)
        // A beta client may also say so in the object.
        let said = #"{"type":"session.update","session":{"type":"transcription","turn_detection":null}}"#
        #expect(
            try ClientEventTranslation(said, to: .ga).text
                == #"{"type":"session.update","session":{"type":"transcription","audio":{"input":{"turn_detection":null}}}}"#)
    }

    @Test(arguments: [
        // Session.
        (Dialect.ga, #"{"type":"session.update","session":{"temperature":0.80,"voice":"a"}}"#, ["session.temperature"]),
        (.ga, #"{"type":"session.update","session":{"temperature":null}}"#, ["session.temperature"]),
        (.ga, #"{"type":"session.update","session":{"client_secret":{"value":"v"}}}"#, ["session.client_secret"]),
        (.ga, #"{"type":"transcription_session.update","session":{"modalities":["text"]}}"#, ["session.modalities"]),
        (.beta, #"{"type":"session.update","session":{"type":"realtime"}}"#, []),
        (
            .beta, #"{"type":"session.update","session":{"reasoning":{"effort":"low"},"parallel_tool_calls":true,"prompt":null}}"#,
            ["session.reasoning", "session.parallel_tool_calls"]
        ),
        (
            .beta, #"{"type":"session.update","session":{"tools":[{"type":"mcp"},{"type":"function","name":"f"},{"type":"mcp"}]}}"#,
            ["session.tools[0]", "session.tools[2]"]
        ),
        (.beta, #"{"type":"session.update","session":{"tool_choice":{"type":"mcp","server_label":"s"}}}"#, ["session.tool_choice"]),
        (.ga, #"{"type":"session.update","session":{"tools":[{"type":"mcp"}],"tool_choice":{"type":"mcp"}}}"#, []),
        // Responses.
        (.ga, #"{"type":"response.create","response":{"temperature":1.0,"metadata":{"temperature":"1"}}}"#, ["response.temperature"]),
        (
            .beta, #"{"type":"response.create","response":{"prompt":{"id":"p"},"reasoning":null,"parallel_tool_calls":false}}"#,
            ["response.prompt", "response.reasoning", "response.parallel_tool_calls"]
        ),
        (
            .beta, #"{"type":"response.create","response":{"tools":[{"type":"mcp"}],"tool_choice":{"type":"mcp"}}}"#,
            ["response.tools[0]", "response.tool_choice"]
        ),
        // Parts of a value whose other form has no room for them.
        (
            .beta, #"{"type":"session.update","session":{"audio":{"input":{"format":{"type":"audio/pcm","rate":16000}}}}}"#,
            ["session.audio.input.format.rate"]
        ),
        (.beta, #"{"type":"session.update","session":{"audio":{"input":{"format":{"type":"audio/pcm","rate":2.4e4}}}}}"#, []),
        (
            .beta, #"{"type":"response.create","response":{"audio":{"output":{"voice":{"id":"v","style":1}}}}}"#,
            ["response.audio.output.voice.style"]
        ),
        (
            .ga, #"{"type":"session.update","session":{"tool_choice":{"type":"function","function":{"name":"f"},"n":1}}}"#,
            ["session.tool_choice.n"]
        ),
        (.beta, #"{"type":"session.update","session":{"audio":null}}"#, ["session.audio"]),
        // Both names of one field, of which one can be sent.
        (
            .ga, #"{"type":"response.create","response":{"max_response_output_tokens":5,"max_output_tokens":6}}"#,
            ["response.max_response_output_tokens"]
        ),
        (
            .beta, #"{"type":"session.update","session":{"voice":"a","audio":{"output":{"voice":"b"}}}}"#, ["session.audio.output.voice"]
        ),
        (
            .ga, #"{"type":"session.update","session":{"voice":"a","audio":{"output":{"voice":"b"}}}}"#, ["session.audio.output.voice"]
        ),
    ])
    func whatHasNoCounterpartIsLeftOutWithANote(upstream: Dialect, event: String, leftOut: [String]) throws {
        let translation = try ClientEventTranslation(event, to: upstream)
        #expect(translation.params == leftOut)
        #expect(translation.leftOut.allSatisfy { $0.upstream == upstream })
    }

    @Test(arguments: [
        Spelling(#""temperature":1,"a":2"#, #""a":2"#), Spelling(#""a":2,"temperature":1"#, #""a":2"#), Spelling(#""temperature":1"#, ""),
    ])
    func nothingOfItIsSent(row: Spelling) throws {
        let translation = try ClientEventTranslation(#"{"type":"response.create","response":{\#(row.beta)}}"#, to: .ga)
        #expect(translation.text == #"{"type":"response.create","response":{\#(row.ga)}}"#)
    }

    @Test func theToolsThatCanBeDeclaredStay() throws {
        let tools = #"[{"type":"mcp","server_label":"s"}, {"name":"f","type":"function","parameters":{"n":1.50}}]"#
        let translation = try ClientEventTranslation(#"{"type":"session.update","session":{"tools":\#(tools),"x":1}}"#, to: .beta)
        #expect(
            translation.text
                == #"{"type":"session.update","session":{"tools":[{"name":"f","type":"function","parameters":{"n":1.50}}],"x":1}}"#)
    }

    static let responses = [
        Spelling(#"{}"#), Spelling(#"{"conversation":"none","metadata":{"a":"b"}}"#), Spelling(#"{"instructions":null}"#),
        Spelling(#"{"modalities":["audio","text"],"n":1.0}"#, #"{"output_modalities":["audio"],"n":1.0}"#),
        Spelling(#"{"modalities":["text"]}"#, #"{"output_modalities":["text"]}"#),
        Spelling(
            #"{"voice":"a","output_audio_format":"g711_ulaw"}"#, #"{"audio":{"output":{"voice":"a","format":{"type":"audio/pcmu"}}}}"#),
        Spelling(#"{"max_response_output_tokens":"inf"}"#, #"{"max_output_tokens":"inf"}"#),
        Spelling(#"{"max_response_output_tokens":1e2}"#, #"{"max_output_tokens":1e2}"#),
        Spelling(
            #"{"tool_choice":{"type":"function","function":{"name":"f"}}}"#, #"{"tool_choice":{"type":"function","name":"f"}}"#),
        Spelling(#"{"tool_choice":"none","tools":[{"type":"function","name":"f"}]}"#), Spelling(#"{"input":[]}"#),
        Spelling(
            #"{"input":[{"type":"item_reference","id":"i"},{"type":"message","role":"assistant","content":[{"type":"text","text":"a"}]}]}"#,
            #"{"input":[{"type":"item_reference","id":"i"},{"type":"message","role":"assistant","content":[{"type":"output_text","text":"a"}]}]}"#
        ),
        Spelling(#"{"input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"text"}]}]}"#),
    ]

    @Test(arguments: responses)
    func aResponse(row: Spelling) throws {
        let event = { (text: String) in #"{"type":"response.create","event_id":"e","response":\#(text)}"# }
        let toGA = try ClientEventTranslation(event(row.beta), to: .ga), toBeta = try ClientEventTranslation(event(row.ga), to: .beta)
        #expect(toGA.text == event(row.ga) && toGA.params == [])
        #expect(toBeta.text == event(row.beta) && toBeta.params == [])
    }

    @Test(arguments: ResponseSpellingTests.items)
    func anItem(row: Spelling) throws {
        let event = { (text: String) in #"{"type":"conversation.item.create","previous_item_id":null,"item":\#(text)}"# }
        #expect(try ClientEventTranslation(event(row.beta), to: .ga).text == event(row.ga))
        #expect(try ClientEventTranslation(event(row.ga), to: .beta).text == event(row.beta))
    }

    @Test(arguments: [
        #"{"type":"response.create"}"#, #"{"type":"response.create","response":null}"#, #"{"type":"response.cancel","response_id":"r"}"#,
        #"{ "type" : "input_audio_buffer.append","audio":"text" }"#, #"{"type":"input_audio_buffer.commit"}"#,
        #"{"type":"input_audio_buffer.clear"}"#, #"{"type":"output_audio_buffer.clear"}"#,
        #"{"type":"conversation.item.truncate","item_id":"i","content_index":0,"audio_end_ms":1.5e3}"#,
        #"{"type":"conversation.item.delete","item_id":"i"}"#, #"{"type":"conversation.item.retrieve","item_id":"i"}"#,
        #"{"type":"vendor.event","session":{"voice":"a","temperature":1}}"#, #"{"type":7}"#, "[]", "null",
        #"{"type":"session.update"}"#, #"{"type":"session.update","session":[]}"#, #"{"type":"conversation.item.create","item":null}"#,
    ])
    func whatNeedsNoTranslationIsSentAsItIs(event: String) throws {
        for dialect in Dialect.allCases {
            let translation = try ClientEventTranslation(event, to: dialect)
            #expect(translation.text == event && translation.leftOut == [])
        }
    }

    @Test func inUpstreamsOwnDialectNothingIsTouched() throws {
        let event = try JSON.parse(#"{"type":"session.update","session":{"temperature":1,"voice":"a","audio":null,"reasoning":{}}}"#)
        for dialect in Dialect.allCases {
            let translation = ClientEventTranslation(event, from: DialectView(of: dialect, in: dialect))
            #expect(translation.event.source == event.source && translation.leftOut == [])
        }
    }

    /// A request that just passes its parser's bounds becomes larger by what ga wants said.
    @Test func aRequestAtTheParsersBoundsIsNoReasonToStop() throws {
        let filler = { "[" + String(repeating: "0,", count: $0 - 2) + "0]" }
        // Names and values: two of the event, eight of the rest.
        let wide = #"{"type":"session.update","session":{"voice":"a","x":\#(filler((1 << 20) - 9))}}"#
        #expect(throws: Never.self) { try ClientEventTranslation(wide, to: .ga) }
        let deep =
            #"{"type":"session.update","session":{"turn_detection":"# + String(repeating: "[", count: 62)
            + String(repeating: "]", count: 62) + "}}"
        #expect(throws: Never.self) { try ClientEventTranslation(deep, to: .ga) }
    }

    @Test func theNoteSaysWhatUpstreamSpeaks() throws {
        let translation = try ClientEventTranslation(#"{"type":"session.update","session":{"temperature":1}}"#, to: .ga)
        #expect(
            translation.leftOut.first?.message(naming: "temperature")
                == "The upstream server speaks ga, which has no counterpart for 'temperature'; it was left out.")
    }
}
