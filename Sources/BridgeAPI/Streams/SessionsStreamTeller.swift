import EventLog
import Logging
import Realtime

extension HistoryBody {
    /// A stream over several sessions.
    /// - Parameters:
    ///   - request: of the format `.eventStream` or `.lines`.
    ///   - views: of the sessions, sorted by their ids.
    ///   - starts: for each of them; nil if it is over.
    convenience init(
        _ request: StreamRequest, from starts: [(start: StreamStart?, cursor: String)], of views: [HistoryView], seat: StreamSeat,
        logger: Logger
    ) {
        self.init(
            SessionsStreamTeller(request, from: starts, of: views, seat: seat, logger: logger), over: views.map(\.history), seat: seat,
            logger: logger)
    }
}

/// Spells what a ``SessionsStreamMachine`` has a stream say.
struct SessionsStreamTeller: HistoryTeller {
    /// So that a session's turn is short.
    var windowBytes: Int? { 4 * 1024 }

    private var machine: SessionsStreamMachine
    private let views: [HistoryView]
    private let format: StreamRequest.Format
    private let envelopeMessage: Bool
    private let retryMilliseconds: Int
    private let seat: StreamSeat
    private let logger: Logger

    fileprivate init(
        _ request: StreamRequest, from starts: [(start: StreamStart?, cursor: String)], of views: [HistoryView], seat: StreamSeat,
        logger: Logger
    ) {
        self.views = views
        self.seat = seat
        self.logger = logger
        format = request.format
        envelopeMessage = request.envelopeMessage
        retryMilliseconds = request.retryMilliseconds
        machine = SessionsStreamMachine(
            sessions: views.map(\.history.sessionID), starts: starts, filter: request.filter, until: request.until,
            heartbeat: request.heartbeat, now: seat.now(), age: seat.age)
    }

    mutating func pulled() { machine.pulled() }

    mutating func next() -> TellerStep {
        switch machine.next() {
        case .write(let note): .write(bytes(of: note))
        case .event(let lane, let seq): .event(lane: lane, after: seq)
        case .wait: .wait
        case .finish: .finish
        }
    }

    mutating func offered(_ event: LoggedEvent, in lane: Int) -> [UInt8] {
        let view = views[lane]
        let frames = view.frames(of: event, .bare)
        switch machine.offered(event.position, to: lane, frames: frames.count, heads: { view.heads(of: event) }) {
        case .show(let shown):
            let heads = format == .eventStream && !envelopeMessage ? view.heads(of: event) : []
            var bytes: [UInt8] = []
            for index in shown {
                let id = machine.shown(FrameID(event.position, remaining: frames.count - 1 - index), in: lane).description
                let session = view.history.sessionID
                if format == .eventStream {
                    let type = heads.isEmpty ? nil : String(decoding: heads[index].type, as: UTF8.self)
                    bytes += StreamEncoder.serverSentEvent(id: id, type: type, frame: StreamEncoder.wrapped(frames[index], of: session))
                } else {
                    let seconds = event.createdAtMilliseconds / 1_000
                    bytes += StreamEncoder.entry(id: id, createdAt: seconds, session: session, frame: frames[index])
                    bytes.append(StreamEncoder.lineFeed)
                }
            }
            return bytes
        case .skip:
            return []
        case .outOfOrder:
            view.reportOutOfOrder(event, to: logger)
            return []
        }
    }

    private func bytes(of note: SessionsStreamMachine.Note) -> [UInt8] {
        let cursor = machine.cursor
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

    mutating func found(_ absence: HistoryAbsence, in lane: Int) -> AbsenceAction {
        let action = machine.found(absence, in: lane)
        // Another session may have something.
        return action == .wait ? .goOn : action
    }

    mutating func readEvents(in lane: Int) { machine.readEvents(in: lane) }
    mutating func readNothing(in lane: Int) {
        machine.readNothing(in: lane, gap: StreamGap(after: machine.position(of: lane), in: views[lane].history))
    }
    mutating func readFailed(in lane: Int) { machine.readFailed(in: lane) }
    mutating func wrote(at now: ContinuousClock.Instant) { machine.wrote(at: now) }
    mutating func tick(_ now: ContinuousClock.Instant) -> StreamClock.Action { machine.tick(now) }
    mutating func leave() { machine.leave() }
}
