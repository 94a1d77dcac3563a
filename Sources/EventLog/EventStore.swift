/// The store's own number for a session; never used again.
package typealias SessionKey = Int64

/// An event as the store gives it back.
package struct StoredEvent: Sendable {
    package let seq: Int
    package let createdAtMilliseconds: Int
    package let frame: [UInt8]

    /// What a row is counted as beside its frame, roughly what it takes in the file.
    static let overheadBytes = 64
}

/// One entry on its way into the store.
package struct StoreWrite: Sendable {
    package struct Event: Sendable {
        package let seq: Int
        package let createdAtMilliseconds: Int
        package let frame: [UInt8]
        /// Bytes of all the session's events up to and including this one, removed ones too. So what a session holds is one
        /// subtraction, without a counter that every commit would have to write.
        package let cumulativeBytes: Int
        /// Set on the session's first event of an epoch.
        package let startsEpoch: Int?
    }

    package let session: SessionKey
    package let event: Event?
    package let changes: [ProjectionChange]
    /// Steps of requests that the event answers.
    package let answeredSteps: [StepID]
    package let settledSteps: SettledSteps
    private let changedRecord: ChangedRecord?

    package init(
        session: SessionKey, event: Event?, changes: [ProjectionChange], answeredSteps: [StepID] = [],
        settledSteps: SettledSteps = SettledSteps(),
        record: SessionRecord?
    ) {
        self.session = session
        self.event = event
        self.changes = changes
        self.answeredSteps = answeredSteps
        self.settledSteps = settledSteps
        changedRecord = record.map(ChangedRecord.init)
    }

    package var record: SessionRecord? { changedRecord?.record }
}

/// Apart from the entries, most of which have none: thousands may wait for each session, and a record's 30 words would stand in each.
private final class ChangedRecord: Sendable {
    let record: SessionRecord

    init(_ record: SessionRecord) { self.record = record }
}

/// What a session's history in memory starts from.
package struct HistoryRow: Sendable {
    package let key: SessionKey
    let firstSeq: Int
    let lastSeq: Int
    let epochs: EpochList
    /// Up to and including the last event.
    let cumulativeBytes: Int
    /// Of those, what retention has removed.
    let removedBytes: Int
    let hasEnded: Bool
    /// Ids of its responses that are not part of the conversation.
    let outOfBandResponses: Set<String>

    init(
        key: SessionKey, firstSeq: Int = 1, lastSeq: Int = 0, epochs: EpochList = EpochList(), cumulativeBytes: Int = 0,
        removedBytes: Int = 0, hasEnded: Bool, outOfBandResponses: Set<String> = []
    ) {
        self.key = key
        self.firstSeq = firstSeq
        self.lastSeq = lastSeq
        self.epochs = epochs
        self.cumulativeBytes = cumulativeBytes
        self.removedBytes = removedBytes
        self.hasEnded = hasEnded
        self.outOfBandResponses = outOfBandResponses
    }
}

/// The oldest events of a session that are too many.
package struct RemovablePrefix: Sendable {
    package let throughSeq: Int
    package let cumulativeBytes: Int
}

package struct SessionCounts: Sendable, Equatable {
    package let live: Int
    /// Without those made for one response.
    package let stored: Int
    /// Those, the ended ones included, until their rows go.
    package let oneShots: Int
}

/// Keeps sessions, their events and their projections. Two stand: ``SQLiteEventStore`` and ``MemoryEventStore``.
///
/// The methods that write block and are called by the writer's thread only; each is one transaction: when it throws, nothing of it
/// is stored. The ones that read are called from anywhere, see what is committed, and never block a task's thread.
package protocol EventStore: Sendable {
    /// Written into every event's position; see ``StoreEpoch``.
    var epoch: Int { get }
    var secret: [UInt8] { get }

    func commit(_ writes: [StoreWrite]) throws(EventLogError)
    func createSession(_ record: SessionRecord) throws(EventLogError) -> SessionKey
    /// What to remove so that the session keeps about `keepingBytes`: at most so many rows, never the last event.
    func removableEvents(of session: SessionKey, keepingBytes: Int, maximumRows: Int) throws(EventLogError) -> RemovablePrefix?
    func removeEvents(of session: SessionKey, through seq: Int) throws(EventLogError)
    /// Makes a session not exist; its rows go in ``purgeTurn(maximumRows:)``, also after a crash in between.
    func forgetSession(_ id: String) throws(EventLogError)
    /// Forgets sessions that ended before that Unix second, at most so many, and names them.
    /// - Parameter oneShots: the same second for those made for one response.
    func forgetSessions(endedBefore seconds: Int, oneShots: Int, limit: Int) throws(EventLogError) -> [String]
    /// Removes rows of forgotten sessions; false when there are none left.
    func purgeTurn(maximumRows: Int) throws(EventLogError) -> Bool
    /// Keeps a step before it is begun.
    /// - Parameters:
    ///   - opening: with a request's first step: the request, in the place of whatever was kept under its key.
    ///   - maximumRequests: none is added to about so many.
    /// - Returns: false if that is why it is not kept.
    func begin(_ step: StepID, mark: String, opening: RecordedRequest?, maximumRequests: Int) throws(EventLogError) -> Bool
    /// Adds what no event tells of steps of a request, and forgets its steps from that number on; the request too if none is left.
    func note(_ notes: [Int: [UInt8]], forgetting steps: [Int], of request: RequestKey) throws(EventLogError)
    /// Forgets the oldest requests that were begun before that Unix second, at most so many; false when there are none left.
    func forgetRequests(begunBefore seconds: Int, limit: Int) throws(EventLogError) -> Bool
    /// Proves that there is room to write, or throws.
    func probe() throws(EventLogError)
    /// Called after each commit of events, when nothing waits for it.
    func committed(bytes: Int)
    /// Leaves the mark of a clean stop. Nothing else may be called afterwards.
    func close() throws(EventLogError)

    func history(of id: String) async throws(EventLogError) -> HistoryRow?
    /// Events with `after < seq <= through` in order, at least one if there is any, then until a limit is reached.
    func events(
        of session: SessionKey, after: Int, through: Int, limit: Int, maximumBytes: Int
    ) async throws(EventLogError) -> [StoredEvent]
    func session(_ id: String) async throws(EventLogError) -> StoredSession?
    func sessions(_ query: SessionQuery) async throws(EventLogError) -> SessionPage
    func counts() async throws(EventLogError) -> SessionCounts
    /// In the order of creation, deleted ones too.
    func items(of id: String) async throws(EventLogError) -> [ItemRecord]
    func item(_ item: String, of id: String) async throws(EventLogError) -> ItemRecord?
    func responses(of id: String) async throws(EventLogError) -> [ResponseRecord]
    func response(_ response: String, of id: String) async throws(EventLogError) -> ResponseRecord?
    func input(of itemID: String, session id: String) async throws(EventLogError) -> ItemInput?
    func speech(of id: String) async throws(EventLogError) -> [String: ItemSpeech]
    func inputSizes(of id: String) async throws(EventLogError) -> [String: Int]
    func request(_ key: RequestKey) async throws(EventLogError) -> RecordedRequest?
    func sessionsNeedingRecovery() async throws(EventLogError) -> [String]
    func sessionsOwingOutputs() async throws(EventLogError) -> [String]
    func sessionsExpired(by seconds: Int, limit: Int) async throws(EventLogError) -> [String]
}
