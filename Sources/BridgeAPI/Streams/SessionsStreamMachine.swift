import EventLog

/// Decides what a stream over several sessions says next: whose turn it is, and what is said for all of them.
///
/// Each session has a lane with a ``StreamMachine`` of its own, which knows its cursor, its filter and its gaps. Lanes that have something
/// take turns, one event each, so that a busy session does not hold back a quiet one. Heartbeats and the stream's age are the stream's.
struct SessionsStreamMachine {
    typealias LaneID = Int

    private struct Lane {
        var machine: StreamMachine
        var isQueued = true
        var isOver = false
    }

    private var lanes: [Lane]
    /// What the client is to come back with.
    private(set) var cursor: SessionsCursor
    /// Lanes that may have something to say, in the order of their turns.
    private var turns: [LaneID]
    private var notes: [Note] = [.priming]
    /// The cursor has moved since the client was told.
    private var isCursorNew = false
    private var isOver = false
    private var clock: StreamClock

    /// Something to be written that is no event of a log. All but the gap with ``cursor`` as it is then.
    enum Note: Equatable {
        case priming
        case gap(LaneID, StreamGap)
        case cursor
        case heartbeat
        case comeBack
    }

    /// - Parameter starts: nil for a session that has ended and been read to its end.
    init(
        sessions sorted: [String], starts: [(start: StreamStart?, cursor: String)], filter: EventFilter, until: TypePatterns?,
        heartbeat: Duration, now: ContinuousClock.Instant, age: Duration
    ) {
        clock = StreamClock(heartbeat: heartbeat, now: now, age: age)
        let lanes = starts.map { start, _ in
            // Time is the stream's business, so a lane is never told of it.
            let machine = StreamMachine(
                start: start ?? .nothing, filter: filter, until: until, heartbeat: heartbeat, now: now, age: age)
            return Lane(machine: machine, isQueued: start != nil, isOver: start == nil)
        }
        self.lanes = lanes
        cursor = SessionsCursor(sessions: sorted, cursors: starts.map { $0.start?.primedID ?? $0.cursor })
        turns = lanes.indices.filter { !lanes[$0].isOver }
    }

    enum Step: Equatable {
        case write(Note)
        /// Offer that lane's event after the seq, or say why there is none.
        case event(LaneID, after: Int)
        case wait
        case finish
    }

    mutating func next() -> Step {
        while true {
            if !notes.isEmpty { return write(notes.removeFirst()) }
            if isOver { return .finish }
            if clock.mustLeave || lanes.allSatisfy(\.isOver) {
                isOver = true
                if isCursorNew { notes.append(.cursor) }
                if clock.mustLeave { notes.append(.comeBack) }
                continue
            }
            if clock.takeHeartbeat() {
                notes += isCursorNew ? [.cursor, .heartbeat] : [.heartbeat]
                continue
            }
            guard !turns.isEmpty else { return .wait }
            if let step = turn(of: turns.removeFirst()) { return step }
        }
    }

    private mutating func write(_ note: Note) -> Step {
        if note == .cursor || note == .priming { isCursorNew = false }
        return .write(note)
    }

    /// Nil if the lane had nothing to be done with.
    private mutating func turn(of lane: LaneID) -> Step? {
        lanes[lane].isQueued = false
        switch lanes[lane].machine.next() {
        case .event(let seq):
            return .event(lane, after: seq)
        case .wait:
            return nil
        case .finish:
            lanes[lane].isOver = true
            return nil
        case .write(let note):
            wake(lane)
            switch note {
            case .gap(let gap): return .write(.gap(lane, gap))
            case .cursor(let id):
                moved(lane, to: id)
                return write(.cursor)
            // The lane cannot go on: the client is to come back for all.
            case .comeBack: leave()
            case .priming, .heartbeat: break
            }
            return nil
        }
    }

    private mutating func moved(_ lane: LaneID, to id: FrameID) {
        cursor.cursors[lane] = id.description
        isCursorNew = true
    }

    /// Any session may have something new; those that do not, say so once.
    mutating func pulled() {
        for lane in lanes.indices { wake(lane) }
    }

    /// A lane may have something to say.
    private mutating func wake(_ lane: LaneID) {
        guard !lanes[lane].isQueued, !lanes[lane].isOver else { return }
        lanes[lane].isQueued = true
        turns.append(lane)
    }

    /// The event that ``next()`` asked for; see ``StreamMachine/offered(_:frames:heads:)``.
    mutating func offered(
        _ position: EventPosition, to lane: LaneID, frames count: Int, heads: () -> [EventHead]
    ) -> StreamMachine.Verdict {
        let verdict = lanes[lane].machine.offered(position, frames: count, heads: heads)
        if case .skip = verdict { moved(lane, to: lanes[lane].machine.place) }
        wake(lane)
        return verdict
    }

    /// The cursor to be written with one frame of the event that was offered last.
    mutating func shown(_ id: FrameID, in lane: LaneID) -> SessionsCursor {
        cursor.cursors[lane] = id.description
        // What was passed over in other lanes is told along with it.
        isCursorNew = false
        return cursor
    }

    mutating func found(_ absence: HistoryAbsence, in lane: LaneID) -> AbsenceAction {
        let action = lanes[lane].machine.found(absence)
        if action == .goOn { wake(lane) }
        return action
    }

    mutating func readEvents(in lane: LaneID) {
        lanes[lane].machine.readEvents()
        wake(lane)
    }

    mutating func readNothing(in lane: LaneID, gap: StreamGap?) {
        lanes[lane].machine.readNothing(gap: gap)
        wake(lane)
    }

    mutating func readFailed(in lane: LaneID) {
        lanes[lane].machine.readFailed()
        wake(lane)
    }

    /// Where a lane stands, for the question what follows.
    func position(of lane: LaneID) -> EventPosition { lanes[lane].machine.cursor }

    mutating func wrote(at now: ContinuousClock.Instant) {
        clock.wrote(at: now)
    }

    /// Time has passed; see ``StreamClock/tick(_:)``.
    mutating func tick(_ now: ContinuousClock.Instant) -> StreamClock.Action {
        isOver ? .over : clock.tick(now)
    }

    /// Ends the stream between two frames, with a `retry:` for its client.
    mutating func leave() {
        clock.leave()
    }
}
