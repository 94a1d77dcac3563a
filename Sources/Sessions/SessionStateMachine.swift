import EventLog
import Realtime
import Upstream

/// Decides what one session does: which frames go upstream and when, what is logged, and who is answered.
///
/// A value without I/O, clock or locks. Its link to upstream is one of:
/// - `none`: no socket. A command opens one. Exits: `opening`, `ended`.
/// - `opening`: a connection is being made; commands queue. Exits: `configuring`, `open`, `none` (it failed), `ended`.
/// - `configuring`: a later connection is being given the session's configuration; commands queue, frames are not logged, since
///   `bridge.upstream.switched` stands for them. Exits: `open`, `none`, `ended`.
/// - `open`: commands are sent as they come. Exits: `none` (lost or suspended), `ended`.
/// - `ended`: closed or failed; commands are refused. No exit.
struct SessionStateMachine: Sendable {
    enum Link: Equatable, Sendable {
        case none, opening, open, ended
        case configuring(eventID: String)
    }

    enum Action: Sendable {
        case openLink
        case closeLink
        case send(Command)
        case append(Append)
        /// Answered without an event.
        case fail([CommandID], SessionError)
    }

    /// One event for the log, and whom its commit answers.
    struct Append: Sendable {
        let seq: Int
        let frame: [UInt8]
        let event: ServerEvent?
        let changes: [ProjectionChange]
        /// Nil if it is as it was with the last one: most events are deltas and change nothing but themselves.
        let record: SessionRecord?
        let answers: [(command: CommandID, stage: ReplyMatcher.Stage)]
    }

    private(set) var record: SessionRecord
    private(set) var projection: Projection
    private(set) var lastSeq: Int
    /// What the log was given last.
    private var loggedRecord: SessionRecord
    private(set) var link = Link.none
    private var matcher = ReplyMatcher()
    private var queued: [Command] = []
    /// Upstream's last words before it closed.
    private var lastError: RealtimeError?

    /// Commands without an answer yet, sent or queued (API.md section 7).
    static let maximumWaitingCommands = 64

    /// A session whose first connection is open.
    init(new record: SessionRecord) {
        self.record = record
        loggedRecord = record
        projection = Projection()
        lastSeq = 0
    }

    init(stored: StoredSession) {
        record = stored.record
        loggedRecord = stored.record
        projection = Projection(
            items: stored.items, responses: stored.responses, configuration: stored.record.configuration, usage: stored.record.usage)
        lastSeq = stored.lastSeq
        if record.status.hasEnded { link = .ended }
    }

    /// Frames that wait for a connection.
    var queuedBytes: Int { queued.reduce(0) { $0 + $1.event.frame.count } }

    private var unanswered: [Command] { matcher.unanswered + queued }

    // MARK: Commands

    /// Takes a command: sends it, or queues it until a connection is there.
    mutating func take(_ command: Command) throws(SessionError) -> [Action] {
        try refuseIfEnded()
        if command.isAcknowledged, unanswered.count(where: \.isAcknowledged) >= Self.maximumWaitingCommands {
            throw SessionError(.tooManyCommands, "\(Self.maximumWaitingCommands) commands of this session already wait for an answer")
        }
        switch link {
        case .open:
            matcher.sent(command)
            return [.send(command)]
        case .none:
            link = .opening
            queued.append(command)
            return [.openLink]
        case .opening, .configuring:
            queued.append(command)
            return []
        case .ended:
            preconditionFailure("a command was taken by an ended session")
        }
    }

    func refuseIfEnded() throws(SessionError) {
        switch record.status {
        case .closed: throw SessionError(.sessionClosed, "the session is closed (\(record.endReason ?? "no reason given"))")
        case .failed: throw SessionError(.sessionFailed, "the session has failed (\(record.endReason ?? "no reason given"))")
        default: return
        }
    }

    /// An item id can be used once per conversation, deleted items and those on their way included.
    func refuseDuplicate(itemID: String) throws(SessionError) {
        let isTaken = projection.items[itemID] != nil || unanswered.contains { $0.kind == .itemCreate(itemID: itemID) }
        if isTaken {
            throw SessionError(.duplicateItem, "an item with the id '\(itemID)' is already in the conversation", param: "item.id")
        }
    }

    func refuseSecondAnswer(toCall call: String) throws(SessionError) {
        if projection.answeredCalls.contains(call) || unanswered.contains(where: { $0.answersCall == call }) {
            throw SessionError(.callAlreadyAnswered, "the call '\(call)' already has its output", param: "item.call_id")
        }
    }

    /// One response at a time may write to the default conversation (PROTOCOL.md section 6).
    func refuseSecondActiveResponse() throws(SessionError) {
        let isPending = unanswered.contains { if case .responseCreate(_, isOutOfBand: false) = $0.kind { true } else { false } }
        if let active = projection.activeResponse {
            throw SessionError(.responseActive, "the conversation already has an active response, '\(active.id)'; wait for it or cancel it")
        }
        if isPending {
            throw SessionError(.responseActive, "a response was already asked for; wait for it or cancel it")
        }
    }

