import Foundation
import HTTPServer
import Realtime
import Testing

@testable import BridgeAPI

/// The transcript of spoken and written conversations with the simulator, in its three forms.
@Suite struct TranscriptRouteTests {
    /// A second of a tone, then half a second of silence, as an append's body.
    private static func append(seconds: Double, silence: Double = 0) -> String {
        var samples: [UInt8] = []
        for index in 0..<Int(24_000 * (seconds + silence)) {
            let level = Double(index) < 24_000 * seconds ? Int16(12_000 * sin(Double(index) * 2 * .pi * 220 / 24_000)) : 0
            samples += [UInt8(truncatingIfNeeded: level), UInt8(truncatingIfNeeded: level >> 8)]
        }
        return #"{"audio":"\#(Data(samples).base64EncodedString())"}"#
    }

    private static func transcript(_ bridge: APIFixture, _ id: String, _ accept: String? = nil) async throws -> APIAnswer {
        let answer = try await bridge.send("GET", "/v1/sessions/\(id)/transcript", headers: accept.map { ["accept": $0] } ?? [:])
        try #require(answer.status == 200, "\(answer.text)")
        return answer
    }

    @Test(arguments: [Dialect.beta, .ga])
    func committedSpeechAndItsAnswer(upstream: Dialect) async throws {
        try await APIFixture.run(dialect: upstream, configure: { $0.dialect = .beta }) { bridge in
            let id = try await bridge.newSession(
                #"{"session":{"turn_detection":null,"input_audio_transcription":{"model":"whisper-1"}}}"#)
            let path = "/v1/sessions/\(id)"
            #expect(try await bridge.send("POST", path + "/items", #"{"text":"Say <hello> there & good night"}"#).status == 201)
            let spoken = try await bridge.send("POST", path + "/responses", "{}")
            #expect(spoken.status == 200, "\(spoken.text)")
            for _ in 0..<2 {
                #expect(try await bridge.send("POST", path + "/input_audio", Self.append(seconds: 0.7)).status == 202)
                #expect(try await bridge.send("POST", path + "/input_audio/commit").status == 200)
                #expect(try await bridge.send("POST", path + "/responses", "{}").status == 200)
            }
            let item = try #require(spoken.json?["output"]?[0]?["id"]?.string)
            let json = try await Self.transcript(bridge, id)
            #expect(json.headers["content-type"] == "application/json")
            let entries = json.json?["data"]?.elements ?? []
            #expect(entries.map { $0["role"]?.string } == ["user", "assistant", "user", "assistant", "user", "assistant"])
            #expect(entries.map { $0["spoken"]?.bool } == [false, true, true, true, true, true])
            // What was typed has no time. The first sound is the answer's.
            #expect(entries[0]["start_ms"]?.isNull == true && entries[0]["end_ms"]?.isNull == true)
            #expect(entries[1]["start_ms"]?.int == 0)
            #expect(entries[1]["text"]?.string == "<hello> there & good night")
            #expect(entries[1]["response_id"]?.string == spoken.json?["id"]?.string)
            // End to end: audio that is only sent while somebody speaks waits for the answers.
            for (before, after) in zip(entries.dropFirst(), entries.dropFirst(2)) {
                #expect(before["end_ms"]?.int == after["start_ms"]?.int)
            }
            for index in [2, 4] {
                let times = (entries[index]["start_ms"]?.int, entries[index]["end_ms"]?.int)
                #expect((times.1 ?? 0) - (times.0 ?? 0) == 700)
            }
            #expect(json.json?["duration_ms"]?.int == entries[5]["end_ms"]?.int)

            let text = try await Self.transcript(bridge, id, "text/plain")
            #expect(text.headers["content-type"] == "text/plain; charset=utf-8")
            #expect(text.text.hasPrefix("user: Say <hello> there & good night\nassistant: <hello> there & good night\nuser: "))
            let vtt = try await Self.transcript(bridge, id, "text/vtt")
            #expect(vtt.headers["content-type"] == "text/vtt; charset=utf-8")
            #expect(vtt.text.hasPrefix("WEBVTT\n\n\(item)\n00:00:00.000 --> 00:00:0"))
            #expect(vtt.text.contains("\n<v assistant>&lt;hello&gt; there &amp; good night\n"))
            #expect(!vtt.text.contains("Say "))

            // Cut where it was heard: the times after it move up.
            let end = try #require(entries[1]["end_ms"]?.int)
            #expect(try await bridge.send("POST", path + "/items/\(item)/truncate", #"{"audio_end_ms":\#(end / 2)}"#).status == 200)
            let cut = try await Self.transcript(bridge, id).json?["data"]?.elements ?? []
            #expect(cut[1]["end_ms"]?.int == end / 2)
            #expect(cut[1]["truncated"]?.bool == true)
            #expect("<hello> there & good night".hasPrefix(cut[1]["text"]?.string ?? "?"))
            #expect(cut[2]["start_ms"]?.int == end / 2)
            // A deleted one leaves its time.
            let second = try #require(cut[2]["item_id"]?.string)
            #expect(try await bridge.send("DELETE", path + "/items/\(second)").status == 200)
            let left = try await Self.transcript(bridge, id).json?["data"]?.elements ?? []
            #expect(left.map { $0["start_ms"]?.int } == (cut[..<2] + cut[3...]).map { $0["start_ms"]?.int })
        }
    }

    @Test func whatVoiceDetectionFoundIsTimedInTheAudio() async throws {
        try await APIFixture.run { bridge in
            let id = try await bridge.newSession(
                #"{"session":{"modalities":["text"],"turn_detection":{"type":"server_vad","create_response":false}}}"#)
            let path = "/v1/sessions/\(id)"
            for _ in 0..<2 {
                #expect(try await bridge.send("POST", path + "/input_audio", Self.append(seconds: 1, silence: 1)).status == 202)
            }
            // The list, since the session's own count is ahead of what is stored.
            while (try await bridge.send("GET", path + "/items").json?["data"]?.elements.count ?? 0) < 2 { await Task.yield() }
            let page = try await bridge.send(
                "GET", path + "/events?types=*.speech_started,*.speech_stopped&limit=100", headers: ["accept": "application/json"])
            let events = (page.json?["data"]?.elements ?? []).compactMap { $0["event"] }
            let expected = events.compactMap { $0["audio_start_ms"]?.int ?? $0["audio_end_ms"]?.int }
            let entries = try await Self.transcript(bridge, id).json?["data"]?.elements ?? []
            #expect(entries.flatMap { [$0["start_ms"]?.int, $0["end_ms"]?.int] } == expected.map { Optional($0) }, "\(page.text)")
            #expect(entries.count == 2)
            // Nobody wrote down what was said.
            #expect(entries.allSatisfy { $0["text"]?.isNull == true && $0["spoken"]?.bool == true })
            #expect(try await Self.transcript(bridge, id, "text/plain").text == "user: [not transcribed]\nuser: [not transcribed]\n")
            #expect(try await Self.transcript(bridge, id, "text/vtt").text == "WEBVTT\n")
        }
    }

    @Test func theTranscriptOfASessionThatIsOverCanBeRead() async throws {
        try await APIFixture.run { bridge in
            let id = try await bridge.newSession()
            #expect(try await Self.transcript(bridge, id).json?["data"]?.elements.isEmpty == true)
            #expect(try await bridge.send("POST", "/v1/sessions/\(id)/responses", #"{"input":"say one two"}"#).status == 200)
            #expect(try await bridge.send("DELETE", "/v1/sessions/\(id)?keep=true").status == 200)
            #expect(try await Self.transcript(bridge, id, "text/plain").text == "user: say one two\nassistant: one two\n")
            let browser = try await Self.transcript(bridge, id, "text/html,application/xhtml+xml,*/*;q=0.8")
            #expect(browser.json?["object"]?.string == "realtime.transcript")
            #expect(try await bridge.send("GET", "/v1/sessions/none/transcript").code == "session_not_found")
            #expect(try await bridge.send("GET", "/v1/sessions/\(id)/transcript?limit=1").code == "unknown_parameter")
        }
    }
}
