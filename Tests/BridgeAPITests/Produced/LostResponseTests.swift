import EventLog
import Foundation
import HTTPServer
import Realtime
import Sessions
import TestSupport
import Testing
import Upstream

@testable import BridgeAPI

/// A response that the bridge had to end shows what had come of it, in whatever form it is asked for.
@Suite struct LostResponseTests {
    /// Pushes the beginning of an answer: 500 ms of sound and three words.
    private func begin(_ connection: ScriptedConnection, _ dialect: Dialect, isOutOfBand: Bool = false) {
        let frames = SpokenFrames(dialect: dialect)
        connection.push(frames.created(isOutOfBand ? #","conversation_id":null"# : ""))
        for frame in frames.began("item_1").prefix(isOutOfBand ? 1 : 2) { connection.push(frame) }
        for (index, words) in ["one ", "two \u{1F600}", " three"].enumerated() {
            connection.push(frames.audio(sound(8_000, from: 8_000 * index)))
            connection.push(frames.transcript(words))
        }
        connection.push(#"{"type":"vendor.begun"}"#)
    }

    private func expectWhatCame(_ response: JSON?, _ bridge: APIFixture, _ place: String) async throws {
        #expect(response?["status"]?.string == "failed")
        #expect(response?["status_details"]?["error"]?["code"]?.string == "upstream_lost")
        #expect(response?["output_text"]?.string == "one two \u{1F600} three")
        #expect(response?["output_audio"]?["duration_ms"]?.int == 500)
        #expect(response?["output_audio"]?["href"]?.string == place + "/audio")
        #expect(try await bridge.send("GET", place, headers: ["accept": "text/plain"]).text == "one two \u{1F600} three\n")
        #expect(try await bridge.send("GET", place + "/audio", headers: ["accept": "audio/pcm"]).bytes == sound(24_000))
    }

    @Test(arguments: [Dialect.beta, .ga], [false, true])
    func itsWordsAndItsSoundAreThere(dialect: Dialect, isOutOfBand: Bool) async throws {
        let upstream = ScriptedUpstream([.session()])
        try await APIFixture.run(connector: upstream, dialect: dialect) { bridge in
            let path = "/v1/sessions/\(try await bridge.newSession())"
            let connection = try await upstream.nextConnection()
            begin(connection, dialect, isOutOfBand: isOutOfBand)
            _ = try await bridge.send("GET", path + "/events?until=vendor.begun")
            connection.end(UpstreamEnd(.lost))
            let events = try await bridge.send("GET", path + "/events?until=response.done", headers: ["accept": "application/x-ndjson"])
            // In the log it is what upstream had said of it.
            let last = try JSON.parse(String(events.text.split(separator: "\n").last ?? ""))["event"]?["response"]
            #expect(last?["output"]?.elements.isEmpty == true && last?["output_text"] == nil)
            let place = path + "/responses/resp_1"
            try await expectWhatCame(try await bridge.send("GET", place).json, bridge, place)
            try await expectWhatCame(try await bridge.send("GET", path + "/responses").json?["data"]?[0], bridge, place)
        }
    }

    @Test func anotherProcessShowsItToo() async throws {
        let folder = NSTemporaryDirectory() + "lost-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let storage = EventLogConfiguration(storage: .directory(folder))
        let (paths, path) = AsyncStream.makeStream(of: String.self, bufferingPolicy: .bufferingNewest(1))
        let upstream = ScriptedUpstream([.session()])
        try await APIFixture.run(connector: upstream, storage: storage) { bridge in
            let session = "/v1/sessions/\(try await bridge.newSession())"
            begin(try await upstream.nextConnection(), .beta)
            _ = try await bridge.send("GET", session + "/events?until=vendor.begun")
            path.yield(session)
        }
        let session = try #require(await paths.first { _ in true })
        try await APIFixture.run(connector: upstream, storage: storage) { bridge in
            try await bridge.directory.recover()
            let place = session + "/responses/resp_1"
            try await expectWhatCame(try await bridge.send("GET", place).json, bridge, place)
        }
    }

    @Test func whoCancelsItIsShownItAsWell() async throws {
        let upstream = ScriptedUpstream([.session()])
        try await APIFixture.run(connector: upstream) { bridge in
            let path = "/v1/sessions/\(try await bridge.newSession())"
            let connection = try await upstream.nextConnection()
            begin(connection, .beta)
            _ = try await bridge.send("GET", path + "/events?until=vendor.begun")
            async let cancelled = bridge.send("POST", path + "/responses/resp_1/cancel")
            _ = try await connection.nextSent()
            connection.end(UpstreamEnd(.lost))
            try await expectWhatCame(try await cancelled.json, bridge, path + "/responses/resp_1")
        }
    }

    @Test func whatWasCutOfItIsNotHeard() async throws {
        let upstream = ScriptedUpstream([.session()])
        try await APIFixture.run(connector: upstream) { bridge in
            let path = "/v1/sessions/\(try await bridge.newSession())"
            let connection = try await upstream.nextConnection()
            begin(connection, .beta)
            connection.push(SpokenFrames(dialect: .beta).truncated(at: 200))
            _ = try await bridge.send("GET", path + "/events?until=conversation.item.truncated")
            connection.end(UpstreamEnd(.lost))
            _ = try await bridge.send("GET", path + "/events?until=response.done")
            let response = try await bridge.send("GET", path + "/responses/resp_1").json
            #expect(response?["output_audio"]?["duration_ms"]?.int == 200)
            #expect(response?["output_text"]?.string == "one two \u{1F600} three")
        }
    }

    @Test func ofWhatIsNotStoredAnyMoreNothingIsPromised() async throws {
        var storage = EventLogConfiguration(storage: .memory)
        storage.retainedBytesPerSession = 100_000
        storage.windowBytesPerSession = 10_000
        let upstream = ScriptedUpstream([.session(), .session("sess_2")])
        try await APIFixture.run(connector: upstream, storage: storage) { bridge in
            let path = "/v1/sessions/\(try await bridge.newSession())"
            let first = try await upstream.nextConnection()
            // Out of band, so that the next connection is given nothing of it.
            begin(first, .beta, isOutOfBand: true)
            _ = try await bridge.send("GET", path + "/events?until=vendor.begun")
            first.end(UpstreamEnd(.lost))
            let second = try await upstream.nextConnection()
            _ = try await bridge.send("GET", path + "/events?until=response.done")
            for frame in SpokenFrames.noise(1_500) { second.push(frame) }
            second.push(#"{"type":"vendor.end"}"#)
            _ = try await bridge.send("GET", path + "/events?until=vendor.end")
            try await bridge.log.applyRetention()
            let response = try await bridge.send("GET", path + "/responses/resp_1")
            #expect(response.status == 200 && response.json?["output_text"]?.string == "")
            #expect(response.json?["output_audio"] == nil)
        }
    }
}
