import Realtime

/// A voice by name, or a custom one by id (GA).
struct Voice: Equatable, Sendable {
    /// The JSON text that names it.
    let lexeme: [UInt8]

    static let standard = Voice(lexeme: Array("\"alloy\"".utf8))

    static let cannotChange = ProtocolError(
        code: "cannot_update_voice", message: "Cannot update a conversation's voice if assistant audio is present.", param: nil)

    private static let names = ["alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse"]

    init(_ json: JSON, at path: String, dialect: Dialect) throws(ProtocolError) {
        if dialect == .ga, json.kind == .object {
            let fields = try Fields(json, at: path)
            try fields.allowOnly(["id"])
            _ = try fields.requiredString("id")
        } else {
            guard let name = json.string else { throw .wrongKind(path, expected: "a string", found: json.kind) }
            let supported = Voice.names + (dialect == .ga ? ["marin", "cedar"] : [])
            guard supported.contains(name) else { throw .invalidValue(path, name, supported: supported) }
        }
        lexeme = Array(json.lexeme)
    }

    private init(lexeme: [UInt8]) {
        self.lexeme = lexeme
    }

    var json: JSONValue { .raw(lexeme) }
}