    /// The response a cancel is aimed at; nil if one was asked for that upstream has not created yet.
    func cancelTarget(_ responseID: String?) throws(SessionError) -> String? {
        if let responseID {
            guard let response = projection.responses[responseID] else {
                throw SessionError(.responseNotFound, "there is no response '\(responseID)' in this session", param: "response_id")
            }
            if response.doneSeq == nil { return responseID }
            throw SessionError(.cancelNotActive, "the response '\(responseID)' has already ended", param: "response_id")
        }
        if let active = projection.activeResponse { return active.id }
        if unanswered.contains(where: { if case .responseCreate = $0.kind { true } else { false } }) { return nil }
        throw SessionError(.cancelNotActive, "no response is in progress")
    }

    // MARK: The link

    /// The first connection is there: its `session.created` is the session's first event.
    mutating func firstLinkOpened(created: [UInt8]) -> [Action] {
        precondition(link == .none && record.generation == 0, "a session's first link opened in the state \(link)")
        link = .open
        record.status = .active
        record.generation = 1
        noteUpstreamSession(created)
        return logged(created)
            + logged(BridgeEvent.connected(upstream: record.upstreamName, sessionID: record.upstreamSessionID, generation: 1))
    }

    /// A later connection is there. With a configuration to restore, that goes first.
    mutating func linkOpened(created: [UInt8], configurationEventID: String, commandID: CommandID) -> [Action] {
        guard link == .opening else { return [.closeLink] }
        record.generation += 1
        noteUpstreamSession(created)
        guard let configuration = record.requestedConfiguration else {
            projection.configuration = ServerEvent(created)?.json["session"].map { Array($0.lexeme) }
            return switched()
        }
        link = .configuring(eventID: configurationEventID)
        let event = ClientEvent(.sessionUpdate, eventID: configurationEventID, [("session", .raw(configuration))])
        return [.send(Command(id: commandID, kind: .sessionUpdate, event: event))]
    }

    /// No connection could be made. What waited for it is answered; the next command tries again.
    mutating func linkFailed(_ error: SessionError) -> [Action] {
        guard link != .ended else { return [] }
        link = .none
        record.status = .suspended
        defer { queued = [] }
        return [.fail(queued.map(\.id), error)]
    }

    /// Upstream did not confirm the configuration of a later connection in time.
    mutating func configurationTimedOut() -> [Action] {
        guard case .configuring = link else { return [] }
        return linkFailed(SessionError(.upstreamTimeout, "upstream did not confirm the session's configuration in time")) + [.closeLink]
    }

    var isConfiguring: Bool { if case .configuring = link { true } else { false } }

    /// One frame of the present connection.
    /// - Parameter secrets: the credentials of the connection, which servers echo in refusals.
    mutating func received(_ frame: [UInt8], secrets: [String] = []) -> [Action] {
        guard link != .ended, link != .none else { return [] }
        let event = ServerEvent(frame)
        if case .configuring(let eventID) = link { return whileConfiguring(event, eventID) }
        // The bridge's own names are not upstream's to use: clients act on them.
        guard let event, !event.type.hasPrefix("bridge.") else {
            return logged(BridgeEvent.malformed(Secrets.masked(frame, also: secrets)))
        }
        guard event.name == .error else {
            // Only what was said right before a close explains it.
            lastError = nil
            return logged(frame, event)
        }
        // Servers echo parts of a key they refuse; the log's only edit (API.md section 6).
        let masked = Secrets.masked(frame, also: secrets)
        let safe = masked == frame ? event : ServerEvent(masked) ?? event
        lastError = RealtimeError(safe.json["error"])
        return logged(masked, safe)
    }

    /// The connection is over, whoever ended it. Running responses get their terminal; what waits is answered.
    mutating func linkLost(code: Int?, reason: String) -> [Action] {
        guard link != .ended, link != .none else { return [] }
        let wasOpen = link == .open
        link = .none
        let words = lastError.map { "\(reason.isEmpty ? "" : reason + ": ")\($0.message)" } ?? reason
        let lost = SessionError(
            .upstreamLost, "the connection to the upstream server was lost before it answered\(words.isEmpty ? "" : " (\(words))")",
            upstream: lastError)
        lastError = nil
        guard wasOpen else {
            record.status = .suspended
            return failAll(lost)
        }
        let ends =
            terminals(why: lost.message) + failAll(lost)
            + logged(BridgeEvent.disconnected(code: code, reason: reason, willRetry: false))
        record.status = .suspended
        return ends + logged(BridgeEvent.suspended(reason: "upstream_lost"))
    }

    // MARK: Ends

