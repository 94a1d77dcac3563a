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
    private var clock: StreamClock

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

    /// So that a resume does not have to pass more than so many events again that the client does not want.
    static let skippedLimit = 256

    init(
        start: StreamStart, filter: EventFilter, until: TypePatterns?, heartbeat: Duration, now: ContinuousClock.Instant, age: Duration
    ) {
        self.filter = filter
        self.until = until
        clock = StreamClock(heartbeat: heartbeat, now: now, age: age)
        cursor = start.after
        remaining = start.remaining
        place = FrameID(start.after)
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
        if clock.mustLeave {
            phase = .leaving
            return .write(skipped > 0 ? moveCursor(then: .comeBack) : .comeBack)
        }
        if clock.takeHeartbeat() { return .write(skipped > 0 ? moveCursor(then: .heartbeat) : .heartbeat) }
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
            leave()
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

    /// There is no such event now.
    mutating func found(_ absence: HistoryAbsence) -> AbsenceAction {
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
        clock.wrote(at: now)
    }

    /// Time has passed; see ``StreamClock/tick(_:)``.
    mutating func tick(_ now: ContinuousClock.Instant) -> StreamClock.Action {
        phase == .over ? .over : clock.tick(now)
    }

    /// Ends the stream between two frames, with a `retry:` for its client.
    mutating func leave() {
        clock.leave()
    }
}
