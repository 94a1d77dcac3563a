import DequeModule
import NIOConcurrencyHelpers
import Realtime

/// Keeps everything in memory, under the limits of the one on disk. Its epoch is always 1: nothing of it outlives the process.
package final class MemoryEventStore: EventStore {
    package let epoch = 1
    package let secret: [UInt8]

    private struct Event: Sendable {
        let event: StoreWrite.Event
        var storedBytes: Int { event.frame.count + StoredEvent.overheadBytes }
    }

    private struct Session: Sendable {
        var record: SessionRecord
        var epochs = EpochList()
        /// Dense: removed from the front, appended at the end.
        var events = Deque<Event>()
        var items: [String: ItemRecord] = [:]
        var responses: [String: ResponseRecord] = [:]
        var inputs = HeldInputs()
        var speech: [String: ItemSpeech] = [:]

        var firstSeq: Int { events.first?.event.seq ?? 1 }
        var lastSeq: Int { events.last?.event.seq ?? 0 }
        var itemsByCreation: [ItemRecord] { items.values.sorted { ($0.createdSeq, $0.id) < ($1.createdSeq, $1.id) } }
        var responsesByCreation: [ResponseRecord] { responses.values.sorted { ($0.createdSeq, $0.id) < ($1.createdSeq, $1.id) } }
    }

    private struct State: Sendable {
        var sessions: [SessionKey: Session] = [:]
        var keys: [String: SessionKey] = [:]
        var lastKey: SessionKey = 0
        /// Places of sessions that are not there any more, and the order in which they went.
        var forgotten: [String: SessionKey] = [:]
        var forgottenOrder = Deque<String>()

        mutating func forget(_ id: String) {
            guard let key = keys.removeValue(forKey: id) else { return }
            let isListed = sessions.removeValue(forKey: key)?.record.isOneShot == false
            // Those in no list are no places in one.
            guard isListed else { return }
            forgotten[id] = key
            forgottenOrder.append(id)
            if forgottenOrder.count > SessionQuery.forgottenPlaces { forgotten[forgottenOrder.removeFirst()] = nil }
        }
        var requests = HeldRequests()

        func session(_ id: String) -> Session? { keys[id].flatMap { sessions[$0] } }
    }

    private let state = NIOLockedValueBox(State())
    private let inputBytesPerSession: Int

    package init(inputBytesPerSession: Int = EventLogConfiguration.defaultInputBytesPerSession) {
        self.inputBytesPerSession = inputBytesPerSession
        var generator = SystemRandomNumberGenerator()
        secret = (0..<32).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
    }

    // MARK: Writing

    package func commit(_ writes: [StoreWrite]) throws(EventLogError) {
        let misplaced = state.withLockedValue { state in
            // All or nothing, as a transaction.
            var lastSeqs: [SessionKey: Int] = [:]
            for write in writes {
                guard let event = write.event else { continue }
                let lastSeq = lastSeqs[write.session] ?? state.sessions[write.session]?.lastSeq
                if let lastSeq, event.seq <= lastSeq { return true }
                lastSeqs[write.session] = event.seq
            }
            for write in writes {
                let copies = Self.copiedInputs(write, state)
                let speech = Self.copiedSpeech(write, state)
                apply(write, copies, speech, to: &state.sessions[write.session])
                if let event = write.event {
                    for step in write.answeredSteps { state.requests.answer(step, seq: event.seq) }
                }
                state.requests.settle(write.settledSteps)
            }
            return false
        }
        if misplaced { throw EventLogError(.corrupt, "An event of this number is stored already.") }
    }

    /// The inputs of other sessions that a write asks for, by the id of their item.
    private static func copiedInputs(_ write: StoreWrite, _ state: State) -> [String: ItemInput] {
        var copies: [String: ItemInput] = [:]
        for case .inputCopied(let item, let source) in write.changes where state.keys[source] != write.session {
            copies[item] = state.session(source)?.inputs[item]
        }
        return copies
    }

    private static func copiedSpeech(_ write: StoreWrite, _ state: State) -> [String: ItemSpeech] {
        var copies: [String: ItemSpeech] = [:]
        for case .inputCopied(let item, let source) in write.changes where state.keys[source] != write.session {
            copies[item] = state.session(source)?.speech[item]?.elsewhere
        }
        return copies
    }

    private func apply(
        _ write: StoreWrite, _ copies: [String: ItemInput], _ speech: [String: ItemSpeech], to slot: inout Session?
    ) {
        guard var session = slot else { return }
        // Let go of the slot's copy, or each append would copy the session's events.
        slot = nil
        defer { slot = session }
        if let event = write.event {
            if let epoch = event.startsEpoch { session.epochs.begin(epoch, at: event.seq) }
            session.events.append(Event(event: event))
        }
        for change in write.changes {
            switch change {
            case .item(let item):
                session.items[item.id] = item
                if item.isDeleted { session.inputs.remove(item.id) }
            case .response(let response): session.responses[response.id] = response
            case .input(let item, let input): keep(input, of: item, in: &session)
            case .speech(let item, let speech): session.speech[item] = speech
            case .inputCopied(let item, _):
                guard let input = copies[item], session.items[item]?.isDeleted != true else { continue }
                keep(input, of: item, in: &session)
                session.speech[item] = speech[item] ?? session.speech[item]
            }
        }
        if let record = write.record { session.record = record }
    }

    private func keep(_ input: ItemInput, of item: String, in session: inout Session) {
        guard session.items[item]?.isDeleted != true else { return }
        session.inputs.keep(input, of: item, maximumBytes: inputBytesPerSession)
    }

    package func createSession(_ record: SessionRecord) throws(EventLogError) -> SessionKey {
        let key: SessionKey? = state.withLockedValue { state in
            guard state.keys[record.id] == nil else { return nil }
            state.lastKey += 1
            state.keys[record.id] = state.lastKey
            state.sessions[state.lastKey] = Session(record: record)
            return state.lastKey
        }
        guard let key else { throw .duplicateSession }
        return key
    }

    package func removableEvents(
        of session: SessionKey, keepingBytes: Int, maximumRows: Int
    ) throws(EventLogError) -> RemovablePrefix? {
        state.withLockedValue { state in
            guard let events = state.sessions[session]?.events, let last = events.last else { return nil }
            let removable = last.event.cumulativeBytes - keepingBytes
            let prefix = events.prefix(min(maximumRows, events.count - 1)).last { $0.event.cumulativeBytes <= removable }
            return prefix.map { RemovablePrefix(throughSeq: $0.event.seq, cumulativeBytes: $0.event.cumulativeBytes) }
        }
    }

    package func removeEvents(of session: SessionKey, through seq: Int) throws(EventLogError) {
        state.withLockedValue { state in
            while let first = state.sessions[session]?.events.first, first.event.seq <= seq {
                state.sessions[session]?.events.removeFirst()
            }
        }
    }

    package func forgetSession(_ id: String) throws(EventLogError) {
        state.withLockedValue { state in
            state.forget(id)
        }
    }

    package func forgetSessions(endedBefore seconds: Int, oneShots: Int, limit: Int) throws(EventLogError) -> [String] {
        state.withLockedValue { state in
            let expired = state.sessions.values.lazy.map(\.record).filter {
                ($0.endedAt ?? .max) < ($0.isOneShot && !$0.isKept ? max(seconds, oneShots) : seconds)
            }
            let ids = Array(expired.prefix(limit).map(\.id))
            for id in ids { state.forget(id) }
            return ids
        }
    }

    package func purgeTurn(maximumRows: Int) throws(EventLogError) -> Bool { false }

    package func begin(
        _ step: StepID, mark: String, opening: RecordedRequest?, maximumRequests: Int
    ) throws(EventLogError) -> Bool {
        state.withLockedValue { $0.requests.begin(step, mark: mark, opening: opening, maximumRequests: maximumRequests) }
    }

    package func note(_ notes: [Int: [UInt8]], forgetting steps: [Int], of request: RequestKey) throws(EventLogError) {
        state.withLockedValue { $0.requests.note(notes, forgetting: steps, of: request) }
    }

    package func forgetRequests(begunBefore seconds: Int, limit: Int) throws(EventLogError) -> Bool {
        state.withLockedValue { $0.requests.forget(begunBefore: seconds, limit: limit) }
    }

    package func probe() throws(EventLogError) {}

    package func committed(bytes: Int) {}

    package func close() throws(EventLogError) {}

    // MARK: Reading

    package func history(of id: String) async throws(EventLogError) -> HistoryRow? {
        state.withLockedValue { state in
            guard let key = state.keys[id], let session = state.sessions[key] else { return nil }
            let first = session.events.first
            return HistoryRow(
                key: key, firstSeq: session.firstSeq, lastSeq: session.lastSeq, epochs: session.epochs,
                cumulativeBytes: session.events.last?.event.cumulativeBytes ?? 0,
                removedBytes: first.map { $0.event.cumulativeBytes - $0.storedBytes } ?? 0, hasEnded: session.record.status.hasEnded,
                outOfBandResponses: Set(session.responsesByCreation.filter(\.isOutOfBand).map(\.id)))
        }
    }

    package func events(
        of session: SessionKey, after: Int, through: Int, limit: Int, maximumBytes: Int
    ) async throws(EventLogError) -> [StoredEvent] {
        state.withLockedValue { state in
            guard let events = state.sessions[session]?.events, let first = events.first?.event.seq else { return [] }
            var page: [StoredEvent] = []
            var bytes = 0
            for entry in events[min(max(0, after + 1 - first), events.count)...] {
                let event = entry.event
                guard event.seq <= through, page.count < limit else { break }
                bytes += event.frame.count
                guard page.isEmpty || bytes <= maximumBytes else { break }
                page.append(StoredEvent(seq: event.seq, createdAtMilliseconds: event.createdAtMilliseconds, frame: event.frame))
            }
            return page
        }
    }

    package func session(_ id: String) async throws(EventLogError) -> StoredSession? {
        guard let session = state.withLockedValue({ $0.session(id) }) else { return nil }
        return StoredSession(
            record: session.record, items: ItemChain.ordered(session.itemsByCreation), responses: session.responsesByCreation,
            firstSeq: session.firstSeq, lastSeq: session.lastSeq)
    }

    package func sessions(_ query: SessionQuery) async throws(EventLogError) -> SessionPage {
        let (sessions, keys, forgotten) = state.withLockedValue { ($0.sessions, $0.keys, $0.forgotten) }
        let isNewestFirst = query.order == .newestFirst
        var order = sessions.keys.sorted { isNewestFirst ? $0 > $1 : $0 < $1 }
        for (bound, follows) in [(query.after, true), (query.before, false)] {
            guard let bound else { continue }
            guard let key = keys[bound] ?? forgotten[bound] else { return .ofUnknownCursor }
            order = order.filter { $0 != key && (($0 > key) != isNewestFirst) == follows }
        }
        order = order.filter { sessions[$0].map { Self.matches($0.record, query) } ?? false }
        let isBackwards = query.before != nil && query.after == nil
        let page = isBackwards ? order.suffix(query.limit) : order.prefix(query.limit)
        return SessionPage(
            summaries: page.compactMap { sessions[$0].map(Self.summary) }, hasMore: order.count > page.count)
    }

    private static func matches(_ record: SessionRecord, _ query: SessionQuery) -> Bool {
        if record.isOneShot { return false }
        if let statuses = query.statuses, !statuses.contains(record.status) { return false }
        switch query.owner {
        case .any: break
        case .exactly(let owner): guard record.owner == owner else { return false }
        case .exactlyOrNobody(let owner): guard record.owner == nil || record.owner == owner else { return false }
        }
        guard !query.metadata.isEmpty else { return true }
        guard let metadata = try? JSON.parse(record.metadata) else { return false }
        return query.metadata.allSatisfy { metadata[$0.key]?.string == $0.value }
    }

    private static func summary(_ session: Session) -> SessionSummary {
        let active = session.responsesByCreation.last { $0.doneSeq == nil && !$0.isOutOfBand }
        return SessionSummary(
            record: session.record, last: session.epochs.position(of: session.lastSeq, current: 1),
            itemCount: session.items.values.count { !$0.isDeleted }, activeResponseID: active?.id)
    }

    package func counts() async throws(EventLogError) -> SessionCounts {
        state.withLockedValue { state in
            let oneShots = state.sessions.values.count { $0.record.isOneShot }
            return SessionCounts(
                live: state.sessions.values.count { !$0.record.status.hasEnded }, stored: state.sessions.count - oneShots,
                oneShots: oneShots)
        }
    }

    package func items(of id: String) async throws(EventLogError) -> [ItemRecord] {
        state.withLockedValue { $0.session(id) }?.itemsByCreation ?? []
    }

    package func item(_ item: String, of id: String) async throws(EventLogError) -> ItemRecord? {
        state.withLockedValue { $0.session(id)?.items[item] }
    }

    package func responses(of id: String) async throws(EventLogError) -> [ResponseRecord] {
        state.withLockedValue { $0.session(id) }?.responsesByCreation ?? []
    }

    package func response(_ response: String, of id: String) async throws(EventLogError) -> ResponseRecord? {
        state.withLockedValue { $0.session(id)?.responses[response] }
    }

    package func input(of itemID: String, session id: String) async throws(EventLogError) -> ItemInput? {
        state.withLockedValue { $0.session(id)?.inputs[itemID] }
    }

    package func speech(of id: String) async throws(EventLogError) -> [String: ItemSpeech] {
        state.withLockedValue { $0.session(id)?.speech ?? [:] }
    }

    package func inputSizes(of id: String) async throws(EventLogError) -> [String: Int] {
        state.withLockedValue { $0.session(id)?.inputs.sizes ?? [:] }
    }

    package func request(_ key: RequestKey) async throws(EventLogError) -> RecordedRequest? {
        state.withLockedValue { $0.requests[key] }
    }

    package func sessionsExpired(by seconds: Int, limit: Int) async throws(EventLogError) -> [String] {
        let records = state.withLockedValue { $0.sessions.mapValues(\.record) }
        let overdue = records.filter { !$0.value.status.hasEnded && ($0.value.expiresAt ?? .max) <= seconds }
        let order = overdue.sorted { ($0.value.expiresAt ?? .max, $0.key) < ($1.value.expiresAt ?? .max, $1.key) }
        return order.prefix(limit).map(\.value.id)
    }

    package func sessionsOwingOutputs() async throws(EventLogError) -> [String] {
        let records = state.withLockedValue { $0.sessions.mapValues(\.record) }
        return records.filter { $0.value.owesOutputs && !$0.value.status.hasEnded }.sorted { $0.key < $1.key }.map(\.value.id)
    }

    package func sessionsNeedingRecovery() async throws(EventLogError) -> [String] {
        let sessions = state.withLockedValue { $0.sessions }
        return sessions.sorted { $0.key < $1.key }.map(\.value).filter { session in
            !session.record.status.isAtRest
                || session.responses.values.contains { $0.doneSeq == nil }
        }.map(\.record.id)
    }
}
