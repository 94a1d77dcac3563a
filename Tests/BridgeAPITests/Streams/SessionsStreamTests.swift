import EventLog
import Foundation
import HTTPServer
import NIOConcurrencyHelpers
import Realtime
import Testing

@testable import BridgeAPI

/// Several sessions on one stream: composite cursors, turns, gaps and ends, over real logs.
struct SessionsStreamTests {
    /// Sessions of logs of their own, sorted by their ids.
    private struct Several {
        let sessions: [TestSession]
        let registry: StreamRegistry
        let streams: EventStreams

        init(_ count: Int, windowBytes: Int = 256 * 1_024, retainedBytes: Int = 256 * 1_024 * 1_024, folder: String? = nil, limit: Int = 64)
            async throws
        {
            var sessions: [TestSession] = []
            for number in 0..<count {
                sessions.append(
                    try await TestSession(
                        id: "rts_\(number)", windowBytes: windowBytes, retainedBytes: retainedBytes,
                        folder: folder.map { "\($0)/\(number)" }))
            }
            self.sessions = sessions
            registry = StreamRegistry(configuration: StreamRegistry.Configuration(perSession: limit, total: 100))
            streams = EventStreams(registry: registry, logger: quiet)
        }

        var names: [String] { sessions.map(\.history.sessionID) }

        func open(
            _ format: StreamRequest.Format = .eventStream, _ query: [(String, String)] = [], lastEventID: String? = nil,
            in dialect: Dialect = .ga
        ) async throws -> Response {
            let request = try StreamRequest(
                format: format, query: query, headers: lastEventID.map { ["last-event-id": $0] } ?? [:])
            return try await streams.respond(to: request, of: sessions.map { $0.view(in: dialect) })
        }

        func puller(
            _ format: StreamRequest.Format = .eventStream, _ query: [(String, String)] = [], lastEventID: String? = nil,
            in dialect: Dialect = .ga, bufferBytes: Int = 20 * 1_024
        ) async throws -> TestPuller {
            let response = try await open(format, query, lastEventID: lastEventID, in: dialect)
            guard case .stream(let stream) = response.body, let body = stream as? any WakeableStream else {
                throw TestProblem(description: "no stream: \(response.status)")
            }
            return TestPuller(body, bufferBytes: bufferBytes)
        }
    }

    private static func messages(_ text: some Sequence<UInt8>, after id: String = "") -> [TestEventSource.Message] {
        var source = TestEventSource(lastEventID: id)
        source.feed(text)
        return source.messages
    }

    /// The wrapped frames of each session, in the order in which they came.
    private static func frames(_ messages: [TestEventSource.Message]) -> [String: [String]] {
        messages.reduce(into: [:]) { frames, message in
            guard let json = try? JSON.parse(message.data), let id = json["session_id"]?.string, let event = json["event"] else { return }
            frames[id, default: []].append(String(decoding: event.lexeme, as: UTF8.self))
        }
    }

    private static let closed = #"{"type":"bridge.session.closed","reason":"test"}"#

    // MARK: The id

    @Test func anIDBelongsToItsSessions() throws {
        let cursor = SessionsCursor(sessions: ["rts_a", "rts_b"], cursors: ["1.4", "2.7-1"])
        let text = cursor.description
        #expect(text.hasSuffix(":1.4,2.7-1"))
        #expect(text.prefix { $0 != ":" }.count == 8)
        #expect(SessionsCursor(text, sessions: ["rts_a", "rts_b"]) == cursor)
        for others in [["rts_a"], ["rts_a", "rts_c"], ["rts_b", "rts_a"], ["rts_a,rts_b"]] {
            #expect(SessionsCursor(text, sessions: others) == nil)
        }
        for bad in ["", ":", "1.4", "00000000:1.4,1.7", text + ",1.1", String(text.dropLast(6)), text + ":", "x" + text] {
            #expect(SessionsCursor(bad, sessions: ["rts_a", "rts_b"]) == nil, "\(bad)")
        }
    }

