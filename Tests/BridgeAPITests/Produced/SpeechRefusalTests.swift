import HTTPServer
import Realtime
import TestSupport
import Testing

@testable import BridgeAPI

/// Speech of a response that would have none is refused before the response is asked for.
@Suite struct SpeechRefusalTests {
    private static let one = #""input":"say one""#

    private static func text(_ dialect: Dialect, _ modalities: String = #"["text"]"#) -> String {
        (dialect == .ga ? #""output_modalities":"# : #""modalities":"#) + modalities
    }

    private static func session(_ dialect: Dialect) -> String {
        "{\"session\":{\(dialect == .ga ? #""type":"realtime","# : "")\(text(dialect))}}"
    }

    /// Nothing was sent.
    private func expectRefusal(
        _ param: String, _ bridge: APIFixture, _ path: String, of request: () async throws -> APIAnswer
    ) async throws {
        let answer = try await request()
        #expect(answer.status == 400 && answer.code == "form_not_available", "\(answer.text)")
        #expect(answer.error?["param"]?.string == param)
        #expect(answer.error?["appended_bytes"] == nil)
        for list in ["/items", "/responses"] {
            #expect(try await bridge.send("GET", path + list).json?["data"]?.elements.isEmpty == true)
        }
        #expect(bridge.api.streams.registry.gauges.open == 0)
    }

    @Test(arguments: [(Dialect.beta, Dialect.beta), (.ga, .ga), (.ga, .beta), (.beta, .ga)], ["audio/wav", "audio/pcm"])
    func ofAResponseOfTextAlone(dialects: (upstream: Dialect, shown: Dialect), accept: String) async throws {
        let shown = dialects.shown
        try await APIFixture.run(dialect: dialects.upstream, configure: { $0.dialect = shown }) { bridge in
            let path = "/v1/sessions/\(try await bridge.newSession())"
            let name = shown == .ga ? "output_modalities" : "modalities"
            for more in ["", #","conversation":"none""#] {
                try await expectRefusal(name, bridge, path) {
                    try await bridge.send(
                        "POST", path + "/responses", "{\(Self.one),\(Self.text(shown))\(more)}", headers: ["accept": accept])
                }
            }
            let oneShot = try await bridge.send(
                "POST", "/v1/responses", "{\(Self.one),\(Self.text(shown))}", headers: ["accept": accept])
            #expect(oneShot.status == 400 && oneShot.code == "form_not_available" && oneShot.error?["param"]?.string == name)
        }
    }

    @Test(arguments: [(Dialect.beta, Dialect.beta), (.ga, .ga), (.ga, .beta), (.beta, .ga)])
    func ofASessionOfTextAloneUnlessTheResponseSaysOtherwise(upstream: Dialect, shown: Dialect) async throws {
        try await APIFixture.run(dialect: upstream, configure: { $0.dialect = shown }) { bridge in
            let path = "/v1/sessions/\(try await bridge.newSession(Self.session(shown)))"
            try await expectRefusal("accept", bridge, path) {
                try await bridge.send("POST", path + "/responses", "{\(Self.one)}", headers: ["accept": "audio/wav"])
            }
            let named = try await bridge.send("POST", path + "/responses", "{\(Self.one)}", headers: ["accept": "audio/wav"])
            let example = Self.text(shown, shown == .ga ? #"["audio"]"# : #"["text","audio"]"#)
            #expect(named.error?["message"]?.string?.contains(example) == true, "\(named.text)")
            let asked = try await bridge.send(
                "POST", path + "/responses", "{\(Self.one),\(example)}", headers: ["accept": "audio/wav"])
            #expect(asked.status == 200 && asked.headers["content-type"] == "audio/wav")
            #expect(try await bridge.send("POST", path + "/responses", "{\(Self.one)}", headers: ["accept": "text/plain"]).text == "one\n")
        }
    }

    @Test func ofAnUploadBeforeItsFirstByte() async throws {
        try await APIFixture.run { bridge in
            let path = "/v1/sessions/\(try await bridge.newSession(#"{"session":{"modalities":["text"],"turn_detection":null}}"#))"
            for type in ["audio/pcm", "application/json"] {
                try await expectRefusal("accept", bridge, path) {
                    try await bridge.upload(
                        [UInt8](repeating: 0, count: 48_000), to: path + "/input_audio?respond=true",
                        headers: ["content-type": type, "accept": "audio/wav"])
                }
            }
        }
    }

    /// The session may have been changed since; what was paid is given again.
    @Test func ofARequestThatWasCarriedOutItIsNot() async throws {
        try await APIFixture.run { bridge in
            let path = "/v1/sessions/\(try await bridge.newSession())"
            func ask() async throws -> APIAnswer {
                try await bridge.send(
                    "POST", path + "/responses", "{\(Self.one)}", headers: ["accept": "audio/wav", "idempotency-key": "k"])
            }
            let first = try await ask()
            #expect(first.status == 200, "\(first.text)")
            #expect(try await bridge.send("PATCH", path, Self.session(.beta)).status == 200)
            let again = try await ask()
            #expect(again.status == 200 && again.headers["location"] == first.headers["location"])
        }
    }

    @Test func whereNobodyHasSaidWhatThereWillBeItIsAskedFor() async throws {
        let upstream = ScriptedUpstream([.session()])
        try await APIFixture.run(connector: upstream) { bridge in
            let path = "/v1/sessions/\(try await bridge.newSession())"
            let connection = try await upstream.nextConnection()
            async let answer = bridge.send("POST", path + "/responses", "{}", headers: ["accept": "audio/wav"])
            let sent = try JSON.parse(try await connection.nextSent())
            let frames = SpokenFrames(dialect: .beta)
            connection.push(
                frames.created(#","metadata":\#(String(decoding: sent["response"]?["metadata"]?.lexeme ?? [], as: UTF8.self))"#))
            connection.push(frames.done())
            #expect(try await answer.status == 404)
            #expect(try await answer.code == "response_has_no_audio")
        }
    }
}
