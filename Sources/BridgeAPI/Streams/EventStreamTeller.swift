import EventLog
import Logging
import Realtime

extension HistoryBody {
    /// A stream of a session's events.
    /// - Parameter request: of the format `.eventStream` or `.lines`.
    convenience init(_ request: StreamRequest, from start: StreamStart, of view: HistoryView, seat: StreamSeat, logger: Logger) {
        self.init(
            EventStreamTeller(request, from: start, of: view, seat: seat, logger: logger), over: [view.history], seat: seat,
            logger: logger)
    }
}

/// Spells what a ``StreamMachine`` has a stream say.
struct EventStreamTeller: HistoryTeller {
    var windowBytes: Int? { nil }

    private var machine: StreamMachine
    private let view: HistoryView
    private let format: StreamRequest.Format
    private let rendering: EventRendering
    private let retryMilliseconds: Int
    private let seat: StreamSeat
    private let logger: Logger

    fileprivate init(_ request: StreamRequest, from start: StreamStart, of view: HistoryView, seat: StreamSeat, logger: Logger) {
        self.view = view
        self.seat = seat
        self.logger = logger
        format = request.format
        retryMilliseconds = request.retryMilliseconds
        rendering =
            switch request.format {
            case .eventStream: request.envelopeMessage ? .message : .eventStream
            case .lines, .page: .entry
            }
        machine = StreamMachine(
            start: start, filter: request.filter, until: request.until, heartbeat: request.heartbeat, now: seat.now(), age: seat.age)
    }

    mutating func next() -> TellerStep {
        switch machine.next() {
        case .write(let note): .write(bytes(of: note))
        case .event(let seq): .event(lane: 0, after: seq)
        case .wait: .wait
        case .finish: .finish
        }
    }

    mutating func offered(_ event: LoggedEvent, in lane: Int) -> [UInt8] {
        let frames = view.frames(of: event, rendering)
        switch machine.offered(event.position, frames: frames.count, heads: { [view] in view.heads(of: event) }) {
        case .show(let shown):
            var bytes: [UInt8] = []
            for index in shown {
                if bytes.isEmpty { bytes = frames[index] } else { bytes += frames[index] }
                if rendering == .entry { bytes.append(StreamEncoder.lineFeed) }
            }
            return bytes
        case .skip:
            return []
        case .outOfOrder:
            view.reportOutOfOrder(event, to: logger)
            return []
        }
    }

    private func bytes(of note: StreamMachine.Note) -> [UInt8] {
        switch (note, format) {
        case (.priming(let id), .eventStream): StreamEncoder.priming(retryMilliseconds: retryMilliseconds, id: id)
        case (.gap(let gap), .eventStream):
            StreamEncoder.serverSentEvent(
                id: nil, type: rendering == .message ? nil : BridgeEvent.gapType, frame: gap.frame(session: view.history.sessionID))
        case (.cursor(let position), .eventStream): StreamEncoder.cursor(position)
        case (.heartbeat, .eventStream): StreamEncoder.heartbeat
        case (.comeBack, .eventStream): StreamEncoder.retry(milliseconds: seat.jitteredRetry(retryMilliseconds))
        case (.gap(let gap), _):
            StreamEncoder.entry(id: nil, createdAt: seat.unixSeconds(), frame: gap.frame(session: view.history.sessionID))
                + [StreamEncoder.lineFeed]
        // JSON readers skip space between values; a client that has gone is noticed by it.
        case (.heartbeat, _): [StreamEncoder.lineFeed]
        case (.priming, _), (.cursor, _), (.comeBack, _): []
        }
    }

    mutating func found(_ absence: HistoryAbsence, in lane: Int) -> AbsenceAction { machine.found(absence) }
    mutating func readEvents(in lane: Int) { machine.readEvents() }
    mutating func readNothing(in lane: Int) { machine.readNothing(gap: StreamGap(after: machine.cursor, in: view.history)) }
    mutating func readFailed(in lane: Int) { machine.readFailed() }
    mutating func wrote(at now: ContinuousClock.Instant) { machine.wrote(at: now) }
    mutating func tick(_ now: ContinuousClock.Instant) -> StreamClock.Action { machine.tick(now) }
    mutating func leave() { machine.leave() }
}
