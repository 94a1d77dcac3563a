import EventLog
import Realtime
import Upstream

/// Numbers the upstream connections of one session, those that were never made included.
typealias LinkID = Int

/// Decides what one session does: which frames go upstream and when, what is logged, who is answered, and when its upstream connection
/// is made, left and replaced.
///
/// A value without I/O, clock or locks: the time is a parameter, in milliseconds since 1970, and ``nextDeadline`` says when ``tick(at:)``
/// is due. What comes from a connection that is not in use any more is ignored. Its link to upstream is one of:
/// - `none`: no socket. A command opens one. Exits: `opening`, `ended`.
/// - `waiting`: the last attempt failed; the next one has its time. Exits: `opening`, `none`, `ended`.
/// - `opening`: a connection is being made; commands queue. Exits: `seeding`, `open`, `waiting`, `none` (given up), `ended`.
/// - `seeding`: the connection is being given the conversation; commands queue. Exits: `open`, `waiting`, `none`, `ended`.
/// - `open`: commands are sent as they come. A successor may be in the making beside it. Exits: `seeding` (the successor takes over),
///   `opening`, `waiting` (lost), `none` (suspended), `ended`.
/// - `ended`: closed or failed; commands are refused. No exit.
struct SessionStateMachine: Sendable {
    enum Link: Sendable {
        case none
        case waiting(until: Int)
        case opening(LinkID)
        case seeding(LinkID, Seeding)
        case open(LinkID)
        case ended

        var id: LinkID? {
            switch self {
            case .opening(let id), .seeding(let id, _), .open(let id): id
            case .none, .waiting, .ended: nil
            }
        }

        var isOpen: Bool { if case .open = self { true } else { false } }
        var isEnded: Bool { if case .ended = self { true } else { false } }
        var isNone: Bool { if case .none = self { true } else { false } }
    }

    /// A connection that is to take the place of the open one.
    struct Successor: Sendable {
        enum State: Sendable {
            case waiting(until: Int)
            case opening(LinkID)
            case ready(LinkID, created: [UInt8], openedAt: Int)
        }

        let reason: String
        var state: State
        var failures = 0
        /// Commands wait for it: the open connection does not know what they build on.
        let holdsCommands: Bool

        var id: LinkID? {
            switch state {
            case .opening(let id), .ready(let id, _, _): id
            case .waiting: nil
            }
        }
    }

    /// What goes to a connection's socket.
    enum Outgoing: Sendable {
        case command(Command)
        /// Made into a frame by the sender, which loads what the caller gave for the item.
        case seed(Seeding.Message)
    }

    enum Action: Sendable {
        case openLink(LinkID)
        /// Also ends the making of one.
        case closeLink(LinkID)
        /// No more is sent and read; whoever made it may give it to somebody else.
        case giveBackLink(LinkID)
        case send(LinkID, Outgoing)
        case append(Append)
        /// Of commands that are never acknowledged: the connection is gone, and the next one will be sent them.
        case accept([CommandID])
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

    let profile: UpstreamProfile
    let times: SessionTimes
    let tokenLimit: Int

    var record: SessionRecord
    var projection: Projection
    var lastSeq: Int
    /// What the log was given last.
    private var loggedRecord: SessionRecord
    var settings: SessionSettings
    var viewers = 0

    var link = Link.none
    var successor: Successor?
    private var nextLink = 1
    /// When the open connection will have to be left.
    var age: ConnectionAge?
    /// When the link was last opened.
    var openedAt = 0
    /// Attempts in a row that led to no connection that lasted.
    var failures = 0
    /// When the last connection was lost.
    var outageBegan = 0
    /// The open connection has answered something.
    var hasServed = false
    /// Upstream has said that the session is over; the close that follows may not come.
    var expiredAt: Int?
    /// Upstream is known not to take connections before then.
    var downUntil = 0
    /// Why the connection before was left; nil if the session had given it back.
    var switchReason: String?
    /// What a new session begins with; nil once it has it.
    var origin: SessionOrigin?
    /// Why the last attempts were given up.
    var failure: SessionError?

