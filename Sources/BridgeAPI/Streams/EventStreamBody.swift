import EventLog
import HTTPServer
import Logging
import NIOConcurrencyHelpers
import Realtime

/// A body that also works without a server: who pulls it is woken by a closure.
protocol WakeableStream: ResponseStream {
    func opened(_ wake: @escaping @Sendable () -> Void)
}

/// One open stream: a cursor over a session's history that the server pulls bytes from.
///
/// Nothing is queued for it. A pull copies what lies between the cursor and the tail, from the history's window or, for a reader that fell
/// behind, from the page of the store it holds. From: `SessionHistory`. To: `HTTPServer`, which sleeps while nothing is there.
final class EventStreamBody: WakeableStream, StreamMember {
    private struct State {
        var machine: StreamMachine
        /// The events next in line, and how many of them were taken.
        var held: [LoggedEvent] = []
        var taken = 0
        /// The frame or note that is being copied, and how much of it was.
        var fragment: [UInt8] = []
        var copied = 0
        var wake: (@Sendable () -> Void)?
        var subscription: SubscriptionToken?
        var reader: Task<Void, Never>?
        var isClosed = false
    }

    /// Of frames in the page that a reader behind the window holds; the bound of what waits for a slow client.
    private static let pageBytes = 64 * 1024
    private static let pageEvents = 1000

    private let view: HistoryView
    private let history: SessionHistory
    private let format: StreamRequest.Format
    private let rendering: EventRendering
    private let retryMilliseconds: Int
    private let seat: StreamSeat
    private let logger: Logger
    private let state: NIOLockedValueBox<State>

    /// - Parameter request: of the format `.eventStream` or `.lines`.
    init(_ request: StreamRequest, from start: StreamStart, of view: HistoryView, seat: StreamSeat, logger: Logger) {
        self.view = view
        history = view.history
        self.seat = seat
        self.logger = logger
        format = request.format
        retryMilliseconds = request.retryMilliseconds
        rendering =
            switch request.format {
            case .eventStream: request.envelopeMessage ? .message : .eventStream
            case .lines, .page: .entry
            }
        state = NIOLockedValueBox(
            State(
                machine: StreamMachine(
                    start: start, filter: request.filter, until: request.until, heartbeat: request.heartbeat, now: seat.now(),
                    age: seat.age)))
    }

    // MARK: The server's calls

    func opened(_ waker: StreamWaker) {
        opened { waker.wake() }
    }

    func opened(_ wake: @escaping @Sendable () -> Void) {
        state.withLockedValue { $0.wake = wake }
        let subscription = history.subscribe(wake)
        state.withLockedValue { $0.subscription = subscription }
        seat.attach(self, nextTick: tickBegins())
    }

    func pull(into buffer: UnsafeMutableRawBufferPointer) -> StreamPull {
        let now = seat.now()
        let (pull, page) = state.withLockedValue { fill(buffer, from: &$0, now) }
        if let page { read(after: page) }
        return pull
    }

    func closed() {
        let (subscription, reader) = state.withLockedValue { state in
            state.isClosed = true
            state.held = []
            state.fragment = []
            state.wake = nil
            return (state.subscription, state.reader)
        }
        reader?.cancel()
        if let subscription { history.unsubscribe(subscription) }
        seat.leave()
    }

    // MARK: One pull

    /// Writes frames until the buffer is full or nothing is left; the second result is the seq to read on after.
    private func fill(
        _ buffer: UnsafeMutableRawBufferPointer, from state: inout State, _ now: ContinuousClock.Instant
    ) -> (StreamPull, page: Int?) {
        var written = 0
        func result(orElse pull: StreamPull, page: Int? = nil) -> (StreamPull, page: Int?) {
            guard written > 0 else { return (pull, page) }
            state.machine.wrote(at: now)
            return (.wrote(written), page)
        }
        while true {
            written += Self.copy(from: &state, into: buffer, at: written)
            if written == buffer.count { return result(orElse: .waiting) }
            switch state.machine.next() {
            case .write(let note):
                state.fragment = bytes(of: note)
            case .wait:
                return result(orElse: .waiting)
            case .finish:
                return result(orElse: .finished)
            case .event(let seq):
                if state.taken < state.held.count {
                    offer(state.held[state.taken], to: &state)
                    state.taken += 1
                    continue
                }
                state.taken = 0
                state.held = []
                let absence: StreamMachine.Absence
                switch history.window(after: seq, maximumBytes: buffer.count - written) {
                case .events(let events):
                    state.held = events
                    continue
                case .caughtUp: absence = .caughtUp
                case .behind: absence = .behind
                case .ended: absence = .ended
                }
                switch state.machine.found(absence) {
                case .wait: return result(orElse: .waiting)
                case .read(let seq): return result(orElse: .waiting, page: seq)
                case .goOn: continue
                }
            }
        }
    }

