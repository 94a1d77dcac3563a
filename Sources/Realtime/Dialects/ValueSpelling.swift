/// How a value that both dialects have is spelt in them. What has neither form is left as it is, so that whoever reads it can say what is
/// wrong with it.
enum ValueSpelling: Sendable {
    case same
    /// `["text"]`, `["audio","text"]` in beta; `["text"]`, `["audio"]` in ga, which has the transcript in any case.
    case modalities
    /// `pcm16`, `g711_ulaw`, `g711_alaw` in beta; an object with a media type in ga.
    case audioFormat
    /// A custom voice is an object with its id in ga.
    case voice
    /// A function that must be called has its name inside `function` in beta, beside `type` in ga.
    case toolChoice
    /// In ga the kind of voice detection must be said.
    case turnDetection

    /// The value in another spelling; nil if it is the same there.
    func respelt(_ value: JSON, in dialect: Dialect) -> [UInt8]? {
        switch self {
        case .same: nil
        case .modalities: Self.modalities(value, in: dialect)
        case .audioFormat: Self.audioFormat(value, in: dialect)
        case .voice: dialect == .beta ? value["id"].map { Array($0.lexeme) } : nil
        case .toolChoice: Self.toolChoice(value, in: dialect)
        case .turnDetection: dialect == .ga ? Self.turnDetectionWithType(value) : nil
        }
    }

    /// The parts of a value that its form in a dialect has no room for.
    func lost(of value: JSON, in dialect: Dialect) -> [String] {
        guard value.kind == .object, respelt(value, in: dialect) != nil else { return [] }
        let names = { (value: JSON, known: [String]) in value.distinctMembers.map(\.name).filter { !known.contains($0) } }
        switch (self, dialect) {
        case (.voice, .beta): return names(value, ["id"])
        case (.audioFormat, .beta):
            let isUsual = value["rate"]?.double == (value["type"]?.string == "audio/pcm" ? 24_000 : 8_000)
            return names(value, isUsual ? ["type", "rate"] : ["type"])
        case (.toolChoice, .beta): return names(value, ["type", "name"])
        case (.toolChoice, .ga):
            return names(value, ["type", "function"]) + (value["function"].map { names($0, ["name"]) } ?? []).map { "function.\($0)" }
        default: return []
        }
    }

    /// What an error calls a part of the value, from its name on: `.threshold`, `[0]`.
    func part(_ rest: Substring, in dialect: Dialect) -> Substring {
        switch (self, dialect) {
        // Words in beta.
        case (.audioFormat, .beta), (.voice, .beta): ""
        case (.toolChoice, .beta) where rest == ".name": ".function.name"
        case (.toolChoice, .ga) where rest == ".function.name": ".name"
        default: rest
        }
    }

    private static func modalities(_ value: JSON, in dialect: Dialect) -> [UInt8]? {
        let words = value.elements.map(\.string)
        guard words.contains("audio"), words.allSatisfy({ ["audio", "text"].contains($0) }) else { return nil }
        switch dialect {
        case .ga: return words == ["audio"] ? nil : Array(#"["audio"]"#.utf8)
        case .beta: return words == ["audio"] ? Array(#"["audio","text"]"#.utf8) : nil
        }
    }

    private static let formats: [(beta: String, ga: String, object: JSONValue)] = [
        ("pcm16", "audio/pcm", ["type": "audio/pcm", "rate": 24_000]),
        ("g711_ulaw", "audio/pcmu", ["type": "audio/pcmu"]),
        ("g711_alaw", "audio/pcma", ["type": "audio/pcma"]),
    ]

    private static func audioFormat(_ value: JSON, in dialect: Dialect) -> [UInt8]? {
        switch dialect {
        case .ga:
            guard let word = value.string else { return nil }
            // Servers of the beta spelling have words of their own, such as `pcm`, of which only they know the rate.
            return formats.first { $0.beta == word }?.object.bytes ?? JSONValue.object([("type", .string(word))]).bytes
        case .beta:
            guard let type = value["type"]?.string else { return nil }
            return JSONValue.string(formats.first { $0.ga == type }?.beta ?? type).bytes
        }
    }

    private static func toolChoice(_ value: JSON, in dialect: Dialect) -> [UInt8]? {
        guard value["type"]?.string == "function" else { return nil }
        switch dialect {
        case .ga:
            guard let name = value["function"]?["name"] else { return nil }
            return JSONValue.object([("type", "function"), ("name", JSONValue(name))]).bytes
        case .beta:
            guard let name = value["name"], value["function"] == nil else { return nil }
            return JSONValue.object([("type", "function"), ("function", .object([("name", JSONValue(name))]))]).bytes
        }
    }

    private static func turnDetectionWithType(_ value: JSON) -> [UInt8]? {
        guard value.kind == .object, value["type"] == nil else { return nil }
        // Only the semantic kind has it; without it the beta spelling means the other one.
        let type = value["eagerness"] == nil ? "server_vad" : "semantic_vad"
        return JSONValue.object([("type", .string(type))] + value.distinctMembers.map { ($0.name, JSONValue($0.value)) }).bytes
    }
}
