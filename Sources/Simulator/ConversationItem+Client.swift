import Realtime

/// Items as clients send them.
extension ConversationItem {
    /// `item.id` and `item.call_id` hold at most this many characters.
    static let maximumIDLength = 32

    /// What an item may refer to while it is read.
    struct Context {
        let dialect: Dialect
        let inputFormat: AudioFormat
        /// The calls whose output may be given.
        let knownCalls: Set<String>
    }

    /// - Parameter id: used if the client chose none.
    init(_ fields: Fields, id fallback: @autoclosure () -> String, _ context: Context) throws(ProtocolError) {
        let types = ["message", "function_call", "function_call_output", "mcp_approval_response"]
        guard let type = try fields.choice("type", of: types) else { throw .missing(fields.path("type")) }
        id = try fields.string("id", maximum: Self.maximumIDLength).flatMap { $0.isEmpty ? nil : $0 } ?? fallback()
        _ = try fields.choice("object", of: ["realtime.item"])
        status = .completed
        if let word = try fields.choice("status", of: ["completed", "incomplete", "in_progress"]), let status = Status(rawValue: word) {
            self.status = status == .incomplete ? .incomplete : .completed
        }
        switch type {
        case "message":
            try fields.allowOnly(["id", "object", "type", "status", "role", "content"])
            guard let word = try fields.choice("role", of: ["user", "assistant", "system"]), let role = Role(rawValue: word) else {
                throw .missing(fields.path("role"))
            }
            guard let elements = try fields.array("content") else { throw .missing(fields.path("content")) }
            var parts: [Part] = []
            for (index, element) in elements.enumerated() {
                parts.append(try Part(Fields(element, at: "\(fields.path("content"))[\(index)]"), role: role, context))
            }
            kind = .message(role, parts)
        case "function_call":
            try fields.allowOnly(["id", "object", "type", "status", "call_id", "name", "arguments"])
            let name = try fields.requiredString("name")
            let arguments = try fields.requiredString("arguments")
            kind = .call(
                id: try fields.requiredString("call_id", maximum: Self.maximumIDLength), name: name, arguments: arguments)
        case "function_call_output":
            try fields.allowOnly(["id", "object", "type", "status", "call_id", "output"])
            let callID = try fields.requiredString("call_id", maximum: Self.maximumIDLength)
            let output = try fields.requiredString("output")
            guard context.knownCalls.contains(callID) else {
                throw ProtocolError(
                    code: "invalid_tool_call_id", message: "Tool call ID '\(callID)' not found in conversation.",
                    param: fields.path("call_id"))
            }
            kind = .callOutput(callID: callID, output: output)
        default:
            // The simulator calls no MCP servers, so no approval was ever asked for.
            throw .invalidValue(fields.path("approval_request_id"), "No MCP approval request with that id exists in the conversation.")
        }
    }
}

extension ConversationItem.Part {
    init(_ fields: Fields, role: ConversationItem.Role, _ context: ConversationItem.Context) throws(ProtocolError) {
        let assistantText = context.dialect == .ga ? "output_text" : "text"
        let assistantAudio = context.dialect == .ga ? "output_audio" : "audio"
        let types: [String] =
            switch role {
            case .user: context.dialect == .ga ? ["input_text", "input_audio", "input_image"] : ["input_text", "input_audio"]
            case .assistant: [assistantText, assistantAudio]
            case .system: ["input_text"]
            }
        guard let type = try fields.choice("type", of: types) else { throw .missing(fields.path("type")) }
        switch type {
        case "input_text":
            try fields.allowOnly(["type", "text"])
            self = .inputText(try fields.requiredString("text"))
        case "input_audio":
            try fields.allowOnly(["type", "audio", "transcript"])
            guard let value = fields["audio"], let text = value.string else { throw .missing(fields.path("audio")) }
            guard let bytes = Base64.decode(text) else {
                throw .invalidValue(fields.path("audio"), "Invalid '\(fields.path("audio"))': expected base64-encoded audio bytes.")
            }
            self = .inputAudio(
                bytes: bytes, milliseconds: context.inputFormat.milliseconds(ofBytes: bytes.count),
                transcript: try fields.isNull("transcript") ? nil : fields.string("transcript"))
        case "input_image":
            try fields.allowOnly(["type", "image_url", "detail"])
            let url = try fields.requiredString("image_url")
            guard url.hasPrefix("data:image/png") || url.hasPrefix("data:image/jpeg") else {
                throw .invalidValue(
                    fields.path("image_url"), "Invalid '\(fields.path("image_url"))': expected a data URI of a PNG or JPEG.")
            }
            self = .inputImage(fields.json)
        default:
            // Assistant audio cannot be created: the service asks for the text that would stand for it.
            guard type == assistantText else { throw .missing(fields.path("text")) }
            try fields.allowOnly(["type", "text"])
            self = .text(try fields.requiredString("text"))
        }
    }
}
