import EventLog
import HTTPServer
import Realtime
import Sessions
import TestSupport
import Testing

@testable import BridgeAPI

/// What is refused, on every route, and in which words.
@Suite struct RequestRulesTests {
    struct Bad: Sendable, CustomTestStringConvertible {
        let method: String
        let path: String
        let body: String?
        let status: Int
        let code: String
        let param: String?
        let headers: HTTPHeaders

        init(
            _ method: String, _ path: String, _ body: String? = nil, _ status: Int, _ code: String, param: String? = nil,
            headers: HTTPHeaders = [:]
        ) {
            (self.method, self.path, self.body, self.status) = (method, path, body, status)
            (self.code, self.param, self.headers) = (code, param, headers)
        }

        var testDescription: String { "\(method) \(path) \(body?.prefix(60) ?? "") \(code)" }
    }

    private static let session = "/v1/sessions/SESSION"

    /// `SESSION` stands for one that is there.
    private static let table: [Bad] = [
        Bad("GET", "/v2/sessions", nil, 404, "route_not_found"),
        Bad("GET", "/v1/sessions/", nil, 404, "route_not_found"),
        Bad("GET", "/v1/sessions/none", nil, 404, "session_not_found"),
        Bad("PUT", "/v1/sessions", nil, 405, "method_not_allowed"),
        Bad("get", "/v1/sessions", nil, 405, "method_not_allowed"),
        Bad("GET", "/v1/sessions?limits=1", nil, 400, "unknown_parameter", param: "limits"),
        Bad("GET", "/v1/sessions?limit=1&limit=2", nil, 400, "duplicate_parameter", param: "limit"),
        Bad("GET", "/v1/sessions?limit=0", nil, 400, "invalid_value", param: "limit"),
        Bad("GET", "/v1/sessions?limit=101", nil, 400, "invalid_value", param: "limit"),
        Bad("GET", "/v1/sessions?limit=ten", nil, 400, "invalid_value", param: "limit"),
        Bad("GET", "/v1/sessions?order=up", nil, 400, "invalid_value", param: "order"),
        Bad("GET", "/v1/sessions?status=gone", nil, 400, "invalid_value", param: "status"),
        Bad("GET", "/v1/sessions?metadata.=1", nil, 400, "unknown_parameter", param: "metadata."),
        Bad("POST", "/v1/sessions?dialect=gamma", nil, 400, "invalid_value", param: "dialect"),
        Bad("GET", "/livez?verbose=maybe", nil, 400, "invalid_value", param: "verbose"),

        Bad("POST", "/v1/sessions", "{", 400, "invalid_json"),
        Bad("POST", "/v1/sessions", "[]", 400, "invalid_json"),
        Bad("POST", "/v1/sessions", #"{"model":"a","model":"b"}"#, 400, "invalid_json"),
        Bad(
            "POST", "/v1/sessions", "{\"session\":" + String(repeating: "[", count: 70) + String(repeating: "]", count: 70) + "}", 400,
            "invalid_json"),
        Bad("POST", "/v1/sessions", #"{"modell":"a"}"#, 400, "unknown_parameter", param: "modell"),
        Bad("POST", "/v1/sessions", #"{"model":5}"#, 400, "invalid_value", param: "model"),
        Bad("POST", "/v1/sessions", #"{"session":"x"}"#, 400, "invalid_value", param: "session"),
        Bad(
            "POST", "/v1/sessions", #"{"session":{"tools":[{"type":"function","name":"f","x-webhook":"https://h/"}]}}"#, 400,
            "invalid_value",
            param: "session.tools[0].x-webhook"),
        Bad(
            "PATCH", session, #"{"session":{"tools":[{"type":"function","name":"f"},{"type":"function","name":"g","x-webhook":5}]}}"#, 400,
            "invalid_value", param: "session.tools[1].x-webhook"),
        Bad(
            "POST", "\(session)/events",
            #"{"type":"session.update","session":{"tools":[{"type":"function","name":"f","x-webhook":"https://h/"}]}}"#, 400,
            "invalid_value",
            param: "session.tools[0].x-webhook"),
        Bad(
            "POST", "/v1/responses", #"{"input":"x","tools":[{"type":"function","name":"f","x-webhook":"https://h/"}]}"#, 400,
            "invalid_value", param: "response.tools[0].x-webhook"),
        Bad(
            "POST", "\(session)/responses", #"{"tools":[{"type":"function","name":"f","x-webhook":"https://h/"}]}"#, 400, "invalid_value",
            param: "response.tools[0].x-webhook"),
        Bad(
            "POST", "\(session)/events",
            #"{"type":"response.create","response":{"tools":[{"type":"function","name":"f","x-webhook":null}]}}"#, 400, "invalid_value",
            param: "response.tools[0].x-webhook"),
        Bad("POST", "/v1/sessions", #"{"metadata":{"a":1}}"#, 400, "invalid_value", param: "metadata.a"),
        Bad("POST", "/v1/sessions", #"{"dialect":"gamma"}"#, 400, "invalid_value", param: "dialect"),
        Bad("POST", "/v1/sessions", #"{"dialect":1}"#, 400, "invalid_value", param: "dialect"),
        Bad("PATCH", session, #"{"dialect":"gamma"}"#, 400, "invalid_value", param: "dialect"),
        Bad("GET", session + "?dialect=", nil, 400, "invalid_value", param: "dialect"),
        Bad("GET", session + "/events?dialect=delta", nil, 400, "invalid_value", param: "dialect"),
        Bad("POST", "/v1/sessions", #"{"upstream":"other"}"#, 400, "unknown_upstream", param: "upstream"),
        Bad("POST", "/v1/sessions", #"{"idle_timeout":-1}"#, 400, "invalid_value", param: "idle_timeout"),
        Bad("POST", "/v1/sessions", #"{"idle_timeout":86401}"#, 400, "invalid_value", param: "idle_timeout"),
        Bad("POST", "/v1/sessions", #"{"idle_timeout":1.5}"#, 400, "invalid_value", param: "idle_timeout"),
        Bad("POST", "/v1/sessions", #"{"idle_timeout":"60"}"#, 400, "invalid_value", param: "idle_timeout"),
        Bad("POST", "/v1/sessions", #"{"max_duration":0}"#, 400, "invalid_value", param: "max_duration"),
        Bad("POST", "/v1/sessions", #"{"max_duration":604801}"#, 400, "invalid_value", param: "max_duration"),
        Bad("POST", "/v1/sessions", #"{"max_duration":true}"#, 400, "invalid_value", param: "max_duration"),
        Bad("POST", "/v1/sessions", #"{"on_last_viewer_gone":"sing"}"#, 400, "invalid_value", param: "on_last_viewer_gone"),
        Bad("POST", "/v1/sessions", #"{"on_last_viewer_gone":1}"#, 400, "invalid_value", param: "on_last_viewer_gone"),
        Bad("POST", "/v1/sessions", #"{"from":""}"#, 400, "invalid_value", param: "from"),
        Bad("POST", "/v1/sessions", #"{"from":5}"#, 400, "invalid_value", param: "from"),
        Bad("POST", "/v1/sessions", #"{"from":"rts_1"}"#, 404, "session_not_found", param: "from"),
        Bad("POST", "/v1/sessions", #"{"from":"SESSION","up_to":""}"#, 400, "invalid_value", param: "up_to"),
        Bad("POST", "/v1/sessions", #"{"from":"SESSION","up_to":"item_1"}"#, 404, "item_not_found", param: "up_to"),
        Bad("POST", "/v1/sessions", #"{"up_to":"item_1"}"#, 400, "invalid_value", param: "up_to"),
        Bad("POST", "/v1/sessions", "{}", 400, "invalid_value", param: "Idempotency-Key", headers: ["idempotency-key": ""]),
        Bad("POST", "/v1/sessions", "{}", 400, "invalid_value", param: "Idempotency-Key", headers: ["idempotency-key": "a b"]),
        Bad("POST", "/v1/sessions", "{}", 400, "invalid_value", param: "Idempotency-Key", headers: ["idempotency-key": "\u{e9}"]),
        Bad(
            "POST", session + "/items", "{}", 400, "invalid_value", param: "Idempotency-Key",
            headers: ["idempotency-key": String(repeating: "k", count: 256)]),
        Bad(
            "POST", session + "/responses", "{}", 400, "invalid_value", param: "Idempotency-Key",
            headers: ["idempotency-key": "a", "Idempotency-Key": "a"]),
        Bad(
            "POST", session + "/input_audio", "RIFF", 400, "idempotency_not_available", param: "Idempotency-Key",
            headers: ["idempotency-key": "k", "content-type": "audio/wav"]),
        Bad("POST", session + "/items", "{", 400, "invalid_json", headers: ["idempotency-key": "k"]),
        Bad("POST", "/v1/sessions", "{}", 415, "unsupported_media_type", headers: ["content-type": "text/xml"]),
        Bad("POST", "/v1/sessions", "{}", 415, "unsupported_media_type", headers: ["content-type": "application/json; charset=latin1"]),
        Bad("POST", "/v1/sessions", "{}", 415, "unsupported_content_encoding", headers: ["content-encoding": "gzip"]),
        Bad("PATCH", session, #"{"model":"x"}"#, 400, "invalid_value", param: "model"),
        Bad("PATCH", session, #"{"upstream":"u"}"#, 400, "invalid_value", param: "upstream"),
        Bad("PATCH", session, #"{"from":"x"}"#, 400, "invalid_value", param: "from"),
        Bad("PATCH", session, #"{"up_to":"x"}"#, 400, "invalid_value", param: "up_to"),
        Bad("PATCH", session, #"{"idle_timeout":-1}"#, 400, "invalid_value", param: "idle_timeout"),
        Bad("PATCH", session, #"{"max_duration":604801}"#, 400, "invalid_value", param: "max_duration"),
        Bad("PATCH", session, #"{"on_last_viewer_gone":""}"#, 400, "invalid_value", param: "on_last_viewer_gone"),
        Bad("GET", "/v1/upstreams?limit=1", nil, 400, "unknown_parameter", param: "limit"),
        Bad("DELETE", session + "?keep=perhaps", nil, 400, "invalid_value", param: "keep"),

        Bad("POST", session + "/items", nil, 400, "missing_required_parameter", param: "item"),
        Bad("POST", session + "/items", #"{"text":5}"#, 400, "invalid_value", param: "text"),
        Bad("POST", session + "/items", #"{"text":"a","role":"tool"}"#, 400, "invalid_value", param: "role"),
        Bad("POST", session + "/items", #"{"text":"a","extra":1}"#, 400, "unknown_parameter", param: "extra"),
        Bad("POST", session + "/items", #"{"item":[]}"#, 400, "invalid_value", param: "item"),
        Bad("POST", session + "/items", #"{"item":{},"text":"a"}"#, 400, "unknown_parameter", param: "text"),
        Bad("POST", session + "/items", #"{"type":"message","previous_item_id":"a"}"#, 400, "unknown_parameter", param: "previous_item_id"),
        Bad(
            "POST", session + "/items", #"{"item":{"id":"\#(String(repeating: "i", count: 33))"}}"#, 400, "string_above_max_length",
            param: "item.id"),
        Bad("GET", session + "/items/none", nil, 404, "item_not_found"),
        Bad("GET", session + "/items/none?source=upstream", nil, 400, "source_not_available", param: "source"),
        Bad("GET", session + "/items/none?source=moon", nil, 400, "invalid_value", param: "source"),
        Bad("POST", session + "/items/i/truncate", "{}", 400, "missing_required_parameter", param: "audio_end_ms"),
        Bad("POST", session + "/items/i/truncate", #"{"audio_end_ms":-1}"#, 400, "invalid_value", param: "audio_end_ms"),
        Bad("POST", session + "/items/i/truncate", #"{"audio_end_ms":1.5}"#, 400, "invalid_value", param: "audio_end_ms"),
        Bad(
            "POST", session + "/items/i/truncate", #"{"audio_end_ms":1,"content_index":"0"}"#, 400, "invalid_value", param: "content_index"),

        Bad("POST", session + "/input_audio", "{}", 400, "missing_required_parameter", param: "audio"),
        Bad("POST", session + "/input_audio", #"{"audio":""}"#, 400, "invalid_audio", param: "audio"),
        Bad("POST", session + "/input_audio", #"{"audio":"A?AA"}"#, 400, "invalid_audio", param: "audio"),
        Bad("POST", session + "/input_audio", #"{"audio":"AAAA"}"#, 400, "invalid_audio", param: "audio"),
        Bad("POST", session + "/input_audio", "RIFF", 400, "invalid_audio", headers: ["content-type": "audio/wav"]),
        Bad("PUT", session + "/input_audio", "RIFF", 400, "invalid_audio"),
        Bad("PUT", session + "/input_audio", "RIFF....AVI LIST....", 400, "invalid_audio"),
        Bad("PUT", session + "/input_audio", "odd", 400, "invalid_audio", headers: ["content-type": "audio/pcm"]),
        Bad("PUT", session + "/input_audio", "", 400, "invalid_audio", headers: ["content-type": "audio/pcm"]),
        Bad("PUT", session + "/input_audio", "What is this?", 415, "unsupported_media_type", param: "content-type"),
        Bad("PUT", session + "/input_audio", "fLaC....", 415, "unsupported_media_type", param: "content-type"),
        Bad(
            "PUT", session + "/input_audio", "....", 415, "unsupported_media_type", param: "content-type",
            headers: ["content-type": "audio/webm; codecs=opus"]),
        Bad(
            "PUT", session + "/input_audio", "....", 415, "unsupported_media_type", param: "content-type",
            headers: ["content-type": "video/mp4"]),
        Bad("PUT", session + "/input_audio", "....", 415, "unsupported_content_encoding", headers: ["content-encoding": "gzip"]),
        Bad(
            "PUT", session + "/input_audio", "....", 400, "invalid_value", param: "content-type",
            headers: ["content-type": "audio/pcm;rate=3999"]),
        Bad(
            "PUT", session + "/input_audio", "....", 400, "invalid_value", param: "content-type",
            headers: ["content-type": "audio/pcm;channels=9"]),
        Bad(
            "PUT", session + "/input_audio", "....", 400, "invalid_value", param: "content-type",
            headers: ["content-type": "audio/pcm;rate=16k"]),
        Bad(
            "PUT", session + "/input_audio", "....", 400, "invalid_value", param: "content-type",
            headers: ["content-type": "audio/pcm;encoding=opus"]),
        Bad(
            "PUT", session + "/input_audio", "....", 400, "invalid_value", param: "content-type",
            headers: ["content-type": "audio/pcm;bits=16"]),
        Bad(
            "PUT", session + "/input_audio", "....", 400, "invalid_value", param: "content-type",
            headers: ["content-type": "audio/pcmu;encoding=s16le"]),
        Bad(
            "PUT", session + "/input_audio", "....", 400, "missing_required_parameter", param: "content-type",
            headers: ["content-type": "audio/L16"]),
        Bad("POST", session + "/input_audio?commit=perhaps", #"{"audio":"AAAAAAAA"}"#, 400, "invalid_value", param: "commit"),
        Bad("POST", session + "/input_audio?respond=1", #"{"audio":"AAAAAAAA"}"#, 400, "invalid_value", param: "respond"),
        Bad("POST", session + "/input_audio?respond=true&commit=false", #"{"audio":"AAAAAAAA"}"#, 400, "invalid_value", param: "commit"),
        Bad("POST", session + "/input_audio?stream=true", #"{"audio":"AAAAAAAA"}"#, 400, "unknown_parameter", param: "stream"),
        Bad("PUT", "/v1/sessions/none/input_audio", "....", 404, "session_not_found"),
        Bad("PUT", session + "/input_audio/commit", nil, 405, "method_not_allowed"),
        Bad(
            "PUT", session + "/input_audio", "....", 400, "idempotency_not_available", param: "Idempotency-Key",
            headers: ["idempotency-key": "k"]),
        Bad("POST", session + "/input_audio/commit", #"{"x":1}"#, 400, "unknown_parameter", param: "x"),

        Bad("POST", session + "/responses", #"{"response":{}}"#, 400, "unknown_parameter", param: "response"),
        Bad("POST", session + "/responses", #"{"input":5}"#, 400, "invalid_value", param: "input"),
        Bad("POST", session + "/responses", #"{"stream":"yes"}"#, 400, "invalid_value", param: "stream"),
        Bad("POST", session + "/responses", #"{"stream":true,"background":true}"#, 400, "invalid_value", param: "background"),
        Bad(
            "POST", session + "/responses", #"{"background":true}"#, 400, "invalid_value", param: "background",
            headers: ["accept": "text/event-stream"]),
        Bad("POST", session + "/responses", #"{"if_active":1}"#, 400, "invalid_value", param: "if_active"),
        Bad("POST", session + "/responses", #"{"if_active":"queue","metadata":5}"#, 400, "invalid_value", param: "metadata"),
        Bad(
            "POST", session + "/responses", #"{"background":true}"#, 400, "invalid_value", param: "background",
            headers: ["accept": "audio/wav"]),
        Bad("POST", session + "/responses", #"{"stream":true}"#, 400, "invalid_value", param: "stream", headers: ["accept": "text/plain"]),
        Bad("GET", session + "/responses/none", nil, 404, "response_not_found", headers: ["accept": "text/plain"]),
        Bad("GET", session + "/responses/none/audio", nil, 404, "response_not_found"),
        Bad("GET", session + "/responses/none/audio?format=mp3", nil, 400, "unknown_parameter", param: "format"),
        Bad("GET", session + "/items/none/audio", nil, 404, "item_not_found"),
        Bad("GET", "/v1/sessions/none/items/none/audio", nil, 404, "session_not_found"),
        Bad("POST", session + "/items/none/audio", "{}", 405, "method_not_allowed"),
        Bad("POST", session + "/responses", #"{"if_active":"wait"}"#, 400, "invalid_value", param: "if_active"),
        Bad("GET", session + "/responses/none", nil, 404, "response_not_found"),
        Bad("GET", session + "/responses/none?stream=true", nil, 404, "response_not_found"),
        Bad("GET", session + "/responses/none?stream=maybe", nil, 400, "invalid_value", param: "stream"),
        Bad("GET", session + "/responses/none?after=1.1", nil, 400, "invalid_value", param: "after"),
        Bad("GET", session + "/responses/none?from=now", nil, 400, "unknown_parameter", param: "from"),
        Bad("POST", session + "/responses/none/cancel", nil, 404, "response_not_found", param: "response_id"),

        Bad("GET", "/v1/responses", nil, 405, "method_not_allowed"),
        Bad("POST", "/v1/responses", "[]", 400, "invalid_json"),
        Bad("POST", "/v1/responses?session=x", "{}", 400, "unknown_parameter", param: "session"),
        Bad("POST", "/v1/responses?dialect=gamma", "{}", 400, "invalid_value", param: "dialect"),
        Bad("POST", "/v1/responses", #"{"response":{}}"#, 400, "unknown_parameter", param: "response"),
        Bad("POST", "/v1/responses", #"{"input":5}"#, 400, "invalid_value", param: "input"),
        Bad("POST", "/v1/responses", #"{"model":""}"#, 400, "invalid_value", param: "model"),
        Bad("POST", "/v1/responses", #"{"model":1}"#, 400, "invalid_value", param: "model"),
        Bad("POST", "/v1/responses", #"{"upstream":1}"#, 400, "invalid_value", param: "upstream"),
        Bad("POST", "/v1/responses", #"{"upstream":"nobody"}"#, 400, "unknown_upstream", param: "upstream"),
        Bad("POST", "/v1/responses", #"{"conversation":"auto"}"#, 400, "invalid_value", param: "conversation"),
        Bad("POST", "/v1/responses", #"{"conversation":5}"#, 400, "invalid_value", param: "conversation"),
        Bad("POST", "/v1/responses", #"{"metadata":5}"#, 400, "invalid_value", param: "metadata"),
        Bad("POST", "/v1/responses", #"{"metadata":{"realtime_bridge":"x"}}"#, 400, "invalid_value", param: "metadata"),
        Bad("POST", "/v1/responses", #"{"if_active":"wait"}"#, 400, "invalid_value", param: "if_active"),
        Bad("POST", "/v1/responses", #"{"stream":"yes"}"#, 400, "invalid_value", param: "stream"),
        Bad("POST", "/v1/responses", #"{"stream":true,"background":true}"#, 400, "invalid_value", param: "background"),
        Bad("POST", "/v1/responses", #"{"stream":true}"#, 400, "invalid_value", param: "stream", headers: ["accept": "audio/wav"]),

        Bad("POST", session + "/interrupt", #"{"played_ms":-1}"#, 400, "invalid_value", param: "played_ms"),
        Bad("POST", session + "/interrupt", #"{"played_ms":1.5}"#, 400, "invalid_value", param: "played_ms"),
        Bad("POST", session + "/interrupt", #"{"played_ms":"1"}"#, 400, "invalid_value", param: "played_ms"),
        Bad("POST", session + "/interrupt", #"{"played_ms":86400001}"#, 400, "invalid_value", param: "played_ms"),
        Bad("POST", session + "/interrupt", #"{"item_id":"i"}"#, 400, "missing_required_parameter", param: "played_ms"),
        Bad("POST", session + "/interrupt", #"{"item_id":5,"played_ms":1}"#, 400, "invalid_value", param: "item_id"),
        Bad("POST", session + "/interrupt", #"{"item_id":"none","played_ms":1}"#, 404, "item_not_found", param: "item_id"),
        Bad("POST", session + "/interrupt", #"{"audio_end_ms":1}"#, 400, "unknown_parameter", param: "audio_end_ms"),
        Bad("GET", session + "/interrupt", nil, 405, "method_not_allowed"),
        Bad("GET", session + "/function_calls?status=gone", nil, 400, "invalid_value", param: "status"),
        Bad("GET", session + "/function_calls?status=", nil, 400, "invalid_value", param: "status"),
        Bad("GET", session + "/function_calls?after=call_none", nil, 400, "invalid_cursor", param: "after"),
        Bad("GET", session + "/items?after=item_none", nil, 400, "invalid_cursor", param: "after"),
        Bad("GET", session + "/responses?before=resp_none", nil, 400, "invalid_cursor", param: "before"),
        Bad("GET", "/v1/sessions?after=rts_none", nil, 400, "invalid_cursor", param: "after"),
        Bad("GET", "/v1/sessions?before=rts_none", nil, 400, "invalid_cursor", param: "before"),
        Bad("GET", "/v1/sessions?status=", nil, 400, "invalid_value", param: "status"),
        Bad("GET", "/v1/sessions/none/function_calls", nil, 404, "session_not_found"),
        Bad("POST", session + "/function_calls/call_none/output", #"{"output":"1"}"#, 404, "function_call_not_found"),
        Bad("POST", session + "/function_calls/c/output", nil, 400, "missing_required_parameter", param: "output"),
        Bad("POST", session + "/function_calls/c/output", #"{"outputs":1}"#, 400, "unknown_parameter", param: "outputs"),
        Bad("POST", session + "/function_calls/c/output", #"{"output":1,"respond":"no"}"#, 400, "invalid_value", param: "respond"),
        Bad("POST", session + "/function_calls/c/output", "[1]", 400, "invalid_json"),
        Bad("GET", session + "/function_calls/c/output", nil, 405, "method_not_allowed"),

        Bad("GET", session + "/transcript?limit=5", nil, 400, "unknown_parameter", param: "limit"),
        Bad("GET", session + "/transcript?dialect=gamma", nil, 400, "invalid_value", param: "dialect"),
        Bad("GET", "/v1/sessions/none/transcript", nil, 404, "session_not_found"),
        Bad("POST", session + "/transcript", nil, 405, "method_not_allowed"),

        Bad("GET", "/v1/events", nil, 400, "missing_required_parameter", param: "session"),
        Bad("GET", "/v1/events?session=", nil, 404, "session_not_found", param: "session"),
        Bad("GET", "/v1/events?session=SESSION&session=none", nil, 404, "session_not_found", param: "session"),
        Bad("GET", "/v1/events?session=SESSION&session=SESSION", nil, 400, "invalid_value", param: "session"),
        Bad(
            "GET", "/v1/events?" + (0..<33).map { "session=rts_\($0)" }.joined(separator: "&"), nil, 400, "invalid_value", param: "session"),
        Bad("GET", "/v1/events?session=SESSION&limit=5", nil, 400, "unknown_parameter", param: "limit"),
        Bad("GET", "/v1/events?session=SESSION&heartbeat=1", nil, 400, "invalid_value", param: "heartbeat"),
        Bad("GET", "/v1/events?session=SESSION&types=a&types=b", nil, 400, "duplicate_parameter", param: "types"),
        Bad("GET", "/v1/events?session=SESSION&dialect=gamma", nil, 400, "invalid_value", param: "dialect"),
        Bad(
            "GET", "/v1/events?session=SESSION", nil, 400, "form_not_available", param: "accept", headers: ["accept": "application/json"]),
        Bad("POST", "/v1/events?session=SESSION", nil, 405, "method_not_allowed"),

        Bad("POST", session + "/events", nil, 400, "missing_body"),
        Bad("POST", session + "/events", "[]", 400, "invalid_value"),
        Bad("POST", session + "/events", "5", 400, "missing_required_parameter", param: "type"),
        Bad("POST", session + "/events", #"{"type":"session.update"}"#, 400, "missing_required_parameter", param: "session"),
        Bad("POST", session + "/events", "{\"type\":\"a\"}\n{", 400, "invalid_json"),
        Bad("POST", session + "/events?after=1.1", #"{"type":"a"}"#, 400, "unknown_parameter", param: "after"),
        Bad("GET", session + "/events?heartbeat=1", nil, 400, "invalid_value", param: "heartbeat"),
        Bad("GET", session + "/events?ticket=t", nil, 400, "unknown_parameter", param: "ticket"),
    ]

    @Test func badRequestsAreRefusedInClearWords() async throws {
        try await APIFixture.run { (bridge: APIFixture) async throws in
            let id = try await bridge.newSession()
            for row in Self.table {
                let path = row.path.replacing("SESSION", with: id)
                let body = row.body?.replacing("SESSION", with: id)
                let answer = try await bridge.send(row.method, path, body, headers: row.headers)
                #expect(answer.status == row.status, "\(row.testDescription): \(answer.text)")
                #expect(answer.code == row.code, "\(row.testDescription): \(answer.text)")
                #expect(answer.error?["param"]?.string == row.param, "\(row.testDescription): \(answer.text)")
                let names = answer.error?.members.map(\.name).filter { $0 != "appended_bytes" }
                #expect(names == ["message", "type", "code", "param", "event_id"])
            }
            // None of it reached the conversation.
            #expect(try await bridge.send("GET", "/v1/sessions/\(id)").json?["item_count"]?.int == 0)
        }
    }

    @Test func aMethodThatIsNotThereIsToldTheOthers() async throws {
        try await APIFixture.run(connector: ScriptedUpstream()) { (bridge: APIFixture) async throws in
            #expect(try await bridge.send("PUT", "/v1/sessions/x").headers["allow"] == "GET, HEAD, PATCH, DELETE, OPTIONS")
        }
    }

    @Test func headIsAnsweredAsGet() async throws {
        try await APIFixture.run(connector: ScriptedUpstream()) { (bridge: APIFixture) async throws in
            #expect(try await bridge.send("HEAD", "/v1/sessions").status == 200)
            #expect(try await bridge.send("HEAD", "/v1/sessions/none").status == 404)
        }
    }

    @Test func curlsFormIsTakenAsJSON() async throws {
        try await APIFixture.run { (bridge: APIFixture) async throws in
            let answer = try await bridge.send(
                "POST", "/v1/sessions", #"{"metadata":{"a":"b"}}"#, headers: ["content-type": "application/x-www-form-urlencoded"])
            #expect(answer.status == 201)
        }
    }

    @Test(arguments: [
        ("mine-1", true), (String(repeating: "x", count: 128), true), (String(repeating: "x", count: 129), false), ("a b", false),
        ("", false),
    ])
    func aRequestIDIsKeptIfItIsFit(id: String, isKept: Bool) async throws {
        try await APIFixture.run(connector: ScriptedUpstream()) { (bridge: APIFixture) async throws in
            let given = try await bridge.send("GET", "/v1/sessions/none", headers: ["x-request-id": id]).headers["x-request-id"]
            #expect((given == id) == isKept)
            #expect(given?.isEmpty == false)
        }
    }

    @Test(arguments: [("--max-streams-per-session", 0, 10), ("--max-streams", 10, 0)])
    func aStreamTooManyNamesTheSettingThatBoundsThem(setting: String, perSession: Int, total: Int) async throws {
        try await APIFixture.run(
            connector: ScriptedUpstream([.session()]),
            configure: { ($0.maximumStreamsPerSession, $0.maximumStreams) = (perSession, total) }
        ) { (bridge: APIFixture) async throws in
            let refused = try await bridge.send("GET", "/v1/sessions/\(try await bridge.newSession())/events")
            #expect(refused.status == 429 && refused.code == "stream_limit_exceeded")
            #expect(refused.error?["message"]?.string?.contains("(setting \(setting))") == true, "\(refused.text)")
        }
    }

    @Test func bodiesAreBoundedAloneAndTogether() async throws {
        try await APIFixture.run(
            connector: ScriptedUpstream(),
            configure: { configuration in
                configuration.maximumBodyBytes = 100
                configuration.maximumBodyBytesTogether = 60
            }
        ) { (bridge: APIFixture) async throws in
            let large = "{\"model\":\"" + String(repeating: "x", count: 200) + "\"}"
            let announced = try await bridge.send("POST", "/v1/sessions", large)
            #expect(announced.status == 413)
            #expect(announced.error?["message"]?.string?.contains("--max-body") == true)
            // Without an announced length it is found out while it comes.
            let head = try APIFixture.head("POST", "/v1/sessions", headers: ["transfer-encoding": "chunked"])
            let chunked = await bridge.api.respond(to: Request(head: head, body: RequestBody(Array(large.utf8))))
            #expect(chunked.status == 413)
            #expect(try await APIAnswer(chunked).error?["message"]?.string?.contains("--max-body") == true)
            let together = try await bridge.send("POST", "/v1/sessions", "{\"model\":\"" + String(repeating: "x", count: 60) + "\"}")
            #expect(together.status == 503)
            #expect(together.headers["retry-after"] == "1")
            // Given back with the request.
            #expect(bridge.api.bodies.used == 0)
        }
    }

    @Test func aBodyOfManyValuesCountsForWhatReadingItTakes() async throws {
        try await APIFixture.run(connector: ScriptedUpstream(), configure: { $0.maximumBodyBytesTogether = 4_096 }) {
            (bridge: APIFixture) async throws in
            let refused = try await bridge.send("POST", "/v1/sessions", "[" + String(repeating: "0,", count: 200) + "0]")
            #expect(refused.status == 503)
            #expect(refused.code == "bodies_too_large_together")
            let read = try await bridge.send("POST", "/v1/sessions", "[\"" + String(repeating: "0", count: 400) + "\"]")
            #expect(read.status == 400)
            #expect(bridge.api.bodies.used == 0)
        }
    }

    @Test func eventsBeyondTheLimitAreRefusedUnread() async throws {
        try await APIFixture.run(connector: ScriptedUpstream([.session()])) { (bridge: APIFixture) async throws in
            let id = try await bridge.newSession()
            // What stands after the limit is not read, so it need not even be JSON.
            let lines = String(repeating: "{\"type\":\"input_audio_buffer.clear\"}\n", count: 257) + "{\n"
            let answer = try await bridge.send(
                "POST", "/v1/sessions/\(id)/events", lines, headers: ["content-type": "application/x-ndjson"])
            #expect(answer.code == "too_many_events")
        }
    }

    @Test func anEventSourceIsToldToComeBack() async throws {
        let upstream = ScriptedUpstream([.session()])
        try await APIFixture.run(connector: upstream) { (bridge: APIFixture) async throws in
            let id = try await bridge.newSession()
            bridge.api.drain()
            #expect(try await bridge.send("GET", "/readyz").status == 503)
            let told = try await bridge.send("GET", "/v1/sessions/\(id)/events", headers: ["accept": "text/event-stream"])
            #expect(told.status == 200)
            #expect(told.text.hasPrefix("retry: "))
            #expect(told.text.contains(": shutting_down"))
            let others = try await bridge.send("GET", "/v1/sessions/\(id)/events", headers: ["accept": "*/*"])
            #expect(others.status == 503)
            #expect(others.headers["x-should-retry"] == "true")
        }
    }

    @Test func theCodesOfSessionsHaveTheirStatuses() throws {
        let expected: [SessionError.Code: (Int, String?)] = [
            .sessionNotFound: (404, nil), .itemNotFound: (404, nil), .responseNotFound: (404, nil),
            .callNotFound: (404, nil), .invalidValue: (400, nil),
            .missingRequiredParameter: (400, nil), .stringAboveMaxLength: (400, nil), .invalidAudio: (400, nil),
            .unknownUpstream: (400, nil), .duplicateItem: (409, "false"), .outcomeUnknown: (409, "false"),
            .callAlreadyAnswered: (409, "false"), .responseActive: (409, "false"), .upstreamDialectChanged: (409, "false"),
            .cancelNotActive: (409, "false"), .sessionIsOneShot: (409, "false"),
            .sessionClosed: (410, nil), .sessionFailed: (410, nil), .tooManyCommands: (429, "true"), .sessionLimit: (429, "true"),
            .responseQueueFull: (429, "true"), .responseQueueTimeout: (503, "true"),
            .storeUnavailable: (503, "true"), .shuttingDown: (503, "true"), .refusedByUpstream: (400, nil), .upstreamLost: (502, "false"),
            .upstreamUnavailable: (503, "true"), .upstreamUnauthorized: (502, nil), .upstreamModelNotFound: (502, nil),
            .upstreamRefused: (502, nil), .upstreamTimeout: (504, "false"),
        ]
        for code in SessionError.Code.allCases {
            let row = try #require(expected[code], "\(code) has no row")
            let response = ErrorTable.answer(to: SessionError(code, "m"), passesBearer: false).response
            #expect(response.status == row.0, "\(code)")
            #expect(response.headers["x-should-retry"] == row.1, "\(code)")
            #expect((response.headers["retry-after"] != nil) == (row.1 == "true"), "\(code)")
        }
        let open = SessionError(.upstreamUnavailable, "m", retryAfterMilliseconds: 3001)
        #expect(ErrorTable.answer(to: open, passesBearer: false).response.headers["retry-after"] == "4")
        let words = RealtimeError(type: "invalid_request_error", code: "invalid_model", message: "m")
        func passed(_ code: SessionError.Code) -> Int {
            ErrorTable.answer(to: SessionError(code, "m", upstream: words), passesBearer: true).status.rawValue
        }
        #expect(passed(.upstreamUnauthorized) == 401)
        #expect(passed(.upstreamModelNotFound) == 404)
        #expect(passed(.upstreamRefused) == 400)
        // What was taken may have been sent, and must not be repeated unasked.
        #expect(ErrorTable.answer(to: SessionError(.storeUnavailable, "m"), passesBearer: false, wasTaken: true).retry == .never)
    }

    @Test(arguments: [
        ("item_delete_invalid_item_id", 404), ("conversation_already_has_active_response", 409), ("response_cancel_not_active", 409),
        ("item_create_duplicate_item_id", 409), ("rate_limit_exceeded", 429), ("inference_rate_limit_exceeded", 429),
        ("insufficient_quota", 429), ("invalid_value", 400), ("something_new", 400),
    ])
    func upstreamsRefusalsKeepTheirWords(code: String, status: Int) {
        let words = RealtimeError(type: "t", code: code, message: "words", param: "p", eventID: "event_rb0123456789abcdef.mine")
        let error = ErrorTable.answer(to: SessionError(.refusedByUpstream, "words", upstream: words), passesBearer: false)
        #expect(error.status.rawValue == status)
        #expect([error.type, error.code, error.message, error.param, error.eventID] == ["t", code, "words", "p", "mine"])
    }

    @Test func otherRoomsErrorsAreKnown() throws {
        struct Unknown: Error {}
        #expect(ErrorTable.knownAnswer(to: RequestBodyError.tooLarge(limitBytes: 1), passesBearer: false)?.status == .payloadTooLarge)
        #expect(ErrorTable.knownAnswer(to: RequestBodyError.idleTimeout, passesBearer: false)?.status == .requestTimeout)
        #expect(ErrorTable.knownAnswer(to: EventLogError(.unavailable, "m"), passesBearer: false)?.status == .serviceUnavailable)
        #expect(ErrorTable.knownAnswer(to: EventLogError(.corrupt, "m"), passesBearer: false)?.status == .internalError)
        #expect(ErrorTable.knownAnswer(to: Unknown(), passesBearer: false) == nil)
        let bad = #expect(throws: JSONError.self) { try JSON.parse("{") }
        #expect(ErrorTable.knownAnswer(to: try #require(bad), passesBearer: false)?.status == .badRequest)
    }

    @Test(
        arguments: [
            (["wait=5"], 5, false), (["respond-async, wait=0"], 0, true), (["wait=9999"], 600, false), (["wait=-1", "wait=x"], nil, false),
            (["wait=\"7\"; foo=bar, handling=lenient"], 7, false), ([], nil, false), (["wait=1, wait=2"], 1, false), ([","], nil, false),
        ] as [([String], Int?, Bool)])
    func preferencesAreRead(values: [String], wait: Int?, isAsync: Bool) {
        let prefer = Prefer(values)
        #expect(prefer.wait == wait)
        #expect(prefer.isAsync == isAsync)
    }
}