    // MARK: What is shown

    @Test func eventsComeWrappedWithTheirSessionsID() async throws {
        let several = try await Several(2)
        await several.sessions[0].append(delta(1))
        let puller = try await several.puller()
        let digest = SessionsCursor(sessions: several.names, cursors: []).digest
        #expect(
            puller.drain()
                == "retry: 1000\nid: \(digest):1.0,1.0\n\nid: \(digest):1.1,1.0\nevent: response.text.delta\n"
                + "data: {\"session_id\":\"rts_0\",\"event\":\(delta(1))}\n\n")
        await several.sessions[1].append("{\"type\":\"b\",\n\"c\":1}")
        #expect(
            puller.drain().hasSuffix(
                "id: \(digest):1.1,1.1\nevent: b\ndata: {\"session_id\":\"rts_1\",\"event\":{\"type\":\"b\",\ndata: \"c\":1}}\n\n"))
        let plain = try await several.puller(.eventStream, [("envelope", "message")])
        #expect(!plain.drain().contains("event: "))
        let lines = try await several.puller(.lines)
        let entries = try lines.drain().split(separator: "\n").map { try JSON.parse(String($0)) }
        #expect(entries.map { $0["session_id"]?.string } == ["rts_0", "rts_1"])
        #expect(entries.map { $0["id"]?.string } == ["\(digest):1.1,1.0", "\(digest):1.1,1.1"])
        #expect(entries.allSatisfy { $0["created_at"]?.int != nil && $0["event"]?["type"] != nil })
        let tail = try await several.puller(.eventStream, [("from", "now")])
        #expect(tail.drain() == "retry: 1000\nid: \(digest):1.1,1.1\n\n")
        for puller in [puller, plain, lines, tail] { puller.close() }
        #expect(several.registry.gauges.open == 0)
    }

    @Test func aFilterHoldsForAllAndMovesTheCursor() async throws {
        let several = try await Several(2)
        for session in several.sessions { await session.append((0..<300).map { #"{"type":"noise","n":\#($0)}"# } + [delta(1)]) }
        let puller = try await several.puller(.eventStream, [("exclude", "noise")])
        let messages = Self.messages(puller.drain().utf8)
        #expect(messages.count == 2)
        #expect(puller.text.components(separatedBy: "\nid: ").count > 3)
        await several.sessions[0].append(#"{"type":"noise"}"#)
        puller.drain()
        // It has passed over events of both, and says so when it next says something.
        await several.sessions[1].append(delta(2))
        #expect(Self.messages(puller.drain().utf8).last?.lastEventID.hasSuffix(":1.302,1.302") == true)
        puller.close()
    }

    @Test func eachSessionIsShownInTheDialectAskedFor() async throws {
        let several = try await Several(2)
        let item = #"{"id":"i","type":"message","role":"user","status":"completed","content":[]}"#
        for session in several.sessions {
            await session.append(
                #"{"type":"session.created","session":{"id":"sess_1","type":"realtime"}}"#,
                #"{"type":"conversation.item.added","item":\#(item)}"#)
        }
        let puller = try await several.puller(in: .beta)
        let messages = Self.messages(puller.drain().utf8)
        #expect(messages.filter { $0.type == "conversation.item.created" }.count == 2)
        // session.created is two frames here: the id counts within the event.
        #expect(messages.contains { $0.lastEventID.contains("1.1-1") })
        for message in messages {
            let rest = try await several.puller(lastEventID: message.lastEventID, in: .beta)
            #expect(
                Self.messages(rest.drain().utf8).count == messages.count - 1
                    - (messages.firstIndex { $0.lastEventID == message.lastEventID } ?? 0))
            rest.close()
        }
        puller.close()
    }

    // MARK: Exactly once

    /// I3 for a connection that is cut after any byte.
    @Test(arguments: [false, true])
    func cutAtEveryByteAndResumed(isFiltered: Bool) async throws {
        let several = try await Several(3)
        for (number, session) in several.sessions.enumerated() {
            await session.append((0..<3 + number).flatMap { [delta($0), #"{"type":"noise","number":\#($0)}"#] })
            if number != 1 { await session.end() }
        }
        let query = isFiltered ? [("exclude", "noise")] : []
        let whole = try await several.puller(.eventStream, query)
        whole.drain()
        let expected = Self.frames(Self.messages(whole.bytes))
        #expect(
            expected.mapValues(\.count) == (isFiltered ? ["rts_0": 4, "rts_1": 4, "rts_2": 6] : ["rts_0": 7, "rts_1": 8, "rts_2": 11]))
        for cut in 0...whole.bytes.count {
            var before = TestEventSource()
            before.feed(whole.bytes[..<cut])
            let rest = try await several.puller(.eventStream, query, lastEventID: before.lastEventID)
            rest.drain()
            let all = before.messages + Self.messages(rest.bytes, after: before.lastEventID)
            #expect(Self.frames(all) == expected, "cut at \(cut)")
            rest.close()
        }
        whole.close()
    }

    @Test func concurrentAppendsReachEveryReaderOnceInOrder() async throws {
        // Windows of a few events: readers fall behind all the time.
        let several = try await Several(5, windowBytes: 2_000)
        let count = 600
        var pullers: [TestPuller] = []
        for size in [64, 500, 4_096, 20_480] { pullers.append(try await several.puller(bufferBytes: size)) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for session in several.sessions {
                group.addTask {
                    for start in stride(from: 0, to: count, by: 30) { await session.append((start..<start + 30).map { delta($0) }) }
                    await session.end()
                }
            }
            for puller in pullers { group.addTask { try await puller.read() } }
            try await group.waitForAll()
        }
        let expected = (0..<count).map { delta($0) } + [Self.closed]
        for puller in pullers {
            let frames = Self.frames(Self.messages(puller.bytes))
            #expect(frames.count == 5 && frames.values.allSatisfy { $0 == expected }, "\(frames.mapValues(\.count))")
            puller.close()
        }
    }

    /// Readers come and go, and the logs are closed and opened again.
    @Test func restartedLogsGoOnWhereTheirReaderStopped() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("several-\(UInt64.random(in: 0 ... .max))").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        var source = TestEventSource()
        for round in 0..<4 {
            let several = try await Several(3, folder: folder)
            for session in several.sessions { await session.append((round * 50..<(round + 1) * 50).map { delta($0) }) }
            let puller = try await several.puller(lastEventID: source.lastEventID, bufferBytes: 100)
            // It is cut somewhere in between.
            try await puller.read { $0.utf8.count > 12_000 }
            source.feed(puller.bytes.prefix(12_000))
            source.disconnect()
            puller.close()
            for session in several.sessions { await session.log.close() }
        }
        let several = try await Several(3, folder: folder)
        let puller = try await several.puller(lastEventID: source.lastEventID)
        let earlier = source.messages
        try await puller.read {
            $0.contains(delta(199)) && Self.frames(earlier + Self.messages($0.utf8)).values.allSatisfy { $0.last == delta(199) }
        }
        let frames = Self.frames(source.messages + Self.messages(puller.bytes))
        #expect(frames.values.allSatisfy { $0 == (0..<200).map { delta($0) } } && frames.count == 3)
        puller.close()
        for session in several.sessions { await session.log.close() }
    }

    // MARK: Turns

    @Test func aBusySessionDoesNotHoldBackAQuietOne() async throws {
        let several = try await Several(2)
        await several.sessions[0].append((0..<1_000).map { delta($0) })
        let puller = try await several.puller(bufferBytes: 256)
        _ = puller.pull()
        await several.sessions[1].append(#"{"type":"quiet"}"#)
        // A slow client takes a little at a time.
        for _ in 0..<8 { _ = puller.pull() }
        #expect(puller.text.contains("quiet"))
        puller.drain()
        #expect(Self.frames(Self.messages(puller.bytes))["rts_0"]?.count == 1_000)
        puller.close()
    }

    /// What a slow reader has not taken is held nowhere, whatever the number of its sessions.
    @Test func manySessionsBehindAreReadInTurn() async throws {
        let several = try await Several(32, windowBytes: 1_000)
        for session in several.sessions { await session.append((0..<200).map { delta($0) }) }
        let puller = try await several.puller(bufferBytes: 4_096)
        for session in several.sessions { await session.end() }
        try await puller.read()
        let frames = Self.frames(Self.messages(puller.bytes))
        #expect(frames.count == 32 && frames.values.allSatisfy { $0 == (0..<200).map { delta($0) } + [Self.closed] })
        puller.close()
    }

    // MARK: Gaps

    @Test(arguments: ["12345678:1.1,1.1", "1.1", "nonsense", "DIGEST:1.1", "DIGEST:1.1,1.1,1.1"])
    func anIDOfOtherSessionsIsAGapForAll(id: String) async throws {
        let several = try await Several(2)
        for session in several.sessions { await session.append(delta(1)) }
        let digest = SessionsCursor(sessions: several.names, cursors: []).digest
        let puller = try await several.puller(lastEventID: id.replacing("DIGEST", with: digest))
        let messages = Self.messages(puller.drain().utf8)
        #expect(messages.map(\.type).filter { $0 == "bridge.gap" }.count == 2)
        #expect(Self.frames(messages).values.allSatisfy { $0.count == 2 && $0[0].contains("unknown") && $0[1] == delta(1) })
        // Whoever was cut off before the gap hears of it again; who has heard of it does not.
        var source = TestEventSource()
        source.feed(Array(puller.text.utf8.prefix(40)))
        let again = try await several.puller(lastEventID: source.lastEventID)
        #expect(Self.messages(again.drain().utf8).map(\.type).filter { $0 == "bridge.gap" }.count == 2)
        let last = try #require(messages.last?.lastEventID)
        let rest = try await several.puller(lastEventID: last)
        #expect(Self.messages(rest.drain().utf8).isEmpty)
        for puller in [puller, again, rest] { puller.close() }
    }

    @Test func aGapIsOneSessionsOwn() async throws {
        let several = try await Several(2, retainedBytes: 2_000)
        await several.sessions[0].append(delta(1))
        for start in stride(from: 0, to: 200, by: 20) { await several.sessions[1].append((start..<start + 20).map { delta($0) }) }
        try await several.sessions[1].log.applyRetention()
        let puller = try await several.puller()
        let text = try await puller.read { $0.contains("bridge.gap") && $0.contains(delta(199)) }
        let frames = Self.frames(Self.messages(text.utf8))
        #expect(frames["rts_0"] == [delta(1)])
        #expect(frames["rts_1"]?.first?.contains(#""why":"retention""#) == true)
        #expect(frames["rts_1"]?.first?.contains("/v1/sessions/rts_1") == true)
        puller.close()
    }

    // MARK: Ends

    @Test func aClosedSessionEndsInPlaceAndTheStreamWithTheLast() async throws {
        let several = try await Several(2)
        await several.sessions[0].append(delta(1))
        await several.sessions[0].end()
        let puller = try await several.puller()
        puller.drain()
        #expect(!puller.isFinished)
        await several.sessions[1].append(delta(2))
        #expect(Self.frames(Self.messages(puller.drain().utf8)) == ["rts_0": [delta(1), Self.closed], "rts_1": [delta(2)]])
        let middle = try #require(Self.messages(puller.bytes).last?.lastEventID)
        await several.sessions[1].end()
        puller.drain()
        #expect(puller.isFinished)
        puller.close()
        // One that comes back has only what is left of it.
        let rest = try await several.puller(lastEventID: middle)
        #expect(Self.frames(Self.messages(rest.drain().utf8)) == ["rts_1": [Self.closed]])
        #expect(rest.isFinished)
        rest.close()
        let end = try #require(Self.messages(puller.bytes).last?.lastEventID)
        #expect(try await several.open(lastEventID: end).status == 204)
        #expect(several.registry.gauges.open == 0)
    }

    @Test func untilEndsEachSession() async throws {
        let several = try await Several(2)
        await several.sessions[0].append(delta(1), #"{"type":"response.done"}"#, delta(2))
        let puller = try await several.puller(.eventStream, [("until", "response.done")])
        puller.drain()
        await several.sessions[1].append(#"{"type":"response.done"}"#, delta(3))
        puller.drain()
        #expect(puller.isFinished)
        #expect(
            Self.frames(Self.messages(puller.bytes)) == [
                "rts_0": [delta(1), #"{"type":"response.done"}"#], "rts_1": [#"{"type":"response.done"}"#],
            ])
        let end = try #require(Self.messages(puller.bytes).last?.lastEventID)
        #expect(try await several.open(.eventStream, [("until", "response.done")], lastEventID: end).status == 204)
        puller.close()
    }

    @Test func itCountsForEachOfItsSessions() async throws {
        let several = try await Several(2, limit: 1)
        let puller = try await several.puller()
        #expect(several.registry.gauges.open == 1)
        #expect(several.registry.viewers(of: "rts_0") == 1 && several.registry.viewers(of: "rts_1") == 1)
        #expect(throws: StreamRefusal.tooManyOfSession(limit: 1)) { try several.registry.admit(session: "rts_1") }
        puller.close()
        #expect(several.registry.viewers(of: "rts_0") == 0 && several.registry.viewers(of: "rts_1") == 0)
        #expect(Set(several.registry.takeViewerChanges()) == ["rts_0", "rts_1"])
    }

    // MARK: Time

    private struct Timed {
        let clock = TestClock()
        let session: TestSession
        let registry: StreamRegistry

        init() async throws {
            session = try await TestSession(id: "rts_0")
            let clock = clock
            registry = StreamRegistry(now: { clock.now }, random: { 0 })
        }

        func puller(_ query: [(String, String)] = []) async throws -> TestPuller {
            let request = try StreamRequest(format: .eventStream, query: query, headers: [:])
            let other = try await TestSession(id: "rts_1")
            let response = try await EventStreams(registry: registry, logger: quiet).respond(
                to: request, of: [session.view(), other.view()])
            guard case .stream(let stream) = response.body, let body = stream as? any WakeableStream else {
                throw TestProblem(description: "no stream")
            }
            return TestPuller(body)
        }
    }

    @Test func aQuietStreamHasAHeartbeatThatTellsTheCursor() async throws {
        let timed = try await Timed()
        let puller = try await timed.puller([("exclude", "noise")])
        let begin = puller.drain()
        await timed.session.append(#"{"type":"noise"}"#)
        #expect(puller.drain() == begin)
        timed.clock.advance(by: .seconds(16))
        timed.registry.tick()
        let told = puller.drain().dropFirst(begin.count)
        #expect(told.hasPrefix("id: ") && told.contains(":1.1,1.0\n\n") && told.hasSuffix(": keep-alive\n\n"))
        timed.clock.advance(by: .seconds(16))
        timed.registry.tick()
        #expect(puller.drain().hasSuffix(": keep-alive\n\n: keep-alive\n\n"))
        puller.close()
    }

    @Test(arguments: [false, true])
    func itEndsWithARetryWhenItIsOldOrTheBridgeStops(isDrain: Bool) async throws {
        let timed = try await Timed()
        let puller = try await timed.puller()
        await timed.session.append(delta(1))
        puller.drain()
        if isDrain {
            timed.registry.drain()
        } else {
            timed.clock.advance(by: .seconds(3_000))
            timed.registry.tick()
        }
        #expect(puller.drain().hasSuffix("retry: 1000\n\n"))
        #expect(puller.isFinished)
        puller.close()
    }
}
