@testable import Realtime

/// What becomes of one leaf of an event in the other dialect, by the tables of the protocol and not by the code.
enum Counterpart: Equatable {
    /// The same bytes, there.
    case at([String])
    /// Another form, as the tables of the suites have it.
    case reformed
    case nothing
}

/// The tables for one event.
struct Counterparts {
    private let dialect: Dialect
    private let root: String
    private let pairs: [(beta: [String], ga: [String])]
    private let betaOnly: Set<String>
    private let gaOnly: Set<String>
    private let isClients: Bool
    private let event: JSON

    private static let input = [
        ("input_audio_format", "audio.input.format"), ("input_audio_transcription", "audio.input.transcription"),
        ("input_audio_noise_reduction", "audio.input.noise_reduction"), ("turn_detection", "audio.input.turn_detection"),
    ]
    private static let output = [
        ("modalities", "output_modalities"), ("voice", "audio.output.voice"), ("output_audio_format", "audio.output.format"),
    ]
    private static let session = input + output + [("speed", "audio.output.speed"), ("max_response_output_tokens", "max_output_tokens")]
    /// Values that have another form.
    private static let reformed: Set<String> = ["modalities", "input_audio_format", "output_audio_format"]

    init(_ event: JSON, in dialect: Dialect, _ direction: EventCatalog.Direction) {
        self.event = event
        self.dialect = dialect
        isClients = direction == .client
        let type = event["type"]?.string ?? ""
        let isTranscription = type.hasPrefix("transcription_session") || event["session"]?["type"]?.string == "transcription"
        root = event["session"] != nil ? "session" : event["response"] != nil ? "response" : ""
        let table: [(String, String)]
        switch (root, isTranscription, isClients) {
        case ("session", true, _): (table, betaOnly, gaOnly) = (Self.input, ["modalities", "client_secret"], ["type"])
        case ("session", false, _):
            (table, betaOnly, gaOnly) = (Self.session, ["temperature", "client_secret"], ["type", "reasoning", "parallel_tool_calls"])
        case ("response", _, false): (table, betaOnly, gaOnly) = (Self.output, ["temperature"], [])
        case ("response", _, true):
            table = Self.output + [("max_response_output_tokens", "max_output_tokens")]
            (betaOnly, gaOnly) = (["temperature"], ["reasoning", "parallel_tool_calls", "prompt"])
        default: (table, betaOnly, gaOnly) = ([], [], [])
        }
        pairs = table.map { ($0.0.split(separator: ".").map(String.init), $0.1.split(separator: ".").map(String.init)) }
    }

    func counterpart(of path: [String]) -> Counterpart {
        if path == ["type"] { return .reformed }
        if path.count > 2, path.suffix(3).first == "content", path.last == "type" { return .reformed }
        guard let first = path.first, first == root else { return .at(path) }
        let inside = Array(path.dropFirst())
        // Leaves because they are empty, to which ga adds a type.
        if inside.isEmpty || inside == ["turn_detection"] && event[root]?["turn_detection"]?.kind == .object { return .nothing }
        if (dialect == .beta ? betaOnly : gaOnly).contains(inside[0]) { return .nothing }
        // Nothing is in it, or it is nothing.
        if dialect == .ga, inside[0] == "audio", inside.count < 3 { return .nothing }
        if inside[0] == "tool_choice" {
            return isServersTool(event[root]?["tool_choice"]) ? .nothing : inside.count > 1 ? .reformed : .at(path)
        }
        if inside[0] == "tools", inside.count > 1, let index = Int(inside[1]) { return tool(index, inside) }
        if inside == ["max_response_output_tokens"], hasBothNames { return .nothing }
        for pair in pairs {
            let (from, to) = dialect == .beta ? (pair.beta, pair.ga) : (pair.ga, pair.beta)
            guard inside.starts(with: from) else { continue }
            if Self.reformed.contains(pair.beta[0]) { return .reformed }
            if pair.beta == ["voice"], inside.count > from.count { return .reformed }
            return .at([root] + to + inside.dropFirst(from.count))
        }
        return .at(path)
    }

    /// What a caller must be told was left out.
    var leftOut: [String] {
        guard isClients, let object = event[root] else { return [] }
        var names: [String] = object.members.map(\.name).filter { (dialect == .beta ? betaOnly : gaOnly).contains($0) && $0 != "type" }
        if hasBothNames { names.append("max_response_output_tokens") }
        if dialect == .ga {
            for (index, tool) in (object["tools"]?.elements ?? []).enumerated() where isServersTool(tool) {
                names.append("tools[\(index)]")
            }
            if isServersTool(object["tool_choice"]) { names.append("tool_choice") }
            for pair in pairs where Self.reformed.contains(pair.beta[0]) && pair.ga.count > 1 {
                let rate = object["audio"]?[pair.ga[1]]?["format"]?["rate"]?.double
                if let rate, rate != 24_000 { names.append("audio.\(pair.ga[1]).format.rate") }
            }
        }
        return names.map { "\(root).\($0)" }.sorted()
    }

    /// A request of beta may have the response's name too.
    private var hasBothNames: Bool {
        dialect == .beta && isClients && root == "response" && event[root]?["max_output_tokens"] != nil
            && event[root]?["max_response_output_tokens"] != nil
    }

    /// Tools of MCP servers cannot be declared in beta; they are shown there.
    private func isServersTool(_ tool: JSON?) -> Bool {
        isClients && dialect == .ga && tool?["type"]?.string == "mcp"
    }

    private func tool(_ index: Int, _ inside: [String]) -> Counterpart {
        let tools = event[root]?["tools"]?.elements ?? []
        guard !isServersTool(tools[index]) else { return .nothing }
        return .at([root, "tools", "\(tools[..<index].count { !isServersTool($0) })"] + inside.dropFirst(2))
    }
}