    var matcher: ReplyMatcher
    /// Sent, never acknowledged, and not yet taken by the socket.
    var unwritten: [Command] = []
    var queue = CommandQueue()
    /// Responses that wait for their turn.
    var responses = ResponseQueue()
    /// Cuts that wait for the end of a response, by the command that cancels it.
    var cuts: [CommandID: PlannedCut] = [:]
    var turns = ToolTurns()
    /// As confirmed; the parsed form of the record's.
    var webhooks: ToolWebhooks
    var webhookRuns = WebhookRuns()
    /// See ``callsOfWebhooks()``.
    var owedCalls: [String] = []
    /// Nil: a session like any other.
    var oneShot: OneShot?
    var use = ConnectionUse()
    var ledger: InputAudioLedger
    /// Bytes stored of what callers gave for items, by item.
    var inputs: [String: Int]
    /// Assistant items whose audio the present connection has produced, so that it can be told where they were cut.
    var voiced: Set<String> = []
    /// Items of the history that the present connection does not hold.
    var missing: Set<String> = []
    /// Items that the present connection was given and has not yet called done.
    var seededUndone: Set<String> = []
    /// Calls among them, which nobody can answer any more.
    var missingCalls: Set<String> = []
    /// An item was cut while the present connection was being given it whole.
    var isCutUntold = false
    private var isTranscribing = false
    /// Upstream commits by itself what it takes for speech.
    private(set) var isDetectingVoice = false
    /// Milliseconds of input audio that an earlier process had appended, and that is lost with it: the next connection says so.
    var audioLostWithProcess = 0
    /// Upstream answers what it commits by itself.
    private(set) var isAnsweringVoice = false
    /// Voice detection has committed a turn that upstream has not begun to answer.
    var owesVoiceAnswer = false
    /// How often the bridge has asked for that answer itself.
    var voiceAnswersAsked = 0
    /// Committed audio whose transcript has not come.
    var awaitedTranscripts: Set<String> = []

    /// Upstream's last words before it closed.
    var lastError: RealtimeError?
    var lastFrameAt = 0
    var lastActivityAt = 0
    /// When the last command that is answered was sent.
    var lastAskedAt = 0
    /// When the last viewer left; nil while there are some or there never were.
    var lastViewerLeftAt: Int?

    /// Commands without an answer yet, sent or queued (API.md section 7).
    static let maximumWaitingCommands = 64

    /// A session whose first connection is open.
    init(
        new record: SessionRecord, profile: UpstreamProfile = UpstreamProfile(), times: SessionTimes = SessionTimes(),
        tokenLimit: Int = 24_000, origin: SessionOrigin? = nil
    ) {
        self.init(record, Projection(), lastSeq: 0, inputs: [:], profile, times, tokenLimit)
        self.origin = origin
        if record.isOneShot { oneShot = .preparing }
    }

    /// - Parameter inputs: bytes stored of what callers gave for items, by item.
    init(
        stored: StoredSession, inputs: [String: Int] = [:], profile: UpstreamProfile = UpstreamProfile(),
        times: SessionTimes = SessionTimes(), tokenLimit: Int = 24_000
    ) {
        let projection = Projection(
            items: stored.items, responses: stored.responses, configuration: stored.record.configuration, usage: stored.record.usage)
        self.init(stored.record, projection, lastSeq: stored.lastSeq, inputs: inputs, profile, times, tokenLimit)
        if record.status.hasEnded { link = .ended }
        noteCallsOfWebhooks()
        if record.owesOutputs { webhookRuns.response = lostResponse() }
        audioLostWithProcess = record.uncommittedAudioMilliseconds
        if record.isOneShot { oneShot = .asked }
    }

