import EventLog
import HTTPServer
import Logging
import NIOConcurrencyHelpers
import Realtime

/// One open stream over several sessions: as many cursors, one body that the server pulls bytes from.
///
/// As ``EventStreamBody`` does for one session, it copies what lies between its cursors and the tails and queues nothing. Of sessions that it
/// has fallen behind on it reads one after the other, and all their pages together are as large as one of a stream of one session.
final class SessionsStreamBody: WakeableStream, StreamMember {
    private typealias LaneID = SessionsStreamMachine.LaneID

    /// The events next in line for one session, and how many of them were taken.
    private struct Held {
        var events: [LoggedEvent] = []
        var taken = 0
    }

    private struct State {
        var machine: SessionsStreamMachine
        var held: [Held]
        /// The frame or note that is being copied, and how much of it was.
        var fragment: [UInt8] = []
        var copied = 0
        var wake: (@Sendable () -> Void)?
        var subscriptions: [SubscriptionToken] = []
        /// What has to be read from the store, in turn; at most one entry for each session.
        var wanted: [(lane: LaneID, after: Int)] = []
        var isReading = false
        var reader: Task<Void, Never>?
        var isClosed = false
    }

    private static let pageBytes = 64 * 1024
    private static let smallestPageBytes = 2 * 1024
    private static let pageEvents = 1000
    /// Of a session's events in one look at its window, so that its turn is short.
    private static let windowBytes = 4 * 1024

    private let views: [HistoryView]
    private let format: StreamRequest.Format
    private let envelopeMessage: Bool
    private let retryMilliseconds: Int
    private let seat: StreamSeat
    private let logger: Logger
    private let state: NIOLockedValueBox<State>

    /// - Parameters:
    ///   - request: of the format `.eventStream` or `.lines`.
    ///   - views: of the sessions, sorted by their ids.
    ///   - starts: for each of them; nil if it is over.
    init(
        _ request: StreamRequest, from starts: [(start: StreamStart?, cursor: String)], of views: [HistoryView], seat: StreamSeat,
        logger: Logger
    ) {
        self.views = views
        self.seat = seat
        self.logger = logger
        format = request.format
        envelopeMessage = request.envelopeMessage
        retryMilliseconds = request.retryMilliseconds
        state = NIOLockedValueBox(
            State(
                machine: SessionsStreamMachine(
                    sessions: views.map(\.history.sessionID), starts: starts, filter: request.filter, until: request.until,
                    heartbeat: request.heartbeat, now: seat.now(), age: seat.age),
                held: views.map { _ in Held() }))
    }

    // MARK: The server's calls

    func opened(_ waker: StreamWaker) {
        opened { waker.wake() }
    }

    func opened(_ wake: @escaping @Sendable () -> Void) {
        state.withLockedValue { $0.wake = wake }
        let subscriptions = views.map { $0.history.subscribe(wake) }
        state.withLockedValue { $0.subscriptions = subscriptions }
        let now = seat.now()
        let nextTick = state.withLockedValue { state in
            switch state.machine.tick(now) {
            case .wake(let nextTick), .sleep(let nextTick): nextTick
            case .over: now
            }
        }
        seat.attach(self, nextTick: nextTick)
    }

    func pull(into buffer: UnsafeMutableRawBufferPointer) -> StreamPull {
        let now = seat.now()
        let pull = state.withLockedValue { fill(buffer, from: &$0, now) }
        readNext()
        return pull
    }

    func closed() {
        let (subscriptions, reader) = state.withLockedValue { state in
            state.isClosed = true
            state.held = []
            state.fragment = []
            state.wanted = []
            state.wake = nil
            return (state.subscriptions, state.reader)
        }
        reader?.cancel()
        for (view, subscription) in zip(views, subscriptions) { view.history.unsubscribe(subscription) }
        seat.leave()
    }

    // MARK: One pull

