import Audio
import EventLog
import Foundation
import HTTPServer
import Realtime
import Sessions
import TestSupport
import Testing

@testable import BridgeAPI

/// `…/audio` of responses and items, against the simulator and against a server that does what the test says.
@Suite struct AudioRoutesTests {
    struct Format: Sendable, CustomTestStringConvertible {
        let beta: String
        let ga: String
        let sound: SoundFormat
        let raw: String

        static let all = [
            Format(
                beta: "pcm16", ga: #"{"type":"audio/pcm","rate":24000}"#, sound: SoundFormat(.pcm16, rate: 24_000),
                raw: "audio/pcm;rate=24000;channels=1"),
            Format(
                beta: "g711_ulaw", ga: #"{"type":"audio/pcmu"}"#, sound: SoundFormat(.muLaw, rate: 8_000),
                raw: "audio/pcmu;rate=8000;channels=1"),
            Format(
                beta: "g711_alaw", ga: #"{"type":"audio/pcma"}"#, sound: SoundFormat(.aLaw, rate: 8_000),
                raw: "audio/pcma;rate=8000;channels=1"),
        ]
        var testDescription: String { beta }

        func session(_ dialect: Dialect) -> String {
            dialect == .beta
                ? #"{"session":{"output_audio_format":"\#(beta)","turn_detection":null}}"#
                : #"{"session":{"type":"realtime","audio":{"input":{"turn_detection":null},"output":{"format":\#(ga)}}}}"#
        }
    }

    private static func events(_ bridge: APIFixture, _ path: String, until: String = "response.done") async throws -> String {
        try await bridge.send("GET", "\(path)/events?until=\(until)", headers: ["accept": "application/x-ndjson"]).text
    }

    // MARK: What is read later

