import Realtime

/// Whether the model may, must or must not call a tool.
enum ToolChoice: Sendable {
    case auto, none, required
    case function(name: String, raw: JSON)
    case mcp(raw: JSON)

    init(_ json: JSON, at path: String, dialect: Dialect) throws(ProtocolError) {
        if let word = json.string {
            switch word {
            case "auto": self = .auto
            case "none": self = .none
            case "required": self = .required
            default: throw .invalidValue(path, word, supported: ["none", "auto", "required"])
            }
            return
        }
        let fields = try Fields(json, at: path)
        guard let type = try fields.choice("type", of: dialect == .ga ? ["function", "mcp"] : ["function"]) else {
            throw .missing(fields.path("type"))
        }
        if type == "mcp" {
            _ = try fields.requiredString("server_label")
            self = .mcp(raw: json)
        } else if dialect == .beta, let nested = try fields.object("function") {
            self = .function(name: try nested.requiredString("name"), raw: json)
        } else {
            self = .function(name: try fields.requiredString("name"), raw: json)
        }
    }

    var json: JSONValue {
        switch self {
        case .auto: "auto"
        case .none: "none"
        case .required: "required"
        case .function(_, let raw), .mcp(let raw): JSONValue(raw)
        }
    }
}