    /// Gives the connection back and keeps the history; the next command opens another one.
    ///
    /// Also what a session needs that was found running in the store: its responses in progress get their terminal, the connection that
    /// nobody saw end is said to have ended, and it is `suspended` last, so that a process killed in between does the rest the next time.
    mutating func suspend(reason: String) -> [Action] {
        guard link != .ended else { return [] }
        let hadLink = link != .none
        link = .none
        let ends =
            terminals(why: "the session was suspended (\(reason))")
            + failAll(SessionError(.upstreamLost, "the session was suspended before upstream answered (\(reason))"))
        guard record.status != .suspended else { return ends + (hadLink ? [.closeLink] : []) }
        let disconnection = hadLink ? [] : logged(BridgeEvent.disconnected(code: nil, reason: reason, willRetry: false))
        record.status = .suspended
        return ends + disconnection + logged(BridgeEvent.suspended(reason: reason)) + (hadLink ? [.closeLink] : [])
    }

    /// Ends the session for good.
    mutating func close(reason: String, at unixSeconds: Int) -> [Action] {
        guard link != .ended else { return [] }
        let hadLink = link != .none
        link = .ended
        let ends =
            terminals(why: "the session was closed")
            + failAll(SessionError(.sessionClosed, "the session was closed before upstream answered"))
        record.status = .closed
        record.endReason = reason
        record.endedAt = unixSeconds
        return ends + logged(BridgeEvent.closed(reason: reason)) + (hadLink ? [.closeLink] : [])
    }

    mutating func setMetadata(_ metadata: [UInt8]) {
        record.metadata = metadata
    }

    // MARK: Inside

    private mutating func whileConfiguring(_ event: ServerEvent?, _ eventID: String) -> [Action] {
        guard let event else { return [] }
        switch event.name {
        case .sessionUpdated, .transcriptionSessionUpdated:
            projection.configuration = event.json["session"].map { Array($0.lexeme) } ?? projection.configuration
            return switched()
        case .error:
            let error = RealtimeError(event.json["error"])
            lastError = error
            // Nothing else was sent, so an error without an id can only mean this.
            guard error.eventID == eventID || error.eventID == nil else { return [] }
            let refusal = SessionError(
                .refusedByUpstream, "upstream refused the session's configuration: \(error.message)", upstream: error)
            return linkFailed(refusal) + [.closeLink]
        default:
            return []
        }
    }

    private mutating func switched() -> [Action] {
        link = .open
        record.status = .active
        let lost = projection.conversation.map { (id: $0.id, why: "not_replayed") }
        let event = BridgeEvent.switched(
            reason: "resumed", generation: record.generation, stateRestored: false, itemsReplayed: 0, itemsLost: lost,
            itemsAltered: [])
        let commands = queued
        queued = []
        for command in commands { matcher.sent(command) }
        return logged(event) + commands.map(Action.send)
    }

    private mutating func noteUpstreamSession(_ created: [UInt8]) {
        let session = ServerEvent(created)?.json["session"]
        record.upstreamSessionID = session?["id"]?.string
        record.upstreamExpiresAt = session?["expires_at"]?.int
    }

    private mutating func terminals(why: String) -> [Action] {
        projection.responsesInProgress.flatMap { response -> [Action] in
            guard let object = try? JSON.parse(response.json, maximumDepth: 256) else { return [] }
            return logged(BridgeEvent.responseLost(response: object, eventID: "event_bridge_\(lastSeq + 1)", message: why))
        }
    }

    private mutating func failAll(_ error: SessionError) -> [Action] {
        let commands = matcher.removeAll() + queued
        queued = []
        return commands.isEmpty ? [] : [.fail(commands.map(\.id), error)]
    }

    private mutating func logged(_ frame: [UInt8]) -> [Action] {
        logged(frame, ServerEvent(frame))
    }

    private mutating func logged(_ frame: [UInt8], _ event: ServerEvent?) -> [Action] {
        lastSeq += 1
        guard let event else {
            return [.append(Append(seq: lastSeq, frame: frame, event: nil, changes: [], record: changedRecord(), answers: []))]
        }
        let changes = projection.apply(event, seq: lastSeq)
        let matches = matcher.match(event)
        for match in matches where match.stage == .confirmed {
            if let configuration = match.command.configuration {
                record.requestedConfiguration = SessionConfiguration.merge(record.requestedConfiguration, with: configuration)
            }
        }
        record.configuration = projection.configuration
        record.usage = projection.usage
        let answers = matches.map { (command: $0.command.id, stage: $0.stage) }
        return [.append(Append(seq: lastSeq, frame: frame, event: event, changes: changes, record: changedRecord(), answers: answers))]
    }

    private mutating func changedRecord() -> SessionRecord? {
        guard record != loggedRecord else { return nil }
        loggedRecord = record
        return record
    }
}
