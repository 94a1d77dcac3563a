import EventLog

/// Decides what one stream says next: its first bytes, a gap, the next event, a cursor, a heartbeat, its end.
///
/// Holds a cursor and no events. The runner asks ``next()``, brings what it is asked for, and writes what it is told to write whole
/// before it asks again, so cursors and ends only ever stand between frames.
struct StreamMachine {
    /// Something to be written that is no event of the log.
    enum Note: Equatable {
        /// The first bytes.
        case priming(id: String)
        case gap(StreamGap)
        /// Moves the client's cursor without an event.
        case cursor(EventPosition)
        case heartbeat
        /// The stream ends although the session goes on; the client is to come back.
        case comeBack
    }

    private enum Phase { case following, reading, leaving, over }

    private let filter: EventFilter
    private let until: TypePatterns?
    private let heartbeat: Duration
    private let endsAt: ContinuousClock.Instant

    private var phase = Phase.following
    private var notes: [Note]
    /// Of the last event shown or skipped.
    private(set) var cursor: EventPosition
    /// Events since the client's cursor last moved.
    private var skipped = 0
    private var lastWrite: ContinuousClock.Instant
    private var isHeartbeatDue = false
    private var mustLeave = false

    /// So that a resume does not have to pass more than so many events again that the client does not want.
    static let skippedLimit = 256

    init(
        start: StreamStart, filter: EventFilter, until: TypePatterns?, heartbeat: Duration, now: ContinuousClock.Instant, age: Duration
    ) {
        self.filter = filter
        self.until = until
        self.heartbeat = heartbeat
        cursor = start.after
        lastWrite = now
        endsAt = now + age
        notes = [.priming(id: start.primedID)]
        if let gap = start.gap { notes += [.gap(gap), .cursor(gap.resumeAfter)] }
    }

    enum Step: Equatable {
        case write(Note)
        /// Offer the event after that seq, or say why there is none.
        case event(after: Int)
        case wait
        case finish
    }

    mutating func next() -> Step {
        if !notes.isEmpty { return .write(notes.removeFirst()) }
        switch phase {
        case .over:
            return .finish
        case .leaving:
            if skipped > 0 { return .write(moveCursor()) }
            phase = .over
            return .finish
        case .following, .reading:
            break
        }
        if mustLeave {
            phase = .leaving
            return .write(skipped > 0 ? moveCursor(then: .comeBack) : .comeBack)
        }
        if isHeartbeatDue {
            isHeartbeatDue = false
            return .write(skipped > 0 ? moveCursor(then: .heartbeat) : .heartbeat)
        }
        if skipped >= Self.skippedLimit { return .write(moveCursor()) }
        return phase == .reading ? .wait : .event(after: cursor.seq)
    }

    private mutating func moveCursor(then note: Note? = nil) -> Note {
        skipped = 0
        if let note { notes.append(note) }
        return .cursor(cursor)
    }

    enum Verdict: Equatable {
        case show
        case skip
        /// Not the event that follows; the stream ends, and its client comes back with the last id it saw.
        case outOfOrder
    }

    /// The event that ``next()`` asked for. Its head is read only if the filter or the end depends on it.
    mutating func offered(_ position: EventPosition, head: () -> EventHead) -> Verdict {
        guard position.seq == cursor.seq + 1 else {
            mustLeave = true
            return .outOfOrder
        }
        cursor = position
        guard !filter.isOpen || until != nil else {
            skipped = 0
            return .show
        }
        let head = head()
        if let until, until.matches(head.type), filter.concernsResponse(head) { phase = .leaving }
        guard filter.shows(head) else {
            skipped += 1
            return .skip
        }
        skipped = 0
        return .show
    }

    /// What the runner found instead of the event.
    enum Absence: Equatable {
        /// Nothing yet.
        case caughtUp
        /// Only the store has it.
        case behind
        /// Nothing, and nothing will come.
        case ended
    }

    enum AbsenceAction: Equatable {
        case wait
        case read(after: Int)
        /// Ask ``next()`` again.
        case goOn
    }

    mutating func found(_ absence: Absence) -> AbsenceAction {
        switch absence {
        case .caughtUp:
            return .wait
        case .behind:
            phase = .reading
            return .read(after: cursor.seq)
        case .ended:
            phase = .leaving
            return .goOn
        }
    }

    /// The store's answer: events that follow the cursor.
    mutating func readEvents() {
        if phase == .reading { phase = .following }
    }

    /// The store had nothing after the cursor, which the history then said about.
    ///
    /// - Parameter gap: nil if the cursor is valid: the events were there, and are neither in memory nor in the store.
    mutating func readNothing(gap: StreamGap?) {
        guard phase == .reading else { return }
        phase = .following
        guard let gap else { return leave() }
        cursor = gap.resumeAfter
        skipped = 0
        notes += [.gap(gap), .cursor(gap.resumeAfter)]
    }

    /// The store cannot be read now; the client tries again later.
    mutating func readFailed() {
        guard phase == .reading else { return }
        phase = .following
        leave()
    }

    mutating func wrote(at now: ContinuousClock.Instant) {
        lastWrite = now
    }

    enum TickAction: Equatable {
        case wake(nextTick: ContinuousClock.Instant)
        case sleep(nextTick: ContinuousClock.Instant)
        case over
    }

    /// Time has passed. Between two writes at most ``heartbeat`` and the ticker's grain go by.
    mutating func tick(_ now: ContinuousClock.Instant) -> TickAction {
        guard phase != .over else { return .over }
        if now >= endsAt { leave() }
        let isQuiet = now >= lastWrite + heartbeat
        if isQuiet { isHeartbeatDue = true }
        let nextTick = min(mustLeave ? now + heartbeat : endsAt, isQuiet ? now + heartbeat : lastWrite + heartbeat)
        return isQuiet || mustLeave ? .wake(nextTick: nextTick) : .sleep(nextTick: nextTick)
    }

    /// Ends the stream between two frames, with a `retry:` for its client.
    mutating func leave() {
        mustLeave = true
    }
}
