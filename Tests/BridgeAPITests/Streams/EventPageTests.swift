import EventLog
import Realtime
import Testing

@testable import BridgeAPI

struct EventPageTests {
    private static func page(
        of session: TestSession, _ registry: StreamRegistry = StreamRegistry(), _ change: (inout StreamRequest) -> Void = { _ in }
    ) async throws -> JSON {
        var request = StreamRequest(format: .page)
        change(&request)
        return try JSON.parse(try await EventPage.read(request, of: session.view(), registry: registry))
    }

    private static func ids(_ page: JSON) -> [String?] { page["data"]?.elements.map { $0["id"]?.string } ?? [] }

    @Test func anEmptySession() async throws {
        let session = try await TestSession()
        let bytes = try await EventPage.read(StreamRequest(format: .page), of: session.view(), registry: StreamRegistry())
        #expect(
            String(decoding: bytes, as: UTF8.self)
                == #"{"object":"list","data":[],"first_id":null,"last_id":"1.0","has_more":false}"#)
    }

    /// Who begins with what comes from now on asks next after the id of the empty page, and misses nothing.
    @Test func anEmptyPageSaysWhereItStands() async throws {
        let session = try await TestSession()
        await session.append((0..<3).map { delta($0) })
        let now = try await Self.page(of: session) { $0.cursor = .now }
        #expect(Self.ids(now).isEmpty && now["last_id"]?.string == "1.3")
        await session.append([delta(3)])
        let next = try await Self.page(of: session) { $0.cursor = .after(FrameID("1.3")!) }
        #expect(Self.ids(next) == ["1.4"])
        let end = try await Self.page(of: session) { $0.cursor = .after(FrameID("1.4")!) }
        #expect(Self.ids(end).isEmpty && end["last_id"]?.string == "1.4")
    }

    @Test(arguments: [256 * 1024, 200])
    func pagesFollowEachOther(windowBytes: Int) async throws {
        let session = try await TestSession(windowBytes: windowBytes)
        await session.append((0..<45).map { delta($0) })
        let first = try await Self.page(of: session)
        #expect(Self.ids(first) == (1...20).map { "1.\($0)" })
        #expect(first["first_id"]?.string == "1.1")
        #expect(first["last_id"]?.string == "1.20")
        #expect(first["has_more"]?.bool == true)
        #expect(first["data"]?[0]?["event"]?["delta"]?.string == "0")
        let last = try await Self.page(of: session) {
            $0.cursor = .after(FrameID(EventPosition(epoch: 1, seq: 20)))
            $0.limit = 100
        }
        #expect(Self.ids(last) == (21...45).map { "1.\($0)" })
        #expect(last["has_more"]?.bool == false)
    }

    @Test func whatTheFilterHidesIsPassedOnce() async throws {
        let session = try await TestSession(windowBytes: 200)
        await session.append((0..<30).map { delta($0) })
        let page = try await Self.page(of: session) { $0.filter.types = TypePatterns("error") }
        #expect(Self.ids(page) == [])
        #expect(page["last_id"]?.string == "1.30")
        #expect(page["has_more"]?.bool == false)
    }

    @Test func aGapIsAnEntryWithoutAnID() async throws {
        let session = try await TestSession(windowBytes: 500, retainedBytes: 2_000)
        await session.append((0..<100).map { delta($0) })
        try await session.log.applyRetention()
        let page = try await Self.page(of: session)
        #expect(Self.ids(page).first == .some(nil))
        #expect(page["data"]?[0]?["event"]?["type"]?.string == "bridge.gap")
        #expect(Self.ids(page)[1] == "1.\(session.history.start.seq + 1)")
    }

    @Test func aLongPollReturnsWithItsFirstEvent() async throws {
        let session = try await TestSession()
        let registry = StreamRegistry()
        async let page = Self.page(of: session, registry) {
            $0.wait = .seconds(60)
            $0.filter.types = TypePatterns("response.*")
        }
        // The poll may begin before or after these; it has to return with the delta either way.
        await session.append(#"{"type":"noise"}"#)
        await session.append(delta(1))
        #expect(Self.ids(try await page) == ["1.2"])
        #expect(registry.gauges.open == 0)
    }

    @Test func aLongPollEndsWithItsTime() async throws {
        let clock = TestClock()
        let registry = StreamRegistry(now: { clock.now })
        let session = try await TestSession()
        async let page = Self.page(of: session, registry) { $0.wait = .seconds(5) }
        while registry.gauges.open == 0 { await Task.yield() }
        // The seat is taken a moment before the clock is asked, so the time is let go by until the poll is over.
        let ticker = Task {
            while !Task.isCancelled {
                clock.advance(by: .seconds(6))
                registry.tick()
                await Task.yield()
            }
        }
        #expect(Self.ids(try await page) == [])
        ticker.cancel()
    }

    @Test(arguments: [true, false])
    func aLongPollEndsWithTheSessionAndTheDrain(isDrain: Bool) async throws {
        let registry = StreamRegistry()
        let session = try await TestSession()
        async let page = Self.page(of: session, registry) {
            $0.wait = .seconds(60)
            $0.filter.types = TypePatterns("response.*")
        }
        while registry.gauges.open == 0 { await Task.yield() }
        if isDrain { registry.drain() } else { session.history.markEnded() }
        #expect(Self.ids(try await page) == [])
    }
}
