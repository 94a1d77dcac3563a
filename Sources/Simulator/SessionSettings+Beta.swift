import Realtime

/// The flat session object of `OpenAI-Beta: realtime=v1`.
extension SessionSettings {
    mutating func applyBeta(_ fields: Fields) throws(ProtocolError) {
        try fields.allowOnly([
            "modalities", "model", "instructions", "voice", "input_audio_format", "output_audio_format", "input_audio_transcription",
            "input_audio_noise_reduction", "turn_detection", "tools", "tool_choice", "temperature", "max_response_output_tokens", "speed",
            "tracing", "prompt", "truncation", "include",
        ])
        try applyShared(fields)
        if let modalities = try fields.array("modalities") {
            answersWithAudio = try Self.betaModalities(modalities, at: fields.path("modalities"))
        }
        if let value = fields["voice"] { voice = try Voice(value, at: fields.path("voice"), dialect: .beta) }
        inputFormat = try Self.betaFormat(fields, "input_audio_format") ?? inputFormat
        outputFormat = try Self.betaFormat(fields, "output_audio_format") ?? outputFormat
        try applyTranscription(fields, member: "input_audio_transcription")
        try applyNoiseReduction(fields, member: "input_audio_noise_reduction")
        try applyTurnDetection(fields, dialect: .beta)
        try applyTools(fields, dialect: .beta)
        temperature = try fields.number("temperature", in: 0.6...1.2) ?? temperature
        maximumOutputTokens = try Self.maximumTokens(fields, "max_response_output_tokens") ?? maximumOutputTokens
        speed = try fields.number("speed", in: 0.25...1.5) ?? speed
    }

    mutating func applyBetaTranscription(_ fields: Fields) throws(ProtocolError) {
        try fields.allowOnly([
            "input_audio_format", "input_audio_transcription", "input_audio_noise_reduction", "turn_detection", "include", "modalities",
        ])
        try applyShared(fields)
        inputFormat = try Self.betaFormat(fields, "input_audio_format") ?? inputFormat
        try applyTranscription(fields, member: "input_audio_transcription")
        try applyNoiseReduction(fields, member: "input_audio_noise_reduction")
        try applyTurnDetection(fields, dialect: .beta)
    }

    /// Whether the modalities ask for audio.
    static func betaModalities(_ elements: [JSON], at path: String) throws(ProtocolError) -> Bool {
        let words = elements.map { $0.string ?? "" }
        switch Set(words) {
        case ["text"] where words.count == 1: return false
        case ["audio", "text"] where words.count == 2: return true
        default:
            throw .invalidValue(
                path, "Invalid modalities: \(words). Supported combinations are: ['text'] and ['audio', 'text'].")
        }
    }

    static func betaFormat(_ fields: Fields, _ name: String) throws(ProtocolError) -> AudioFormat? {
        guard let word = try fields.choice(name, of: AudioFormat.allCases.map(\.betaName)) else { return nil }
        return AudioFormat.allCases.first { $0.betaName == word }
    }

    func betaJSON(id: String, expiresAt: Int) -> JSONValue {
        [
            "id": .string(id), "object": "realtime.session", "model": .string(model), "expires_at": .int(expiresAt),
            "modalities": Self.betaModalitiesJSON(audio: answersWithAudio), "instructions": .string(instructions), "voice": voice.json,
            "input_audio_format": .string(inputFormat.betaName), "output_audio_format": .string(outputFormat.betaName),
            "input_audio_transcription": transcriptionJSON, "input_audio_noise_reduction": optional(noiseReduction),
            "turn_detection": turnDetection?.json(dialect: .beta, isTranscription: false) ?? .null,
            "tools": .array(tools.map { JSONValue($0.raw) }), "tool_choice": toolChoice.json, "temperature": .double(temperature),
            "max_response_output_tokens": maximumTokensJSON, "speed": .double(speed), "tracing": optional(tracing),
            "prompt": optional(prompt), "client_secret": .null, "include": optional(include),
        ]
    }

    func betaTranscriptionJSON(id: String, expiresAt: Int) -> JSONValue {
        [
            "id": .string(id), "object": "realtime.transcription_session", "expires_at": .int(expiresAt), "client_secret": .null,
            "modalities": ["audio", "text"], "input_audio_format": .string(inputFormat.betaName),
            "input_audio_transcription": shortTranscriptionJSON, "input_audio_noise_reduction": optional(noiseReduction),
            "turn_detection": turnDetection?.json(dialect: .beta, isTranscription: true) ?? .null, "include": optional(include),
        ]
    }

    static func betaModalitiesJSON(audio: Bool) -> JSONValue { audio ? ["audio", "text"] : ["text"] }
}

extension AudioFormat {
    var betaName: String {
        switch self {
        case .pcm16: "pcm16"
        case .muLaw: "g711_ulaw"
        case .aLaw: "g711_alaw"
        }
    }
}
