import Foundation
import NIOConcurrencyHelpers

/// Something open that has to be told of time and of the drain.
protocol StreamMember: AnyObject, Sendable {
    /// Time has come to what it asked for; answers when it is due again, nil for never. Must not block.
    func tick(_ now: ContinuousClock.Instant) -> ContinuousClock.Instant?
    /// Ends at once. May come more than once, from any thread; must not block.
    func drain()
}

/// All open streams: their limits, their one clock, their common end.
///
/// One task ticks for all of them (``run()``), each looked at only when it is due, since 10,000 timers would cost more than the streams.
final class StreamRegistry: Sendable {
    struct Configuration: Sendable {
        var perSession = 64
        var total = 10_000
        /// Streams are closed after 80 to 100 % of it, so that balancers and credentials get their turn and clients do not all come back
        /// at once.
        var maximumAge = Duration.seconds(3_600)
    }

    /// For the metrics page.
    struct Gauges: Sendable, Equatable {
        var open = 0
        var opened = 0
        var refused = 0
    }

    private struct State {
        var gauges = Gauges()
        var perSession: [String: Int] = [:]
        /// Of those, the ones that are no viewers.
        var listeners: [String: Int] = [:]
        var nextNumber = 0
        var members: [Int: any StreamMember] = [:]
        /// Who is due in which second of this registry's life.
        var due: [Int: [Int]] = [:]
        /// The second up to which all were ticked.
        var tickedSecond = 0
        var isDraining = false
        /// Sessions whose number of open streams has changed since somebody looked.
        var viewerChanges: Set<String> = []
    }

    private let configuration: Configuration
    /// Between 0 and 1.
    private let random: @Sendable () -> Double
    let now: @Sendable () -> ContinuousClock.Instant
    let unixSeconds: @Sendable () -> Int
    private let begin: ContinuousClock.Instant
    private let state = NIOLockedValueBox(State())
    /// Says that ``takeViewerChanges()`` has something; a latch, since one look takes all. For one reader.
    let viewerChanges: AsyncStream<Void>
    private let viewersChanged: AsyncStream<Void>.Continuation

    /// What heartbeats may come late by.
    private static let grain = Duration.seconds(1)

    init(
        configuration: Configuration = Configuration(), now: @escaping @Sendable () -> ContinuousClock.Instant = { .now },
        unixSeconds: @escaping @Sendable () -> Int = { Int(Date().timeIntervalSince1970) },
        random: @escaping @Sendable () -> Double = { .random(in: 0..<1) }
    ) {
        self.configuration = configuration
        self.now = now
        self.unixSeconds = unixSeconds
        self.random = random
        begin = now()
        (viewerChanges, viewersChanged) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    }

    /// Ticks until the task is cancelled. Without it streams have no heartbeat and no last hour, and waiting pages wait on.
    func run() async {
        while !Task.isCancelled {
            do {
                try await Task.sleep(for: Self.grain)
            } catch {
                return
            }
            tick()
        }
    }

    /// A place for one stream of that session, free again once the seat is left or forgotten.
    /// - Parameter isViewer: it is an event stream; not for one answer that is read while it is produced, whose end would otherwise be
    ///   taken for the last viewer's going.
    /// - Throws: ``StreamRefusal``; coming back later helps.
    func admit(session: String, isViewer: Bool = true) throws(StreamRefusal) -> StreamSeat {
        try admit(sessions: [session], isViewer: isViewer)
    }

    /// The same for one stream over several sessions: it counts for each of them, and once in all.
    func admit(sessions: [String], isViewer: Bool = true) throws(StreamRefusal) -> StreamSeat {
        let outcome: Result<Int, StreamRefusal> = state.withLockedValue { state in
            let ofSession = sessions.map { state.perSession[$0, default: 0] }.max() ?? 0
            let refusal: StreamRefusal? =
                if state.isDraining {
                    .draining
                } else if ofSession >= configuration.perSession {
                    .tooManyOfSession(limit: configuration.perSession)
                } else if state.gauges.open >= configuration.total {
                    .tooMany(limit: configuration.total)
                } else {
                    nil
                }
            if let refusal {
                state.gauges.refused += 1
                return .failure(refusal)
            }
            for session in sessions { state.perSession[session, default: 0] += 1 }
            state.gauges.open += 1
            state.gauges.opened += 1
            state.nextNumber += 1
            if isViewer {
                state.viewerChanges.formUnion(sessions)
            } else {
                for session in sessions { state.listeners[session, default: 0] += 1 }
            }
            return .success(state.nextNumber)
        }
        if case .success = outcome, isViewer { viewersChanged.yield() }
        let age = configuration.maximumAge * (0.8 + 0.2 * random())
        return StreamSeat(registry: self, number: try outcome.get(), sessions: sessions, isViewer: isViewer, age: age)
    }

    /// Every open stream ends at once with a `retry:`, between two frames; new ones are refused.
    func drain() {
        let members = state.withLockedValue { state in
            state.isDraining = true
            return Array(state.members.values)
        }
        for member in members { member.drain() }
    }

    var isDraining: Bool { state.withLockedValue { $0.isDraining } }

