import Dispatch
import NIOConcurrencyHelpers
import Testing

@testable import EventLog

@Suite(.timeLimit(.minutes(1)))
struct CommitOrderTests {
    /// Holds the writer inside its commit until a test lets it go.
    final class Gate: Sendable {
        let reached = Latch()
        private let open = DispatchSemaphore(value: 0)

        func pass() {
            reached.set()
            open.wait()
        }

        func letGo() { open.signal() }
    }

    @Test func nothingIsVisibleBeforeItsCommit() async throws {
        let store = InterceptedStore(MemoryEventStore())
        let log = EventLog.make(store)
        let history = try await log.createSession(.named("rts_1"))
        let gate = Gate()
        store.onCommit { _ in gate.pass() }
        let released = Latch()
        let woken = NIOLockedValueBox(0)
        _ = history.subscribe { woken.withLockedValue { $0 += 1 } }
        history.append(LogEntry(seq: 1, frame: [1], createdAtMilliseconds: 0) { _ in released.set() })
        history.markEnded()
        await gate.reached.wait()
        #expect(history.tail.seq == 0)
        // Not the end either: what was appended before it is still to come.
        #expect(history.window(after: 0, maximumBytes: 10).name == "caughtUp")
        #expect(history.check(EventPosition(epoch: 1, seq: 1)) == .gap(why: .unknown, resumeAfter: EventPosition(epoch: 1, seq: 0)))
        let page = try await history.page(after: 0, limit: 10, maximumBytes: 10)
        #expect(page.isEmpty)
        #expect(woken.withLockedValue { $0 } == 0)
        #expect(history.waitingBytes > 0)
        gate.letGo()
        await released.wait()
        #expect(history.tail.seq == 1)
        #expect(history.windowSeqs(after: 0) == [1])
        #expect(history.window(after: 1, maximumBytes: 10).name == "ended")
        #expect(history.waitingBytes == 0)
        await log.close()
    }

    @Test func whatWaitsIsOneBatchVisibleThenReleasedThenWokenOnce() async throws {
        let store = InterceptedStore(MemoryEventStore())
        let log = EventLog.make(store)
        let histories = [try await log.createSession(.named("a")), try await log.createSession(.named("b"))]
        let gate = Gate()
        store.onCommit { _ in gate.pass() }
        let steps = NIOLockedValueBox<[String]>([])
        let done = Latch()
        await withCheckedContinuation { started in
            histories[0].append(LogEntry(seq: 1, frame: [1], createdAtMilliseconds: 0))
            Task {
                await gate.reached.wait()
                started.resume()
            }
        }
        for history in histories {
            let name = history.sessionID
            _ = history.subscribe {
                let step = "wake \(name)"
                let isLast = steps.withLockedValue { steps in
                    steps.append(step)
                    return steps.count { $0.hasPrefix("wake") } == 3
                }
                if isLast { done.set() }
            }
        }
        for seq in 1...2 {
            for history in histories {
                let number = history.sessionID == "a" ? seq + 1 : seq
                history.append(
                    LogEntry(seq: number, frame: [1], createdAtMilliseconds: 0) { _ in
                        let tails = histories.map(\.tail.seq)
                        steps.withLockedValue { $0.append("\(history.sessionID) \(number) at \(tails)") }
                    })
            }
        }
        gate.letGo()
        await gate.reached.wait()
        gate.letGo()
        await done.wait()
        #expect(
            steps.withLockedValue { $0 } == [
                "wake a", "a 2 at [3, 2]", "b 1 at [3, 2]", "a 3 at [3, 2]", "b 2 at [3, 2]", "wake a", "wake b",
            ])
        #expect(log.metrics.batches == 2)
        await log.close()
    }

    @Test func aBatchEndsAtFourThousandEvents() async throws {
        let store = InterceptedStore(MemoryEventStore())
        let log = EventLog.make(store)
        let history = try await log.createSession(.named("a"))
        let gate = Gate()
        let sizes = NIOLockedValueBox<[Int]>([])
        store.onCommit { writes in
            let isFirst = sizes.withLockedValue { sizes in
                sizes.append(writes.count)
                return sizes.count == 1
            }
            if isFirst { gate.pass() }
        }
        history.append(LogEntry(seq: 1, frame: [1], createdAtMilliseconds: 0))
        await gate.reached.wait()
        for seq in 2...9000 { history.append(LogEntry(seq: seq, frame: [1], createdAtMilliseconds: 0)) }
        gate.letGo()
        await history.commit(9001)
        #expect(sizes.withLockedValue { Array($0.prefix(3)) } == [1, 4000, 4000])
        #expect(sizes.withLockedValue { $0.reduce(0, +) } == 9001)
        await log.close()
    }

    @Test func aSessionWaitsForRoomUntilItsBytesAreCommitted() async throws {
        let store = InterceptedStore(MemoryEventStore())
        let log = EventLog.make(store)
        let history = try await log.createSession(.named("a"))
        let gate = Gate()
        store.onCommit { _ in gate.pass() }
        await history.waitForRoom()
        history.append(LogEntry(seq: 1, frame: [UInt8](repeating: 0, count: 1 << 20), createdAtMilliseconds: 0))
        await gate.reached.wait()
        let order = NIOLockedValueBox<[String]>([])
        let waiter = Task {
            await history.waitForRoom()
            order.withLockedValue { $0.append("room") }
        }
        order.withLockedValue { $0.append("commit") }
        gate.letGo()
        await waiter.value
        #expect(order.withLockedValue { $0 } == ["commit", "room"])
        #expect(history.tail.seq == 1)
        await log.close()
    }

    @Test func aRenderingIsMadeOncePerKeyAndFourAreKept() {
        let event = LoggedEvent(position: EventPosition(epoch: 1, seq: 1), createdAtMilliseconds: 0, frame: [1])
        var made = 0
        for _ in 0..<3 {
            for key in 0..<4 {
                let frames = event.rendering(key) {
                    made += 1
                    return [[UInt8(key)], [7]]
                }
                #expect(frames == [[UInt8(key)], [7]])
            }
        }
        #expect(made == 4)
        for _ in 0..<2 {
            _ = event.rendering(9) {
                made += 1
                return []
            }
        }
        #expect(made == 6)
    }
}
