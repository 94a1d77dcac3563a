import Realtime

/// A tool as the client declared it.
struct Tool: Sendable {
    let raw: JSON
    /// nil for an MCP server, whose tools the simulator never calls.
    let name: String?
    let description: String
    let parameters: JSON?

    init(_ json: JSON, at path: String, dialect: Dialect) throws(ProtocolError) {
        let fields = try Fields(json, at: path)
        let types = dialect == .ga ? ["function", "mcp"] : ["function"]
        guard let type = try fields.choice("type", of: types) else { throw .missing(fields.path("type")) }
        raw = json
        if type == "mcp" {
            try fields.allowOnly([
                "type", "server_label", "server_url", "connector_id", "authorization", "server_description", "headers", "allowed_tools",
                "require_approval", "defer_loading", "allowed_callers", "tunnel_id",
            ])
            _ = try fields.requiredString("server_label")
            name = nil
            description = ""
            parameters = nil
            return
        }
        // Chat completions nest these in `function`; the Realtime API names the member it misses.
        guard let name = try fields.string("name", maximum: 64) else { throw .missing(fields.path("name")) }
        try fields.allowOnly(["type", "name", "description", "parameters"])
        guard !name.isEmpty, name.utf8.allSatisfy(Tool.isNameByte) else {
            throw .invalidValue(fields.path("name"), "Invalid '\(fields.path("name"))': expected letters, digits, '_' or '-'.")
        }
        self.name = name
        description = try fields.isNull("description") ? "" : fields.string("description") ?? ""
        parameters = try fields.object("parameters")?.json
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        default: byte == UInt8(ascii: "_") || byte == UInt8(ascii: "-")
        }
    }

    static func list(_ elements: [JSON], at path: String, dialect: Dialect) throws(ProtocolError) -> [Tool] {
        var tools: [Tool] = []
        for (index, element) in elements.enumerated() {
            tools.append(try Tool(element, at: "\(path)[\(index)]", dialect: dialect))
        }
        return tools
    }
}
