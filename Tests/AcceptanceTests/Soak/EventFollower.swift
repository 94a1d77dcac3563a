import Foundation
import NIOConcurrencyHelpers
import Realtime
import TestSupport

/// Follows a session's event stream as an EventSource does: reconnects after `retry`, resumes with the last id. It holds the bridge to
/// its word: every id once, in order, and no `bridge.gap`; dense, too, where upstream's own dialect is shown.
final class EventFollower: Sendable {
    struct Event: Sendable {
        let number: Int
        let type: String
        let data: String
        let arrival: ContinuousClock.Instant

        func json() throws -> JSON { try JSON.parse(data) }
    }

    private struct State {
        var socket: Socket?
        var isStopped = false
        var cursor: String?
        var epoch = 1
        var last = 0
        /// Frames of the last event that were still to come.
        var remaining = 0
        var retryMilliseconds = 1000
        var connections = 0
        /// Without deltas, of which there are too many to keep.
        var events: [Event] = []
        var counts: [String: Int] = [:]
        var faults: [String] = []
        var waiting: [Waiting] = []
    }

    private struct Waiting: Sendable {
        let after: Int
        let condition: @Sendable (Event) -> Bool
        let mailbox: Mailbox<Event>
    }

    private let port: UInt16
    private let path: String
    private let isDense: Bool
    private let state = NIOLockedValueBox(State())
    private let stopped = DispatchSemaphore(value: 0)
    private let ended = Mailbox<Void>("the end of the stream's reader")

    /// Follows `path` from its beginning until ``stop()``.
    /// - Parameter isDense: false for a view in which an event may be no frame.
    init(port: UInt16, path: String, isDense: Bool = true) {
        self.port = port
        self.path = path
        self.isDense = isDense
        Thread.detachNewThread { self.run() }
    }

    // MARK: what came

    /// All but the deltas.
    var events: [Event] { state.withLockedValue(\.events) }
    /// How many events of each type came.
    var counts: [String: Int] { state.withLockedValue(\.counts) }
    /// The number of the last event.
    var last: Int { state.withLockedValue(\.last) }
    /// How often it had to connect.
    var connections: Int { state.withLockedValue(\.connections) }
    /// What an EventSource should never see; empty if all went well.
    var faults: [String] { state.withLockedValue(\.faults) }

    /// The first event after a number that fits, which may have come already. Deltas never fit.
    func event(
        after number: Int = 0, _ what: String, within limit: Duration = .seconds(30), _ condition: @escaping @Sendable (Event) -> Bool
    ) async throws -> Event {
        let mailbox = Mailbox<Event>("\(what) after event \(number)")
        let known = state.withLockedValue { state -> Event? in
            if let known = state.events.first(where: { $0.number > number && condition($0) }) { return known }
            state.waiting.append(Waiting(after: number, condition: condition, mailbox: mailbox))
            return nil
        }
        if let known { return known }
        return try await mailbox.next(within: limit)
    }

    // MARK: what the test does to it

    /// Cuts the connection, as a network does; it comes back by itself.
    func cut() {
        state.withLockedValue(\.socket)?.cut()
    }

    /// Ends for good; afterwards everything stands still.
    func stop() async throws {
        let socket = state.withLockedValue { state in
            state.isStopped = true
            return state.socket
        }
        stopped.signal()
        socket?.cut()
        try await ended.next()
    }

    // MARK: the thread

    private func run() {
        let shown = ShownEvents(target: path) { session in
            let answer = try? HTTPClient(port: port).blocking("GET", session)
            return try? answer?.json()["dialect"]?.string.flatMap(Dialect.init)
        }
        while !state.withLockedValue(\.isStopped) {
            do {
                guard try follow(shown) else { break }
            } catch is SocketError {
                // Cut off, or a bridge that is not there: both are what coming back is for.
            } catch is BrokenAnswer {
            } catch {
                state.withLockedValue { $0.faults.append("\(error)") }
            }
            let retry = state.withLockedValue(\.retryMilliseconds)
            if stopped.wait(timeout: .now() + .milliseconds(retry)) == .success { break }
        }
        ended.put(())
    }

    /// One connection.
    /// - Returns: false if the session's stream is over.
    private func follow(_ shown: ShownEvents?) throws -> Bool {
        let socket = try Socket(port: port)
        let cursor = state.withLockedValue { state in
            state.connections += 1
            state.socket = state.isStopped ? nil : socket
            return state.cursor
        }
        defer { state.withLockedValue { $0.socket = nil } }
        var request = "GET \(path) HTTP/1.1\r\nhost: 127.0.0.1:\(port)\r\naccept: text/event-stream\r\n"
        if let cursor { request += "last-event-id: \(cursor)\r\n" }
        try socket.write(Array((request + "\r\n").utf8))
        // Heartbeats come every 15 s.
        var reader = AnswerReader(socket, seconds: 40)
        let head = try reader.head()
        if head.status == 204 { return false }
        guard head.status == 200 else {
            state.withLockedValue { $0.faults.append("the stream was answered with \(head.status)") }
            return false
        }
        var parser = EventStreamParser()
        while let piece = try reader.piece() {
            for frame in parser.add(piece) {
                if let data = frame.data { shown?.add(data.utf8) }
                take(frame)
            }
        }
        return true
    }

    private func take(_ frame: EventStreamParser.Frame) {
        let now = ContinuousClock.now
        let woken = state.withLockedValue { state -> [(Waiting, Event)] in
            if let retry = frame.retry { state.retryMilliseconds = retry }
            guard let data = frame.data else {
                // Priming and bare cursors say where the stream stands, which is where we stand.
                if let id = frame.id, state.last > 0, id != state.cursor {
                    state.faults.append("the stream stands at \(id), not at \(state.cursor ?? "its start")")
                }
                return []
            }
            if frame.type == "bridge.gap" {
                state.faults.append("a gap after \(state.cursor ?? "the start"): \(data)")
                return []
            }
            guard let (epoch, number, remaining) = Self.read(frame.id ?? "") else {
                state.faults.append("the id \(frame.id ?? "none") of \(frame.type) after \(state.cursor ?? "the start")")
                return []
            }
            let follows =
                state.remaining > 0
                ? number == state.last && remaining == state.remaining - 1
                : isDense ? number == state.last + 1 : number > state.last
            if !follows || epoch < state.epoch {
                state.faults.append("\(frame.id ?? "") after \(state.cursor ?? "the start")")
            }
            (state.epoch, state.last, state.remaining, state.cursor) = (epoch, number, remaining, frame.id)
            state.counts[frame.type, default: 0] += 1
            guard !frame.type.hasSuffix(".delta") else { return [] }
            let event = Event(number: number, type: frame.type, data: data, arrival: now)
            state.events.append(event)
            let fitting = state.waiting.filter { $0.after < number && $0.condition(event) }
            state.waiting.removeAll { $0.after < number && $0.condition(event) }
            return fitting.map { ($0, event) }
        }
        for (waiting, event) in woken { waiting.mailbox.put(event) }
    }

    /// `epoch.seq`, or `epoch.seq-k` with k frames of the event still to come.
    private static func read(_ id: String) -> (epoch: Int, number: Int, remaining: Int)? {
        guard let match = id.wholeMatch(of: /(\d+)\.(\d+)(?:-(\d+))?/), let epoch = Int(match.1), let number = Int(match.2) else {
            return nil
        }
        return (epoch, number, match.3.flatMap { Int($0) } ?? 0)
    }
}
