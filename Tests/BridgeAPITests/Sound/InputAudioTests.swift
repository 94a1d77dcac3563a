import Audio
import Foundation
import HTTPServer
import Realtime
import TestSupport
import Testing

@testable import BridgeAPI

/// Uploads of sound against the simulator: what is answered, and what upstream received.
@Suite struct InputAudioTests {
    /// A second and a bit of noise: no two stretches are alike.
    private static func noise(_ count: Int) -> [UInt8] {
        var random = SeededRandom(seed: 7)
        return (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
    }

    private static let beta = #"{"session":{"modalities":["text"],"turn_detection":null}}"#

    /// All audio appended over the first connection, by the simulator's own record.
    private static func appended(_ record: URL) throws -> (bytes: [UInt8], sizes: [Int]) {
        var bytes: [UInt8] = []
        var sizes: [Int] = []
        for line in try Data(contentsOf: record).split(separator: UInt8(ascii: "\n")) {
            let line = try JSON.parse(Array(line), maximumDepth: 256)
            guard line["direction"]?.string == "in", line["frame"]?["type"]?.string == "input_audio_buffer.append" else { continue }
            let audio = try #require(Base64.decoded(Array((line["frame"]?["audio"]?.string ?? "").utf8)[...]))
            bytes += audio
            sizes.append(audio.count)
        }
        return (bytes, sizes)
    }

    private static func recorded(
        _ dialect: Dialect, _ body: (APIFixture, URL) async throws -> Void
    ) async throws {
        let record = FileManager.default.temporaryDirectory.appending(path: "upload-\(UUID().uuidString).jsonl")
        defer { try? FileManager.default.removeItem(at: record) }
        try await APIFixture.run(dialect: dialect, record: record.path, configure: { $0.dialect = .beta }) { try await body($0, record) }
    }

    @Test(arguments: [Dialect.beta, .ga])
    func soundInTheSessionsFormatReachesUpstreamByteForByte(dialect: Dialect) async throws {
        let sound = Self.noise(60_002)
        let wav = WAVHeader.bytes(SoundFormat(.pcm16, rate: 24_000), dataBytes: nil) + sound
        try await Self.recorded(dialect) { bridge, record in
            let path = "/v1/sessions/\(try await bridge.newSession(Self.beta))/input_audio"
            var expected: [UInt8] = []
            let requests: [(String, HTTPHeaders, [UInt8])] = [
                ("PUT", [:], wav), ("POST", ["content-type": "audio/wav"], wav), ("POST", ["content-type": "audio/x-wav"], wav),
                ("POST", ["content-type": "application/x-www-form-urlencoded"], wav),
                ("PUT", ["content-type": "application/octet-stream"], wav), ("PUT", ["content-type": "audio/pcm"], sound),
                ("POST", ["content-type": "audio/pcm; rate=24000; channels=1"], sound),
            ]
            for (method, headers, bytes) in requests {
                let answer = try await bridge.upload(bytes, to: path, method: method, headers: headers)
                #expect(answer.status == 202, "\(answer.text)")
                #expect(answer.text == #"{"bytes":60002,"duration_ms":1250,"appends":13}"# + "\n")
                expected += sound
            }
            // Each is sent in the order in which it was taken, so a confirmed command comes after all of them.
            #expect(try await bridge.send("POST", path + "/commit").status == 200)
            let appended = try Self.appended(record)
            #expect(appended.bytes == expected)
            #expect(appended.sizes.max() == 4_800)
        }
    }

    @Test(arguments: [Dialect.beta, .ga])
    func soundOfOtherFormatsIsConverted(dialect: Dialect) async throws {
        try await Self.recorded(dialect) { bridge, record in
            let path = "/v1/sessions/\(try await bridge.newSession(Self.beta))/input_audio"
            let stereo = SoundFormat(.pcm24, rate: 48_000, channels: 2)
            // The same value in both channels and all moments: what comes out is that value.
            let bytes = Array(repeatElement([0, 0, 0x10] as [UInt8], count: 2 * 4_800).joined())
            let answer = try await bridge.upload(
                WAVHeader.bytes(stereo, dataBytes: bytes.count) + bytes, to: path, headers: ["content-type": "audio/wav"])
            #expect(answer.text == #"{"bytes":4800,"duration_ms":100,"appends":1}"# + "\n")
            let raw = try await bridge.upload(
                bytes, to: path, headers: ["content-type": "audio/pcm;rate=48000;channels=2;encoding=s24le"])
            #expect(raw.text == answer.text)
            let big = try await bridge.upload(
                Array(repeatElement([0x10, 0] as [UInt8], count: 4_800).joined()), to: path,
                headers: ["content-type": "audio/L16;rate=48000"])
            #expect(big.text == answer.text)
            #expect(try await bridge.send("POST", path + "/commit").status == 200)
            let appended = try Self.appended(record).bytes
            #expect(appended.count == 3 * 4_800)
            // Away from the ends, where the filter swings.
            for third in 0..<3 {
                let samples = (600..<1_800).map { index in
                    Int(
                        Int16(
                            bitPattern: UInt16(appended[third * 4_800 + 2 * index]) | UInt16(appended[third * 4_800 + 2 * index + 1]) << 8))
                }
                #expect(samples.allSatisfy { abs($0 - 0x1000) < 8 }, "\(third)")
            }
        }
    }

    @Test(arguments: [Dialect.beta, .ga], ["g711_ulaw", "g711_alaw"])
    func aTelephonesSessionTakesItsOwnAndOtherSound(dialect: Dialect, format: String) async throws {
        try await Self.recorded(dialect) { bridge, record in
            let id = try await bridge.newSession(#"{"session":{"turn_detection":null,"input_audio_format":"\#(format)"}}"#)
            let path = "/v1/sessions/\(id)/input_audio"
            let sound = Self.noise(2_400)
            let name = format == "g711_ulaw" ? "audio/pcmu" : "audio/pcma"
            for type in [name, "audio/pcm", name + ";rate=8000"] {
                let answer = try await bridge.upload(sound, to: path, headers: ["content-type": type])
                #expect(answer.text == #"{"bytes":2400,"duration_ms":300,"appends":3}"# + "\n")
            }
            let silence = try await bridge.upload(
                [UInt8](repeating: 0, count: 4_800), to: path, headers: ["content-type": "audio/pcm;rate=24000"])
            #expect(silence.text == #"{"bytes":800,"duration_ms":100,"appends":1}"# + "\n")
            #expect(try await bridge.send("POST", path + "/commit").status == 200)
            let code: UInt8 = format == "g711_ulaw" ? 0xFF : 0xD5
            #expect(try Self.appended(record).bytes == sound + sound + sound + [UInt8](repeating: code, count: 800))
        }
    }

    @Test(arguments: [Dialect.beta, .ga])
    func anUploadIsCommittedAndAnswered(dialect: Dialect) async throws {
        try await APIFixture.run(dialect: dialect, configure: { $0.dialect = .beta }) { bridge in
            let id = try await bridge.newSession(Self.beta)
            let path = "/v1/sessions/\(id)/input_audio"
            let sound = Self.noise(48_000)
            let committed = try await bridge.upload(sound, to: path + "?commit=true", headers: ["content-type": "audio/pcm"])
            #expect(committed.status == 200, "\(committed.text)")
            let item = try #require(committed.json?["item_id"]?.string)
            #expect(committed.json?["previous_item_id"]?.isNull == true)
            #expect(committed.json?["duration_ms"]?.int == 1_000)

            let answered = try await bridge.upload(sound, to: path + "?respond=true", headers: ["content-type": "audio/pcm"])
            #expect(answered.status == 200, "\(answered.text)")
            #expect(answered.json?["previous_item_id"]?.string == item)
            #expect(answered.json?["response"]?["status"]?.string == "completed")
            #expect(answered.json?["response"]?["output_text"]?.string?.isEmpty == false)

            let streamed = try await bridge.upload(
                sound, to: path + "?respond", headers: ["content-type": "audio/pcm", "accept": "text/event-stream"])
            #expect(streamed.status == 200)
            #expect(streamed.text.contains("event: response.created"))
            #expect(streamed.text.contains("event: response.text.delta"))
            #expect(streamed.text.hasSuffix("\n\n") && streamed.text.contains("event: response.done"))

            // The same for JSON, and for who does not wait.
            let json = #"{"audio":"\#(String(decoding: Base64.encoded(sound[...]), as: UTF8.self))"}"#
            let fromJSON = try await bridge.send("POST", path + "?respond=true", json)
            #expect(fromJSON.json?["response"]?["status"]?.string == "completed", "\(fromJSON.text)")
            let unwaited = try await bridge.send("POST", path + "?commit=true", json, headers: ["prefer": "respond-async"])
            #expect(unwaited.status == 202)
            #expect(unwaited.json?["bytes"]?.int == 48_000)
            #expect(unwaited.json?["receipts"]?.elements.map { $0["type"]?.string } == ["input_audio_buffer.commit"])
        }
    }

    /// By POST …/responses, by GET, and here.
    @Test func aResponseHasOneShape() async throws {
        try await APIFixture.run { bridge in
            let session = "/v1/sessions/\(try await bridge.newSession(#"{"session":{"turn_detection":null}}"#))"
            let answered = try await bridge.upload(
                Self.noise(48_000), to: session + "/input_audio?respond=true", headers: ["content-type": "audio/pcm"])
            let response = try #require(answered.json?["response"], "\(answered.text)")
            #expect(response["output_audio"]?["href"]?.string?.hasPrefix(session + "/responses/") == true)
            let stored = try await bridge.send("GET", session + "/responses/\(response["id"]?.string ?? "")")
            #expect(stored.json.map { Array($0.lexeme) } == Array(response.lexeme))
        }
    }

    @Test(arguments: [("commit", ["input_audio_buffer.commit"]), ("respond", ["input_audio_buffer.commit", "response.create"])])
    func whoDoesNotWaitHasReceipts(ending: String, types: [String]) async throws {
        try await APIFixture.run { bridge in
            let session = "/v1/sessions/\(try await bridge.newSession(Self.beta))"
            let answer = try await bridge.upload(
                Self.noise(48_000), to: session + "/input_audio?\(ending)=true",
                headers: ["content-type": "audio/pcm", "prefer": "respond-async"])
            #expect(answer.status == 202, "\(answer.text)")
            #expect(answer.json?["bytes"]?.int == 48_000)
            let receipts = try #require(answer.json?["receipts"]?.elements)
            #expect(receipts.map { $0["type"]?.string } == types)
            for receipt in receipts {
                #expect(receipt["object"]?.string == "realtime.command")
                #expect(receipt["status"]?.string == "accepted")
                #expect(receipt["event_id"]?.string?.isEmpty == false)
            }
        }
    }

    /// Repeating the upload would say everything twice.
    @Test(arguments: [[:], ["prefer": "respond-async"]] as [HTTPHeaders])
    func aResponseThatCannotBeAskedForLeavesTheAudioCommittedAndSaysSo(headers: HTTPHeaders) async throws {
        try await APIFixture.run(deltaDelay: .milliseconds(100)) { bridge in
            let session = "/v1/sessions/\(try await bridge.newSession(Self.beta))"
            let running = try await bridge.send("POST", session + "/responses", #"{"input":"Count to 1000","background":true}"#)
            #expect(running.status == 202)
            var headers = headers
            headers.add("content-type", "audio/pcm")
            let refused = try await bridge.upload(Self.noise(48_000), to: session + "/input_audio?respond=true", headers: headers)
            #expect(refused.status == 409, "\(refused.text)")
            #expect(refused.code == "conversation_already_has_active_response")
            #expect(refused.headers["x-should-retry"] == "false")
            let message = refused.error?["message"]?.string ?? ""
            let told = headers["prefer"] == nil ? "The audio is committed as 'item_" : "The commit of the audio was sent"
            #expect(message.contains(told) && message.hasSuffix("ask for its response with POST …/responses."))
            #expect(refused.error?["appended_bytes"]?.int == 48_000)
            let cancelled = try await bridge.send(
                "POST", session + "/responses/\(running.json?["id"]?.string ?? "")/cancel")
            #expect(cancelled.status == 200)
            // As it says: the audio is there, once.
            let items = try await bridge.send("GET", session + "/items")
            let spoken = items.json?["data"]?.elements.filter { $0["content"]?.elements.first?["type"]?.string == "input_audio" }
            #expect(spoken?.count == 1)
            if headers["prefer"] == nil { #expect(refused.error?["item_id"]?.string == spoken?.first?["id"]?.string) }
            #expect(try await bridge.send("POST", session + "/responses").status == 200)
        }
    }

    @Test(arguments: [Dialect.beta, .ga])
    func aTranscriptionSessionAnswersNothingAndSaysSoAtOnce(dialect: Dialect) async throws {
        try await Self.recorded(dialect) { bridge, record in
            let id = try await bridge.newSession(
                #"{"session":{"type":"transcription","input_audio_transcription":{"model":"gpt-4o-transcribe"}}}"#)
            let path = "/v1/sessions/\(id)"
            for type in ["audio/pcm", "application/json", ""] {
                let refused = try await bridge.upload(
                    Array(#"{"audio":"AAAA"}"#.utf8), to: path + "/input_audio?respond=true",
                    headers: type.isEmpty ? [:] : ["content-type": type])
                #expect(refused.status == 400, "\(refused.text)")
                #expect(refused.error?["param"]?.string == "respond")
                #expect(refused.error?["message"]?.string?.hasSuffix("leave 'respond' out.") == true)
            }
            for (route, body) in [
                ("/responses", nil), ("/responses", #"{"conversation":"none"}"#), ("/responses", #"{"input":"Hi","if_active":"queue"}"#),
                ("/events", #"{"type":"response.create"}"#),
            ] {
                let refused = try await bridge.send("POST", path + route, body)
                #expect(refused.status == 400, "\(refused.text)")
                #expect(refused.error?["message"]?.string?.contains("answers nothing") == true, "\(refused.text)")
            }
            #expect(try Self.appended(record).bytes.isEmpty)
            #expect(try !String(contentsOf: record, encoding: .utf8).contains("response.create"))
            // What it is for goes on.
            let committed = try await bridge.upload(
                Self.noise(48_000), to: path + "/input_audio?commit=true", headers: ["content-type": "audio/pcm"])
            #expect(committed.status == 200, "\(committed.text)")
        }
    }

    @Test func aBodyThatIsEmptyIsToldWhatToSend() async throws {
        try await APIFixture.run { bridge in
            let path = "/v1/sessions/\(try await bridge.newSession(Self.beta))/input_audio"
            for type in [nil, "application/x-www-form-urlencoded", "application/octet-stream"] {
                let answer = try await bridge.upload([], to: path, headers: type.map { ["content-type": $0] } ?? [:])
                #expect(answer.status == 400)
                #expect(answer.code == "invalid_audio")
                let message = answer.error?["message"]?.string ?? ""
                #expect(message.hasPrefix("The body is empty. Send WAV (audio/wav"), "\(answer.text)")
            }
        }
    }

    @Test(arguments: ["audio/pcm;rate=24000;rate=8000", "audio/pcm; channels=1; rate=24000; channels=1", "audio/L16;rate=8000;rate=8000"])
    func aParameterThatIsGivenTwiceIsRefused(type: String) async throws {
        try await APIFixture.run { bridge in
            let path = "/v1/sessions/\(try await bridge.newSession(Self.beta))/input_audio"
            let answer = try await bridge.upload(Self.noise(480), to: path, headers: ["content-type": type])
            #expect(answer.status == 400)
            #expect(answer.code == "invalid_value")
            #expect(answer.error?["param"]?.string == "content-type")
            #expect(answer.error?["message"]?.string?.hasSuffix("is given twice.") == true)
        }
    }

    /// Neither a body nor its beginning: a client that waits to be told to send it is answered instead.
    @Test(arguments: ["audio/pcm", "application/json", ""])
    func anEndedSessionTakesNoByte(type: String) async throws {
        try await APIFixture.run { bridge in
            let id = try await bridge.newSession(Self.beta)
            #expect(try await bridge.send("DELETE", "/v1/sessions/\(id)?keep=true").status == 200)
            let head = try APIFixture.head(
                "PUT", "/v1/sessions/\(id)/input_audio", bodyBytes: 1_000, headers: type.isEmpty ? [:] : ["content-type": type])
            let body = RequestBody(Self.noise(1_000))
            let answer = try await APIAnswer(await bridge.api.respond(to: Request(head: head, body: body)))
            #expect(answer.status == 410)
            #expect(answer.code == "session_closed")
            #expect(try await body.next()?.count == 1_000)
        }
    }

    @Test func whoDoesNotWaitIsAnsweredAllTheSame() async throws {
        try await APIFixture.run { bridge in
            let path = "/v1/sessions/\(try await bridge.newSession(Self.beta))"
            let json = #"{"audio":"\#(String(decoding: Base64.encoded(Self.noise(48_000)[...]), as: UTF8.self))"}"#
            let answer = try await bridge.send("POST", path + "/input_audio?respond=true", json, headers: ["prefer": "respond-async"])
            #expect(answer.status == 202)
            let events = try await bridge.send("GET", path + "/events?until=response.done")
            #expect(events.text.contains(#""status":"completed""#))
        }
    }

    @Test func whatUpstreamRefusesOfTheEndSaysWhatWasAppended() async throws {
        try await APIFixture.run { bridge in
            let path = "/v1/sessions/\(try await bridge.newSession(Self.beta))/input_audio"
            // Less than 100 ms.
            let short = try await bridge.upload(Self.noise(1_000), to: path + "?commit=true", headers: ["content-type": "audio/pcm"])
            #expect(short.status == 400)
            #expect(short.code == "input_audio_buffer_commit_empty")
            #expect(short.error?["appended_bytes"]?.int == 1_000)
        }
    }

    @Test(arguments: [
        // A body, its type, and how much of it upstream is sent before the fault is seen.
        (WAVHeader.bytes(SoundFormat(.pcm16, rate: 24_000), dataBytes: 20_000) + noise(10_000), "audio/wav", 9_600),
        (noise(10_001), "audio/pcm", 9_600), (noise(20_001), "audio/pcm;rate=48000", 9_600),
        (Array(WAVHeader.bytes(SoundFormat(.pcm16, rate: 24_000), dataBytes: 20_000).prefix(40)), "audio/wav", 0),
        (WAVHeader.bytes(SoundFormat(.pcm16, rate: 24_000), dataBytes: 0), "audio/wav", 0),
    ])
    func aBodyThatEndsTooEarlySaysHowMuchWasAppended(body: [UInt8], type: String, bytes: Int) async throws {
        try await APIFixture.run { bridge in
            let id = try await bridge.newSession(Self.beta)
            let answer = try await bridge.upload(body, to: "/v1/sessions/\(id)/input_audio", headers: ["content-type": type])
            #expect(answer.status == 400)
            #expect(answer.code == "invalid_audio")
            #expect(answer.error?["appended_bytes"]?.int == bytes, "\(answer.text)")
            // It was answered, so the stream need not say it.
            let events = try await bridge.send("GET", "/v1/sessions/\(id)/events?types=bridge.*", headers: ["accept": "application/json"])
            #expect(!events.text.contains("bridge.input_audio.failed"))
            // And the next one is taken.
            let next = try await bridge.upload(
                Self.noise(480), to: "/v1/sessions/\(id)/input_audio", headers: ["content-type": "audio/pcm"])
            #expect(next.status == 202)
        }
    }

    @Test(
        arguments: [
            ([0xFF, 0xFB, 0x90, 0x64], true), ([0xFF, 0xF3, 0x48, 0xC4], true),
            // ADTS, which is AAC; a layer, a bit rate, and a sample rate that there are not.
            ([0xFF, 0xF1, 0x50, 0x80], false), ([0xFF, 0xE1, 0x90, 0x64], false), ([0xFF, 0xFB, 0xF0, 0x64], false),
            ([0xFF, 0xFB, 0x9C, 0x64], false),
        ] as [([UInt8], Bool)])
    func anMP3FileIsKnownByItsFirstFrame(beginning: [UInt8], isKnown: Bool) {
        #expect((try? SoundType(beginning: beginning)) == (isKnown ? .compressed : nil))
    }

    @Test func soundIsNotBoundByTheLimitsOfJSON() async throws {
        try await APIFixture.run(configure: {
            $0.maximumBodyBytes = 1_000
            $0.maximumBodyBytesTogether = 2_000
        }) { bridge in
            let path = "/v1/sessions/\(try await bridge.newSession(Self.beta))/input_audio"
            #expect(try await bridge.upload(Self.noise(100_000), to: path, headers: ["content-type": "audio/pcm"]).status == 202)
            let wav = WAVHeader.bytes(SoundFormat(.pcm16, rate: 24_000), dataBytes: nil) + Self.noise(100_000)
            #expect(try await bridge.upload(wav, to: path).status == 202)
            #expect(bridge.api.bodies.used == 0)
            let json = Array(#"{"audio":"\#(String(repeating: "A", count: 4_000))"}"#.utf8)
            #expect(try await bridge.upload(json, to: path).status == 413)
            #expect(try await bridge.upload(json, to: path, headers: ["content-type": "application/json"]).status == 413)
        }
    }

    @Test func aRefusalNamesWhatCanBeSent() async throws {
        try await APIFixture.run { bridge in
            let path = "/v1/sessions/\(try await bridge.newSession(Self.beta))/input_audio"
            let wav = WAVHeader.bytes(SoundFormat(.pcm16, rate: 3_000), dataBytes: nil) + Self.noise(100)
            for (body, type) in [(wav, "audio/wav"), (Self.noise(10), "audio/aac"), (Self.noise(30), "")] {
                let answer = try await bridge.upload(body, to: path, headers: type.isEmpty ? [:] : ["content-type": type])
                #expect(answer.status == 415)
                for name in ["audio/wav", "audio/pcm", "audio/flac", "audio/ogg", "audio/mpeg", "application/json"] {
                    #expect(answer.error?["message"]?.string?.contains(name) == true)
                }
            }
        }
    }
}
