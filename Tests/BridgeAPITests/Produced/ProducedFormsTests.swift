import Audio
import HTTPServer
import Realtime
import TestSupport
import Testing

@testable import BridgeAPI

/// `POST …/responses` answered with only the words, or only the speech.
@Suite struct ProducedFormsTests {
    @Test(
        arguments: [
            ("text/plain", .words), ("audio/wav", .speech(.wav)), ("audio/x-wav", .speech(.wav)), ("audio/*", .speech(.wav)),
            ("audio/pcm", .speech(.raw)), ("audio/pcm, audio/wav", .speech(.raw)), ("*/*", nil), (nil, nil), ("application/json", nil),
            ("application/json, text/plain", nil), ("text/html, text/plain;q=0.5", .words), ("audio/ogg", nil), ("audio/wav;q=0", nil),
            ("text/plain;q=0.1, application/json", nil), ("audio/wav;q=0.1, audio/pcm", .speech(.raw)),
            ("text/event-stream, text/plain", nil), ("text/plain, text/event-stream", .words),
        ] as [(String?, ProducedForm?)])
    func theFormIsTheFirstThatAcceptNames(accept: String?, form: ProducedForm?) throws {
        let head = try APIFixture.head("POST", "/", headers: accept.map { ["accept": $0] } ?? [:])
        #expect(ProducedForm(Accept(head)) == form)
    }

    @Test(arguments: [Dialect.beta, .ga])
    func onlyTheWordsOrOnlyTheSpeech(dialect: Dialect) async throws {
        try await APIFixture.run(dialect: dialect) { bridge in
            let path = "/v1/sessions/\(try await bridge.newSession())"
            func ask(_ accept: String, _ body: String = #"{"input":"say one two three"}"#) async throws -> APIAnswer {
                try await bridge.send("POST", path + "/responses", body, headers: ["accept": accept])
            }
            let words = try await ask("text/plain")
            #expect(words.status == 200 && words.text == "one two three\n", "\(words.text)")
            #expect(words.headers["location"]?.hasPrefix("\(path)/responses/resp_") == true)
            let text = dialect == .beta ? #""modalities":["text"]"# : #""output_modalities":["text"]"#
            #expect(try await ask("text/plain", #"{"input":"say four","# + text + "}").text == "four\n")
            let wav = try await ask("audio/wav")
            let place = try #require(wav.headers["location"])
            let stored = try await bridge.send("GET", place + "/audio", headers: ["accept": "audio/pcm"])
            // Of what has ended by the time of the answer the length is known.
            let headers = [nil, stored.bytes.count].map { WAVHeader.bytes(SoundFormat(.pcm16, rate: 24_000), dataBytes: $0) }
            let isAll = headers.contains(Array(wav.bytes.prefix(44))) && wav.bytes.dropFirst(44).elementsEqual(stored.bytes)
            #expect(isAll)
            #expect(wav.headers["content-type"] == "audio/wav" && stored.bytes.count > 10_000)
            let isTheSame = try await ask("audio/pcm").bytes == stored.bytes
            #expect(isTheSame)
            // Side by side with the conversation.
            #expect(try await ask("text/plain", #"{"input":"say five","conversation":"none"}"#).text == "five\n")
            #expect(bridge.api.streams.registry.gauges.open == 0)
        }
    }

    @Test func refusalsAndFailuresBeforeTheFirstByteAreErrors() async throws {
        try await APIFixture.run { bridge in
            let path = "/v1/sessions/\(try await bridge.newSession())"
            for (body, status, code) in [
                (#"{"max_output_tokens":"many"}"#, 400, "invalid_value"),
                (#"{"input":"fail with rate_limit_exceeded"}"#, 429, "rate_limit_exceeded"),
                (#"{"input":"fail with server_error"}"#, 502, "server_error"),
            ] {
                for accept in ["text/plain", "audio/wav"] {
                    let answer = try await bridge.send("POST", path + "/responses", body, headers: ["accept": accept])
                    #expect(answer.status == status && answer.headers["content-type"] == "application/json", "\(answer.text)")
                    if status != 400 { #expect(answer.code == code && answer.headers["x-should-retry"] == "false") }
                }
            }
            let accepted = try await bridge.send(
                "POST", path + "/responses", #"{"input":"say one"}"#, headers: ["accept": "audio/wav", "prefer": "respond-async"])
            #expect(accepted.status == 202 && accepted.json?["object"]?.string == "realtime.command")
            #expect(bridge.api.streams.registry.gauges.open == 0)
        }
    }

    @Test func whatIsNotSaidInTimeIsATimeout() async throws {
        let upstream = ScriptedUpstream([.session()])
        try await APIFixture.run(connector: upstream, dialect: .ga) { bridge in
            let path = "/v1/sessions/\(try await bridge.newSession())"
            let connection = try await upstream.nextConnection()
            async let answer = bridge.send(
                "POST", path + "/responses", "{}", headers: ["accept": "audio/wav", "prefer": "wait=1"])
            let sent = try JSON.parse(try await connection.nextSent())
            let metadata = String(decoding: try #require(sent["response"]?["metadata"]).lexeme, as: UTF8.self)
            connection.push(SpokenFrames().created(#","metadata":\#(metadata)"#))
            #expect(try await answer.status == 504)
            #expect(try await answer.code == "upstream_timeout")
            #expect(try await answer.headers["x-should-retry"] == "false")
        }
    }

    @Test func aClientThatHangsUpDoesNotStopTheResponse() async throws {
        try await APIFixture.run(deltaDelay: .milliseconds(1)) { bridge in
            let path = "/v1/sessions/\(try await bridge.newSession(#"{"on_last_viewer_gone":"cancel"}"#))"
            let body = #"{"input":"count to 30"}"#
            let head = try APIFixture.head("POST", path + "/responses", bodyBytes: body.utf8.count, headers: ["accept": "audio/wav"])
            let response = await bridge.api.respond(to: Request(head: head, body: RequestBody(Array(body.utf8))))
            let place = try #require(response.headers["location"])
            guard case .stream(let stream) = response.body else { throw TestProblem(description: "\(response.status): not streamed") }
            let puller = TestPuller(stream)
            _ = puller.pull()
            puller.close()
            #expect(bridge.api.streams.registry.gauges.open == 0)
            let whole = try await bridge.send("GET", place, headers: ["accept": "text/plain"])
            #expect(whole.text.hasSuffix("30\n") || whole.text.hasSuffix("30.\n"), "\(whole.text)")
            _ = try await bridge.send("GET", path + "/events?until=response.done")
            #expect(try await bridge.send("GET", place).json?["status"]?.string == "completed")
        }
    }
}
