import Realtime

/// The nested session object without a beta header.
extension SessionSettings {
    mutating func applyGA(_ fields: Fields) throws(ProtocolError) {
        let ownType = kind == .conversation ? "realtime" : "transcription"
        guard try fields.choice("type", of: [ownType]) != nil else { throw .missing(fields.path("type")) }
        if kind == .transcription {
            try fields.allowOnly(["type", "audio", "include"])
        } else {
            try fields.allowOnly([
                "type", "output_modalities", "model", "instructions", "audio", "include", "tracing", "tools", "tool_choice",
                "parallel_tool_calls", "reasoning", "max_output_tokens", "truncation", "prompt",
            ])
        }
        try applyShared(fields)
        if let modalities = try fields.array("output_modalities") {
            answersWithAudio = try Self.gaModalities(modalities, at: fields.path("output_modalities"))
        }
        try applyTools(fields, dialect: .ga)
        maximumOutputTokens = try Self.maximumTokens(fields, "max_output_tokens") ?? maximumOutputTokens
        parallelToolCalls = try fields.bool("parallel_tool_calls") ?? parallelToolCalls
        if let value = fields["reasoning"] {
            if let inner = try fields.object("reasoning") {
                try inner.allowOnly(["effort"])
                _ = try inner.choice("effort", of: ["minimal", "low", "medium", "high", "xhigh"])
            }
            reasoning = value.isNull ? nil : value
        }
        guard let audio = try fields.object("audio") else { return }
        try audio.allowOnly(kind == .conversation ? ["input", "output"] : ["input"])
        if let input = try audio.object("input") {
            try input.allowOnly(["format", "transcription", "noise_reduction", "turn_detection"])
            inputFormat = try Self.gaFormat(input) ?? inputFormat
            try applyTranscription(input, member: "transcription")
            try applyNoiseReduction(input, member: "noise_reduction")
            try applyTurnDetection(input, dialect: .ga)
        }
        if let output = try audio.object("output") {
            try output.allowOnly(["format", "voice", "speed"])
            outputFormat = try Self.gaFormat(output) ?? outputFormat
            if let value = output["voice"] { voice = try Voice(value, at: output.path("voice"), dialect: .ga) }
            speed = try output.number("speed", in: 0.25...1.5) ?? speed
        }
    }

    static func gaModalities(_ elements: [JSON], at path: String) throws(ProtocolError) -> Bool {
        switch elements.map({ $0.string ?? "" }) {
        case ["text"]: return false
        case ["audio"]: return true
        case let words:
            throw .invalidValue(path, "Invalid modalities: \(words). Supported combinations are: ['text'] and ['audio'].")
        }
    }

    /// The member `format` of one direction.
    static func gaFormat(_ direction: Fields) throws(ProtocolError) -> AudioFormat? {
        guard let fields = try direction.object("format") else { return nil }
        try fields.allowOnly(["type", "rate"])
        guard let type = try fields.choice("type", of: AudioFormat.allCases.map(\.gaName)) else { throw .missing(fields.path("type")) }
        guard type == AudioFormat.pcm16.gaName else { return AudioFormat.allCases.first { $0.gaName == type } }
        _ = try fields.int("rate", in: 24_000...24_000)
        return .pcm16
    }

    func gaJSON(id: String, expiresAt: Int) -> JSONValue {
        var members: [(String, JSONValue)] = [
            ("type", "realtime"), ("object", "realtime.session"), ("id", .string(id)), ("model", .string(model)),
            ("output_modalities", Self.gaModalitiesJSON(audio: answersWithAudio)), ("instructions", .string(instructions)),
            ("tools", .array(tools.map { JSONValue($0.raw) })), ("tool_choice", toolChoice.json), ("max_output_tokens", maximumTokensJSON),
            ("tracing", optional(tracing)), ("truncation", truncation.map { JSONValue($0) } ?? "auto"), ("prompt", optional(prompt)),
            ("expires_at", .int(expiresAt)),
        ]
        if let reasoning { members.append(("reasoning", JSONValue(reasoning))) }
        if let parallelToolCalls { members.append(("parallel_tool_calls", .bool(parallelToolCalls))) }
        members.append(
            (
                "audio",
                [
                    "input": gaInputJSON,
                    "output": ["format": outputFormat.gaJSON, "voice": voice.json, "speed": .double(speed)],
                ]
            ))
        members.append(("include", optional(include)))
        return .object(members)
    }

    func gaTranscriptionJSON(id: String, expiresAt: Int) -> JSONValue {
        [
            "type": "transcription", "object": "realtime.transcription_session", "id": .string(id), "expires_at": .int(expiresAt),
            "audio": ["input": gaInputJSON], "include": optional(include),
        ]
    }

    private var gaInputJSON: JSONValue {
        [
            "format": inputFormat.gaJSON, "transcription": transcriptionJSON, "noise_reduction": optional(noiseReduction),
            "turn_detection": turnDetection?.json(dialect: .ga, isTranscription: kind == .transcription) ?? .null,
        ]
    }

    static func gaModalitiesJSON(audio: Bool) -> JSONValue { audio ? ["audio"] : ["text"] }
}

extension AudioFormat {
    var gaName: String {
        switch self {
        case .pcm16: "audio/pcm"
        case .muLaw: "audio/pcmu"
        case .aLaw: "audio/pcma"
        }
    }

    var gaJSON: JSONValue {
        self == .pcm16 ? ["type": "audio/pcm", "rate": 24_000] : ["type": .string(gaName)]
    }
}
