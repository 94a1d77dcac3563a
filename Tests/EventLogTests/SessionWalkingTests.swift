import Testing

@testable import EventLog

/// The list of sessions read page by page while it changes, and when it is long.
@Suite struct SessionWalkingTests {
    private static func walk(
        _ log: EventLog, _ query: SessionQuery, between: (Int, [String]) async throws -> Void = { _, _ in }
    ) async throws -> [String] {
        var query = query
        var seen: [String] = []
        var pages = 0
        while true {
            let page = try await log.sessions(query)
            #expect(page.isCursorKnown)
            seen += page.summaries.map(\.record.id)
            guard page.hasMore, let last = page.summaries.last?.record.id else { return seen }
            pages += 1
            try await between(pages, page.summaries.map(\.record.id))
            query.after = last
        }
    }

    /// The session a reader stopped at is deleted before it asks for the next page.
    @Test(arguments: StoreKind.allCases, [SessionQuery.Order.newestFirst, .oldestFirst])
    func aWalkGoesOnAtASessionThatIsGone(_ kind: StoreKind, order: SessionQuery.Order) async throws {
        let log = EventLog.make(try kind.makeStore())
        for number in 10...29 { _ = try await log.createSession(.named("s\(number)")) }
        var query = SessionQuery(owner: .any, limit: 3)
        query.order = order
        let seen = try await Self.walk(log, query) { _, page in
            try await log.deleteSession(page[2])
            try await log.applyRetention()
            _ = try await log.createSession(.named("new after \(page[2])"))
        }
        let old = (10...29).map { "s\($0)" }
        #expect(seen.filter { !$0.hasPrefix("new") } == (order == .oldestFirst ? old : old.reversed()))
        #expect(Set(seen).count == seen.count)
        query.after = "none"
        #expect(try await log.sessions(query) == .ofUnknownCursor)
        await log.close()
    }

    @Test(arguments: StoreKind.allCases)
    func onlyTheLastDeletedOnesAreRemembered(_ kind: StoreKind) async throws {
        let store = try kind.makeStore()
        for number in 0...SessionQuery.forgottenPlaces {
            _ = try store.createSession(.named("s\(number)"))
            try store.forgetSession("s\(number)")
        }
        var query = SessionQuery(owner: .any)
        query.after = "s0"
        #expect(try await store.sessions(query) == .ofUnknownCursor)
        query.after = "s1"
        #expect(try await store.sessions(query).isCursorKnown)
        try store.close()
    }

    @Test(arguments: StoreKind.allCases)
    func amongTenThousandTheOnesAskedForAreFound(_ kind: StoreKind) async throws {
        let log = EventLog.make(try kind.makeStore())
        for number in 0..<10_000 {
            _ = try await log.createSession(
                .named(
                    "s\(number)", owner: number.isMultiple(of: 2) ? "even" : nil, status: number.isMultiple(of: 5) ? .closed : .active,
                    metadata: #"{"user":"\#(number % 1_000)","room":"r\#(number % 7)"}"#))
        }
        var query = SessionQuery(owner: .any, limit: 4)
        query.metadata = ["user": "42"]
        let clock = ContinuousClock()
        let began = clock.now
        let users = try await Self.walk(log, query)
        let spent = clock.now - began
        #expect(users == stride(from: 9_042, through: 42, by: -1_000).map { "s\($0)" })
        query.metadata = ["user": "40", "room": "r2"]
        query.statuses = [.closed]
        query.owner = .exactly("even")
        let combined = (0..<10_000).filter { $0 % 1_000 == 40 && $0 % 7 == 2 && $0 % 10 == 0 }.reversed().map { "s\($0)" }
        #expect(try await Self.walk(log, query) == combined && !combined.isEmpty)
        query.metadata = ["user": "none"]
        let nothing = clock.now
        #expect(try await log.sessions(query).summaries.isEmpty)
        print("10,000 sessions, \(kind): ten of one user in three pages \(spent), none in \(clock.now - nothing)")
        await log.close()
    }
}
