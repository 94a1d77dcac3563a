import EventLog
import Testing

@testable import BridgeAPI

struct StreamMachineTests {
    private static let begin = ContinuousClock.now
    private static func position(_ seq: Int) -> EventPosition { EventPosition(epoch: 1, seq: seq) }

    private static func machine(
        after seq: Int = 0, types: String? = nil, until: String? = nil, age: Duration = .seconds(3600), isPrimed: Bool = true
    ) async throws -> StreamMachine {
        let session = try await TestSession()
        await session.append((0..<seq).map { delta($0) })
        var machine = StreamMachine(
            start: StreamStart(.now, in: session.history), filter: EventFilter(types: types.flatMap { TypePatterns($0) }),
            until: until.flatMap { TypePatterns($0) }, heartbeat: .seconds(15), now: begin, age: age)
        if isPrimed { _ = machine.next() }
        return machine
    }

    private static func heads(_ types: String...) -> () -> [EventHead] { { types.map { EventHead(type: $0, responseID: nil) } } }
    private static func id(_ seq: Int, _ remaining: Int = 0) -> FrameID { FrameID(position(seq), remaining: remaining) }

    @Test func primingComesFirst() async throws {
        var machine = try await Self.machine(after: 4, isPrimed: false)
        #expect(machine.next() == .write(.priming(id: "1.4")))
        #expect(machine.next() == .event(after: 4))
    }

    @Test func anOpenFilterReadsNoHead() async throws {
        var machine = try await Self.machine()
        let verdict = machine.offered(Self.position(1), frames: 1) { preconditionFailure("the head was read") }
        #expect(verdict == .show([0]))
        #expect(machine.next() == .event(after: 1))
    }

    @Test(arguments: [1, 3, 4])
    func anEventThatDoesNotFollowEndsTheStream(seq: Int) async throws {
        var machine = try await Self.machine(after: 1)
        #expect(machine.offered(Self.position(seq), frames: 1, heads: Self.heads("a")) == .outOfOrder)
        #expect(machine.cursor == Self.position(1))
        #expect(machine.next() == .write(.comeBack))
        #expect(machine.next() == .finish)
    }

    @Test func aCursorAfter256SkippedEvents() async throws {
        var machine = try await Self.machine(types: "b")
        for seq in 1...256 {
            #expect(machine.next() == .event(after: seq - 1))
            #expect(machine.offered(Self.position(seq), frames: 1, heads: Self.heads("a")) == .skip)
        }
        #expect(machine.next() == .write(.cursor(Self.id(256))))
        #expect(machine.next() == .event(after: 256))
    }

    @Test func aShownEventMovesTheCursorByItself() async throws {
        var machine = try await Self.machine(types: "b")
        for seq in 1...255 { _ = machine.offered(Self.position(seq), frames: 1, heads: Self.heads("a")) }
        #expect(machine.offered(Self.position(256), frames: 1, heads: Self.heads("b")) == .show([0]))
        #expect(machine.offered(Self.position(257), frames: 1, heads: Self.heads("a")) == .skip)
        #expect(machine.next() == .event(after: 257))
    }

    @Test func aHeartbeatOnlyWhenQuiet() async throws {
        var machine = try await Self.machine()
        machine.wrote(at: Self.begin + .seconds(10))
        #expect(machine.tick(Self.begin + .seconds(15)) == .sleep(nextTick: Self.begin + .seconds(25)))
        #expect(machine.next() == .event(after: 0))
        #expect(machine.tick(Self.begin + .seconds(25)) == .wake(nextTick: Self.begin + .seconds(40)))
        #expect(machine.next() == .write(.heartbeat))
        #expect(machine.next() == .event(after: 0))
    }

    @Test func aHeartbeatWithSkippedEventsMovesTheCursor() async throws {
        var machine = try await Self.machine(types: "b")
        _ = machine.offered(Self.position(1), frames: 1, heads: Self.heads("a"))
        _ = machine.tick(Self.begin + .seconds(15))
        #expect(machine.next() == .write(.cursor(Self.id(1))))
        #expect(machine.next() == .write(.heartbeat))
        #expect(machine.next() == .event(after: 1))
    }

    @Test func untilShowsItsEventAndEnds() async throws {
        var machine = try await Self.machine(until: "b")
        #expect(machine.offered(Self.position(1), frames: 1, heads: Self.heads("a")) == .show([0]))
        #expect(machine.offered(Self.position(2), frames: 1, heads: Self.heads("b")) == .show([0]))
        #expect(machine.next() == .finish)
        #expect(machine.next() == .finish)
    }

    @Test func untilEndsOnAHiddenEventWithItsCursor() async throws {
        var machine = try await Self.machine(types: "a", until: "b")
        #expect(machine.offered(Self.position(1), frames: 1, heads: Self.heads("b")) == .skip)
        #expect(machine.next() == .write(.cursor(Self.id(1))))
        #expect(machine.next() == .finish)
    }

    @Test func readingWaits() async throws {
        var machine = try await Self.machine()
        #expect(machine.found(.caughtUp) == .wait)
        #expect(machine.found(.behind) == .read(after: 0))
        #expect(machine.next() == .wait)
        machine.readEvents()
        #expect(machine.next() == .event(after: 0))
        #expect(machine.found(.ended) == .goOn)
        #expect(machine.next() == .finish)
    }

    @Test func whatRetentionTookWhileReadingIsAGap() async throws {
        var machine = try await Self.machine()
        let gap = StreamGap(why: .retention, resumeAfter: Self.position(8), firstAvailable: Self.position(9))
        _ = machine.found(.behind)
        machine.readNothing(gap: gap)
        #expect(machine.next() == .write(.gap(gap)))
        #expect(machine.next() == .write(.cursor(Self.id(8))))
        #expect(machine.next() == .event(after: 8))
    }

    @Test(arguments: [true, false])
    func aStoreThatCannotBeReadEndsTheStream(isFailing: Bool) async throws {
        var machine = try await Self.machine()
        _ = machine.found(.behind)
        if isFailing { machine.readFailed() } else { machine.readNothing(gap: nil) }
        #expect(machine.next() == .write(.comeBack))
        #expect(machine.next() == .finish)
    }

    @Test func ageEndsTheStream() async throws {
        var machine = try await Self.machine(types: "b", age: .seconds(20))
        _ = machine.offered(Self.position(1), frames: 1, heads: Self.heads("a"))
        machine.wrote(at: Self.begin + .seconds(10))
        #expect(machine.tick(Self.begin + .seconds(15)) == .sleep(nextTick: Self.begin + .seconds(20)))
        guard case .wake = machine.tick(Self.begin + .seconds(20)) else { throw TestProblem(description: "not woken") }
        #expect(machine.next() == .write(.cursor(Self.id(1))))
        #expect(machine.next() == .write(.comeBack))
        #expect(machine.next() == .finish)
        #expect(machine.tick(Self.begin + .seconds(30)) == .over)
    }
}
