/// One value in a JSON text that was checked as a whole (RFC 8259), and where in the text it lies.
///
/// The text is scanned once and never re-encoded: a value gives its own bytes as they were spelt (``lexeme``), so that a frame
/// can be read, passed on and spliced without a number or an escape changing its spelling. Values share the text they lie in.
package struct JSON: Sendable {
    package enum Kind: UInt8, Sendable {
        case object, array, string, number, `true`, `false`, null
    }

    let text: JSONText
    let index: Int

    private var node: JSONText.Node { text.nodes[index] }

    package var kind: Kind { node.kind }

    /// Where the value lies in ``source``, quotes and brackets included.
    package var range: Range<Int> { Int(node.start)..<Int(node.end) }

    /// The whole text this value lies in.
    package var source: [UInt8] { text.bytes }

    /// The value's own bytes as they were spelt.
    package var lexeme: ArraySlice<UInt8> { text.bytes[range] }

    package var isNull: Bool { kind == .null }

    /// The decoded string; nil if this is not a string. An unpaired surrogate escape becomes U+FFFD.
    package var string: String? {
        guard kind == .string else { return nil }
        return text.string(at: index)
    }

    /// The bytes of the decoded string; nil if this is not a string. They are the text's own unless it is spelt with escapes, so that
    /// megabytes of base64 are not copied.
    package var stringBytes: ArraySlice<UInt8>? {
        guard kind == .string else { return nil }
        return node.escaped ? Array(text.string(at: index).utf8)[...] : lexeme.dropFirst().dropLast()
    }

    /// The value of an integer lexeme (no fraction, no exponent) that fits; else nil.
    package var int: Int? {
        guard kind == .number else { return nil }
        return Int(String(decoding: lexeme, as: UTF8.self))
    }

    package var double: Double? {
        guard kind == .number else { return nil }
        return Double(String(decoding: lexeme, as: UTF8.self))
    }

    package var bool: Bool? {
        switch kind {
        case .true: true
        case .false: false
        default: nil
        }
    }

    /// The member of that name; nil if there is none or this is no object. Names were checked to be unique.
    package subscript(_ name: String) -> JSON? {
        guard kind == .object else { return nil }
        var key = index + 1
        let end = Int(node.next)
        while key < end {
            if text.string(at: key, equals: name) { return JSON(text: text, index: key + 1) }
            key = Int(text.nodes[key + 1].next)
        }
        return nil
    }

    /// The element at a position counted from 0; nil if there is none or this is no array.
    package subscript(_ position: Int) -> JSON? {
        guard kind == .array, position >= 0 else { return nil }
        return elements.dropFirst(position).first
    }

    /// An array's elements in order; empty for anything else.
    package var elements: [JSON] {
        guard kind == .array else { return [] }
        var result: [JSON] = []
        var child = index + 1
        while child < Int(node.next) {
            result.append(JSON(text: text, index: child))
            child = Int(text.nodes[child].next)
        }
        return result
    }

    /// An object's members in the order they were written; empty for anything else.
    package var members: [(name: String, value: JSON)] {
        memberRanges.map { (text.string(at: $0.key), JSON(text: text, index: $0.value)) }
    }

    /// The first member of each name, in the order they were written.
    var distinctMembers: [(name: String, value: JSON)] {
        var seen: Set<String> = []
        return members.filter { seen.insert($0.name).inserted }
    }

    /// Node positions of an object's names and values.
    var memberRanges: [(key: Int, value: Int)] {
        guard kind == .object else { return [] }
        var result: [(key: Int, value: Int)] = []
        var key = index + 1
        while key < Int(node.next) {
            result.append((key, key + 1))
            key = Int(text.nodes[key + 1].next)
        }
        return result
    }

    /// Reads a JSON text: valid UTF-8, RFC 8259 grammar, no duplicate member names, nothing after the value.
    /// - Parameter maximumDepth: nesting of objects and arrays that is still accepted; API.md sets 64 for requests.
    package static func parse(
        _ bytes: [UInt8], maximumDepth: Int = 64, refusingDuplicates: Bool = true
    ) throws(JSONError) -> JSON {
        JSON(text: try JSONText(bytes, maximumDepth: maximumDepth, refusingDuplicates: refusingDuplicates), index: 0)
    }

    /// Reads what was written from texts that had been checked, which may be a little deeper and have more values than they were allowed.
    package static func parse(written bytes: [UInt8]) -> JSON {
        do throws(JSONError) {
            return JSON(
                text: try JSONText(bytes, maximumDepth: 256, refusingDuplicates: false, maximumValues: .max), index: 0)
        } catch {
            preconditionFailure("what was written is no JSON: \(error)")
        }
    }

    package static func parse(_ text: String, maximumDepth: Int = 64) throws(JSONError) -> JSON {
        try parse(Array(text.utf8), maximumDepth: maximumDepth)
    }
}

/// Why a text is not acceptable JSON, and where.
package struct JSONError: Error, Equatable, Sendable, CustomStringConvertible {
    package enum Reason: Equatable, Sendable {
        case unexpectedEnd, unexpectedByte, badEscape, controlCharacter, badNumber, tooDeep, invalidUTF8, trailingBytes, tooLong,
            tooManyValues
        case duplicateName(String)
    }

    package let reason: Reason
    /// Offset in bytes from the text's start.
    package let offset: Int

    package var description: String {
        switch reason {
        case .unexpectedEnd: "the JSON ends too early, at byte \(offset)"
        case .unexpectedByte: "unexpected character at byte \(offset)"
        case .badEscape: "bad escape in a string at byte \(offset)"
        case .controlCharacter: "unescaped control character in a string at byte \(offset)"
        case .badNumber: "bad number at byte \(offset)"
        case .tooDeep: "nested too deep at byte \(offset)"
        case .invalidUTF8: "the text is not valid UTF-8"
        case .trailingBytes: "something follows the JSON value, at byte \(offset)"
        case .tooLong: "the text is longer than 2 GiB"
        case .tooManyValues: "more than a million names and values"
        case .duplicateName(let name): "the name \"\(name.prefix(64))\" appears twice in one object, at byte \(offset)"
        }
    }
}