    private static func copy(from state: inout State, into buffer: UnsafeMutableRawBufferPointer, at offset: Int) -> Int {
        let count = min(state.fragment.count - state.copied, buffer.count - offset)
        guard count > 0 else { return 0 }
        UnsafeMutableRawBufferPointer(rebasing: buffer[offset...])
            .copyBytes(from: state.fragment[state.copied..<state.copied + count])
        state.copied += count
        if state.copied == state.fragment.count {
            state.fragment = []
            state.copied = 0
        }
        return count
    }

    private func offer(_ event: LoggedEvent, to state: inout State) {
        let frames = view.frames(of: event, rendering)
        switch state.machine.offered(event.position, frames: frames.count, heads: { view.heads(of: event) }) {
        case .show(let shown):
            for index in shown {
                if state.fragment.isEmpty { state.fragment = frames[index] } else { state.fragment += frames[index] }
                if rendering == .entry { state.fragment.append(StreamEncoder.lineFeed) }
            }
        case .skip:
            break
        case .outOfOrder:
            state.held = []
            state.taken = 0
            logger.error(
                "events out of order in a stream",
                metadata: ["bridge.session": "\(history.sessionID)", "bridge.position": "\(event.position)"])
        }
    }

    private func bytes(of note: StreamMachine.Note) -> [UInt8] {
        switch (note, format) {
        case (.priming(let id), .eventStream): StreamEncoder.priming(retryMilliseconds: retryMilliseconds, id: id)
        case (.gap(let gap), .eventStream):
            StreamEncoder.serverSentEvent(
                id: nil, type: rendering == .message ? nil : BridgeEvent.gapType, frame: gap.frame(session: history.sessionID))
        case (.cursor(let position), .eventStream): StreamEncoder.cursor(position)
        case (.heartbeat, .eventStream): StreamEncoder.heartbeat
        case (.comeBack, .eventStream): StreamEncoder.retry(milliseconds: seat.jitteredRetry(retryMilliseconds))
        case (.gap(let gap), _):
            StreamEncoder.entry(id: nil, createdAt: seat.unixSeconds(), frame: gap.frame(session: history.sessionID))
                + [StreamEncoder.lineFeed]
        // JSON readers skip space between values; a client that has gone is noticed by it.
        case (.heartbeat, _): [StreamEncoder.lineFeed]
        case (.priming, _), (.cursor, _), (.comeBack, _): []
        }
    }

    // MARK: Behind the window

    /// Fetches one page; the body is asleep or sending meanwhile. Ends with the body.
    private func read(after seq: Int) {
        let reader = Task {
            let outcome: Result<[LoggedEvent], EventLogError>
            do throws(EventLogError) {
                outcome = .success(
                    try await history.page(after: seq, limit: Self.pageEvents, maximumBytes: Self.pageBytes))
            } catch {
                outcome = .failure(error)
            }
            let wake = state.withLockedValue { state in
                arrived(outcome, in: &state)
                return state.wake
            }
            if case .failure(let error) = outcome {
                logger.warning(
                    "a stream cannot read the event log",
                    metadata: ["bridge.session": "\(history.sessionID)", "bridge.cause": "\(error)"])
            }
            wake?()
        }
        let isTooLate = state.withLockedValue { state in
            state.reader = reader
            return state.isClosed
        }
        if isTooLate { reader.cancel() }
    }

    private func arrived(_ outcome: Result<[LoggedEvent], EventLogError>, in state: inout State) {
        guard !state.isClosed else { return }
        switch outcome {
        case .failure:
            state.machine.readFailed()
        case .success(let events) where !events.isEmpty:
            state.held = events
            state.taken = 0
            state.machine.readEvents()
        case .success:
            switch history.check(state.machine.cursor) {
            case .gap(let why, let resumeAfter):
                state.machine.readNothing(gap: StreamGap(why: why, resumeAfter: resumeAfter, in: history))
            case .valid:
                state.machine.readNothing(gap: nil)
            }
        }
    }

    // MARK: Time and drain

    private func tickBegins() -> ContinuousClock.Instant {
        let now = seat.now()
        return state.withLockedValue { state in
            switch state.machine.tick(now) {
            case .wake(let nextTick), .sleep(let nextTick): nextTick
            case .over: now
            }
        }
    }

    func tick(_ now: ContinuousClock.Instant) -> ContinuousClock.Instant? {
        let (action, wake) = state.withLockedValue { ($0.machine.tick(now), $0.wake) }
        switch action {
        case .wake(let nextTick):
            wake?()
            return nextTick
        case .sleep(let nextTick):
            return nextTick
        case .over:
            return nil
        }
    }

    func drain() {
        let wake = state.withLockedValue { state in
            state.machine.leave()
            return state.wake
        }
        wake?()
    }
}
