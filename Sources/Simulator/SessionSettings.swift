import Realtime

/// Everything `session.update` can change, in a form of neither dialect.
struct SessionSettings: Sendable {
    enum Kind: Equatable, Sendable { case conversation, transcription }

    struct Transcription: Equatable, Sendable {
        var model: String
        var language: String?
        var prompt: String?
    }

    let kind: Kind
    let model: String
    var answersWithAudio = true
    var instructions =
        "Your knowledge cutoff is 2023-10. You are a helpful, witty, and friendly AI."
    var voice = Voice.standard
    var inputFormat = AudioFormat.pcm16
    var outputFormat = AudioFormat.pcm16
    var transcription: Transcription?
    var noiseReduction: JSON?
    var turnDetection: TurnDetection? = .standard
    var tools: [Tool] = []
    var toolChoice = ToolChoice.auto
    var temperature = 0.8
    /// nil is the protocol's `"inf"`.
    var maximumOutputTokens: Int?
    var speed = 1.0
    var tracing: JSON?
    var truncation: JSON?
    var prompt: JSON?
    var include: JSON?
    var reasoning: JSON?
    var parallelToolCalls: Bool?

    init(kind: Kind, model: String) {
        self.kind = kind
        self.model = model
        if kind == .transcription { answersWithAudio = false }
    }

    /// The settings after an update, or the reason to drop all of it.
    /// - Parameter hasAssistantAudio: from then on the voice is fixed.
    func updated(by fields: Fields, dialect: Dialect, hasAssistantAudio: Bool) throws(ProtocolError) -> SessionSettings {
        var next = self
        switch (dialect, kind) {
        case (.beta, .conversation): try next.applyBeta(fields)
        case (.beta, .transcription): try next.applyBetaTranscription(fields)
        case (.ga, _): try next.applyGA(fields)
        }
        if hasAssistantAudio, next.voice != voice { throw Voice.cannotChange }
        return next
    }

    func json(dialect: Dialect, id: String, expiresAt: Int) -> JSONValue {
        switch (dialect, kind) {
        case (.beta, .conversation): betaJSON(id: id, expiresAt: expiresAt)
        case (.beta, .transcription): betaTranscriptionJSON(id: id, expiresAt: expiresAt)
        case (.ga, .conversation): gaJSON(id: id, expiresAt: expiresAt)
        case (.ga, .transcription): gaTranscriptionJSON(id: id, expiresAt: expiresAt)
        }
    }

    // MARK: members that both dialects spell alike

    mutating func applyShared(_ fields: Fields) throws(ProtocolError) {
        if let asked = try fields.string("model"), asked != model {
            throw .invalidValue(fields.path("model"), "The model of a session cannot change: '\(asked.prefix(128))'.")
        }
        instructions = try fields.string("instructions") ?? instructions
        if let value = fields["tracing"] {
            if let tracing, tracing.lexeme != value.lexeme {
                throw .invalidValue(fields.path("tracing"), "Cannot update tracing once it has been set.")
            }
            if !value.isNull, value.kind != .object, value.string != "auto" {
                throw .invalidValue(
                    fields.path("tracing"), value.string ?? String(decoding: value.lexeme.prefix(64), as: UTF8.self), supported: ["auto"])
            }
            tracing = value.isNull ? nil : value
        }
        if let value = fields["truncation"] {
            if let word = value.string {
                guard ["auto", "disabled"].contains(word) else {
                    throw .invalidValue(fields.path("truncation"), word, supported: ["auto", "disabled"])
                }
            } else {
                let inner = try Fields(value, at: fields.path("truncation"))
                try inner.allowOnly(["type", "retention_ratio", "token_limits"])
                guard try inner.choice("type", of: ["retention_ratio"]) != nil else { throw .missing(inner.path("type")) }
                guard try inner.number("retention_ratio", in: 0...1) != nil else { throw .missing(inner.path("retention_ratio")) }
            }
            truncation = value
        }
        if let value = fields["prompt"] {
            if !value.isNull { _ = try Fields(value, at: fields.path("prompt")).requiredString("id") }
            prompt = value.isNull ? nil : value
        }
        if let value = fields["include"] {
            if !value.isNull, let words = try fields.array("include") {
                for (index, word) in words.enumerated() where word.string != "item.input_audio_transcription.logprobs" {
                    throw .invalidValue(
                        "\(fields.path("include"))[\(index)]", word.string ?? "", supported: ["item.input_audio_transcription.logprobs"])
                }
            }
            include = value.isNull ? nil : value
        }
    }

    mutating func applyTools(_ fields: Fields, dialect: Dialect) throws(ProtocolError) {
        if let elements = try fields.array("tools") {
            tools = try Tool.list(elements, at: fields.path("tools"), dialect: dialect)
        }
        if let value = fields["tool_choice"] {
            toolChoice = try ToolChoice(value, at: fields.path("tool_choice"), dialect: dialect)
        }
    }

    mutating func applyTranscription(_ fields: Fields, member: String) throws(ProtocolError) {
        guard fields[member] != nil else { return }
        guard let inner = try fields.object(member) else { return transcription = nil }
        try inner.allowOnly(["model", "language", "languages", "prompt", "keywords", "delay"])
        guard let model = try inner.string("model") ?? transcription?.model else { throw .missing(inner.path("model")) }
        transcription = Transcription(
            model: model,
            language: try inner.isNull("language") ? nil : inner.string("language") ?? transcription?.language,
            prompt: try inner.isNull("prompt") ? nil : inner.string("prompt") ?? transcription?.prompt)
    }

    mutating func applyNoiseReduction(_ fields: Fields, member: String) throws(ProtocolError) {
        guard let value = fields[member] else { return }
        if let inner = try fields.object(member) {
            try inner.allowOnly(["type", "strength"])
            guard try inner.choice("type", of: ["near_field", "far_field"]) != nil else { throw .missing(inner.path("type")) }
            noiseReduction = value
        } else {
            noiseReduction = nil
        }
    }

    mutating func applyTurnDetection(_ fields: Fields, dialect: Dialect) throws(ProtocolError) {
        guard fields["turn_detection"] != nil else { return }
        turnDetection = try fields.object("turn_detection").map { inner throws(ProtocolError) in
            try TurnDetection(inner, over: turnDetection, dialect: dialect)
        }
    }

    static func maximumTokens(_ fields: Fields, _ name: String) throws(ProtocolError) -> Int?? {
        guard let value = fields[name] else { return nil }
        if value.string == "inf" { return .some(nil) }
        return try fields.int(name, in: 1...4096)
    }

    var maximumTokensJSON: JSONValue { maximumOutputTokens.map(JSONValue.int) ?? "inf" }

    var transcriptionJSON: JSONValue {
        guard let transcription else { return .null }
        return [
            "model": .string(transcription.model), "language": .string(orNull: transcription.language),
            "prompt": .string(orNull: transcription.prompt),
        ]
    }

    /// Beta transcription sessions leave out what is not set.
    var shortTranscriptionJSON: JSONValue {
        guard let transcription else { return .null }
        let members = [("model", transcription.model), ("language", transcription.language), ("prompt", transcription.prompt)]
        return .object(members.compactMap { name, value in value.map { (name, .string($0)) } })
    }

    func optional(_ json: JSON?) -> JSONValue { json.map { JSONValue($0) } ?? .null }
}
