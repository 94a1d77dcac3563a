import Foundation
import NIOCore
import Realtime
import Testing

@testable import Simulator

/// What the simulator does wrong on purpose, and what it does at the level of sockets.
@Suite struct FaultTests {
    @Test(arguments: [
        (SimulatorConfiguration.DropManner.reset, WebSocketClient.Received.disconnected(wasReset: true)),
        (.end, .disconnected(wasReset: false)), (.close, .close(code: 1011, reason: "server_error")),
    ])
    func `the connection is dropped after so many events`(
        manner: SimulatorConfiguration.DropManner, end: WebSocketClient.Received
    ) async throws {
        try await withSimulator(.ga, { ($0.dropAfterEvents, $0.dropManner) = (3, manner) }) { address in
            let client = try await WebSocketClient.connect(port: address.port)
            _ = try await client.events(upTo: "session.created")
            client.send(Request.text("hello"))
            _ = try await client.event()
            _ = try await client.event()
            #expect(try await client.next() == end)
        }
    }

    @Test func `connections are dropped at random`() async throws {
        try await withSimulator(.ga, { ($0.dropEvery, $0.dropManner) = (.milliseconds(20), .end) }) { address in
            let client = try await WebSocketClient.connect(port: address.port)
            _ = try await client.events(upTo: "session.created")
            #expect(try await client.next() == .disconnected(wasReset: false))
        }
    }

    @Test func `faults are drawn from the seed, and are as rare as asked for`() {
        var configuration = SimulatorConfiguration(dialect: .ga)
        #expect(ConnectionFaults(configuration, connection: 1).dropTime == nil)
        configuration.dropEvery = .seconds(10)
        configuration.stallEvery = .seconds(60)
        configuration.seed = 5
        let faults = (1...2000).map { ConnectionFaults(configuration, connection: $0) }
        #expect(faults == (1...2000).map { ConnectionFaults(configuration, connection: $0) })
        let mean = faults.compactMap(\.dropTime).reduce(.zero, +) / 2000
        #expect((Duration.seconds(9)...(.seconds(11))).contains(mean))
        #expect((1100...1300).contains(faults.count { $0.ending == .reset }))
        #expect((300...500).contains(faults.count { $0.ending == .close }))
    }

