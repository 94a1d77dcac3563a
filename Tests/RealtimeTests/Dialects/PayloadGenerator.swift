import TestSupport

@testable import Realtime

/// Payloads as the schemas allow them, spelt as oddly as JSON allows: numbers and strings that a re-encoder would change, white space,
/// escaped names, members in any order and members that nobody knows.
struct PayloadGenerator {
    private var random: SeededRandom
    private var unknowns = 0

    init(seed: UInt64) {
        random = SeededRandom(seed: seed)
    }

    mutating func payload(_ event: String, in dialect: Dialect) -> String {
        guard let schema = EventSchema.event(event, in: dialect) else { preconditionFailure("\(dialect) has no \(event)") }
        var text = ""
        write(schema, named: "", inside: "", into: &text)
        return text
    }

    private static let numbers = [
        "0", "-0", "1", "1.50", "0.70", "1e2", "5e-1", "2.5E+1", "0.1e-7", "0.25", "12345678901234567890", "24000", "1.6e4", "6000",
        "29999.0",
        "4096", "-17.0", "1E0", "1.000000000000000000001",
    ]
    private static let strings = [
        #""""#, #""alloy""#, #""caf\u00e9""#, #""\ud83d\ude00""#, #""a\/b""#, #""\"q\"""#, #""é😀""#, #""\ud800""#, #""\n\t""#, #""audio""#,
        #""text""#, #""output_text""#, #""function""#, #""session.x""#, #""{\"type\":\"text\"}""#,
    ]
    /// Where a member that nobody knows cannot stay: what the other dialect writes as one word, and where it has no such place at all.
    private static let closed: Set<String> = [
        "audio", "input", "output", "format", "input_audio_format", "output_audio_format", "voice", "tool_choice", "function",
    ]

    private mutating func write(_ schema: EventSchema, named name: String, inside parent: String, into text: inout String) {
        let schema = schema.resolved
        if let choice = schema.choices.randomElement(using: &random) { return write(choice, named: name, inside: parent, into: &text) }
        if let value = schema.values.randomElement(using: &random) {
            text += value.string.map { spelt($0) } ?? String(decoding: value.lexeme, as: UTF8.self)
            return
        }
        switch schema.types.randomElement(using: &random) {
        case "object": writeObject(schema, named: name, into: &text)
        case "array":
            let count = max(schema.minimumItems, random.below(4))
            text += "["
            for index in 0..<count {
                text += (index > 0 ? "," : "") + space()
                write(schema.items.first ?? schema, named: "", inside: name, into: &text)
                text += space()
            }
            text += "]"
        case "string": text += Self.strings.filter { $0.count < schema.maximumLength }.randomElement(using: &random) ?? "\"\""
        case "boolean": text += random.once(in: 2) ? "true" : "false"
        case "null": text += "null"
        case let type?: text += number(schema, isInteger: type == "integer")
        case nil: text += "null"
        }
    }

    private mutating func writeObject(_ schema: EventSchema, named name: String, into text: inout String) {
        var members: [(String, EventSchema?)] = schema.properties.filter {
            // The bridge's own word in frames that it makes.
            !$0.schema.isNever && $0.name != "bridge" && (schema.required.contains($0.name) || random.once(in: 2))
        }.map { ($0.name, $0.schema) }
        if let other = schema.others.first {
            for index in 0..<random.below(3) { members.append(("key\(index)", other)) }
        } else if !Self.closed.contains(name), random.once(in: 2) {
            unknowns += 1
            members.append(("x_\(unknowns)", nil))
        }
        members.shuffle(using: &random)
        text += "{" + space()
        for (index, member) in members.enumerated() {
            text += (index > 0 ? "," : "") + space() + spelt(member.0) + space() + ":" + space()
            if let schema = member.1 {
                write(schema, named: member.0, inside: name, into: &text)
            } else {
                text += anything()
            }
            text += space()
        }
        text += "}"
    }

    /// What nobody knows, among it what would be known elsewhere.
    private mutating func anything() -> String {
        let number = Self.numbers.randomElement(using: &random) ?? "0"
        return [
            number, #"{"n":\#(number),"voice":"a","temperature":\#(number)}"#, "[\(number), null ,{}]",
            Self.strings.randomElement(using: &random) ?? "", "[]", "{ }", "null", #"{"type":"text","audio":{"output":{"voice":1}}}"#,
        ].randomElement(using: &random) ?? number
    }

    private mutating func number(_ schema: EventSchema, isInteger: Bool) -> String {
        Self.numbers.filter { spelling in
            guard let value = Double(spelling), schema.range.contains(value) else { return false }
            return !isInteger || value == value.rounded()
        }.randomElement(using: &random) ?? "1"
    }

    /// A string in quotes, once in a while with an escape that it does not need.
    private mutating func spelt(_ word: String) -> String {
        guard random.once(in: 12), let first = word.unicodeScalars.first else { return "\"\(word)\"" }
        let code = String(first.value, radix: 16)
        return "\"\\u" + String(repeating: "0", count: 4 - code.count) + code + word.dropFirst() + "\""
    }

    private mutating func space() -> String {
        random.once(in: 6) ? [" ", "\n", "\t", "\r\n  "].randomElement(using: &random) ?? " " : ""
    }
}
