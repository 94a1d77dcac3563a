import EventLog
import Realtime

/// Where a stream starts in a session's history, and what it has to say first.
struct StreamStart: Sendable, Equatable {
    /// The last event of which the stream gives nothing.
    let after: EventPosition
    /// How many frames are still to be given of the event that follows, counted from its last one; nil: all.
    let remaining: Int?
    /// What the client missed before that, if it did.
    let gap: StreamGap?
    /// The cursor that the first bytes hand out.
    ///
    /// With a gap it is one that leads to the same gap: were it ``after``, a client cut off before the gap event would never hear of it.
    let primedID: String

    init(_ cursor: StreamRequest.Cursor, in history: SessionHistory) {
        switch cursor {
        case .now:
            self.init(after: history.tail)
        case .beginning:
            // Not `history.start`: a beginning that retention has removed is a gap like any other.
            self.init(history.position(ofSeq: 0), in: history)
        case .after(let id):
            self.init(id, in: history)
        case .unknown:
            self.init(
                gap: StreamGap(why: .unknown, resumeAfter: history.start, in: history), primedID: Self.idOfNothing)
        }
    }

    private init(_ id: FrameID, in history: SessionHistory) {
        if id.remaining == 0 {
            self.init(id.position, in: history)
            return
        }
        switch history.check(id.position) {
        case .valid(let seq):
            // The rest of the event is still to come, so it must be there.
            switch history.check(history.position(ofSeq: seq - 1)) {
            case .valid(let before):
                self.init(after: history.position(ofSeq: before), remaining: id.remaining, gap: nil, primedID: id.description)
            case .gap(let why, let resumeAfter):
                self.init(gap: StreamGap(why: why, resumeAfter: resumeAfter, in: history), primedID: id.description)
            }
        case .gap(let why, let resumeAfter):
            self.init(gap: StreamGap(why: why, resumeAfter: resumeAfter, in: history), primedID: id.description)
        }
    }

    private init(_ cursor: EventPosition, in history: SessionHistory) {
        switch history.check(cursor) {
        case .valid(let seq):
            self.init(after: history.position(ofSeq: seq))
        case .gap(let why, let resumeAfter):
            self.init(gap: StreamGap(why: why, resumeAfter: resumeAfter, in: history), primedID: cursor.description)
        }
    }

    private init(after: EventPosition) {
        self.init(after: after, remaining: nil, gap: nil, primedID: after.description)
    }

    private init(gap: StreamGap, primedID: String) {
        self.init(after: gap.resumeAfter, remaining: nil, gap: gap, primedID: primedID)
    }

    private init(after: EventPosition, remaining: Int?, gap: StreamGap?, primedID: String) {
        self.after = after
        self.remaining = remaining
        self.gap = gap
        self.primedID = primedID
    }

    /// For a session of which nothing is given.
    static let nothing = StreamStart(
        after: EventPosition(epoch: 1, seq: 0), remaining: nil, gap: nil, primedID: EventPosition(epoch: 1, seq: 0).description)

    /// No event and no cursor ever has it, so a client that brings it back is told of the gap again.
    private static let idOfNothing = "0.0"
}

/// Events that a client should have had and that cannot be given any more.
struct StreamGap: Sendable, Equatable {
    let why: CursorCheck.GapReason
    let resumeAfter: EventPosition
    /// The next event, or the cursor to wait at if there is none yet.
    let firstAvailable: EventPosition

    init(why: CursorCheck.GapReason, resumeAfter: EventPosition, firstAvailable: EventPosition) {
        self.why = why
        self.resumeAfter = resumeAfter
        self.firstAvailable = firstAvailable
    }

    init(why: CursorCheck.GapReason, resumeAfter: EventPosition, in history: SessionHistory) {
        self.why = why
        self.resumeAfter = resumeAfter
        firstAvailable = resumeAfter.seq < history.tail.seq ? history.position(ofSeq: resumeAfter.seq + 1) : resumeAfter
    }

    /// What follows a cursor is missing; nil if the cursor is valid.
    init?(after cursor: EventPosition, in history: SessionHistory) {
        guard case .gap(let why, let resumeAfter) = history.check(cursor) else { return nil }
        self.init(why: why, resumeAfter: resumeAfter, in: history)
    }

    func frame(session: String) -> [UInt8] {
        BridgeEvent.gap(why: why.rawValue, firstAvailable: firstAvailable.description, session: session)
    }
}
