import Realtime

/// The server's side of one socket: takes client frames and the passing of time, gives frames to send.
///
/// It does no I/O and reads no clock. `now` counts from when the socket opened and never goes back.
struct ConversationMachine: Sendable {
    struct Options: Sendable {
        var dialect: Dialect
        var kind: SessionSettings.Kind
        var model: String
        /// Unix seconds when the socket opened.
        var openedAt: Int
        var lifetime: Duration = .seconds(3600)
        var deltaDelay: Duration = .zero
        var seed: UInt64 = 0
    }

    struct SpeechRequest: Equatable, Sendable {
        /// Given back with the sound.
        var ticket: Int
        var text: String
        var voice: [UInt8]
        var format: AudioFormat
        var speed: Double
    }

    enum Action: Equatable, Sendable {
        /// One TEXT frame.
        case send([UInt8])
        /// Answer with ``ConversationMachine/speechReady(ticket:_:now:)``.
        case speak(SpeechRequest)
        case close(code: UInt16, reason: String)
    }

    /// Out-of-band responses that may run beside each other.
    static let maximumResponses = 64

    let dialect: Dialect
    let options: Options
    let sessionID: String
    var ids: Identifiers
    var settings: SessionSettings
    var conversation: Conversation
    var input: InputAudio
    var responses: [ResponseProduction] = []
    var transcriptions: [InputTranscription] = []
    /// The id that `speech_started` announced.
    var speechItemID: String?
    /// A turn ended while a response ran that may not be interrupted.
    var owesResponse = false
    var idleDeadline: Duration?
    var now: Duration = .zero
    var nextTicket = 0
    private(set) var isClosed = false
    private var pending: [Action] = []

    init(_ options: Options) {
        self.options = options
        dialect = options.dialect
        ids = Identifiers(seed: options.seed)
        sessionID = ids.next("sess_")
        conversation = Conversation(id: ids.next("conv_"))
        settings = SessionSettings(kind: options.kind, model: options.model)
        if options.kind == .transcription, options.dialect == .beta { settings.transcription = .init(model: "gpt-4o-transcribe") }
        input = InputAudio(format: settings.inputFormat)
        input.configure(format: settings.inputFormat, parameters: settings.turnDetection?.detectorParameters)
    }

    var expiresAt: Int { options.openedAt + Int(options.lifetime.components.seconds) }

    mutating func open() -> [Action] {
        let name = dialect == .beta && settings.kind == .transcription ? "transcription_session.created" : "session.created"
        send(name, [("session", sessionJSON)])
        if dialect == .beta, settings.kind == .conversation {
            send("conversation.created", [("conversation", ["id": .string(conversation.id), "object": "realtime.conversation"])])
        }
        return takeActions()
    }

    mutating func receive(_ bytes: [UInt8], now: Duration) -> [Action] {
        guard !isClosed else { return [] }
        self.now = now
        var eventID: String?
        do throws(ProtocolError) {
            let json: JSON
            do {
                json = try JSON.parse(bytes)
            } catch {
                throw ProtocolError(code: "invalid_json", message: "Invalid event: failed to parse JSON value.", param: nil)
            }
            guard json.kind == .object else {
                throw ProtocolError(code: "invalid_event", message: "Invalid event: expected a JSON object.", param: nil)
            }
            let fields = try Fields(json, at: "")
            eventID = fields["event_id"]?.string
            if let id = eventID, id.count > 512 {
                eventID = nil
                throw .tooLong("event_id", maximum: 512)
            }
            guard let type = fields["type"]?.string else {
                throw ProtocolError(code: "invalid_event", message: "The 'type' field is missing.", param: nil)
            }
            try handle(type, fields)
        } catch {
            refuse(error, eventID: eventID)
        }
        return takeActions()
    }

    /// A BINARY frame is no event, whatever it holds.
    mutating func receiveBinary(now: Duration) -> [Action] {
        self.now = now
        refuse(
            ProtocolError(
                code: "invalid_event", message: "Expected a text WebSocket message; binary frames are not supported.", param: nil),
            eventID: nil)
        return takeActions()
    }

    /// The sound asked for by ``Action/speak(_:)``, in the format asked for. An empty sound is a phrase without one.
    mutating func speechReady(ticket: Int, _ bytes: [UInt8], now: Duration) -> [Action] {
        self.now = now
        guard let index = responses.firstIndex(where: { $0.requestedSpeech == ticket }),
            case .speech(var part)? = responses[index].open?.content
        else { return [] }
        part.soundArrived(bytes)
        responses[index].open?.content = .speech(part)
        responses[index].requestedSpeech = nil
        responses[index].awaitsSpeech = false
        return takeActions()
    }

    /// When ``tick(now:limit:)`` has something to do.
    var nextTick: Duration? {
        guard !isClosed else { return nil }
        var next = options.lifetime
        if let idleDeadline { next = min(next, idleDeadline) }
        for response in responses where !response.awaitsSpeech { next = min(next, response.dueAt) }
        for transcription in transcriptions { next = min(next, transcription.dueAt) }
        return next
    }

    /// Does what is due.
    /// - Parameter limit: stop after about so many frames; what remains is due at once.
    mutating func tick(now: Duration, limit: Int = 64) -> [Action] {
        guard !isClosed else { return [] }
        self.now = now
        if now >= options.lifetime {
            refuse(
                ProtocolError(
                    code: "session_expired", message: "Your session hit the maximum duration of 60 minutes.", param: nil),
                eventID: nil)
            close(code: 1001, reason: "Your session hit the maximum duration of 60 minutes.")
            return takeActions()
        }
        if let idleDeadline, now >= idleDeadline { idleTimedOut() }
        var progressed = true
        while progressed, pending.count < limit {
            progressed = false
            for index in responses.indices where !responses[index].awaitsSpeech && responses[index].dueAt <= now {
                advanceResponse(index)
                progressed = true
            }
            responses.removeAll { $0.isFinished }
            for index in transcriptions.indices where transcriptions[index].dueAt <= now {
                advanceTranscription(index)
                progressed = true
            }
            transcriptions.removeAll { $0.isFinished }
            if owesResponse, activeResponse == nil { respondToTurn() }
        }
        return takeActions()
    }

    // MARK: frames

    var sessionJSON: JSONValue { settings.json(dialect: dialect, id: sessionID, expiresAt: expiresAt) }

    /// Sends one event; `event_id` is added.
    mutating func send(_ type: String, _ members: [(String, JSONValue)]) {
        let frame = JSONValue.object([("type", .string(type)), ("event_id", .string(ids.next("event_")))] + members)
        pending.append(.send(frame.bytes))
    }

    mutating func speak(_ request: SpeechRequest) {
        pending.append(.speak(request))
    }

    mutating func refuse(_ error: ProtocolError, eventID: String?) {
        pending.append(.send(error.frame(eventID: ids.next("event_"), clientEventID: eventID).bytes))
    }

    private mutating func close(code: UInt16, reason: String) {
        isClosed = true
        pending.append(.close(code: code, reason: reason))
    }

    private mutating func takeActions() -> [Action] {
        defer { pending = [] }
        return pending
    }
}
