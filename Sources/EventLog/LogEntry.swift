/// One step of a session's history: an event, what it changed, and who waits for it. All of it commits, or none.
package struct LogEntry: Sendable {
    /// The event's number: the last appended one's plus 1. Nil when only record or projection rows change.
    package var seq: Int?
    /// The event as upstream sent it; stored byte for byte. Empty without a `seq`.
    package var frame: [UInt8]
    /// Unix milliseconds.
    package var createdAtMilliseconds: Int
    package var changes: [ProjectionChange]
    /// Steps of requests with an `Idempotency-Key` that the event answers; none without a `seq`.
    package var answeredSteps: [StepID]
    /// What became of steps that no event answers.
    package var settledSteps: SettledSteps
    /// The session's record as it is from now on; nil if it did not change.
    package var record: SessionRecord?
    /// Runs once on the writer's thread, after the event became visible or could not be stored. Must not block.
    package var released: (@Sendable (Result<Void, EventLogError>) -> Void)?

    package init(
        seq: Int?, frame: [UInt8], createdAtMilliseconds: Int, changes: [ProjectionChange] = [], answeredSteps: [StepID] = [],
        settledSteps: SettledSteps = SettledSteps(),
        record: SessionRecord? = nil, released: (@Sendable (Result<Void, EventLogError>) -> Void)? = nil
    ) {
        self.seq = seq
        self.frame = frame
        self.createdAtMilliseconds = createdAtMilliseconds
        self.changes = changes
        self.answeredSteps = answeredSteps
        self.settledSteps = settledSteps
        self.record = record
        self.released = released
    }

    /// What an entry takes in memory beside its frame, measured roughly: 200 sessions with small frames and a bound that counted the
    /// frames alone held a gigabyte.
    private static let overheadBytes = 1_024

    /// What it counts against the bounds of batch and session while it waits.
    var waitingBytes: Int {
        var bytes = frame.count + Self.overheadBytes
        for change in changes {
            switch change {
            case .item(let item): bytes += item.json.count
            case .response(let response): bytes += response.json.count
            case .input(_, let input): bytes += input.bytes.count
            // Its bytes are in the store already.
            case .inputCopied, .speech: break
            }
        }
        if let record { bytes += (record.configuration?.count ?? 0) + (record.requestedConfiguration?.count ?? 0) }
        return bytes
    }
}
