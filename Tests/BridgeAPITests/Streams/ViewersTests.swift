import HTTPServer
import Realtime
import Sessions
import TestSupport
import Testing

@testable import BridgeAPI

@Suite struct ViewersTests {
    private static func hasNews(_ registry: StreamRegistry) async -> Bool {
        var changes = registry.viewerChanges.makeAsyncIterator()
        return await changes.next() != nil
    }

    @Test func whoComesAndGoesIsTold() async throws {
        let registry = StreamRegistry()
        let seats = [try registry.admit(session: "a"), try registry.admit(session: "b"), try registry.admit(session: "a")]
        #expect(await Self.hasNews(registry))
        #expect(registry.takeViewerChanges().sorted() == ["a", "b"])
        #expect(registry.takeViewerChanges().isEmpty)
        #expect([registry.viewers(of: "a"), registry.viewers(of: "b"), registry.viewers(of: "c")] == [2, 1, 0])
        seats[0].leave()
        #expect(await Self.hasNews(registry))
        #expect(registry.takeViewerChanges() == ["a"])
        #expect(registry.viewers(of: "a") == 1)
    }

    /// Whoever hears one answer and goes has not left the session, and its settings must not be carried out for it.
    @Test func whoReadsOneAnswerTakesAPlaceAndIsNoViewer() throws {
        let registry = StreamRegistry(configuration: .init(perSession: 2))
        let seat = try registry.admit(session: "a", isViewer: false)
        #expect(registry.viewers(of: "a") == 0 && registry.gauges.open == 1)
        let viewer = try registry.admit(session: "a")
        #expect(registry.viewers(of: "a") == 1 && registry.takeViewerChanges() == ["a"])
        #expect(throws: StreamRefusal.tooManyOfSession(limit: 2)) { try registry.admit(session: "a", isViewer: false) }
        seat.leave()
        #expect(registry.viewers(of: "a") == 1 && registry.takeViewerChanges().isEmpty && registry.gauges.open == 1)
        viewer.leave()
        #expect(registry.viewers(of: "a") == 0 && registry.takeViewerChanges() == ["a"])
    }

    @Test func whoIsRefusedIsNoViewer() throws {
        let registry = StreamRegistry(configuration: .init(perSession: 0))
        #expect(throws: StreamRefusal.self) { try registry.admit(session: "a") }
        #expect(registry.takeViewerChanges().isEmpty)
    }

    /// Their sessions must not be closed for it: they come back to the next process.
    @Test func whoGoesBecauseTheBridgeStopsHasNotLeft() throws {
        let registry = StreamRegistry()
        let seat = try registry.admit(session: "a")
        _ = registry.takeViewerChanges()
        registry.drain()
        seat.leave()
        #expect(registry.takeViewerChanges().isEmpty)
    }

    @Test func aSessionIsNotIdleWhileSomebodyLooksOn() async throws {
        try await APIFixture.run(connector: ScriptedUpstream([.session()])) { bridge in
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { await bridge.api.run() }
                let id = try await bridge.newSession(#"{"idle_timeout":2}"#)
                let session = try await bridge.directory.session(id, for: Caller(owner: nil))
                // A page that waits is a viewer as a stream is. It would see the suspension after two seconds.
                let looked = try await bridge.send(
                    "GET", "/v1/sessions/\(id)/events?types=bridge.session.suspended&wait=3", headers: ["accept": "application/json"])
                #expect(looked.json?["data"]?.elements.isEmpty == true)
                // One that the bridge does not know of.
                let request = try StreamRequest(format: .lines, query: [], headers: [:])
                let body = HistoryBody(
                    request, from: StreamStart(request.cursor, in: session.history),
                    of: HistoryView(history: session.history, dialects: DialectView(of: .beta, in: .beta)),
                    seat: try StreamRegistry().admit(session: id), logger: quiet)
                let puller = TestPuller(body)
                try await puller.read { $0.contains("bridge.session.suspended") }
                puller.close()
                group.cancelAll()
                try await group.waitForAll()
            }
        }
    }
}
