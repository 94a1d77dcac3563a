import Realtime

/// What one response is made with: the session's settings under the overrides of `response.create`.
struct ResponseParameters: Sendable {
    var answersWithAudio: Bool
    var instructions: String
    /// True if `instructions` came with `response.create`.
    var hasOwnInstructions = false
    var voice: Voice
    var outputFormat: AudioFormat
    var speed: Double
    var tools: [Tool]
    var toolChoice: ToolChoice
    /// True if `tool_choice` came with `response.create`.
    var hasOwnToolChoice = false
    var temperature: Double
    var maximumOutputTokens: Int?
    var isOutOfBand = false
    var metadata: JSON?
    /// Replaces the conversation as context; nil keeps it.
    var input: [ConversationItem]?

    init(_ settings: SessionSettings) {
        answersWithAudio = settings.answersWithAudio
        instructions = settings.instructions
        voice = settings.voice
        outputFormat = settings.outputFormat
        speed = settings.speed
        tools = settings.tools
        toolChoice = settings.toolChoice
        temperature = settings.temperature
        maximumOutputTokens = settings.maximumOutputTokens
    }

    mutating func apply(
        _ fields: Fields, dialect: Dialect, conversation: Conversation, inputFormat: AudioFormat, ids: inout Identifiers
    ) throws(ProtocolError) {
        switch dialect {
        case .beta: try applyBeta(fields)
        case .ga: try applyGA(fields)
        }
        if let text = try fields.string("instructions") {
            instructions = text
            hasOwnInstructions = true
        }
        if let elements = try fields.array("tools") {
            tools = try Tool.list(elements, at: fields.path("tools"), dialect: dialect)
        }
        if let value = fields["tool_choice"] {
            toolChoice = try ToolChoice(value, at: fields.path("tool_choice"), dialect: dialect)
            hasOwnToolChoice = true
        }
        if case .function(let name, _) = toolChoice, !tools.contains(where: { $0.name == name }) {
            throw .invalidValue(fields.path("tool_choice"), "Tool choice '\(name.prefix(64))' not found in tools.")
        }
        isOutOfBand = try fields.choice("conversation", of: ["auto", "none"]) == "none"
        if let object = try fields.object("metadata") { metadata = try Self.metadata(object) }
        if let elements = try fields.array("input") {
            input = try Self.input(
                elements, at: fields.path("input"), dialect: dialect, conversation: conversation, inputFormat: inputFormat, ids: &ids)
        }
    }

    private mutating func applyBeta(_ fields: Fields) throws(ProtocolError) {
        try fields.allowOnly([
            "modalities", "instructions", "voice", "output_audio_format", "tools", "tool_choice", "temperature",
            "max_response_output_tokens", "max_output_tokens", "conversation", "metadata", "input",
        ])
        if let modalities = try fields.array("modalities") {
            answersWithAudio = try SessionSettings.betaModalities(modalities, at: fields.path("modalities"))
        }
        if let value = fields["voice"] { voice = try Voice(value, at: fields.path("voice"), dialect: .beta) }
        outputFormat = try SessionSettings.betaFormat(fields, "output_audio_format") ?? outputFormat
        temperature = try fields.number("temperature", in: 0.6...1.2) ?? temperature
        maximumOutputTokens = try SessionSettings.maximumTokens(fields, "max_response_output_tokens") ?? maximumOutputTokens
        maximumOutputTokens = try SessionSettings.maximumTokens(fields, "max_output_tokens") ?? maximumOutputTokens
    }

    private mutating func applyGA(_ fields: Fields) throws(ProtocolError) {
        try fields.allowOnly([
            "output_modalities", "instructions", "audio", "tools", "tool_choice", "parallel_tool_calls", "reasoning", "max_output_tokens",
            "conversation", "metadata", "prompt", "input",
        ])
        if let modalities = try fields.array("output_modalities") {
            answersWithAudio = try SessionSettings.gaModalities(modalities, at: fields.path("output_modalities"))
        }
        maximumOutputTokens = try SessionSettings.maximumTokens(fields, "max_output_tokens") ?? maximumOutputTokens
        _ = try fields.bool("parallel_tool_calls")
        guard let audio = try fields.object("audio") else { return }
        try audio.allowOnly(["output"])
        guard let output = try audio.object("output") else { return }
        try output.allowOnly(["format", "voice"])
        outputFormat = try SessionSettings.gaFormat(output) ?? outputFormat
        if let value = output["voice"] { voice = try Voice(value, at: output.path("voice"), dialect: .ga) }
    }

    /// At most 16 pairs, names of 64 and values of 512 characters.
    private static func metadata(_ fields: Fields) throws(ProtocolError) -> JSON {
        let members = fields.json.members
        guard members.count <= 16 else {
            throw .invalidValue(
                fields.path, "Invalid '\(fields.path)': too many properties. Expected at most 16, but got \(members.count).")
        }
        for member in members {
            guard member.name.count <= 64 else { throw .tooLong(fields.path(String(member.name.prefix(64))), maximum: 64) }
            guard let value = member.value.string else {
                throw .wrongKind(fields.path(member.name), expected: "a string", found: member.value.kind)
            }
            guard value.count <= 512 else { throw .tooLong(fields.path(member.name), maximum: 512) }
        }
        return fields.json
    }

    private static func input(
        _ elements: [JSON], at path: String, dialect: Dialect, conversation: Conversation, inputFormat: AudioFormat, ids: inout Identifiers
    ) throws(ProtocolError) -> [ConversationItem] {
        var items: [ConversationItem] = []
        var calls = conversation.callIDs
        for (index, element) in elements.enumerated() {
            let fields = try Fields(element, at: "\(path)[\(index)]")
            if fields["type"]?.string == "item_reference" {
                let id = try fields.requiredString("id")
                guard let item = conversation.item(id) else {
                    throw .invalidValue(fields.path("id"), "Item with item_id not found: '\(id.prefix(64))'.")
                }
                items.append(item)
            } else {
                let item = try ConversationItem(
                    fields, id: ids.next("item_"), .init(dialect: dialect, inputFormat: inputFormat, knownCalls: calls))
                if case .call(let callID, _, _) = item.kind { calls.insert(callID) }
                items.append(item)
            }
        }
        return items
    }
}