    @Test(arguments: [Dialect.beta, .ga], Format.all)
    func theAudioIsTheDeltasByteForByte(dialect: Dialect, format: Format) async throws {
        try await APIFixture.run(dialect: dialect) { bridge in
            let path = "/v1/sessions/\(try await bridge.newSession(format.session(dialect)))"
            let spoken = try await bridge.send("POST", path + "/responses", #"{"input":"say one two three four five"}"#)
            let response = try #require(spoken.json?["id"]?.string, "\(spoken.text)")
            let item = try #require(spoken.json?["output"]?[0]?["id"]?.string)
            let expected = try deltas(in: try await Self.events(bridge, path))
            #expect(expected.count > format.sound.bytesPerSecond / 2)

            let audio = try await bridge.send("GET", "\(path)/responses/\(response)/audio")
            #expect(audio.status == 200 && audio.headers["content-type"] == "audio/wav" && audio.headers["accept-ranges"] == "bytes")
            let header = WAVHeader.bytes(format.sound, dataBytes: expected.count)
            let padding: [UInt8] = expected.count % 2 == 1 ? [0] : []
            #expect(audio.bytes == header + expected + padding)
            #expect(try await bridge.send("GET", "\(path)/items/\(item)/audio", headers: ["accept": "audio/*"]).bytes == audio.bytes)
            for route in ["responses/\(response)", "items/\(item)"] {
                let raw = try await bridge.send("GET", "\(path)/\(route)/audio", headers: ["accept": "audio/pcm"])
                #expect(raw.bytes == expected && raw.headers["content-type"] == format.raw)
            }
            // The same by the response's own address.
            let accepted = try await bridge.send("GET", "\(path)/responses/\(response)", headers: ["accept": "audio/wav"])
            #expect(accepted.bytes == audio.bytes)
            let words = try await bridge.send("GET", "\(path)/responses/\(response)", headers: ["accept": "text/plain"])
            #expect(words.text == "one two three four five\n" && words.headers["content-type"] == "text/plain; charset=utf-8")

            let member = spoken.json?["output_audio"]
            #expect(member?["format"]?.string == "audio/wav" && member?["href"]?.string == "\(path)/responses/\(response)/audio")
            #expect(member?["duration_ms"]?.int == expected.count * 1_000 / format.sound.bytesPerSecond)
            for shown in [
                try await bridge.send("GET", "\(path)/responses/\(response)").json,
                try await bridge.send("GET", "\(path)/responses").json?["data"]?[0],
            ] {
                #expect(shown?["output_audio"]?["duration_ms"]?.int == member?["duration_ms"]?.int)
            }
            #expect(bridge.api.streams.registry.gauges.open == 0)
        }
    }

    @Test func aFormatIsTheOneOfItsOwnTime() async throws {
        try await APIFixture.run(dialect: .beta) { bridge in
            let path = "/v1/sessions/\(try await bridge.newSession())"
            func format(_ response: JSON?) async throws -> [UInt8] {
                let id = try #require(response?["id"]?.string)
                return Array(try await bridge.send("GET", "\(path)/responses/\(id)/audio").bytes[20..<28])
            }
            let first = try await bridge.send("POST", path + "/responses", #"{"input":"say one"}"#)
            // Out of band, in a format of its own.
            let second = try await bridge.send(
                "POST", path + "/responses", #"{"input":"say one two","conversation":"none","output_audio_format":"g711_ulaw"}"#)
            _ = try await bridge.send("PATCH", path, #"{"session":{"output_audio_format":"g711_alaw"}}"#)
            let third = try await bridge.send("POST", path + "/responses", #"{"input":"say one"}"#)
            #expect(try await format(first.json) == [1, 0, 1, 0, 0xC0, 0x5D, 0, 0])
            #expect(try await format(second.json) == [7, 0, 1, 0, 0x40, 0x1F, 0, 0])
            #expect(try await format(third.json) == [6, 0, 1, 0, 0x40, 0x1F, 0, 0])
            // Its items are none of the conversation's, and its length is known all the same.
            let length = try await bridge.send("GET", "\(path)/responses/\(second.json?["id"]?.string ?? "")/audio").bytes.count
            #expect(second.json?["output_audio"]?["duration_ms"]?.int == (length - 58) / 8)
            let item = second.json?["output"]?[0]?["id"]?.string ?? ""
            #expect(try await bridge.send("GET", "\(path)/items/\(item)/audio").code == "item_not_found")
        }
    }

    /// Servers that leave the format out of their responses: it is what the session was configured with when the response began.
    @Test func aFormatThatTheResponseDoesNotSayIsTheSessionsOfThatTime() async throws {
        func session(_ type: String, _ format: String) -> String {
            #"{"type":"session.\#(type)","session":{"id":"sess_1","output_audio_format":"\#(format)"}}"#
        }
        let upstream = ScriptedUpstream([.open(created: session("created", "g711_ulaw"))])
        try await APIFixture.run(connector: upstream) { bridge in
            let path = "/v1/sessions/\(try await bridge.newSession())"
            let connection = try await upstream.nextConnection()
            for (number, format) in [(1, "pcm16"), (2, "g711_alaw")] {
                let frames = SpokenFrames(dialect: .beta, response: "resp_\(number)")
                for frame in SpokenFrames.noise(1_500, bytes: 10) + [frames.created()] + frames.began("item_\(number)") {
                    connection.push(frame)
                }
                connection.push(frames.audio(sound(100), of: "item_\(number)"))
                connection.push(frames.done())
                connection.push(session("updated", format))
            }
            connection.push(#"{"type":"vendor.end"}"#)
            _ = try await Self.events(bridge, path, until: "vendor.end")
            #expect(try await bridge.send("GET", path + "/responses/resp_1/audio").bytes[20] == 7)
            #expect(try await bridge.send("GET", path + "/items/item_2/audio").bytes[20] == 1)
        }
    }

    @Test func partsOfItAreGiven() async throws {
        try await APIFixture.run { bridge in
            let path = "/v1/sessions/\(try await bridge.newSession())"
            let spoken = try await bridge.send("POST", path + "/responses", #"{"input":"say one two three"}"#)
            let place = "\(path)/responses/\(spoken.json?["id"]?.string ?? "")/audio"
            let whole = try await bridge.send("GET", place)
            let tag = try #require(whole.headers["etag"])
            let count = whole.bytes.count
            for (range, expected) in [
                ("bytes=0-3", 0..<4), ("bytes=40-99", 40..<100), ("bytes=44-", 44..<count), ("bytes=-1000", count - 1_000..<count),
                ("bytes=20000-60001", 20_000..<min(60_002, count)), ("bytes=\(count - 1)-\(count + 5)", count - 1..<count),
            ] {
                let part = try await bridge.send("GET", place, headers: ["range": range, "if-range": tag])
                #expect(part.status == 206 && part.bytes == Array(whole.bytes[expected]), "\(range)")
                #expect(part.headers["content-range"] == "bytes \(expected.lowerBound)-\(expected.upperBound - 1)/\(count)")
            }
            let beyond = try await bridge.send("GET", place, headers: ["range": "bytes=\(count)-"])
            #expect(beyond.status == 416 && beyond.code == "range_not_satisfiable")
            #expect(beyond.headers["content-range"] == "bytes */\(count)")
            #expect(try await bridge.send("GET", place, headers: ["range": "bytes=0-1,4-5"]).bytes == whole.bytes)
            #expect(try await bridge.send("GET", place, headers: ["range": "bytes=0-1", "if-range": "\"other\""]).status == 200)
            let raw = try await bridge.send("GET", place, headers: ["range": "bytes=0-99", "accept": "audio/pcm"])
            #expect(raw.bytes == Array(whole.bytes[44..<144]))
        }
    }

    @Test(arguments: [0, 1, 100, 150])
    func aTruncatedItemEndsWhereItWasCut(milliseconds: Int) async throws {
        try await APIFixture.run { bridge in
            let path = "/v1/sessions/\(try await bridge.newSession())"
            let spoken = try await bridge.send("POST", path + "/responses", #"{"input":"say hello there"}"#)
            let response = try #require(spoken.json?["id"]?.string)
            let item = try #require(spoken.json?["output"]?[0]?["id"]?.string)
            let whole = try await bridge.send("GET", "\(path)/items/\(item)/audio")
            let cut = try await bridge.send("POST", "\(path)/items/\(item)/truncate", "{\"audio_end_ms\":\(milliseconds)}")
            #expect(cut.status == 200, "\(cut.text)")
            for route in ["items/\(item)", "responses/\(response)"] {
                let audio = try await bridge.send("GET", "\(path)/\(route)/audio")
                #expect(Array(audio.bytes.dropFirst(44)) == Array(whole.bytes.dropFirst(44).prefix(48 * milliseconds)))
                #expect(audio.headers["etag"] != whole.headers["etag"])
                let raw = try await bridge.send("GET", "\(path)/\(route)/audio", headers: ["accept": "audio/pcm"])
                #expect(raw.status == 200 && raw.bytes.count == 48 * milliseconds)
            }
            let shown = try await bridge.send("GET", "\(path)/responses/\(response)")
            #expect(shown.json?["output_audio"]?["duration_ms"]?.int == milliseconds)
        }
    }

    @Test func aCancelledResponseEndsWhereItWasCancelled() async throws {
        try await APIFixture.run(deltaDelay: .milliseconds(5)) { bridge in
            let path = "/v1/sessions/\(try await bridge.newSession())"
            let begun = try await bridge.send("POST", path + "/responses", #"{"input":"count to 1000","background":true}"#)
            let response = try #require(begun.json?["id"]?.string)
            _ = try await Self.events(bridge, path, until: "response.audio.delta")
            async let live = bridge.send("GET", "\(path)/responses/\(response)/audio", headers: ["accept": "audio/pcm"])
            let cancelled = try await bridge.send("POST", "\(path)/responses/\(response)/cancel")
            #expect(cancelled.json?["status"]?.string == "cancelled")
            let expected = try deltas(in: try await Self.events(bridge, path))
            #expect(!expected.isEmpty)
            #expect(try await live.bytes == expected)
            #expect(try await bridge.send("GET", "\(path)/responses/\(response)/audio").bytes.dropFirst(44) == expected[...])
        }
    }

    /// Upstream names the part that would have been sound.
    @Test(arguments: [Dialect.beta, .ga], [false, true])
    func aResponseThatEndedBeforeItsFirstSoundHasNoAudio(dialect: Dialect, isOutOfBand: Bool) async throws {
        let upstream = ScriptedUpstream([.session()])
        try await APIFixture.run(connector: upstream, dialect: dialect) { bridge in
            let path = "/v1/sessions/\(try await bridge.newSession())"
            let connection = try await upstream.nextConnection()
            let frames = SpokenFrames(dialect: dialect)
            connection.push(frames.created(isOutOfBand ? #","conversation_id":null"# : ""))
            for frame in frames.began("item_1").prefix(isOutOfBand ? 1 : 2) { connection.push(frame) }
            let part = #"{"type":"\#(dialect == .beta ? "audio" : "output_audio")","transcript":""}"#
            let item = #"{"id":"item_1","type":"message","role":"assistant","status":"incomplete","content":[\#(part)]}"#
            connection.push(#"{"type":"response.done","response":{"id":"resp_1","status":"cancelled","output":[\#(item)]}}"#)
            _ = try await Self.events(bridge, path)
            let shown = try await bridge.send("GET", path + "/responses/resp_1")
            #expect(shown.json?["status"]?.string == "cancelled" && shown.json?["output_audio"] == nil, "\(shown.text)")
            #expect(try await bridge.send("GET", path + "/responses").json?["data"]?[0]?["output_audio"] == nil)
            #expect(try await bridge.send("GET", path + "/responses/resp_1/audio").code == "response_has_no_audio")
        }
    }

    @Test func anotherProcessHasItToo() async throws {
        let folder = NSTemporaryDirectory() + "produced-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let before = NIOBox<(place: String, bytes: [UInt8])>(("", []))
        try await APIFixture.run(storage: EventLogConfiguration(storage: .directory(folder))) { bridge in
            let path = "/v1/sessions/\(try await bridge.newSession())"
            let spoken = try await bridge.send("POST", path + "/responses", #"{"input":"say one two three"}"#)
            let place = "\(path)/responses/\(spoken.json?["id"]?.string ?? "")/audio"
            before.value = (place, try await bridge.send("GET", place).bytes)
        }
        try await APIFixture.run(storage: EventLogConfiguration(storage: .directory(folder))) { bridge in
            let after = try await bridge.send("GET", before.value.place)
            #expect(after.status == 200 && after.bytes == before.value.bytes && after.bytes.count > 10_000)
        }
    }

    // MARK: While it is produced

    @Test(arguments: [Dialect.beta, .ga])
    func aReaderHearsTheResponseBeforeItHasEnded(dialect: Dialect) async throws {
        let upstream = ScriptedUpstream([.session()])
        try await APIFixture.run(connector: upstream, dialect: dialect) { bridge in
            let path = "/v1/sessions/\(try await bridge.newSession())"
            let connection = try await upstream.nextConnection()
            let frames = SpokenFrames(dialect: dialect)
            for frame in [frames.created()] + frames.began("item_1") { connection.push(frame) }
            _ = try await Self.events(bridge, path, until: "conversation.item.*")
            // All ask before there is anything, and wait for the first byte.
            async let wav = Self.open(bridge, path + "/responses/resp_1/audio", "audio/wav")
            async let raw = Self.open(bridge, path + "/items/item_1/audio", "audio/pcm")
            async let words = Self.open(bridge, path + "/responses/resp_1", "text/plain")
            connection.push(frames.audio(sound(480)))
            connection.push(frames.transcript("Hello "))
            let unknown = WAVHeader.bytes(SoundFormat(.pcm16, rate: 24_000), dataBytes: nil)
            let readers = (try await wav, try await raw, try await words)
            try await readers.0.read { $0.utf8.count >= 1 && readers.0.bytes.count >= 524 }
            #expect(readers.0.bytes == unknown + sound(480) && !readers.0.isFinished)
            try await readers.1.read { _ in readers.1.bytes.count >= 480 }
            #expect(readers.1.bytes == sound(480) && !readers.1.isFinished)
            try await readers.2.read { $0 == "Hello " }
            connection.push(frames.audio(sound(20, from: 480)))
            connection.push(frames.transcript("you"))
            connection.push(frames.itemDone())
            // The item is over, the response not yet.
            try await readers.1.read()
            #expect(readers.1.bytes == sound(500))
            #expect(!readers.0.isFinished)
            connection.push(frames.done())
            try await readers.0.read()
            try await readers.2.read()
            #expect(readers.0.bytes == unknown + sound(500) && readers.0.isFinished)
            #expect(readers.2.text == "Hello you\n")
            for reader in [readers.0, readers.1, readers.2] { reader.close() }
            #expect(bridge.api.streams.registry.gauges.open == 0)
        }
    }

    /// Returns when the first byte is there.
    private static func open(_ bridge: APIFixture, _ path: String, _ accept: String) async throws -> TestPuller {
        let head = try APIFixture.head("GET", path, headers: ["accept": accept])
        let response = await bridge.api.respond(to: Request(head: head, body: RequestBody([])))
        #expect(response.status == 200 && response.headers["accept-ranges"] == nil)
        guard case .stream(let stream) = response.body else { throw TestProblem(description: "\(response.status): not streamed") }
        return TestPuller(stream)
    }

    @Test func whatWasTruncatedMeanwhileIsCutForWhoComesLater() async throws {
        let upstream = ScriptedUpstream([.session()])
        try await APIFixture.run(connector: upstream, dialect: .ga) { bridge in
            let path = "/v1/sessions/\(try await bridge.newSession())"
            let connection = try await upstream.nextConnection()
            let frames = SpokenFrames()
            for frame in [frames.created()] + frames.began("item_1") + [frames.audio(sound(960)), frames.truncated(at: 10)] {
                connection.push(frame)
            }
            _ = try await Self.events(bridge, path, until: "conversation.item.truncated")
            let live = try await Self.open(bridge, path + "/responses/resp_1/audio", "audio/pcm")
            connection.push(frames.audio(sound(40)))
            connection.push(frames.done("cancelled"))
            try await live.read()
            #expect(live.isFinished && live.bytes == sound(480))
            live.close()
        }
    }

    // MARK: What cannot be given

    @Test func aResponseThatFailsIsAnErrorUntilItsFirstByte() async throws {
        let upstream = ScriptedUpstream([.session()])
        try await APIFixture.run(connector: upstream, dialect: .ga) { bridge in
            let path = "/v1/sessions/\(try await bridge.newSession())"
            let connection = try await upstream.nextConnection()
            func start(_ number: Int) async throws -> SpokenFrames {
                let frames = SpokenFrames(response: "resp_\(number)")
                for frame in [frames.created()] + frames.began("item_\(number)") { connection.push(frame) }
                connection.push(#"{"type":"vendor.begun_\#(number)"}"#)
                _ = try await Self.events(bridge, path, until: "vendor.begun_\(number)")
                return frames
            }
            let silent = try await start(1)
            async let early = bridge.send("GET", path + "/responses/resp_1/audio")
            // Nothing tells that the reader waits. One that comes after the end is told that there is nothing to hear.
            connection.push(silent.done("failed"))
            let failed = try await early
            #expect(failed.status == 502 && failed.code == "server_error" || failed.status == 404 && failed.code == "response_has_no_audio")

            let broken = try await start(2)
            connection.push(broken.audio(sound(10), of: "item_2"))
            let late = try await Self.open(bridge, path + "/responses/resp_2/audio", "audio/pcm")
            connection.push(broken.done("failed"))
            try await late.read()
            #expect(late.hasFailed && late.bytes == sound(10))
            late.close()
            let stored = try await bridge.send("GET", path + "/responses/resp_2/audio", headers: ["accept": "audio/pcm"])
            #expect(stored.status == 200 && stored.bytes == sound(10))

            let quiet = try await start(3)
            async let nothing = bridge.send("GET", path + "/responses/resp_3/audio")
            connection.push(quiet.text("words", of: "item_3"))
            connection.push(quiet.done())
            #expect(try await nothing.status == 404)
            #expect(try await nothing.code == "response_has_no_audio")
        }
    }

    @Test func whatIsSilentIsToldFromWhatIsGone() async throws {
        try await APIFixture.run(storage: Self.small) { bridge in
            let path = "/v1/sessions/\(try await bridge.newSession())"
            let item = try await bridge.send("POST", path + "/items", #"{"text":"hello"}"#)
            let silent = try await bridge.send("GET", "\(path)/items/\(item.json?["id"]?.string ?? "")/audio")
            #expect(silent.status == 404 && silent.code == "item_has_no_audio")
            let written = try await bridge.send("POST", path + "/responses", #"{"input":"say one","modalities":["text"]}"#)
            let text = try await bridge.send("GET", "\(path)/responses/\(written.json?["id"]?.string ?? "")/audio")
            #expect(text.status == 404 && text.code == "response_has_no_audio")
            #expect(written.json?["output_audio"] == nil)

            let spoken = try await bridge.send("POST", path + "/responses", #"{"input":"say one two"}"#)
            let response = try #require(spoken.json?["id"]?.string)
            let spokenItem = try #require(spoken.json?["output"]?[0]?["id"]?.string)
            _ = try await bridge.send("POST", path + "/responses", #"{"input":"count to 40"}"#)
            try await bridge.log.applyRetention()
            for route in ["responses/\(response)", "items/\(spokenItem)"] {
                let gone = try await bridge.send("GET", "\(path)/\(route)/audio")
                #expect(gone.status == 410 && gone.code == "audio_not_kept", "\(gone.text)")
            }
            // No place is named where nothing is.
            let shown = try await bridge.send("GET", "\(path)/responses/\(response)")
            #expect(shown.json?["output_text"]?.string == "one two" && shown.json?["output_audio"] == nil)
            // The words are in the response itself.
            let words = try await bridge.send("GET", "\(path)/responses/\(response)", headers: ["accept": "text/plain"])
            #expect(words.text == "one two\n")
            let old = try await bridge.send("GET", "\(path)/responses/\(written.json?["id"]?.string ?? "")/audio")
            #expect(old.status == 404 && old.code == "response_has_no_audio")
        }
    }

    private static var small: EventLogConfiguration {
        var configuration = EventLogConfiguration(storage: .memory)
        configuration.retainedBytesPerSession = 100_000
        configuration.windowBytesPerSession = 10_000
        return configuration
    }

    // MARK: What the caller said

    @Test(arguments: [Dialect.beta, .ga], Format.all)
    func whatTheCallerSaidIsGivenBack(dialect: Dialect, format: Format) async throws {
        try await APIFixture.run(dialect: dialect) { bridge in
            let body =
                dialect == .beta
                ? #"{"session":{"input_audio_format":"\#(format.beta)","turn_detection":null}}"#
                : #"{"session":{"type":"realtime","audio":{"input":{"format":\#(format.ga),"turn_detection":null}}}}"#
            let path = "/v1/sessions/\(try await bridge.newSession(body))"
            let said = sound(format.sound.bytesPerSecond / 2)
            let base64 = String(decoding: Base64.encoded(said[...]), as: UTF8.self)
            _ = try await bridge.send("POST", path + "/input_audio", "{\"audio\":\"\(base64)\"}")
            let committed = try await bridge.send("POST", path + "/input_audio/commit")
            let item = try #require(committed.json?["item_id"]?.string, "\(committed.text)")
            let given = try await bridge.send(
                "POST", path + "/items",
                #"{"type":"message","role":"user","content":[{"type":"input_text","text":"x"},{"type":"input_audio","audio":"\#(base64)"}]}"#
            )
            for id in [item, try #require(given.json?["id"]?.string, "\(given.text)")] {
                let audio = try await bridge.send("GET", "\(path)/items/\(id)/audio")
                #expect(audio.status == 200 && audio.bytes == WAVHeader.bytes(format.sound, dataBytes: said.count) + said)
                let part = try await bridge.send(
                    "GET", "\(path)/items/\(id)/audio", headers: ["accept": "audio/pcm", "range": "bytes=10-19"])
                #expect(part.status == 206 && part.bytes == Array(said[10..<20]))
            }
            #expect(bridge.api.bodies.used == 0 && bridge.api.streams.registry.gauges.open == 0)
        }
    }

    @Test func whatTheCallerSaidMayNotBeKept() async throws {
        var storage = EventLogConfiguration(storage: .memory)
        storage.inputBytesPerSession = 1_000
        try await APIFixture.run(storage: storage) { bridge in
            let path = "/v1/sessions/\(try await bridge.newSession(#"{"session":{"turn_detection":null}}"#))"
            let base64 = String(repeating: "A", count: 6_400)
            _ = try await bridge.send("POST", path + "/input_audio", "{\"audio\":\"\(base64)\"}")
            let committed = try await bridge.send("POST", path + "/input_audio/commit")
            _ = try await Self.events(bridge, path, until: "conversation.item.created")
            let gone = try await bridge.send("GET", "\(path)/items/\(committed.json?["item_id"]?.string ?? "")/audio")
            #expect(gone.status == 410 && gone.code == "audio_not_kept")
        }
    }
}

/// A value that one closure leaves for another.
private final class NIOBox<Value>: @unchecked Sendable {
    /// Written before the first run has ended, read after.
    var value: Value
    init(_ value: Value) { self.value = value }
}
