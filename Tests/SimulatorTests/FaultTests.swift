import Foundation
import NIOCore
import Realtime
import Testing

@testable import Simulator

/// What the simulator does wrong on purpose, and what it does at the level of sockets.
@Suite struct FaultTests {
    @Test func `the connection is reset after so many events`() async throws {
        try await withSimulator(.ga, { $0.dropAfterEvents = 3 }) { address in
            let client = try await WebSocketClient.connect(port: address.port)
            _ = try await client.events(upTo: "session.created")
            client.send(Request.text("hello"))
            _ = try await client.event()
            _ = try await client.event()
            #expect(try await client.next() == .disconnected(wasReset: true))
        }
    }

    @Test func `a stalled connection stays open and says nothing`() async throws {
        try await withSimulator(.ga, { $0.stallAfterEvents = 2 }) { address in
            let client = try await WebSocketClient.connect(port: address.port)
            _ = try await client.events(upTo: "session.created")
            client.send(Request.text("hello"))
            #expect(try await client.event().type == "conversation.item.added")
            client.ping()
            await #expect(throws: WebSocketClient.TimedOut.self) { try await client.next(timeout: .milliseconds(200)) }
        }
    }

    @Test func `an expired session ends with an error and 1001`() async throws {
        try await withSimulator(.ga, { $0.expireAfter = .milliseconds(50) }) { address in
            let client = try await WebSocketClient.connect(port: address.port)
            let events = try await client.events(upTo: "error")
            #expect(events.last?.at("error.code")?.string == "session_expired")
            #expect(try await client.next() == .close(code: 1001, reason: "Your session hit the maximum duration of 60 minutes."))
        }
    }

    @Test func `a share of the handshakes is refused, the same with the same seed`() async throws {
        var outcomes: [[Bool]] = []
        for _ in 0..<2 {
            let outcome = try await withSimulator(.ga, { ($0.refuseRate, $0.seed) = (0.5, 42) }) { address in
                var accepted: [Bool] = []
                for _ in 0..<16 {
                    let client = try await WebSocketClient.connect(port: address.port)
                    switch try await client.next() {
                    case .upgraded: accepted.append(true)
                    case let other:
                        #expect(other == .http(503))
                        accepted.append(false)
                    }
                    client.abandon()
                }
                return accepted
            }
            outcomes.append(outcome)
        }
        #expect(outcomes[0] == outcomes[1])
        #expect(Set(outcomes[0]) == [true, false])
    }

    @Test func `handshake and deltas take their time`() async throws {
        let clock = ContinuousClock()
        try await withSimulator(
            .ga,
            {
                $0.handshakeDelay = .milliseconds(100)
                $0.deltaDelay = .milliseconds(20)
            }
        ) { address in
            let start = clock.now
            let client = try await WebSocketClient.connect(port: address.port)
            _ = try await client.events(upTo: "session.created")
            #expect(clock.now - start >= .milliseconds(100))
            client.send(Request.textOnly(.ga))
            client.send(Request.text("Say one two three four five"))
            let asked = clock.now
            client.send(Request.respond)
            _ = try await client.events(upTo: "response.done")
            #expect(clock.now - asked >= .milliseconds(100))
        }
    }

    @Test func `binary frames, pings and closes are answered`() async throws {
        try await withSimulator(.beta) { address in
            let client = try await WebSocketClient.connect(port: address.port)
            _ = try await client.events(upTo: "conversation.created")
            client.sendBinary([1, 2, 3])
            #expect(try await client.event().at("error.code")?.string == "invalid_event")
            client.ping()
            #expect(try await client.next() == .pong)
            client.close(code: 4321)
            #expect(try await client.next() == .close(code: 4321, reason: ""))
            #expect(try await client.next() == .disconnected(wasReset: false))
        }
    }

    @Test func `an event in fragments is one event`() async throws {
        try await withSimulator(.ga) { address in
            let client = try await WebSocketClient.connect(port: address.port)
            _ = try await client.events(upTo: "session.created")
            client.sendFragmented(Request.text("hello in pieces"))
            #expect(try await client.event().at("item.content.0.text")?.string == "hello in pieces")
        }
    }

    @Test func `pings go out again and again`() async throws {
        #expect(SimulatorConfiguration(dialect: .ga).pingInterval == .seconds(20))
        try await withSimulator(.ga, { $0.pingInterval = .milliseconds(10) }) { address in
            let client = try await WebSocketClient.connect(port: address.port)
            _ = try await client.events(upTo: "session.created")
            #expect(try await client.next() == .ping)
            #expect(try await client.next() == .ping)
        }
    }

