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
        case cursor(FrameID)
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
    /// How many frames of the next event the client has not seen; nil: all.
    private var remaining: Int?
    /// What the client is to come back with.
    private(set) var place: FrameID
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
        remaining = start.remaining
        place = FrameID(start.after)
        lastWrite = now
        endsAt = now + age
        notes = [.priming(id: start.primedID)]
        if let gap = start.gap { notes += [.gap(gap), .cursor(FrameID(gap.resumeAfter))] }
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
        return .cursor(place)
    }

    enum Verdict: Equatable {
        /// These of its frames, by their place.
        case show([Int])
        case skip
        /// Not the event that follows; the stream ends, and its client comes back with the last id it saw.
        case outOfOrder
    }

    /// The event that ``next()`` asked for, which the view shows as so many frames. Their heads are read only if the filter or the end
    /// depends on them.
    mutating func offered(_ position: EventPosition, frames count: Int, heads: () -> [EventHead]) -> Verdict {
        guard position.seq == cursor.seq + 1 else {
            mustLeave = true
            return .outOfOrder
        }
        cursor = position
        place = FrameID(position)
        let first = remaining.map { max(0, count - $0) } ?? 0
        remaining = nil
        guard !filter.isOpen || until != nil else { return verdict(Array(first..<count), of: count) }
        let heads = heads()
        var shown: [Int] = []
        for index in first..<count {
            if filter.shows(heads[index]) { shown.append(index) }
            if let until, until.matches(heads[index].type), filter.concernsResponse(heads[index]) {
                phase = .leaving
                // The end is behind this frame: what follows of the event is not passed over.
                place.remaining = count - 1 - index
                break
            }
        }
        return verdict(shown, of: count)
    }

    /// A frame that is shown moves the client's cursor by itself.
    private mutating func verdict(_ shown: [Int], of count: Int) -> Verdict {
        skipped = shown.last.map { $0 == count - 1 - place.remaining } == true ? 0 : skipped + 1
        return shown.isEmpty ? .skip : .show(shown)
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
        remaining = nil
        skipped = 0
        notes += [.gap(gap), .cursor(FrameID(gap.resumeAfter))]
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
