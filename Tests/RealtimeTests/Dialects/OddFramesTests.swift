import Testing

@testable import Realtime

/// Frames that no schema allows, or that mix the two dialects: servers that are not OpenAI's send them (PROTOCOL, UPSTREAMS).
@Suite struct OddFramesTests {
    @Test(arguments: [
        // xAI: flat fields beside nested ones.
        (
            Dialect.beta,
            #"{"type":"realtime","voice":"Ara","turn_detection":null,"audio":{"input":{"format":{"type":"audio/pcm","rate":16000}}}}"#,
            #"{"voice":"Ara","turn_detection":null,"input_audio_format":"pcm16"}"#
        ),
        // NVIDIA: both names, of which the old one is the one a beta client reads.
        (
            .beta, #"{"modalities":["text"],"output_modalities":["text"],"voice":"a","audio":{"output":{"voice":"b","speed":1.0}}}"#,
            #"{"modalities":["text"],"voice":"a","speed":1.0}"#
        ),
        (.beta, #"{"max_output_tokens":1,"max_response_output_tokens":2.0}"#, #"{"max_response_output_tokens":2.0}"#),
        (
            .ga,
            #"{"type":"realtime","voice":"a","audio":{"output":{"voice":"b","speed":1.0},"x":{}},"output_modalities":["text"],"modalities":["audio"]}"#,
            #"{"type":"realtime","audio":{"output":{"voice":"a","speed":1.0},"x":{}},"output_modalities":["text"]}"#
        ),
        (.ga, #"{"voice":"a","audio":null}"#, #"{"audio":{"output":{"voice":"a"}},"type":"realtime"}"#),
        (.ga, #"{"audio":{"input":{"format":1}},"n":1}"#, #"{"audio":{"input":{"format":1}},"n":1,"type":"realtime"}"#),
        // Inworld: a member of the vendor's own where beta has no such place.
        (
            .beta, #"{"audio":{"output":{"model":"tts-1","voice":"a"}}}"#, #"{"voice":"a","audio":{"output":{"model":"tts-1"}}}"#
        ),
        (.beta, #"{"audio":{"vendor":[1.0]}}"#, #"{"audio":{"vendor":[1.0]}}"#),
        (.beta, #"{"audio":{"input":null}}"#, #"{"audio":{"input":null}}"#),
        (.beta, #"{"audio":null,"id":"s"}"#, #"{"id":"s"}"#), (.beta, #"{"audio":"none"}"#, #"{"audio":"none"}"#),
        (.beta, #"{"audio":[{"output":{"voice":"a"}}]}"#, #"{"audio":[{"output":{"voice":"a"}}]}"#),
    ])
    func aSessionThatMixesTheDialects(shown: Dialect, session: String, expected: String) {
        #expect(shown.foreignView.session(session) == expected)
    }

    /// A member that comes twice counts once, the first; its name never stands twice in what is respelt.
    @Test(arguments: [
        (Dialect.ga, #"{"voice":"a","n":1,"voice":"b"}"#, #"{"audio":{"output":{"voice":"a"}},"n":1,"type":"realtime"}"#),
        (.ga, #"{"modalities":["text"],"modalities":["audio"]}"#, #"{"output_modalities":["text"],"type":"realtime"}"#),
        (.ga, #"{"temperature":1,"a":1,"temperature":2}"#, #"{"a":1,"type":"realtime"}"#),
        (
            .ga, #"{"tool_choice":"auto","tool_choice":{"type":"function","function":{"name":"f"}}}"#,
            #"{"tool_choice":"auto","type":"realtime"}"#
        ),
        (
            .ga, #"{"speed":1,"audio":{"output":{"x":1}},"audio":{"output":{"x":2}}}"#,
            #"{"audio":{"output":{"speed":1,"x":1}},"type":"realtime"}"#
        ),
        (.beta, #"{"audio":{"output":{"voice":"a"}},"audio":{"output":{"voice":"b"}},"n":1}"#, #"{"voice":"a","n":1}"#),
        (.beta, #"{"audio":{"output":{"voice":"a","voice":"b"},"output":{"voice":"c"}}}"#, #"{"voice":"a"}"#),
        (.beta, #"{"audio":{"output":{"x":1},"output":{"x":2}}}"#, #"{"audio":{"output":{"x":1}}}"#),
        (.beta, #"{"output_modalities":["text"],"output_modalities":["audio"]}"#, #"{"modalities":["text"]}"#),
        (.beta, #"{"type":"realtime","type":"realtime","n":1}"#, #"{"n":1}"#),
        (
            .ga, #"{"turn_detection":{"threshold":1,"threshold":2}}"#,
            #"{"audio":{"input":{"turn_detection":{"type":"server_vad","threshold":1}}},"type":"realtime"}"#
        ),
    ])
    func duplicateMembers(shown: Dialect, session: String, expected: String) {
        #expect(shown.foreignView.session(session) == expected)
        let frames = shown.foreignView.texts(#"{"type":"session.updated","session":\#(session)}"#)
        #expect(frames == [#"{"type":"session.updated","session":\#(expected)}"#])
    }

    @Test func anEscapedNameIsTheSameName() {
        let ga =
            #"{"ty\u0070e":"session.upd\u0061ted","session":{"\u0074ype":"realtime","aud\u0069o":{"outp\u0075t":{"v\u006fice":"\u0061"}}}}"#
        #expect(Dialect.beta.foreignView.texts(ga) == [#"{"ty\u0070e":"session.upd\u0061ted","session":{"voice":"\u0061"}}"#])
        let delta = #"{"ty\u0070e":"response.\u0074ext.delta","delta":"\u0061"}"#
        #expect(Dialect.ga.foreignView.texts(delta) == [#"{"ty\u0070e":"response.output_text.delta","delta":"\u0061"}"#])
    }

    /// LocalAI leaves event ids out, or empty.
    @Test func anEventWithoutAnID() {
        let item = #""item":{"id":"i"}"#
        #expect(
            Dialect.ga.foreignView.texts(#"{"type":"conversation.item.created",\#(item)}"#) == [
                #"{"type":"conversation.item.added",\#(item)}"#,
                #"{"type":"conversation.item.done",\#(item),"bridge":{"synthesized":true}}"#,
            ])
        #expect(Dialect.beta.foreignView.texts(#"{"type":"session.created","event_id":null,"session":{"id":"s"}}"#)?.count == 2)
    }

    static let shapes = [
        "null", "[]", "[1]", "{}", "5", "1.50", #""text""#, "true", "[[]]", #"[{"type":"text"}]"#, #"{"type":[]}"#, #"{"content":null}"#,
    ]
    static let places = [
        #"{"type":"session.created","session":@}"#, #"{"type":"session.updated","session":@}"#,
        #"{"type":"transcription_session.created","session":@}"#, #"{"type":"transcription_session.updated","session":@}"#,
        #"{"type":"session.updated","session":{"id":"s","audio":@}}"#, #"{"type":"session.updated","session":{"id":@}}"#,
        #"{"type":"session.updated","session":{"audio":{"input":@,"output":@}}}"#, #"{"type":"session.updated","session":{"type":@}}"#,
        #"{"type":"session.updated","session":{"voice":@,"modalities":@,"tool_choice":@,"turn_detection":@,"input_audio_format":@}}"#,
        #"{"type":"session.updated","session":{"voice":"a","audio":@}}"#, #"{"type":"session.updated","session":{"output_modalities":@}}"#,
        #"{"type":"session.updated","session":{"audio":{"input":{"format":@,"turn_detection":@},"output":{"voice":@}}}}"#,
        #"{"type":"response.done","response":@}"#, #"{"type":"response.done","response":{"output":@,"metadata":@,"audio":@}}"#,
        #"{"type":"response.done","response":{"output":[@],"modalities":@,"voice":@}}"#, #"{"type":"response.done"}"#,
        #"{"type":"conversation.item.created","item":@}"#, #"{"type":"conversation.item.added","item":{"role":"assistant","content":@}}"#,
        #"{"type":"conversation.item.added","item":{"role":@,"content":[@]}}"#,
        #"{"type":"response.output_item.done","item":@,"response_id":@}"#,
        #"{"type":"conversation.item.created","event_id":@,"bridge":@}"#, #"{"type":"response.content_part.done","part":@}"#,
        #"{"type":"error","error":@}"#, #"{"type":"error","error":{"param":@,"message":@,"event_id":@}}"#,
    ]

    /// A server says something else than the protocol has in that place: never a crash, never invalid JSON, never a name twice.
    @Test(arguments: places)
    func anyShapeInAnyPlace(place: String) throws {
        for shape in Self.shapes {
            let frame = place.replacing("@", with: shape)
            for dialect in Dialect.allCases {
                for text in try #require(dialect.foreignView.texts(frame)) {
                    #expect(throws: Never.self, "\(frame) \(text)") { try JSON.parse(text) }
                }
            }
        }
    }

    /// The same from a client, whose events are parsed more strictly.
    @Test(arguments: places)
    func anyShapeInAnyPlaceOfAClientEvent(place: String) throws {
        let names = [
            "session.updated": "session.update", "session.created": "session.update", "response.done": "response.create",
            "conversation.item.created": "conversation.item.create", "conversation.item.added": "conversation.item.create",
            "transcription_session.updated": "transcription_session.update",
        ]
        for (server, client) in names where place.contains("\"\(server)\"") {
            for shape in Self.shapes {
                let event = place.replacing("\"\(server)\"", with: "\"\(client)\"").replacing("@", with: shape)
                    .replacing("\"output\":[", with: client == "response.create" ? "\"input\":[" : "\"output\":[")
                for dialect in Dialect.allCases { _ = try ClientEventTranslation(event, to: dialect) }
            }
        }
    }
}
