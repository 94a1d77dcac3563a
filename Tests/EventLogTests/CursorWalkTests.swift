import NIOConcurrencyHelpers
import Testing

@testable import EventLog

/// I3: whoever follows a session from any cursor gets every later event once, in order.
@Suite(.timeLimit(.minutes(2)))
struct CursorWalkTests {
    /// Follows a history as an SSE body does, and stops at the end.
    private struct Reader {
        let history: SessionHistory
        var seq: Int
        var windowReads = 0
        var pages = 0

        init(_ history: SessionHistory, after seq: Int) {
            self.history = history
            self.seq = seq
        }

        mutating func follow(maximumBytes: Int) async throws {
            let latch = Latch()
            let token = history.subscribe { latch.set() }
            defer { history.unsubscribe(token) }
            while true {
                switch history.window(after: seq, maximumBytes: maximumBytes) {
                case .events(let events):
                    windowReads += 1
                    try take(events)
                case .caughtUp:
                    await latch.wait()
                case .behind:
                    pages += 1
                    try take(try await history.page(after: seq, limit: 50, maximumBytes: maximumBytes))
                case .ended:
                    return
                }
            }
        }

        private mutating func take(_ events: [LoggedEvent]) throws {
            for event in events {
                try #require(event.position.seq == seq + 1)
                try #require(event.frame.starts(with: SessionHistory.frame(seq + 1)))
                seq += 1
            }
        }
    }

    @Test(arguments: StoreKind.allCases)
    func readersGoFromPagesToTheWindowWithoutAGap(_ kind: StoreKind) async throws {
        let log = EventLog.make(try kind.makeStore()) { configuration in
            configuration.windowBytesPerSession = 8 * 1024
            configuration.windowBytesTotal = 12 * 1024
        }
        let count = 3000
        let histories = [try await log.createSession(.named("a")), try await log.createSession(.named("b"))]
        let readers = try await withThrowingTaskGroup(of: Reader.self) { group in
            for history in histories {
                for number in 0..<8 {
                    group.addTask {
                        // From the start, or from where the session happens to be.
                        var reader = Reader(history, after: number < 4 ? 0 : history.tail.seq)
                        try await reader.follow(maximumBytes: [100, 1000, 5000, 100_000][number % 4])
                        return reader
                    }
                }
                group.addTask {
                    for seq in 1...count {
                        history.append(
                            LogEntry(seq: seq, frame: SessionHistory.frame(seq, .random(in: 0...400)), createdAtMilliseconds: 0))
                        // Now and then the readers reach the tail.
                        if Int.random(in: 0..<50) == 0 { await history.commit(nil) }
                    }
                    history.markEnded()
                    return Reader(history, after: count)
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(readers.count == 18)
        #expect(readers.allSatisfy { $0.seq == count })
        #expect(readers.contains { $0.pages > 0 && $0.windowReads > 0 })
        await log.close()
    }

    @Test(arguments: StoreKind.allCases)
    func aReaderThatRetentionOvertakesIsToldOfTheGapAndGoesOn(_ kind: StoreKind) async throws {
        let log = EventLog.make(try kind.makeStore()) { configuration in
            configuration.windowBytesPerSession = 1024
            configuration.retainedBytesPerSession = 20_000
        }
        let history = try await log.createSession(.named("a"))
        let count = 5000
        async let gaps: Int = {
            var seq = 0
            var gaps = 0
            while seq < count {
                var events: [LoggedEvent] = []
                switch history.window(after: seq, maximumBytes: 500) {
                case .events(let found): events = found
                case .behind: events = try await history.page(after: seq, limit: 5, maximumBytes: 500)
                case .caughtUp, .ended: await Task.yield()
                }
                for event in events {
                    try #require(event.position.seq == seq + 1)
                    seq += 1
                }
                if events.isEmpty, case .gap(let why, let resume) = history.check(EventPosition(epoch: 1, seq: seq)) {
                    try #require(why == .retention && resume.seq > seq)
                    seq = resume.seq
                    gaps += 1
                }
            }
            return gaps
        }()
        for seq in 1...count {
            history.append(LogEntry(seq: seq, frame: SessionHistory.frame(seq, 100), createdAtMilliseconds: 0))
            await history.waitForRoom()
        }
        _ = try await gaps
        try await log.applyRetention()
        #expect(history.start.seq > count - 130)
        await log.close()
    }
}
