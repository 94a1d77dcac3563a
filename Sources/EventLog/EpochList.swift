/// Says whether a cursor that a client brought back still names the event it named when it was handed out.
package enum CursorCheck: Sendable, Equatable {
    /// Read on after this seq.
    case valid(afterSeq: Int)
    /// The client missed events, or knows some that do not exist; it is told, and reads on after `resumeAfter`.
    case gap(why: GapReason, resumeAfter: EventPosition)

    package enum GapReason: String, Sendable {
        /// What follows the cursor was removed by retention.
        case retention
        /// A power cut took the event; its number has since been given to another one in a later epoch.
        case lostTail = "lost_tail"
        /// Never handed out by this store.
        case unknown
    }
}

/// The epochs in which a session's events were stored, each with its first seq; rising in both.
struct EpochList: Sendable, Equatable {
    struct Start: Sendable, Equatable {
        let epoch: Int
        let firstSeq: Int
    }

    private(set) var starts: [Start] = []

    mutating func begin(_ epoch: Int, at seq: Int) {
        starts.append(Start(epoch: epoch, firstSeq: seq))
    }

    /// - Parameter current: the store's epoch now; the position before the first event of a session has no epoch of its own.
    func position(of seq: Int, current: Int) -> EventPosition {
        let start = starts.last { $0.firstSeq <= seq } ?? starts.first
        return EventPosition(epoch: start?.epoch ?? current, seq: seq)
    }

    func check(_ cursor: EventPosition, firstSeq: Int, lastSeq: Int, current: Int) -> CursorCheck {
        let beginning = firstSeq - 1
        func gap(_ why: CursorCheck.GapReason, after seq: Int) -> CursorCheck {
            .gap(why: why, resumeAfter: position(of: max(seq, beginning), current: current))
        }
        guard cursor.epoch <= current else { return gap(.unknown, after: beginning) }
        if let next = starts.first(where: { $0.epoch > cursor.epoch }), cursor.seq >= next.firstSeq {
            return gap(.lostTail, after: next.firstSeq - 1)
        }
        if cursor.seq > lastSeq {
            // An earlier epoch's, with nothing appended since: its event was lost. This epoch's: it was never shown to anyone.
            return cursor.epoch < current ? gap(.lostTail, after: lastSeq) : gap(.unknown, after: beginning)
        }
        return cursor.seq < beginning ? gap(.retention, after: beginning) : .valid(afterSeq: cursor.seq)
    }
}