    @Test(arguments: [false, true])
    func `a stalled connection stays open and says nothing`(isDeaf: Bool) async throws {
        try await withSimulator(.ga, { ($0.stallAfterEvents, $0.stallIsDeaf) = (2, isDeaf) }) { address in
            let client = try await WebSocketClient.connect(port: address.port)
            _ = try await client.events(upTo: "session.created")
            client.send(Request.text("hello"))
            #expect(try await client.event().type == "conversation.item.added")
            client.ping()
            if !isDeaf { #expect(try await client.next() == .pong) }
            client.send(Request.respond)
            await #expect(throws: WebSocketClient.TimedOut.self) { try await client.next(timeout: .milliseconds(200)) }
        }
    }

    @Test func `connections stall at random`() async throws {
        try await withSimulator(.ga, { $0.stallEvery = .milliseconds(20) }) { address in
            let client = try await WebSocketClient.connect(port: address.port)
            _ = try await client.events(upTo: "session.created")
            let deadline = ContinuousClock.now + .seconds(10)
            var hasStalled = false
            while !hasStalled, ContinuousClock.now < deadline {
                client.send(#"{"type":"input_audio_buffer.clear"}"#)
                client.ping()
                // Both are answered, until it stalls: then only the ping is.
                hasStalled = try await client.next() == .pong
                if !hasStalled { #expect(try await client.next() == .pong) }
            }
            #expect(hasStalled)
        }
    }

    @Test func `an expired session ends with an error and 1001`() async throws {
        try await withSimulator(.ga, { $0.expireAfter = .milliseconds(50) }) { address in
            let start = Date().timeIntervalSince1970
            let client = try await WebSocketClient.connect(port: address.port)
            let events = try await client.events(upTo: "error")
            let expiry = try #require(events.first?.at("session.expires_at")?.int)
            // In whole seconds.
            #expect(Double(expiry) > start - 1 && Double(expiry) < Date().timeIntervalSince1970 + 1)
            #expect(events.last?.at("error.code")?.string == "session_expired")
            #expect(try await client.next() == .close(code: 1001, reason: "Your session hit the maximum duration of 60 minutes."))
        }
    }

    @Test func `a share of the handshakes is refused, the same with the same seed`() async throws {
        var outcomes: [[Int]] = []
        for _ in 0..<2 {
            let outcome = try await withSimulator(.ga, { ($0.refuseRate, $0.seed) = (0.5, 42) }) { address in
                var answers: [Int] = []
                for _ in 0..<24 {
                    let client = try await WebSocketClient.connect(port: address.port)
                    switch try await client.next() {
                    case .upgraded:
                        let first = try await client.event()
                        answers.append(first.type == "session.created" ? 0 : 1013)
                        guard first.type != "session.created" else { break }
                        #expect(first.at("error.type")?.string == "server_error")
                        #expect(try await client.next() == .close(code: 1013, reason: "server_error"))
                    case let other:
                        #expect(other == .http(503))
                        answers.append(503)
                    }
                    client.abandon()
                }
                return answers
            }
            outcomes.append(outcome)
        }
        #expect(outcomes[0] == outcomes[1])
        #expect(Set(outcomes[0]) == [0, 503, 1013])
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
        let lines = try Self.lines(of: file)
        let first = lines.filter { $0["connection"]?.int == 1 }
        #expect(lines.filter { $0["connection"]?.int == 2 }.count == first.count)
        #expect(first[0]["mark"]?.string == "opened")
        #expect(first[1]["direction"]?.string == "out")
        #expect(first[1].at("frame.type")?.string == "session.created")
        #expect(first[2]["direction"]?.string == "in")
        #expect(first[2]["text"]?.string == "not\njson")
        #expect(first[4]["binary"]?.int == 1)
        #expect(first[6].at("frame.type")?.string == "response.create")
        #expect(first.contains { $0.at("frame.type")?.string == "response.done" })
        #expect(first.last?["mark"]?.string == "gone")
        let times = lines.compactMap { $0["time"]?.double }
        #expect(times == times.sorted())
    }

    private static func lines(of file: URL) throws -> [JSON] {
        try String(contentsOf: file, encoding: .utf8).split(separator: "\n").map { try JSON.parse(String($0)) }
    }

    @Test func `what was sent is in the record at once, and how a connection ended`() async throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "record-\(UUID().uuidString).jsonl")
        defer { try? FileManager.default.removeItem(at: file) }
        func configure(_ configuration: inout SimulatorConfiguration) {
            configuration.recordFile = file.path
            (configuration.dropAfterEvents, configuration.dropManner) = (3, .reset)
            (configuration.refuseRate, configuration.seed) = (0.5, 42)
        }
        try await withSimulator(.ga, configure) { address in
            var isOpen = false
            var isRefused = false
            while !isOpen || !isRefused {
                let client = try await WebSocketClient.connect(port: address.port)
                guard case .upgraded = try await client.next(), try await client.event().type == "session.created" else {
                    isRefused = true
                    continue
                }
                isOpen = true
                client.send(Request.text("hello"))
                _ = try await client.events(upTo: "conversation.item.done")
                #expect(try Self.lines(of: file).contains { $0.at("frame.type")?.string == "conversation.item.done" })
                #expect(try await client.next() == .disconnected(wasReset: true))
            }
        }
        let lines = try Self.lines(of: file)
        let open = lines.first { $0.at("frame.type")?.string == "session.created" }?["connection"]?.int
        #expect(lines.filter { $0["connection"]?.int == open }.compactMap { $0["mark"]?.string } == ["opened", "reset", "gone"])
        #expect(lines.contains { $0["mark"]?.string == "refused" || $0["code"]?.int == 1013 })
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
