import Foundation
import Realtime

/// Chooses tools for a text and makes up their arguments.
enum ToolCalls {
    struct Call: Equatable {
        var name: String
        var arguments: String
    }

    /// - Parameter afterToolOutput: the caller has just given a result; it is told, not asked for again, unless this very response demands
    ///   a call.
    static func calls(for text: String, afterToolOutput: Bool, _ parameters: ResponseParameters) -> [Call] {
        let functions = parameters.tools.filter { $0.name != nil }
        guard !afterToolOutput || parameters.hasOwnToolChoice else { return [] }
        let named = functions.filter { matches($0, text) }
        let chosen: [Tool] =
            switch parameters.toolChoice {
            case .none, .mcp: []
            case .auto: named
            case .required: named.isEmpty ? Array(functions.prefix(1)) : named
            case .function(let name, _): functions.filter { $0.name == name }
            }
        return chosen.compactMap { tool in
            tool.name.map { Call(name: $0, arguments: arguments(for: tool, from: text)) }
        }
    }

    /// Too common to tell one tool from another.
    private static let commonWords: Set = [
        "what", "with", "this", "that", "from", "have", "will", "about", "please", "tell", "your", "user", "call", "returns", "return",
        "function",
        "current", "given", "when", "which", "where", "there", "their", "they", "does", "into", "make", "first", "would", "could", "like",
        "count", "hello", "used", "using", "then", "some", "anything", "something", "information", "said", "tool",
    ]

    private static func matches(_ tool: Tool, _ text: String) -> Bool {
        guard let name = tool.name else { return false }
        let lower = text.lowercased()
        if lower.contains(name.lowercased()) || lower.contains(name.lowercased().replacingOccurrences(of: "_", with: " ")) { return true }
        let words = significantWords(lower)
        return !words.isDisjoint(with: significantWords(name.lowercased()))
            || !words.isDisjoint(with: significantWords(tool.description.lowercased()))
    }

    private static func significantWords(_ text: String) -> Set<String> {
        Set(text.split { !$0.isLetter }.map(String.init).filter { $0.count >= 4 }).subtracting(commonWords)
    }

    /// A JSON object with a value for every declared property.
    static func arguments(for tool: Tool, from text: String) -> String {
        guard let properties = tool.parameters?["properties"] else { return "{}" }
        let members = properties.members.map { ($0.name, value(of: $0.name, $0.value, from: text)) }
        return String(decoding: JSONValue.object(members).bytes, as: UTF8.self)
    }

    private static func value(of name: String, _ schema: JSON, from text: String) -> JSONValue {
        if let choices = schema["enum"]?.elements, let first = choices.first {
            let lower = text.lowercased()
            let mentioned = choices.first { $0.string.map { lower.contains($0.lowercased()) } ?? false }
            return JSONValue(mentioned ?? first)
        }
        if let constant = schema["const"] { return JSONValue(constant) }
        let type = schema["type"]?.string ?? schema["type"]?.elements.first?.string ?? "string"
        switch type {
        case "integer": return .int(number(in: text).map { Int($0.rounded(.towardZero)) } ?? 1)
        case "number": return .double(number(in: text) ?? 1)
        case "boolean": return true
        case "null": return .null
        case "array": return schema["items"].map { [value(of: name, $0, from: text)] } ?? []
        case "object":
            return .object((schema["properties"]?.members ?? []).map { ($0.name, value(of: $0.name, $0.value, from: text)) })
        default: return .string(words(for: name, in: text))
        }
    }

    private static func number(in text: String) -> Double? {
        text.split { !$0.isNumber && $0 != "." && $0 != "-" }.lazy.compactMap { Double($0) }.first { $0.magnitude < 1e15 }
    }

    /// A name after a preposition (`in New York`), else the last name, else the whole text.
    private static func words(for name: String, in text: String) -> String {
        let tokens = text.split { $0.isWhitespace }.map { $0.trimmingCharacters(in: .punctuationCharacters) }.filter { !$0.isEmpty }
        func isName(_ token: String) -> Bool { token.first?.isUppercase ?? false }
        for (index, token) in tokens.enumerated() where ["in", "for", "at", "to", "of", "near"].contains(token.lowercased()) {
            let names = tokens[(index + 1)...].prefix(while: isName)
            if !names.isEmpty { return names.joined(separator: " ") }
        }
        return tokens.dropFirst().last(where: isName) ?? (text.isEmpty ? name : String(text.prefix(200)))
    }
}
