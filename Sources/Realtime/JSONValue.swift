/// A JSON value to be written: members keep their order, and bytes that came from elsewhere go in as they are (``raw(_:)``).
package indirect enum JSONValue: Sendable {
    case object([(String, JSONValue)])
    case array([JSONValue])
    case string(String)
    case int(Int)
    case double(Double)
    case bool(Bool)
    case null
    /// The bytes of a valid JSON text, written unchanged.
    case raw([UInt8])

    /// A value read from a text, to be written as it was spelt.
    package init(_ json: JSON) {
        self = .raw(Array(json.lexeme))
    }

    /// A value if there is one, else `null`.
    package static func string(orNull text: String?) -> JSONValue {
        text.map(JSONValue.string) ?? .null
    }

    package static func int(orNull number: Int?) -> JSONValue {
        number.map(JSONValue.int) ?? .null
    }

    package static func raw(orNull bytes: [UInt8]?) -> JSONValue {
        bytes.map(JSONValue.raw) ?? .null
    }

    package var bytes: [UInt8] {
        var out: [UInt8] = []
        write(into: &out)
        return out
    }

    package func write(into out: inout [UInt8]) {
        switch self {
        case .object(let members):
            out.append(UInt8(ascii: "{"))
            for (index, member) in members.enumerated() {
                if index > 0 { out.append(UInt8(ascii: ",")) }
                JSONValue.write(member.0, into: &out)
                out.append(UInt8(ascii: ":"))
                member.1.write(into: &out)
            }
            out.append(UInt8(ascii: "}"))
        case .array(let elements):
            out.append(UInt8(ascii: "["))
            for (index, element) in elements.enumerated() {
                if index > 0 { out.append(UInt8(ascii: ",")) }
                element.write(into: &out)
            }
            out.append(UInt8(ascii: "]"))
        case .string(let text): JSONValue.write(text, into: &out)
        case .int(let number): out.append(contentsOf: String(number).utf8)
        // JSON has no spelling for infinities and NaN (RFC 8259 section 6).
        case .double(let number): out.append(contentsOf: number.isFinite ? String(number).utf8 : "null".utf8)
        case .bool(let truth): out.append(contentsOf: truth ? "true".utf8 : "false".utf8)
        case .null: out.append(contentsOf: "null".utf8)
        case .raw(let bytes): out.append(contentsOf: bytes)
        }
    }

    /// Writes a string with quotes; escapes what RFC 8259 section 7 demands and nothing else.
    package static func write(_ text: String, into out: inout [UInt8]) {
        out.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""): out.append(contentsOf: "\\\"".utf8)
            case UInt8(ascii: "\\"): out.append(contentsOf: "\\\\".utf8)
            case 0x0A: out.append(contentsOf: "\\n".utf8)
            case 0x0D: out.append(contentsOf: "\\r".utf8)
            case 0x09: out.append(contentsOf: "\\t".utf8)
            case 0..<0x20:
                out.append(contentsOf: "\\u00".utf8)
                let digits = Array("0123456789abcdef".utf8)
                out.append(digits[Int(byte >> 4)])
                out.append(digits[Int(byte & 15)])
            default: out.append(byte)
            }
        }
        out.append(UInt8(ascii: "\""))
    }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral, ExpressibleByNilLiteral,
    ExpressibleByArrayLiteral, ExpressibleByFloatLiteral, ExpressibleByDictionaryLiteral
{
    package init(stringLiteral value: String) { self = .string(value) }
    package init(integerLiteral value: Int) { self = .int(value) }
    package init(booleanLiteral value: Bool) { self = .bool(value) }
    package init(nilLiteral: ()) { self = .null }
    package init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
    package init(floatLiteral value: Double) { self = .double(value) }
    /// Members are written in the order of the literal.
    package init(dictionaryLiteral elements: (String, JSONValue)...) { self = .object(elements) }
}