    var gauges: Gauges { state.withLockedValue { $0.gauges } }

    /// The stated pause, and up to as much again, so that clients cut off together do not come back together.
    func jitteredRetry(_ milliseconds: Int) -> Int {
        milliseconds + Int(Double(milliseconds) * random())
    }

    // MARK: Viewers

    /// The sessions whose viewers came or went since the last call. Those who go because the bridge stops have not left by themselves,
    /// and are not told of.
    func takeViewerChanges() -> [String] {
        state.withLockedValue { state in
            defer { state.viewerChanges = [] }
            return Array(state.viewerChanges)
        }
    }

    func viewers(of session: String) -> Int {
        state.withLockedValue { $0.perSession[session, default: 0] - $0.listeners[session, default: 0] }
    }

    // MARK: The seats' calls

    func attach(_ member: any StreamMember, as number: Int, nextTick: ContinuousClock.Instant) {
        let mustDrain = state.withLockedValue { state in
            state.members[number] = member
            schedule(number, at: nextTick, in: &state)
            return state.isDraining
        }
        if mustDrain { member.drain() }
    }

    func leave(_ number: Int, sessions: [String], isViewer: Bool) {
        let member = state.withLockedValue { state in
            state.gauges.open -= 1
            for session in sessions {
                let left = state.perSession[session, default: 0] - 1
                state.perSession[session] = left > 0 ? left : nil
                guard !isViewer else { continue }
                let listeners = state.listeners[session, default: 0] - 1
                state.listeners[session] = listeners > 0 ? listeners : nil
            }
            if isViewer, !state.isDraining { state.viewerChanges.formUnion(sessions) }
            return state.members.removeValue(forKey: number)
        }
        if isViewer { viewersChanged.yield() }
        // Let go outside of the lock: it may be the last reference.
        withExtendedLifetime(member) {}
    }

    // MARK: Time

    /// Tells all that are due. Those told here ask for a later second, so the list is gone through once.
    func tick() {
        let now = now()
        let second = self.second(of: now)
        let members = state.withLockedValue { state in
            var members: [(number: Int, member: any StreamMember)] = []
            while state.tickedSecond < second {
                state.tickedSecond += 1
                for number in state.due.removeValue(forKey: state.tickedSecond) ?? [] {
                    // Numbers of those that left stay until their second has come.
                    if let member = state.members[number] { members.append((number, member)) }
                }
            }
            return members
        }
        for (number, member) in members {
            guard let nextTick = member.tick(now) else { continue }
            state.withLockedValue { state in
                if state.members[number] != nil { schedule(number, at: nextTick, in: &state) }
            }
        }
    }

    private func schedule(_ number: Int, at instant: ContinuousClock.Instant, in state: inout State) {
        // The end of its second, so that whoever is told finds its time come.
        state.due[max(second(of: instant) + 1, state.tickedSecond + 1), default: []].append(number)
    }

    private func second(of instant: ContinuousClock.Instant) -> Int {
        Int((instant - begin).components.seconds)
    }
}

/// One stream's place among the allowed ones.
final class StreamSeat: Sendable {
    private let registry: StreamRegistry
    private let number: Int
    private let sessions: [String]
    private let isViewer: Bool
    private let hasLeft = NIOLockedValueBox(false)
    /// How long the stream may live.
    let age: Duration

    fileprivate init(registry: StreamRegistry, number: Int, sessions: [String], isViewer: Bool, age: Duration) {
        self.registry = registry
        self.number = number
        self.sessions = sessions
        self.isViewer = isViewer
        self.age = age
    }

    deinit { leave() }

    func now() -> ContinuousClock.Instant { registry.now() }
    func unixSeconds() -> Int { registry.unixSeconds() }
    func jitteredRetry(_ milliseconds: Int) -> Int { registry.jitteredRetry(milliseconds) }

    /// The registry holds the member until the seat is left.
    func attach(_ member: any StreamMember, nextTick: ContinuousClock.Instant) {
        registry.attach(member, as: number, nextTick: nextTick)
    }

    /// The second time does nothing.
    func leave() {
        let isFirst = hasLeft.withLockedValue { hasLeft in
            defer { hasLeft = true }
            return !hasLeft
        }
        if isFirst { registry.leave(number, sessions: sessions, isViewer: isViewer) }
    }
}

/// Why a stream is not opened now. Coming back later helps.
enum StreamRefusal: Error, Equatable, CustomStringConvertible {
    /// 429.
    case tooManyOfSession(limit: Int)
    /// 429.
    case tooMany(limit: Int)
    /// 503.
    case draining

    var status: Int { self == .draining ? 503 : 429 }

    var code: String {
        switch self {
        case .tooManyOfSession, .tooMany: "stream_limit_exceeded"
        case .draining: "shutting_down"
        }
    }

    var description: String {
        switch self {
        case .tooManyOfSession(let limit):
            "The session has \(limit) open streams, and may have no more (setting --max-streams-per-session)."
        case .tooMany(let limit): "There are \(limit) open streams, and may be no more (setting --max-streams)."
        case .draining: "The server is shutting down."
        }
    }

    /// For `retry-after`.
    var retryAfterSeconds: Int { 5 }
}
