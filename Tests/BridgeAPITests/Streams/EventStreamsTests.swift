import EventLog
import HTTPServer
import Testing

@testable import BridgeAPI

/// What a request for events is answered with.
struct EventStreamsTests {
    private static func streams(_ registry: StreamRegistry = StreamRegistry(random: { 0 })) -> EventStreams {
        EventStreams(registry: registry, logger: quiet)
    }

    private static func request(lastEventID: String? = nil, _ query: (String, String)...) throws -> StreamRequest {
        try StreamRequest(
            format: .eventStream, query: query.map { (name: $0.0, value: $0.1) },
            headers: lastEventID.map { ["last-event-id": $0] } ?? [:])
    }

    @Test func theHeadersOfAStream() async throws {
        let session = try await TestSession()
        let response = try await Self.streams().respond(to: try Self.request(), of: session.view())
        #expect(response.status == 200)
        #expect(
            response.headers
                == [
                    "content-type": "text/event-stream", "cache-control": "no-store, no-transform", "x-accel-buffering": "no",
                ])
        guard case .stream = response.body else { throw TestProblem(description: "no stream") }
        let lines = try await Self.streams().respond(to: StreamRequest(format: .lines), of: session.view())
        #expect(lines.headers["content-type"] == "application/x-ndjson")
    }

    @Test func a204AtTheEndOfAClosedSession() async throws {
        let session = try await TestSession()
        await session.append(delta(1))
        let streams = Self.streams()
        #expect(try await streams.respond(to: try Self.request(lastEventID: "1.1"), of: session.view()).status == 200)
        #expect(try await streams.respond(to: try Self.request(lastEventID: "1.99999"), of: session.view()).status == 200)
        await session.end()
        #expect(try await streams.respond(to: try Self.request(lastEventID: "1.1"), of: session.view()).status == 200)
        #expect(try await streams.respond(to: try Self.request(lastEventID: "1.2"), of: session.view()).status == 204)
        #expect(try await streams.respond(to: try Self.request(("after", "1.2")), of: session.view()).status == 204)
        #expect(try await streams.respond(to: try Self.request(("from", "now")), of: session.view()).status == 204)
        // After the end, whoever made it up: nothing can follow it.
        for id in ["1.3", "1.99999"] {
            #expect(try await streams.respond(to: try Self.request(lastEventID: id), of: session.view()).status == 204, "\(id)")
        }
        // Of another epoch or no id at all: the client is told of the gap before it can be told that all is over.
        for id in ["7.3", "nonsense"] {
            #expect(try await streams.respond(to: try Self.request(lastEventID: id), of: session.view()).status == 200, "\(id)")
        }
        #expect(streams.registry.gauges.open == 0)
    }

    @Test(arguments: [2_000_000, 100])
    func a204OnTheEventThatEndedTheStream(windowBytes: Int) async throws {
        let session = try await TestSession(windowBytes: windowBytes)
        await session.append(
            delta(1), #"{"type":"response.done","response":{"id":"resp_1"}}"#, #"{"type":"response.done","response":{"id":"resp_2"}}"#,
            delta(4))
        let streams = Self.streams()
        let until = ("until", "response.done")
        #expect(try await streams.respond(to: try Self.request(lastEventID: "1.1", until), of: session.view()).status == 200)
        #expect(try await streams.respond(to: try Self.request(lastEventID: "1.2", until), of: session.view()).status == 204)
        #expect(try await streams.respond(to: try Self.request(until, ("last_event_id", "1.3")), of: session.view()).status == 204)
        // A first request for what comes after an event.
        #expect(try await streams.respond(to: try Self.request(until, ("after", "1.2")), of: session.view()).status == 200)
        // The other response's end.
        let other = try Self.request(lastEventID: "1.3", until, ("response_id", "resp_1"))
        #expect(try await streams.respond(to: other, of: session.view()).status == 200)
    }

    @Test func tooManyStreams() async throws {
        var configuration = StreamRegistry.Configuration()
        configuration.perSession = 2
        configuration.total = 3
        let registry = StreamRegistry(configuration: configuration)
        let first = try registry.admit(session: "a")
        let second = try registry.admit(session: "a")
        #expect(throws: StreamRefusal.tooManyOfSession(limit: 2)) { try registry.admit(session: "a") }
        let third = try registry.admit(session: "b")
        #expect(throws: StreamRefusal.tooMany(limit: 3)) { try registry.admit(session: "b") }
        second.leave()
        second.leave()
        #expect(registry.gauges == StreamRegistry.Gauges(open: 2, opened: 3, refused: 2))
        let fourth = try registry.admit(session: "a")
        #expect(registry.gauges.open == 3)
        withExtendedLifetime([first, third, fourth]) {}
    }

    @Test(
        arguments: [
            ("text/event-stream", 429, true), ("text/event-stream", 503, true), ("text/event-stream", 404, false),
            ("text/event-stream, */*", 503, false), ("*/*", 503, false), (nil, 503, false),
        ] as [(String?, Int, Bool)])
    func whoIsToldOfARefusalInAStream(accept: String?, status: Int, isTold: Bool) {
        #expect(EventStreams.isForEventSource(accept: accept, status: status) == isTold)
    }

    @Test func aPassingRefusalIsAStreamThatSaysToComeBack() throws {
        let response = Self.streams().passingRefusal(code: "stream_limit_exceeded")
        #expect(response.status == 200)
        #expect(response.headers["content-type"] == "text/event-stream")
        guard case .bytes(let bytes) = response.body else { throw TestProblem(description: "no body") }
        #expect(String(decoding: bytes, as: UTF8.self) == "retry: 5000\n\n: stream_limit_exceeded\n\n")
    }

    @Test func theTickerTellsEachWhenItIsDue() async throws {
        final class Member: StreamMember {
            let ticks = Ticks()
            func tick(_ now: ContinuousClock.Instant) -> ContinuousClock.Instant? {
                ticks.add(now)
                return now + .seconds(10)
            }
            func drain() {}
        }
        let clock = TestClock()
        let registry = StreamRegistry(now: { clock.now })
        let member = Member()
        let seat = try registry.admit(session: "a")
        seat.attach(member, nextTick: clock.now + .seconds(3))
        var seconds: [Int] = []
        for second in 1...30 {
            clock.advance(by: .seconds(1))
            let before = member.ticks.count
            registry.tick()
            if member.ticks.count > before { seconds.append(second) }
        }
        #expect(seconds == [4, 15, 26])
        seat.leave()
        clock.advance(by: .seconds(60))
        registry.tick()
        #expect(member.ticks.count == 3)
    }
}
