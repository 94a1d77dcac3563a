import Realtime

/// Client events that the bridge writes from a request: the caller's values go in as they were spelt.
enum ClientEventBody {
    /// - Parameter members: all but `type`.
    static func make(_ name: ClientEventName, _ members: [(String, JSONValue)] = []) -> JSON {
        JSON.parse(written: JSONValue.object([("type", .string(name.rawValue))] + members).bytes)
    }

    /// A message of one text, as the protocol spells it in that dialect.
    static func message(text: String, role: String, dialect: Dialect) -> JSONValue {
        // An assistant's words are output (PROTOCOL.md, items): the beta spelling has no prefix there.
        let type = role == "assistant" ? (dialect == .ga ? "output_text" : "text") : "input_text"
        return [
            "type": "message", "role": .string(role), "content": [["type": .string(type), "text": .string(text)]],
        ]
    }
}
