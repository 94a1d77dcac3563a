import Testing

@testable import Realtime

/// Responses and items as the server describes them.
@Suite struct ResponseSpellingTests {
    @Test(arguments: [
        Spelling(#"{"modalities":["audio","text"],"n":1.0}"#, #"{"output_modalities":["audio"],"n":1.0}"#),
        Spelling(#"{"voice":"ash"}"#, #"{"audio":{"output":{"voice":"ash"}}}"#),
        Spelling(
            #"{"voice":"ash","output_audio_format":"pcm16"}"#,
            #"{"audio":{"output":{"voice":"ash","format":{"type":"audio/pcm","rate":24000}}}}"#),
        Spelling(#"{"output_audio_format":null,"x":-0}"#, #"{"audio":{"output":{"format":null}},"x":-0}"#),
        // The response has the shorter name in both, and the request's fields in neither.
        Spelling(#"{"max_output_tokens":"inf","tool_choice":"auto"}"#), Spelling(#"{"status_details":null,"usage":null}"#),
        Spelling(
            #"{"output":[{"role":"assistant","content":[{"type":"text","text":"a"},{"type":"audio","transcript":null}]}]}"#,
            #"{"output":[{"role":"assistant","content":[{"type":"output_text","text":"a"},{"type":"output_audio","transcript":null}]}]}"#),
        Spelling(#"{"output":[{"type":"function_call","arguments":"{\"type\":\"text\"}"}]}"#), Spelling(#"{"output":[]}"#),
    ])
    func aResponse(row: Spelling) {
        #expect(Dialect.ga.foreignView.response(row.beta) == row.ga)
        #expect(Dialect.beta.foreignView.response(row.ga) == row.beta)
    }

    @Test(arguments: [
        (Dialect.ga, #"{"temperature":0.8}"#, "{}"), (.ga, #"{"a":1,"temperature":null,"b":2}"#, #"{"a":1,"b":2}"#),
        (.beta, #"{"audio":null,"id":"r"}"#, #"{"id":"r"}"#), (.beta, #"{"audio":{"output":{}}}"#, "{}"),
        (.beta, #"{"audio":{"output":{"voice":{"id":"v"}}}}"#, #"{"voice":"v"}"#),
        (.ga, #"{"metadata":{"realtime_bridge":"t"},"voice":"a"}"#, #"{"metadata":null,"audio":{"output":{"voice":"a"}}}"#),
        (.beta, #"{"metadata":{"realtime_bridge":"t","k":"v"}}"#, #"{"metadata":{"k":"v"}}"#),
    ])
    func oneWay(shown: Dialect, response: String, expected: String) {
        #expect(shown.foreignView.response(response) == expected)
    }

    static let items = [
        Spelling(
            #"{"role":"assistant","content":[{"type":"text","text":"a"}]}"#,
            #"{"role":"assistant","content":[{"type":"output_text","text":"a"}]}"#),
        Spelling(
            #"{"content":[{"transcript":"t","type":"audio"}],"role":"assistant"}"#,
            #"{"content":[{"transcript":"t","type":"output_audio"}],"role":"assistant"}"#),
        Spelling(#"{"role":"assistant","content":[]}"#), Spelling(#"{"role":"assistant","content":[{"type":"refusal","text":"text"}]}"#),
        Spelling(
            #"{"role":"user","content":[{"type":"input_text","text":"text"},{"type":"input_audio","audio":"AAAA","transcript":null}]}"#),
        Spelling(#"{"role":"user","content":[{"type":"input_image","image_url":"data:","detail":"auto"}]}"#),
        Spelling(#"{"role":"system","content":[{"type":"input_text","text":"s"}]}"#),
        Spelling(#"{"type":"function_call","call_id":"c","name":"text","arguments":"{}"}"#),
        Spelling(#"{"type":"function_call_output","call_id":"c","output":"audio"}"#),
        Spelling(#"{"type":"mcp_list_tools","server_label":"s","tools":[{"name":"t","input_schema":{"type":"text"}}]}"#),
        Spelling(#"{"type":"mcp_call","id":"i","error":{"type":"http_error","code":5.0e2,"message":"m"}}"#),
        Spelling(#"{"type":"mcp_approval_request","id":"i","name":"n","arguments":"{}"}"#),
        Spelling(#"{"type":"mcp_approval_response","id":"i","approve":true,"reason":null}"#),
        Spelling(#"{"type":"item_reference","id":"i"}"#), Spelling(#"{"type":"vendor","content":{"type":"text"}}"#),
    ]

    @Test(arguments: items)
    func anItem(row: Spelling) {
        #expect(Dialect.ga.foreignView.item(row.beta) == row.ga)
        #expect(Dialect.beta.foreignView.item(row.ga) == row.beta)
    }

    /// A user's `text` is no content of ga; whoever reads it can say so.
    @Test func onlyWhatTheAssistantSaysIsRespelt() {
        let item = #"{"role":"user","content":[{"type":"text","text":"a"}]}"#
        #expect(Dialect.ga.foreignView.item(item) == item)
    }

    @Test(arguments: ["conversation.item.retrieved", "response.output_item.added"])
    func anItemWithinAnEvent(type: String) {
        for row in Self.items {
            let beta = #"{"type":"\#(type)","item":\#(row.beta)}"#
            let ga = #"{"type":"\#(type)","item":\#(row.ga)}"#
            #expect(Dialect.ga.foreignView.texts(beta) == [ga])
            #expect(Dialect.beta.foreignView.texts(ga) == [beta])
        }
    }
}
