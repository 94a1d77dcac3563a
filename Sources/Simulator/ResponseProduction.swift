import Realtime

/// One response between `response.created` and `response.done`.
struct ResponseProduction: Sendable {
    enum Ending: Equatable, Sendable {
        case completed, clientCancelled, turnDetected, maximumTokens, contentFilter
        case failed(code: String)

        var status: String {
            switch self {
            case .completed: "completed"
            case .clientCancelled, .turnDetected: "cancelled"
            case .maximumTokens, .contentFilter: "incomplete"
            case .failed: "failed"
            }
        }

        var details: JSONValue {
            switch self {
            case .completed: .null
            case .clientCancelled: ["type": "cancelled", "reason": "client_cancelled"]
            case .turnDetected: ["type": "cancelled", "reason": "turn_detected"]
            case .maximumTokens: ["type": "incomplete", "reason": "max_output_tokens"]
            case .contentFilter: ["type": "incomplete", "reason": "content_filter"]
            case .failed(let code):
                [
                    "type": "failed",
                    "error": [
                        "type": code == "server_error" ? "server_error" : "invalid_request_error", "code": .string(code),
                        "message": .string("The simulator was asked to fail with \(code)."),
                    ],
                ]
            }
        }
    }

    /// What is being produced: one output item.
    struct OpenItem: Sendable {
        enum Content: Sendable {
            case text(pieces: [String], next: Int)
            case speech(SpokenPart)
            case call(id: String, name: String, pieces: [String], next: Int)
        }

        let id: String
        let outputIndex: Int
        var content: Content
    }

    let id: String
    let parameters: ResponseParameters
    let outputs: [Answer.Output]
    /// How it ends if nothing interrupts it.
    let ending: Ending
    let inputTokens: Tokens.Count
    /// The next frame is due then.
    var dueAt: Duration
    var hasBegun = false
    var open: OpenItem?
    var done: [ConversationItem] = []
    var isFinished = false
    /// The ticket of the sound it has asked for.
    var requestedSpeech: Int?
    /// Nothing can be sent before that sound arrives.
    var awaitsSpeech = false
    private var textCharacters = 0
    private(set) var audioMilliseconds = 0

    init(id: String, _ parameters: ResponseParameters, context: [ConversationItem], dueAt: Duration) {
        self.id = id
        self.parameters = parameters
        self.dueAt = dueAt
        inputTokens = Tokens.input(context, instructions: parameters.instructions, tools: parameters.tools)
        switch Answer.plan(context: context, parameters) {
        case .outputs(let outputs): (self.outputs, ending) = (outputs, .completed)
        case .filtered(let text): (outputs, ending) = ([.message(text)], .contentFilter)
        case .failed(let code): (outputs, ending) = ([], .failed(code: code))
        }
    }

    var outputTokens: Tokens.Count {
        Tokens.Count(text: Tokens.text(textCharacters), audio: Tokens.spoken(milliseconds: audioMilliseconds))
    }

    /// Books what is about to be sent; false if the limit forbids sending it.
    mutating func book(characters: Int = 0, milliseconds: Int = 0) -> Bool {
        if let maximum = parameters.maximumOutputTokens {
            let total = Tokens.text(textCharacters + characters) + Tokens.spoken(milliseconds: audioMilliseconds + milliseconds)
            guard total <= maximum else { return false }
        }
        textCharacters += characters
        audioMilliseconds += milliseconds
        return true
    }

    func json(dialect: Dialect, status: String, details: JSONValue, usage: JSONValue, conversationID: String) -> JSONValue {
        var members: [(String, JSONValue)] = [
            ("object", "realtime.response"), ("id", .string(id)), ("status", .string(status)), ("status_details", details),
            ("output", .array(done.map { $0.json(dialect: dialect) })), ("usage", usage),
            ("metadata", parameters.metadata.map { JSONValue($0) } ?? .null),
            ("conversation_id", parameters.isOutOfBand ? .null : .string(conversationID)),
        ]
        let maximum: JSONValue = parameters.maximumOutputTokens.map(JSONValue.int) ?? "inf"
        switch dialect {
        case .beta:
            members += [
                ("modalities", SessionSettings.betaModalitiesJSON(audio: parameters.answersWithAudio)), ("voice", parameters.voice.json),
                ("output_audio_format", .string(parameters.outputFormat.betaName)), ("temperature", .double(parameters.temperature)),
                ("max_output_tokens", maximum),
            ]
        case .ga:
            members += [
                ("output_modalities", SessionSettings.gaModalitiesJSON(audio: parameters.answersWithAudio)), ("max_output_tokens", maximum),
                ("audio", ["output": ["format": parameters.outputFormat.gaJSON, "voice": parameters.voice.json]]),
            ]
        }
        return .object(members)
    }
}