    private init(
        _ record: SessionRecord, _ projection: Projection, lastSeq: Int, inputs: [String: Int], _ profile: UpstreamProfile,
        _ times: SessionTimes, _ tokenLimit: Int
    ) {
        self.record = record
        loggedRecord = record
        self.projection = projection
        self.lastSeq = lastSeq
        self.inputs = inputs
        self.profile = profile
        self.times = times
        self.tokenLimit = tokenLimit
        settings = SessionSettings(json: record.settings)
        webhooks = ToolWebhooks(json: record.webhooks)
        matcher = ReplyMatcher(profile: profile)
        ledger = InputAudioLedger(format: AudioFormat.input(of: record, profile))
    }

    /// Frames that wait for a connection.
    var queuedBytes: Int { queue.bytes }

    /// Sent to the present connection or waiting for it, as upstream counts.
    var inputAudioMilliseconds: Int { ledger.milliseconds + waitingAudioMilliseconds }

    private var waitingAudioMilliseconds: Int {
        queue.isEmpty ? 0 : AudioFormat.input(of: record, profile).milliseconds(bytes: queue.all.reduce(0) { $0 + ($1.audio?.count ?? 0) })
    }

    var unanswered: [Command] { queue.isEmpty ? matcher.unanswered : matcher.unanswered + queue.all }

    /// Nothing is on its way that memory alone holds.
    var isAtRest: Bool { (link.isNone || link.isEnded) && unanswered.isEmpty && responses.isEmpty && ledger.heldRange.isEmpty }

    /// Input audio that would be lost with the process. What voice detection has heard, and took for silence, is none.
    var uncommittedAudioMilliseconds: Int {
        let heard = isDetectingVoice && !ledger.isSpeaking ? 0 : ledger.heldMilliseconds + ledger.droppedMilliseconds
        return heard + waitingAudioMilliseconds
    }

    /// Brings the record to what would be lost with the process.
    /// - Parameter isExact: false: a second more is not worth a commit of its own.
    /// - Returns: whether that changed it.
    @discardableResult
    private mutating func noteInputAudio(isExact: Bool = false) -> Bool {
        let (known, audio) = (record.uncommittedAudioMilliseconds, uncommittedAudioMilliseconds + audioLostWithProcess)
        guard audio < known || (audio > known && (isExact || known == 0 || audio - known >= 1_000)) else { return false }
        record.uncommittedAudioMilliseconds = audio
        return true
    }

    /// The record, if the store has to know more of what would be lost with the process than it does.
    mutating func inputAudioNoted(isExact: Bool = false) -> SessionRecord? {
        guard noteInputAudio(isExact: isExact) else { return nil }
        loggedRecord = record
        return record
    }

    mutating func newLink() -> LinkID {
        defer { nextLink += 1 }
        return nextLink
    }

    // MARK: The log

    mutating func logged(_ frame: [UInt8]) -> [Action] {
        logged(frame, ServerEvent(frame))
    }

    mutating func logged(_ frame: [UInt8], _ event: ServerEvent?) -> [Action] {
        lastSeq += 1
        guard let event else {
            return [.append(Append(seq: lastSeq, frame: frame, event: nil, changes: [], record: changedRecord(), answers: []))]
        }
        var changes = projection.apply(event, seq: lastSeq)
        let matches = turns.settle(matcher.match(event))
        for match in matches where match.stage == .confirmed {
            if let configuration = match.command.configuration {
                record.requestedConfiguration = SessionConfiguration.merge(record.requestedConfiguration, with: configuration)
            }
            if let webhooks = match.command.webhooks {
                self.webhooks = webhooks
                record.webhooks = webhooks.json
            }
        }
        if !matches.isEmpty { hasServed = true }
        changes += kept(event, matches)
        record.configuration = projection.configuration
        record.usage = projection.usage
        noteOwedCalls(after: event)
        let (seq, changed) = (lastSeq, changedRecord())
        let (answers, actions) = followed(matches, event)
        let append = Append(seq: seq, frame: frame, event: event, changes: changes, record: changed, answers: answers)
        return [.append(append)] + actions + forgone(matches)
    }