    /// Writes frames until the buffer is full or nothing is left.
    private func fill(_ buffer: UnsafeMutableRawBufferPointer, from state: inout State, _ now: ContinuousClock.Instant) -> StreamPull {
        guard !state.isClosed else { return .finished }
        state.machine.pulled()
        var written = 0
        func result(orElse pull: StreamPull) -> StreamPull {
            guard written > 0 else { return pull }
            state.machine.wrote(at: now)
            return .wrote(written)
        }
        while true {
            written += Self.copy(from: &state, into: buffer, at: written)
            if written == buffer.count { return result(orElse: .waiting) }
            switch state.machine.next() {
            case .write(let note): state.fragment = bytes(of: note, state.machine.cursor)
            case .wait: return result(orElse: .waiting)
            case .finish: return result(orElse: .finished)
            case .event(let lane, let seq): bring(after: seq, of: lane, to: &state)
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

    /// Offers the session's next event, or finds out why there is none.
    private func bring(after seq: Int, of lane: LaneID, to state: inout State) {
        if state.held[lane].taken == state.held[lane].events.count {
            state.held[lane] = Held()
            let absence: StreamMachine.Absence
            switch views[lane].history.window(after: seq, maximumBytes: Self.windowBytes) {
            case .events(let events):
                state.held[lane].events = events
                return offer(to: lane, &state)
            case .caughtUp: absence = .caughtUp
            case .behind: absence = .behind
            case .ended: absence = .ended
            }
            if case .read(let seq) = state.machine.found(absence, in: lane) { state.wanted.append((lane, seq)) }
            return
        }
        offer(to: lane, &state)
    }

    private func offer(to lane: LaneID, _ state: inout State) {
        let event = state.held[lane].events[state.held[lane].taken]
        state.held[lane].taken += 1
        let view = views[lane]
        let frames = view.frames(of: event, .bare)
        switch state.machine.offered(event.position, to: lane, frames: frames.count, heads: { view.heads(of: event) }) {
        case .show(let shown):
            let heads = format == .eventStream && !envelopeMessage ? view.heads(of: event) : []
            for index in shown {
                let id = state.machine.shown(FrameID(event.position, remaining: frames.count - 1 - index), in: lane).description
                let session = view.history.sessionID
                if format == .eventStream {
                    let type = heads.isEmpty ? nil : String(decoding: heads[index].type, as: UTF8.self)
                    state.fragment += StreamEncoder.serverSentEvent(
                        id: id, type: type, frame: StreamEncoder.wrapped(frames[index], of: session))
                } else {
                    let seconds = event.createdAtMilliseconds / 1_000
                    state.fragment += StreamEncoder.entry(id: id, createdAt: seconds, session: session, frame: frames[index])
                    state.fragment.append(StreamEncoder.lineFeed)
                }
            }
        case .skip:
            break
        case .outOfOrder:
            state.held[lane] = Held()
            logger.error(
                "events out of order in a stream",
                metadata: ["bridge.session": "\(view.history.sessionID)", "bridge.position": "\(event.position)"])
        }
    }

    private func bytes(of note: SessionsStreamMachine.Note, _ cursor: SessionsCursor) -> [UInt8] {
        switch (note, format) {
        case (.priming, .eventStream): return StreamEncoder.priming(retryMilliseconds: retryMilliseconds, id: cursor.description)
        case (.cursor, .eventStream): return StreamEncoder.cursor(cursor)
        case (.heartbeat, .eventStream): return StreamEncoder.heartbeat
        case (.comeBack, .eventStream): return StreamEncoder.retry(milliseconds: seat.jitteredRetry(retryMilliseconds))
        case (.gap(let lane, let gap), .eventStream):
            let session = views[lane].history.sessionID
            return StreamEncoder.serverSentEvent(
                id: nil, type: envelopeMessage ? nil : BridgeEvent.gapType,
                frame: StreamEncoder.wrapped(gap.frame(session: session), of: session))
        case (.gap(let lane, let gap), _):
            let session = views[lane].history.sessionID
            return StreamEncoder.entry(id: nil, createdAt: seat.unixSeconds(), session: session, frame: gap.frame(session: session))
                + [StreamEncoder.lineFeed]
        case (.heartbeat, _): return [StreamEncoder.lineFeed]
        case (.priming, _), (.cursor, _), (.comeBack, _): return []
        }
    }

    // MARK: Behind the windows

    /// Fetches the next page that is wanted, unless one is on its way. Ends with the body.
    private func readNext() {
        let wanted = state.withLockedValue { state -> (lane: LaneID, after: Int)? in
            guard !state.isReading, !state.isClosed, !state.wanted.isEmpty else { return nil }
            state.isReading = true
            return state.wanted.removeFirst()
        }
        guard let (lane, seq) = wanted else { return }
        let history = views[lane].history
        let reader = Task {
            let outcome: Result<[LoggedEvent], EventLogError>
            do throws(EventLogError) {
                let bytes = max(Self.pageBytes / views.count, Self.smallestPageBytes)
                outcome = .success(try await history.page(after: seq, limit: Self.pageEvents, maximumBytes: bytes))
            } catch {
                outcome = .failure(error)
                logger.warning(
                    "a stream cannot read the event log",
                    metadata: ["bridge.session": "\(history.sessionID)", "bridge.cause": "\(error)"])
            }
            let wake = state.withLockedValue { state in
                arrived(outcome, for: lane, in: &state)
                return state.wake
            }
            readNext()
            wake?()
        }
        let isTooLate = state.withLockedValue { state in
            // One that is over already is not kept.
            if state.isReading { state.reader = reader }
            return state.isClosed
        }
        if isTooLate { reader.cancel() }
    }

    private func arrived(_ outcome: Result<[LoggedEvent], EventLogError>, for lane: LaneID, in state: inout State) {
        state.isReading = false
        guard !state.isClosed else { return }
        switch outcome {
        case .failure:
            state.machine.readFailed(in: lane)
        case .success(let events) where !events.isEmpty:
            state.held[lane] = Held(events: events)
            state.machine.readEvents(in: lane)
        case .success:
            let history = views[lane].history
            switch history.check(state.machine.position(of: lane)) {
            case .gap(let why, let resumeAfter):
                state.machine.readNothing(in: lane, gap: StreamGap(why: why, resumeAfter: resumeAfter, in: history))
            case .valid:
                state.machine.readNothing(in: lane, gap: nil)
            }
        }
    }

    // MARK: Time and drain

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