    @Test func `a frame of megabytes fits, one beyond every append does not`() async throws {
        try await withSimulator(.ga) { address in
            let client = try await WebSocketClient.connect(port: address.port)
            _ = try await client.events(upTo: "session.created")
            client.send(Request.turnDetection(.ga, "null"))
            _ = try await client.events(upTo: "session.updated")
            client.send(#"{"type":"input_audio_buffer.append","audio":"\#(String(repeating: "A", count: 1 << 20))"}"#)
            client.send(Request.commit)
            #expect(try await client.event().type == "input_audio_buffer.committed")
            _ = try await client.events(upTo: "conversation.item.done")
            client.sendUnmasked(byteCount: Simulator.maximumFrameBytes + 1)
            let answer = try await client.next()
            // The CLOSE may be lost to the reset that answers the bytes nobody read.
            #expect(answer == .close(code: 1009, reason: "") || answer == .disconnected(wasReset: true))
        }
    }

    @Test func `a long answer reaches a client whole and in order`() async throws {
        try await withSimulator(.ga) { address in
            let client = try await WebSocketClient.connect(port: address.port)
            _ = try await client.events(upTo: "session.created")
            client.send(Request.textOnly(.ga))
            client.send(Request.text("count to 2000"))
            client.send(Request.respond)
            let events = try await client.events(upTo: "response.done")
            let text = events.filter { $0.type == "response.output_text.delta" }.compactMap { $0["delta"]?.string }.joined()
            #expect(text == (1...2000).map(String.init).joined(separator: ", ") + ".")
        }
    }

    @Test(.enabled(if: EspeakVoice() != nil, "espeak-ng is not installed"))
    func `with espeak-ng an audio answer is speech`() async throws {
        try await withSimulator(.ga, { $0.speech = .auto }) { address in
            let client = try await WebSocketClient.connect(port: address.port)
            _ = try await client.events(upTo: "session.created")
            client.send(Request.text("Say this is a test. It has two sentences."))
            client.send(Request.respond)
            let events = try await client.events(upTo: "response.done")
            let audio = events.filter { $0.type == "response.output_audio.delta" }.compactMap {
                $0["delta"]?.string.flatMap { Base64.decode($0) }
            }
            let samples = AudioFormat.pcm16.samples(audio.flatMap { $0 }[...])
            #expect((1500...8000).contains(samples.count / 24))
            #expect(samples != ToneSpeech.samples(for: "this is a test. It has two sentences."))
            #expect(VoiceActivityDetector.probability(of: samples) > 0.5)
        }
    }

    @Test func `every frame in and out is recorded`() async throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "record-\(UUID().uuidString).jsonl")
        defer { try? FileManager.default.removeItem(at: file) }
        try await withSimulator(.ga, { $0.recordFile = file.path }) { address in
            for _ in 0..<2 {
                let client = try await WebSocketClient.connect(port: address.port)
                _ = try await client.events(upTo: "session.created")
                client.send("not\njson")
                _ = try await client.events(upTo: "error")
                client.sendBinary([7])
                _ = try await client.events(upTo: "error")
                client.send("{\n  \"type\": \"response.create\"\n}")
                _ = try await client.events(upTo: "response.done")
                client.abandon()
            }
        }
        let lines = try String(contentsOf: file, encoding: .utf8).split(separator: "\n").map { try JSON.parse(String($0)) }
        let first = lines.filter { $0["connection"]?.int == 1 }
        #expect(lines.filter { $0["connection"]?.int == 2 }.count == first.count)
        #expect(first[0]["direction"]?.string == "out")
        #expect(first[0].at("frame.type")?.string == "session.created")
        #expect(first[1]["direction"]?.string == "in")
        #expect(first[1]["text"]?.string == "not\njson")
        #expect(first[3]["binary"]?.int == 1)
        #expect(first[5].at("frame.type")?.string == "response.create")
        #expect(first.contains { $0.at("frame.type")?.string == "response.done" })
        let times = lines.compactMap { $0["time"]?.double }
        #expect(times == times.sorted())
    }

    @Test func `a record file that cannot be made is an error`() async throws {
        await #expect(throws: SimulatorError.self) {
            try await withSimulator(.ga, { $0.recordFile = "/nonexistent/folder/file" }) { _ in }
        }
    }

    @Test func `stopping cuts the sockets`() async throws {
        let client = try await withSimulator(.ga) { address in
            let client = try await WebSocketClient.connect(port: address.port)
            _ = try await client.events(upTo: "session.created")
            return client
        }
        guard case .disconnected = try await client.next() else {
            Issue.record("still connected")
            return
        }
    }
}
