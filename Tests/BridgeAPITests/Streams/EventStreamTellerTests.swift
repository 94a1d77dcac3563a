import EventLog
import Foundation
import HTTPServer
import NIOConcurrencyHelpers
import Testing

@testable import BridgeAPI

/// Bodies over a real log, pulled as the server pulls them.
struct EventStreamTellerTests {
    private static func request(_ change: (inout StreamRequest) -> Void = { _ in }) -> StreamRequest {
        var request = StreamRequest(format: .eventStream)
        change(&request)
        return request
    }

    private static func messages(of bytes: some Sequence<UInt8>) -> [TestEventSource.Message] {
        var source = TestEventSource()
        source.feed(bytes)
        return source.messages
    }

    @Test func theFirstBytesPrimeTheCursor() async throws {
        let session = try await TestSession()
        let puller = TestPuller(try session.body(Self.request()))
        #expect(puller.drain() == "retry: 1000\nid: 1.0\n\n")
        await session.append(delta(1), delta(2))
        let tail = TestPuller(try session.body(Self.request { $0.cursor = .now }))
        #expect(tail.drain() == "retry: 1000\nid: 1.2\n\n")
        await session.append(delta(3))
        #expect(
            tail.drain()
                == "retry: 1000\nid: 1.2\n\nid: 1.3\nevent: response.text.delta\ndata: \(delta(3))\n\n")
        #expect(Self.messages(of: puller.drain().utf8).map(\.data) == [delta(1), delta(2), delta(3)])
        puller.close()
        tail.close()
    }

    @Test(arguments: [1, 2, 3, 7, 64, 20 * 1024])
    func aFrameLargerThanTheBufferGoesOn(bufferBytes: Int) async throws {
        let session = try await TestSession()
        let frames = [#"{"type":"a","text":"\#(String(repeating: "x", count: 5000))"}"#, delta(2), "{\"type\":\"b\",\n\"c\":1}"]
        await session.append(frames)
        await session.end()
        let puller = TestPuller(try session.body(Self.request()), bufferBytes: bufferBytes)
        puller.drain()
        #expect(puller.isFinished)
        #expect(Self.messages(of: puller.bytes).map(\.data).dropLast() == frames[...])
        #expect(Self.messages(of: puller.bytes).map(\.type) == ["a", "response.text.delta", "b", "bridge.session.closed"])
    }

    /// I3, for a connection that is cut after any byte: the events before and after it are all, each once, in order.
    @Test(arguments: [false, true])
    func cutAtEveryByteAndResumed(isFiltered: Bool) async throws {
        let session = try await TestSession()
        var frames: [String] = []
        for number in 0..<6 { frames += [delta(number), #"{"type":"noise","number":\#(number)}"#] }
        await session.append(frames)
        await session.end()
        let expected = isFiltered ? frames.filter { !$0.contains("noise") } : frames
        let request = Self.request { if isFiltered { $0.filter.exclude = TypePatterns("noise") } }
        let whole = TestPuller(try session.body(request))
        whole.drain()
        for cut in 0...whole.bytes.count {
            var before = TestEventSource()
            before.feed(whole.bytes[..<cut])
            let resumed = try StreamRequest(format: .eventStream, query: [], headers: ["last-event-id": before.lastEventID])
            var second = request
            second.cursor = resumed.cursor
            let rest = TestPuller(try session.body(second))
            rest.drain()
            var after = TestEventSource(lastEventID: before.lastEventID)
            after.feed(rest.bytes)
            #expect((before.messages + after.messages).map(\.data).dropLast() == expected[...], "cut at \(cut)")
        }
    }

    @Test func concurrentAppendsReachEveryReaderOnceInOrder() async throws {
        // A window of a few events: readers fall behind it, read from the store and come back to it all the time.
        let session = try await TestSession(windowBytes: 2_000)
        let count = 3_000
        let pullers = try [64, 500, 4_096, 20_480].map { size in
            TestPuller(try session.body(Self.request()), bufferBytes: size)
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                for start in stride(from: 0, to: count, by: 30) { await session.append((start..<start + 30).map { delta($0) }) }
                await session.end()
            }
            for puller in pullers { group.addTask { try await puller.read() } }
            try await group.waitForAll()
        }
        let expected = (0..<count).map { delta($0) }
        for puller in pullers {
            let messages = Self.messages(of: puller.bytes)
            let isWhole =
                messages.map(\.lastEventID) == (1...count + 1).map { "1.\($0)" } && messages.dropLast().map(\.data) == expected
            #expect(isWhole, "\(messages.count) events")
            puller.close()
        }
    }

    /// The session's log is closed and opened again between any two of a client's connections.
    @Test func aRestartedLogGoesOnWhereItsReaderStopped() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("streams-\(UInt64.random(in: 0 ... .max))").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let rounds = 5
        let frames = (0..<rounds * 400).map { delta($0) }
        var source = TestEventSource()
        for round in 0..<rounds {
            let session = try await TestSession(windowBytes: 4_000, folder: folder)
            // Half of them are there before the client comes back, half come while it reads.
            await session.append(Array(frames[(round * 400)..<(round * 400 + 200)]))
            let request = try StreamRequest(format: .eventStream, query: [], headers: ["last-event-id": source.lastEventID])
            let puller = TestPuller(try session.body(request), bufferBytes: 300)
            async let text = puller.read { [end = "\(round * 400 + 350)"] in $0.contains("id: 1.\(end)\n") }
            await session.append(Array(frames[(round * 400 + 200)..<(round * 400 + 400)]))
            _ = try await text
            source.feed(puller.bytes)
            puller.close()
            await session.log.close()
            // A frame that was cut off is not seen; the next connection begins a new one.
            source.disconnect()
        }
        let seen = source.messages.map(\.data)
        let isWhole = seen == Array(frames.prefix(seen.count)) && seen.count >= (rounds - 1) * 400 + 350
        #expect(isWhole, "\(seen.count) events")
    }

    @Test func aReaderThatStopsHoldsOnePageAndFallsBehind() async throws {
        let session = try await TestSession(windowBytes: 10_000)
        let registry = StreamRegistry()
        let puller = TestPuller(try session.body(Self.request(), registry: registry), bufferBytes: 100)
        _ = puller.pull()
        await session.append((0..<2_000).map { delta($0) })
        // Nothing was pulled meanwhile; all comes from the store once it is.
        try await puller.read { $0.hasSuffix(delta(1_999) + "\n\n") }
        let isWhole = Self.messages(of: puller.bytes).map(\.data) == (0..<2_000).map { delta($0) }
        #expect(isWhole)
    }

    @Test func theFilterHidesAndTheCursorMovesOn() async throws {
        let session = try await TestSession()
        let puller = TestPuller(
            try session.body(Self.request { $0.filter.types = TypePatterns("response.*") }))
        await session.append((0..<300).map { #"{"type":"noise","number":\#($0)}"# })
        #expect(puller.drain() == "retry: 1000\nid: 1.0\n\nid: 1.256\n\n")
        await session.append(delta(1))
        #expect(puller.drain().hasSuffix("id: 1.256\n\nid: 1.301\nevent: response.text.delta\ndata: \(delta(1))\n\n"))
    }

    @Test func heartbeatsComeWhenNothingElseDoes() async throws {
        let clock = TestClock()
        let registry = StreamRegistry(now: { clock.now })
        let session = try await TestSession()
        let puller = TestPuller(
            try session.body(Self.request { $0.filter.types = TypePatterns("response.*") }, registry: registry))
        puller.drain()
        clock.advance(by: .seconds(14))
        registry.tick()
        #expect(puller.drain() == "retry: 1000\nid: 1.0\n\n")
        await session.append(#"{"type":"noise"}"#)
        puller.drain()
        clock.advance(by: .seconds(2))
        registry.tick()
        #expect(puller.drain() == "retry: 1000\nid: 1.0\n\nid: 1.1\n\n: keep-alive\n\n")
        for _ in 0..<15 {
            clock.advance(by: .seconds(1))
            registry.tick()
        }
        #expect(puller.drain().hasSuffix("id: 1.1\n\n: keep-alive\n\n"))
        clock.advance(by: .seconds(1))
        registry.tick()
        #expect(puller.drain().hasSuffix(": keep-alive\n\n: keep-alive\n\n"))
    }

    @Test func anHourIsTheLongestLife() async throws {
        let clock = TestClock()
        let registry = StreamRegistry(now: { clock.now }, random: { 0.5 })
        let session = try await TestSession()
        let puller = TestPuller(try session.body(Self.request(), registry: registry))
        puller.drain()
        clock.advance(by: .seconds(3_200))
        registry.tick()
        puller.drain()
        #expect(!puller.isFinished)
        // 90 % of the hour is over.
        clock.advance(by: .seconds(41))
        registry.tick()
        #expect(puller.drain().hasSuffix(": keep-alive\n\nretry: 1500\n\n"))
        #expect(puller.isFinished)
    }

    @Test func drainingEndsStreamsBetweenFrames() async throws {
        let registry = StreamRegistry(random: { 0 })
        let session = try await TestSession()
        await session.append(delta(1))
        let puller = TestPuller(try session.body(Self.request(), registry: registry), bufferBytes: 30)
        _ = puller.pull()
        let late = try session.body(Self.request(), registry: registry)
        registry.drain()
        let text = puller.drain()
        #expect(puller.isFinished)
        #expect(text == "retry: 1000\nid: 1.0\n\nid: 1.1\nevent: response.text.delta\ndata: \(delta(1))\n\nretry: 1000\n\n")
        // Admitted before, opened after.
        let second = TestPuller(late)
        #expect(second.drain() == "retry: 1000\nid: 1.0\n\nretry: 1000\n\n")
        #expect(second.isFinished)
        #expect(throws: StreamRefusal.draining) { try registry.admit(session: "rts_2") }
    }

    @Test func oneResponsesStream() async throws {
        let session = try await TestSession()
        let done = { (id: String) in #"{"type":"response.done","response":{"id":"\#(id)","status":"completed"}}"# }
        await session.append(
            delta(0), #"{"type":"response.created","response":{"id":"resp_2"}}"#, delta(1, response: "resp_2"), delta(2), done("resp_1"),
            delta(3, response: "resp_2"), done("resp_2"), delta(4, response: "resp_2"))
        let puller = TestPuller(try session.body(.response("resp_2", after: EventPosition(epoch: 1, seq: 1))))
        puller.drain()
        #expect(puller.isFinished)
        #expect(Self.messages(of: puller.bytes).map(\.lastEventID) == ["1.2", "1.3", "1.6", "1.7"])
    }

    @Test func aCursorOlderThanRetentionMeetsAGapThatIsNotLost() async throws {
        let session = try await TestSession(windowBytes: 500, retainedBytes: 2_000)
        await session.append((0..<100).map { delta($0) })
        await session.end()
        try await session.log.applyRetention()
        let first = session.history.start.seq + 1
        #expect(first > 2)
        for cursor in [StreamRequest.Cursor.after(FrameID(EventPosition(epoch: 1, seq: 1))), .beginning, .unknown] {
            let puller = TestPuller(try session.body(Self.request { $0.cursor = cursor }))
            try await puller.read()
            let messages = Self.messages(of: puller.bytes)
            #expect(messages[0].type == "bridge.gap")
            #expect(messages[0].data.contains(#""first_available_id":"1.\#(first)""#))
            #expect(messages[0].data.contains(#""snapshot":"/v1/sessions/rts_1""#))
            #expect(messages.dropFirst().map(\.lastEventID) == (first...101).map { "1.\($0)" })
            // Whoever has not seen the gap brings a cursor back that leads to it.
            let end = try #require(puller.bytes.firstRange(of: Array("\n\n".utf8)))
            var cut = TestEventSource()
            cut.feed(puller.bytes[..<end.upperBound])
            let resumed = try StreamRequest(format: .eventStream, query: [], headers: ["last-event-id": cut.lastEventID])
            #expect(StreamStart(resumed.cursor, in: session.history).gap != nil)
        }
        let unknown = TestPuller(try session.body(Self.request { $0.cursor = .after(FrameID(EventPosition(epoch: 1, seq: 999))) }))
        try await unknown.read()
        #expect(Self.messages(of: unknown.bytes)[0].data.contains(#""why":"unknown""#))
    }

    @Test func retentionThatOvertakesAReaderIsAGap() async throws {
        let session = try await TestSession(windowBytes: 500, retainedBytes: 2_000)
        await session.append((0..<3).map { delta($0) })
        let puller = TestPuller(try session.body(Self.request()), bufferBytes: 150)
        _ = puller.pull()
        await session.append((3..<100).map { delta($0) })
        await session.end()
        try await session.log.applyRetention()
        try await puller.read()
        let messages = Self.messages(of: puller.bytes)
        let gap = try #require(messages.firstIndex { $0.type == "bridge.gap" })
        let first = session.history.start.seq + 1
        #expect(messages[..<gap].map(\.lastEventID) == (1...gap).map { "1.\($0)" })
        #expect(messages[(gap + 1)...].map(\.lastEventID) == (first...101).map { "1.\($0)" })
    }

    @Test func jsonLines() async throws {
        let session = try await TestSession()
        await session.append("{\"type\":\n\"a\"}", delta(2))
        await session.end()
        var request = StreamRequest(format: .lines)
        let puller = TestPuller(try session.body(request), bufferBytes: 10)
        let lines = puller.drain().split(separator: "\n", omittingEmptySubsequences: false)
        #expect(puller.isFinished)
        #expect(lines.count == 4 && lines[3].isEmpty)
        #expect(lines[0] == #"{"id":"1.1","created_at":1700000000,"event":{"type": "a"}}"#)
        #expect(lines[1] == #"{"id":"1.2","created_at":1700000000,"event":\#(delta(2))}"#)
        request.cursor = .unknown
        let unknown = TestPuller(try session.body(request, registry: StreamRegistry(unixSeconds: { 9 })))
        #expect(unknown.drain().hasPrefix(#"{"id":null,"created_at":9,"event":{"type":"bridge.gap","why":"unknown","#))
    }

    @Test func messagesWithoutEventNames() async throws {
        let session = try await TestSession()
        await session.append(delta(1))
        let puller = TestPuller(
            try session.body(
                Self.request {
                    $0.envelopeMessage = true
                    $0.cursor = .unknown
                }))
        #expect(Self.messages(of: puller.drain().utf8).map(\.type) == ["message", "message"])
    }

    @Test func closingLetsGoOfEverything() async throws {
        let session = try await TestSession()
        let registry = StreamRegistry()
        weak var leftOver: HistoryBody?
        do {
            let body = try session.body(Self.request(), registry: registry)
            leftOver = body
            let puller = TestPuller(body)
            puller.drain()
            #expect(registry.gauges.open == 1)
            puller.close()
            #expect(registry.gauges.open == 0)
        }
        #expect(leftOver == nil)
        // Never opened, never closed: the seat is free all the same.
        _ = try session.body(Self.request(), registry: registry)
        #expect(registry.gauges == StreamRegistry.Gauges(open: 0, opened: 2, refused: 0))
    }
}
