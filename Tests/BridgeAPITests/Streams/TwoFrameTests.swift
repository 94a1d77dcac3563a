import EventLog
import HTTPServer
import Realtime
import Testing

@testable import BridgeAPI

/// Streams of a view in which an event is no frame, one or two: ids, cursors, filters and ends.
struct TwoFrameTests {
    /// Of a ga server: two frames in beta, one, none, one.
    private static let events = [
        #"{"type":"session.created","event_id":"e1","session":{"type":"realtime","id":"sess_1"}}"#,
        #"{"type":"conversation.item.added","event_id":"e2","item":{"id":"i"}}"#,
        #"{"type":"conversation.item.done","event_id":"e3","item":{"id":"i"}}"#,
        #"{"type":"error","event_id":"e4","error":{"message":"m"}}"#,
    ]
    private static let ids = ["1.1-1", "1.1", "1.2", "1.4", "1.5"]
    private static let types = ["session.created", "conversation.created", "conversation.item.created", "error", "bridge.session.closed"]

    private static func ended() async throws -> TestSession {
        let session = try await TestSession()
        await session.append(events)
        await session.end()
        return session
    }

    private static func read(
        _ session: TestSession, after id: String? = nil, in dialect: Dialect = .beta, query: [(name: String, value: String)] = []
    ) async throws -> [UInt8] {
        let request = try StreamRequest(format: .eventStream, query: query, headers: id.map { ["last-event-id": $0] } ?? [:])
        let puller = TestPuller(try session.body(request, in: dialect))
        try await puller.read()
        return puller.bytes
    }

    private static func messages(_ bytes: [UInt8], since id: String = "") -> [TestEventSource.Message] {
        var source = TestEventSource(lastEventID: id)
        source.feed(bytes)
        return source.messages
    }

    @Test func theFramesOfAnEventCountDown() async throws {
        let messages = Self.messages(try await Self.read(try await Self.ended()))
        #expect(messages.map(\.lastEventID) == Self.ids)
        #expect(messages.map(\.type) == Self.types)
    }

    /// A client that got only so many bytes goes on in the same dialect with what is missing, and in the other one with all of the event
    /// of which it has seen a part.
    @Test func aStreamThatIsCutAtAnyByteGoesOn() async throws {
        let session = try await Self.ended()
        let whole = try await Self.read(session)
        let all = Self.messages(whole)
        let inGA = Self.messages(try await Self.read(session, in: .ga))
        #expect(inGA.map(\.lastEventID) == (1...5).map { "1.\($0)" })
        for cut in 0...whole.count {
            var source = TestEventSource()
            source.feed(whole[..<cut])
            source.disconnect()
            let seen = source.messages
            let id = source.lastEventID
            guard id != "1.5" else { continue }
            let same = Self.messages(try await Self.read(session, after: id.isEmpty ? nil : id), since: id)
            #expect(seen + same == all, "cut at \(cut) after \(id)")
            let other = Self.messages(try await Self.read(session, after: id.isEmpty ? nil : id, in: .ga), since: id)
            let position = FrameID(id)
            let next = position.map { $0.position.seq + ($0.remaining > 0 ? 0 : 1) } ?? 1
            #expect(other == Array(inGA[(next - 1)...]), "cut at \(cut) after \(id)")
        }
    }

    @Test func pagesEndBetweenTheFramesOfAnEvent() async throws {
        let session = try await Self.ended()
        var seen: [String] = []
        var cursor: FrameID?
        for _ in 0..<10 {
            var request = StreamRequest(format: .page)
            request.limit = 1
            if let cursor { request.cursor = .after(cursor) }
            let page = try JSON.parse(try await EventPage.read(request, of: session.view(in: .beta), registry: StreamRegistry()))
            seen += (page["data"]?.elements ?? []).compactMap { $0["id"]?.string }
            cursor = try #require(FrameID(try #require(page["last_id"]?.string)))
            #expect(page["has_more"]?.bool == (seen.last != "1.5"))
            if page["has_more"]?.bool == false { break }
        }
        #expect(seen == Self.ids)
    }

    @Test(
        arguments: [
            (["types": "conversation.*"], ["1.1", "1.2", "1.5"]),
            (["exclude": "conversation.created"], ["1.1-1", "1.2", "1.4", "1.5"]),
            (["types": "conversation.item.done"], ["1.5"]),
            (["until": "session.created"], ["1.1-1"]),
            (["until": "conversation.created"], ["1.1-1", "1.1"]),
            (["until": "session.created", "types": "error"], []),
        ] as [([String: String], [String])])
    func filtersNameWhatTheViewShows(query: [String: String], ids: [String]) async throws {
        let session = try await Self.ended()
        let bytes = try await Self.read(session, query: query.map { (name: $0.key, value: $0.value) })
        #expect(Self.messages(bytes).map(\.lastEventID) == ids)
    }

    /// Where an `until` ended a stream, coming back for the same ends it for good.
    @Test(arguments: [("1.1-1", "session.created"), ("1.1", "conversation.created")])
    func comingBackAfterTheEndIsAnsweredSo(id: String, until: String) async throws {
        let session = try await Self.ended()
        let streams = EventStreams(registry: StreamRegistry(), logger: quiet)
        func answer(_ id: String, in dialect: Dialect) async throws -> EventStreams.Answer {
            let request = try StreamRequest(
                format: .eventStream, query: [(name: "until", value: until)], headers: ["last-event-id": id])
            return try await streams.answer(to: request, of: session.view(in: dialect))
        }
        #expect(try await answer(id, in: .beta) == .noContent)
        #expect(try await answer("1.2", in: .beta) != .noContent)
        // In ga there is only one frame, and it is still to come.
        if id == "1.1-1" { #expect(try await answer(id, in: .ga) != .noContent) }
    }

    /// A cursor is told to a client that is shown nothing, also within an event.
    @Test func theEndThatIsNotShownMovesTheCursorToItsFrame() async throws {
        let session = try await Self.ended()
        let bytes = try await Self.read(session, query: [(name: "until", value: "session.created"), (name: "types", value: "error")])
        #expect(String(decoding: bytes, as: UTF8.self).hasSuffix("id: 1.1-1\n\n"))
    }

    @Test func whatRetentionTookOfTheRestIsAGap() async throws {
        let session = try await TestSession(windowBytes: 500, retainedBytes: 2_000)
        await session.append(Self.events)
        await session.append((0..<100).map { delta($0) })
        await session.end()
        try await session.log.applyRetention()
        #expect(session.history.start.seq > 2)
        let messages = Self.messages(try await Self.read(session, after: "1.1-1"))
        #expect(messages.first?.type == "bridge.gap")
    }
}
