import Realtime
import TestSupport
import Testing

/// Filters and ends of a view, which name events as the view spells them.
struct GoldenFilterTests {
    struct Row: Sendable {
        let upstream: Dialect
        let view: Dialect
        let query: String
        /// Ids of the frames that are shown, but for the session's end.
        let ids: [String]
        /// Whether the session's end is shown, and not the stream ended before.
        var goesToTheEnd = true
    }

    /// In both traces 1 is `session.created` and 2 the bridge's `bridge.upstream.connected`.
    static let rows = [
        Row(upstream: .beta, view: .ga, query: "types=conversation.item.*", ids: ["1.4-1", "1.4", "1.8", "1.14-1"]),
        Row(upstream: .beta, view: .ga, query: "types=conversation.item.added", ids: ["1.4-1", "1.8"]),
        Row(upstream: .beta, view: .ga, query: "types=conversation.item.created", ids: []),
        Row(upstream: .beta, view: .beta, query: "types=conversation.item.created", ids: ["1.4", "1.8"]),
        Row(upstream: .beta, view: .beta, query: "types=conversation.item.added,conversation.item.done", ids: []),
        Row(
            upstream: .beta, view: .ga, query: "types=conversation.*,response.output_*&exclude=*.delta,conversation.item.done",
            ids: [
                "1.3", "1.4-1", "1.7", "1.8", "1.12", "1.14",
            ]),
        Row(upstream: .beta, view: .ga, query: "until=conversation.item.added", ids: ["1.1", "1.2", "1.3", "1.4-1"], goesToTheEnd: false),
        Row(
            upstream: .beta, view: .ga, query: "until=conversation.item.done", ids: ["1.1", "1.2", "1.3", "1.4-1", "1.4"],
            goesToTheEnd: false),
        Row(upstream: .beta, view: .ga, query: "types=session.*&until=conversation.item.done", ids: ["1.1"], goesToTheEnd: false),
        Row(upstream: .beta, view: .beta, query: "types=error&until=conversation.item.added", ids: []),
        Row(upstream: .beta, view: .ga, query: "response_id=resp_Rb01&types=*.done", ids: ["1.12", "1.13", "1.14", "1.15"]),
        Row(upstream: .ga, view: .beta, query: "types=conversation.created", ids: ["1.1"]),
        Row(upstream: .ga, view: .beta, query: "types=session.*,conversation.*", ids: ["1.1-1", "1.1", "1.3", "1.7"]),
        Row(upstream: .ga, view: .beta, query: "until=session.created", ids: ["1.1-1"], goesToTheEnd: false),
        Row(upstream: .ga, view: .beta, query: "until=conversation.created", ids: ["1.1-1", "1.1"], goesToTheEnd: false),
        Row(upstream: .ga, view: .beta, query: "exclude=session.created&until=session.created", ids: [], goesToTheEnd: false),
        Row(upstream: .ga, view: .beta, query: "types=error&until=conversation.item.done", ids: []),
    ]

    @Test(arguments: Dialect.allCases)
    func namesAreTheViewsAndAnEndIsBehindTheFrameThatIsMeant(upstream: Dialect) async throws {
        try await PlayedTrace.run(Trace.named("text_turn", upstream)) { played in
            for row in Self.rows where row.upstream == upstream {
                let stream = try #require(try await played.stream(row.view, row.query))
                let shown = EventFrame.list(stream)
                let isEnded = shown.last?.type == BridgeEvent.closedType
                #expect((isEnded ? shown.dropLast() : shown[...]).map(\.id) == row.ids, "\(row)")
                #expect(isEnded == row.goesToTheEnd, "\(row)")
                // A client that comes back with what it got last has all it asked for.
                var parser = EventStreamParser()
                let cursor = parser.add(stream).last { $0.id != nil }?.id
                #expect(try await played.stream(row.view, after: cursor, row.query) == nil, "\(row)")
                // Without the filter and the end, what follows is what was not passed over.
                let all = try await played.frames(row.view)
                let place = try #require(all.firstIndex { $0.id == cursor })
                expectSame(try await played.frames(row.view, after: cursor), Array(all[(place + 1)...]), "\(row)")
            }
        }
    }

    /// A page ends between the two frames, also where only one of them is wanted.
    @Test func aPageEndsBetweenTwoFramesOfAnEvent() async throws {
        try await PlayedTrace.run(Trace.named("text_turn", .beta)) { played in
            let pages = try await played.pages(.ga, limit: 1, "types=conversation.item.*")
            #expect(pages.map { $0.map(\.id) } == [["1.4-1"], ["1.4"], ["1.8"], ["1.14-1"], ["1.16"]])
            let done = try await played.pages(.ga, limit: 1, "types=conversation.item.done")
            #expect(done.map { $0.map(\.id) } == [["1.4"], ["1.14-1"], ["1.16"]])
        }
    }
}