    /// Follows what re-hydration and rollover need to know, and keeps what upstream never gives back.
    private mutating func kept(_ event: ServerEvent, _ matches: [ReplyMatcher.Match]) -> [ProjectionChange] {
        let item = event.itemID
        switch event.name {
        case .conversationItemCreated, .conversationItemAdded:
            guard let item else { return [] }
            if let origin, let bytes = origin.inputs[item], inputs[item] == nil {
                inputs[item] = bytes
                return [.inputCopied(itemID: item, fromSession: origin.session)]
            }
            guard let input = matches.first?.command.input else { return [] }
            return keep(item, .item(input), input.count)
        case .conversationItemDeleted:
            if let item { inputs[item] = nil }
        case .responseOutputItemAdded:
            if let item { voiced.insert(item) }
        case .inputAudioBufferSpeechStarted, .inputAudioBufferSpeechStopped, .inputAudioBufferTimeoutTriggered:
            guard let item else { return [] }
            // A triggered timeout tells both at once.
            if let start = event.json["audio_start_ms"]?.int { ledger.speechStarted(itemID: item, startMilliseconds: start) }
            if let end = event.json["audio_end_ms"]?.int { ledger.speechStopped(itemID: item, endMilliseconds: end) }
        case .inputAudioBufferCommitted:
            guard let item else { return [] }
            if isTranscribing, awaitedTranscripts.count < Self.maximumWaitingCommands { awaitedTranscripts.insert(item) }
            if matches.isEmpty { owesVoiceAnswer = isAnsweringVoice }
            voiceAnswersAsked = 0
            let marker = matches.first?.command.audioPosition
            let speech = ledger.heard(itemID: item, at: marker).map {
                ItemSpeech(generation: record.generation, startMilliseconds: $0.lowerBound, milliseconds: $0.count)
            }
            let spoken = speech.map { [ProjectionChange.speech(itemID: item, $0)] } ?? []
            guard let audio = ledger.committed(itemID: item, at: marker) else { return spoken }
            return spoken + keep(item, .audio(audio, format: AudioFormat.input(of: record, profile).encoding), audio.count)
        case .inputAudioBufferCleared:
            if let position = matches.first?.command.audioPosition { ledger.cleared(at: position) }
        case .responseCreated:
            owesVoiceAnswer = false
        case .responseDone:
            responses.retryAt = nil
        case .conversationItemInputAudioTranscriptionCompleted, .conversationItemInputAudioTranscriptionFailed:
            if let item { awaitedTranscripts.remove(item) }
        case .sessionCreated, .sessionUpdated, .transcriptionSessionCreated, .transcriptionSessionUpdated:
            noteConfiguration()
        default:
            break
        }
        return []
    }

    private mutating func keep(_ item: String, _ input: ItemInput, _ bytes: Int) -> [ProjectionChange] {
        guard bytes > 0 else { return [] }
        inputs[item] = bytes
        return [.input(itemID: item, input)]
    }

    /// Reads what the session object says about input audio.
    mutating func noteConfiguration() {
        record.configuration = projection.configuration
        ledger.reformatted(AudioFormat.input(of: record, profile))
        let session = record.configuration.flatMap { try? JSON.parse($0, maximumDepth: 256) }
        let input = session?["audio"]?["input"]
        isTranscribing = (session?["input_audio_transcription"] ?? input?["transcription"])?.kind == .object
        let detection = session?["turn_detection"] ?? input?["turn_detection"]
        isDetectingVoice = detection?.kind == .object
        isAnsweringVoice = isDetectingVoice && detection?["create_response"]?.bool != false
    }

    private mutating func changedRecord() -> SessionRecord? {
        noteInputAudio()
        guard record != loggedRecord else { return nil }
        loggedRecord = record
        return record
    }
}
