import Testing

@testable import Realtime

/// The session's configuration, field by field.
@Suite struct SessionSpellingTests {
    /// What stands in an object with an id; ga has the object's `type` besides.
    static let fields: [Spelling] = [
        Spelling(#""modalities":["text"]"#, #""output_modalities":["text"]"#),
        Spelling(#""modalities":["audio","text"]"#, #""output_modalities":["audio"]"#),
        Spelling(#""modalities":[]"#, #""output_modalities":[]"#),
        Spelling(#""modalities":null"#, #""output_modalities":null"#),
        Spelling(#""voice":"alloy""#, #""audio":{"output":{"voice":"alloy"}}"#),
        Spelling(#""voice":null"#, #""audio":{"output":{"voice":null}}"#),
        Spelling(#""voice":"caf\u00e9""#, #""audio":{"output":{"voice":"caf\u00e9"}}"#),
        Spelling(#""speed":1.50"#, #""audio":{"output":{"speed":1.50}}"#),
        Spelling(#""input_audio_format":"pcm16""#, #""audio":{"input":{"format":{"type":"audio/pcm","rate":24000}}}"#),
        Spelling(#""input_audio_format":"g711_ulaw""#, #""audio":{"input":{"format":{"type":"audio/pcmu"}}}"#),
        Spelling(#""output_audio_format":"g711_alaw""#, #""audio":{"output":{"format":{"type":"audio/pcma"}}}"#),
        Spelling(#""output_audio_format":"pcm""#, #""audio":{"output":{"format":{"type":"pcm"}}}"#),
        Spelling(#""output_audio_format":null"#, #""audio":{"output":{"format":null}}"#),
        Spelling(#""input_audio_format":7"#, #""audio":{"input":{"format":7}}"#),
        Spelling(
            #""input_audio_transcription":{"model":"whisper-1","language":null}"#,
            #""audio":{"input":{"transcription":{"model":"whisper-1","language":null}}}"#),
        Spelling(#""input_audio_transcription":null"#, #""audio":{"input":{"transcription":null}}"#),
        Spelling(#""input_audio_noise_reduction":{"type":"near_field"}"#, #""audio":{"input":{"noise_reduction":{"type":"near_field"}}}"#),
        Spelling(#""input_audio_noise_reduction":null"#, #""audio":{"input":{"noise_reduction":null}}"#),
        Spelling(
            #""turn_detection":{"type":"server_vad","threshold":0.50, "idle_timeout_ms":6e3}"#,
            #""audio":{"input":{"turn_detection":{"type":"server_vad","threshold":0.50, "idle_timeout_ms":6e3}}}"#),
        Spelling(#""turn_detection":null"#, #""audio":{"input":{"turn_detection":null}}"#),
        Spelling(#""max_response_output_tokens":"inf""#, #""max_output_tokens":"inf""#),
        Spelling(#""max_response_output_tokens":4096"#, #""max_output_tokens":4096"#),
        Spelling(#""max_response_output_tokens":null"#, #""max_output_tokens":null"#),
        Spelling(#""tool_choice":"auto""#), Spelling(#""tool_choice":"required""#), Spelling(#""tool_choice":null"#),
        Spelling(#""tool_choice":{"type":"function","function":{"name":"f"}}"#, #""tool_choice":{"type":"function","name":"f"}"#),
        Spelling(#""tool_choice":{"type":"mcp","server_label":"s"}"#),
        Spelling(#""tool_choice":{"type":"custom","name":"f"}"#), Spelling(#""tool_choice":{"type":"function"}"#),
        Spelling(#""instructions":"""#), Spelling(#""tools":[]"#), Spelling(#""tools":[{"type":"mcp","server_label":"s"}]"#),
        Spelling(#""tracing":"auto""#), Spelling(#""tracing":null"#), Spelling(#""prompt":{"id":"p"}"#),
        Spelling(#""truncation":{"type":"retention_ratio","retention_ratio":0.80}"#), Spelling(#""include":["a"]"#),
        Spelling(#""model":"gpt-realtime""#), Spelling(#""expires_at":1794000000"#), Spelling(#""vendor":{"voice":"a","n":1e2}"#),
        // Several, side by side and nested.
        Spelling(
            #""voice":"a","speed":0.9,"input_audio_format":"pcm16","turn_detection":null"#,
            #""audio":{"input":{"format":{"type":"audio/pcm","rate":24000},"turn_detection":null},"output":{"voice":"a","speed":0.9}}"#),
    ]

    @Test(arguments: fields)
    func aFieldOfBetaInGA(row: Spelling) {
        #expect(Dialect.ga.foreignView.session("{\"id\":\"s\",\(row.beta)}") == "{\"id\":\"s\",\(row.ga),\"type\":\"realtime\"}")
    }

    @Test(arguments: fields.dropLast())
    func aFieldOfGAInBeta(row: Spelling) {
        #expect(Dialect.beta.foreignView.session("{\"type\":\"realtime\",\"id\":\"s\",\(row.ga)}") == "{\"id\":\"s\",\(row.beta)}")
    }

    /// Rows that lead one way only.
    @Test(arguments: [
        (Dialect.ga, #"{"modalities":["text","audio"]}"#, #"{"output_modalities":["audio"],"type":"realtime"}"#),
        (.ga, #"{"modalities":["audio"]}"#, #"{"output_modalities":["audio"],"type":"realtime"}"#),
        (.ga, #"{"modalities":"audio"}"#, #"{"output_modalities":"audio","type":"realtime"}"#),
        (.ga, #"{"temperature":0.80,"client_secret":null}"#, #"{"type":"realtime"}"#),
        (.ga, #"{"temperature":0.8,"a":1}"#, #"{"a":1,"type":"realtime"}"#),
        (.ga, #"{"turn_detection":{}}"#, #"{"audio":{"input":{"turn_detection":{"type":"server_vad"}}},"type":"realtime"}"#),
        (
            .ga, #"{"turn_detection":{"threshold":0.50}}"#,
            #"{"audio":{"input":{"turn_detection":{"type":"server_vad","threshold":0.50}}},"type":"realtime"}"#
        ),
        (
            .ga, #"{"turn_detection":{"eagerness":"low"}}"#,
            #"{"audio":{"input":{"turn_detection":{"type":"semantic_vad","eagerness":"low"}}},"type":"realtime"}"#
        ),
        (
            .ga, #"{"turn_detection":{"type":"none"}}"#, #"{"audio":{"input":{"turn_detection":{"type":"none"}}},"type":"realtime"}"#
        ),
        (.ga, #"{"tool_choice":{"type":"function","name":"f"}}"#, #"{"tool_choice":{"type":"function","name":"f"},"type":"realtime"}"#),
        (.ga, #"{}"#, #"{"type":"realtime"}"#), (.ga, #"{"type":"realtime"}"#, #"{"type":"realtime"}"#),
        (.beta, #"{"type":"realtime"}"#, "{}"), (.beta, #"{"audio":{}}"#, "{}"), (.beta, #"{"audio":{"input":{},"output":{}}}"#, "{}"),
        (.beta, #"{"reasoning":{"effort":"low"},"parallel_tool_calls":true}"#, "{}"),
        (.beta, #"{"audio":{"output":{"voice":{"id":"voice_1"}}}}"#, #"{"voice":"voice_1"}"#),
        (.beta, #"{"audio":{"output":{"voice":{"name":"v"}}}}"#, #"{"voice":{"name":"v"}}"#),
        (.beta, #"{"audio":{"input":{"format":{"type":"audio/pcm","rate":16000}}}}"#, #"{"input_audio_format":"pcm16"}"#),
        (.beta, #"{"audio":{"input":{"format":{"type":"audio/opus"}}}}"#, #"{"input_audio_format":"audio/opus"}"#),
        (.beta, #"{"audio":{"input":{"format":{"rate":8000}}}}"#, #"{"input_audio_format":{"rate":8000}}"#),
        (.beta, #"{"output_modalities":["audio","text"]}"#, #"{"modalities":["audio","text"]}"#),
        (.beta, #"{"output_modalities":["audio",1]}"#, #"{"modalities":["audio",1]}"#),
        (
            .beta, #"{"tool_choice":{"type":"function","function":{"name":"f"}}}"#,
            #"{"tool_choice":{"type":"function","function":{"name":"f"}}}"#
        ),
    ])
    func oneWay(shown: Dialect, session: String, expected: String) {
        #expect(shown.foreignView.session(session) == expected)
    }

    /// A session that only writes down: the fields of its input, flat in beta, nested in ga.
    @Test(arguments: [
        Spelling(
            #""input_audio_format":"pcm16","input_audio_transcription":{"model":"m","prompt":""}"#,
            #""audio":{"input":{"format":{"type":"audio/pcm","rate":24000},"transcription":{"model":"m","prompt":""}}}"#),
        Spelling(#""turn_detection":null"#, #""audio":{"input":{"turn_detection":null}}"#),
        Spelling(#""input_audio_noise_reduction":null"#, #""audio":{"input":{"noise_reduction":null}}"#),
        Spelling(#""include":["item.input_audio_transcription.logprobs"]"#), Spelling(#""expires_at":0"#),
    ])
    func aSessionThatOnlyWritesDown(row: Spelling) {
        let kind = #""object":"realtime.transcription_session""#
        #expect(Dialect.ga.foreignView.session("{\(kind),\(row.beta)}") == "{\(kind),\(row.ga),\"type\":\"transcription\"}")
        #expect(Dialect.beta.foreignView.session("{\"type\":\"transcription\",\(kind),\(row.ga)}") == "{\(kind),\(row.beta)}")
    }

    @Test func whatOnlyOneSideHasOfASessionThatOnlyWritesDown() {
        let beta = #"{"object":"realtime.transcription_session","modalities":["text"],"client_secret":null,"id":"s"}"#
        #expect(Dialect.ga.foreignView.session(beta) == #"{"object":"realtime.transcription_session","id":"s","type":"transcription"}"#)
    }

    /// Only its native view may be what is stored, whatever that is.
    @Test(arguments: [#"{"voice":"a","voice":"b"}"#, "[1, 2]", "null", "", "{", #"{"type":"realtime" }"#])
    func aNativeViewIsByteIdentical(text: String) {
        for dialect in Dialect.allCases {
            let view = DialectView(of: dialect, in: dialect)
            #expect(view.session(text) == text && view.item(text) == text && view.response(text) == text)
        }
    }
}
