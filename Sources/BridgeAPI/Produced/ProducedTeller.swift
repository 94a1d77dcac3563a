import EventLog
import Logging

extension HistoryBody {
    /// Speech or words, while they are produced or later.
    /// - Parameters:
    ///   - prefix: what is sent before the content.
    ///   - suffix: what is sent after it, if it ended well.
    convenience init(
        _ machine: ProducedMachine, of selection: ProducedSelection, in history: SessionHistory, prefix: [UInt8] = [],
        suffix: [UInt8] = [], seat: StreamSeat, logger: Logger
    ) {
        let teller = ProducedTeller(
            machine: machine, selection: selection, sessionID: history.sessionID, logger: logger, prefix: prefix, suffix: suffix)
        self.init(teller, over: [history], seat: seat, logger: logger)
    }
}

/// Decodes what a ``ProducedMachine`` gives.
struct ProducedTeller: HistoryTeller {
    var windowBytes: Int? { HistoryLane.pageBytes }

    private var machine: ProducedMachine
    private let selection: ProducedSelection
    private let sessionID: String
    private let logger: Logger
    private var prefix: [UInt8]
    private var suffix: [UInt8]

    fileprivate init(
        machine: ProducedMachine, selection: ProducedSelection, sessionID: String, logger: Logger, prefix: [UInt8], suffix: [UInt8]
    ) {
        self.machine = machine
        self.selection = selection
        self.sessionID = sessionID
        self.logger = logger
        self.prefix = prefix
        self.suffix = suffix
    }

    mutating func next() -> TellerStep {
        if !prefix.isEmpty { return .write(Self.take(&prefix)) }
        switch machine.next() {
        case .event(let seq): return .event(lane: 0, after: seq)
        case .wait: return .wait
        case .fail: return .fail
        case .finish: return suffix.isEmpty ? .finish : .write(Self.take(&suffix))
        }
    }

    private static func take(_ bytes: inout [UInt8]) -> [UInt8] {
        defer { bytes = [] }
        return bytes
    }

    mutating func offered(_ event: LoggedEvent, in lane: Int) -> [UInt8] {
        let read = selection.read(event)
        guard case .write(let range) = machine.offered(event.position.seq, read), case .delta(_, let delta) = read else { return [] }
        guard let bytes = delta.bytes(), range.upperBound <= bytes.count else {
            machine.fail()
            logger.warning(
                "a delta of audio is no base64", metadata: ["bridge.session": "\(sessionID)", "bridge.position": "\(event.position)"])
            return []
        }
        return range.count == bytes.count ? bytes : Array(bytes[range])
    }

    mutating func found(_ absence: HistoryAbsence, in lane: Int) -> AbsenceAction { machine.found(absence) }
    mutating func readEvents(in lane: Int) { machine.readEvents() }
    mutating func readNothing(in lane: Int) { machine.fail() }
    mutating func readFailed(in lane: Int) { machine.fail() }
}
