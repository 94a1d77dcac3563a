/// A scanned JSON text: its bytes and a tape of nodes in the order of the text.
///
/// A node's `next` is the tape position after the value and all it contains; in an object, names and values alternate.
final class JSONText: Sendable {
    struct Node {
        var kind: JSON.Kind
        /// A string with at least one backslash, which must be decoded to be compared.
        var escaped: Bool
        var start: UInt32
        var end: UInt32
        var next: UInt32
    }

    let bytes: [UInt8]
    let nodes: [Node]

    /// - Parameter maximumValues: names and values.
    init(
        _ bytes: [UInt8], maximumDepth: Int, refusingDuplicates: Bool, maximumValues: Int = JSONScanner.maximumValues
    ) throws(JSONError) {
        guard bytes.count < Int(Int32.max) else { throw JSONError(reason: .tooLong, offset: 0) }
        let scanned = bytes.withUnsafeBufferPointer { buffer -> Result<JSONScanner, JSONError> in
            var scanner = JSONScanner(
                buffer, maximumDepth: maximumDepth, maximumValues: maximumValues, refusingDuplicates: refusingDuplicates)
            do throws(JSONError) {
                try scanner.scanText()
                return .success(scanner)
            } catch {
                return .failure(error)
            }
        }
        let scanner = try scanned.get()
        if scanner.sawNonASCII, String(validating: bytes, as: UTF8.self) == nil {
            throw JSONError(reason: .invalidUTF8, offset: 0)
        }
        self.bytes = bytes
        self.nodes = scanner.nodes
    }

    func string(at index: Int) -> String {
        let node = nodes[index]
        let content = bytes[Int(node.start) + 1..<Int(node.end) - 1]
        guard node.escaped else { return String(decoding: content, as: UTF8.self) }
        return JSONText.unescape(content)
    }

    func string(at index: Int, equals name: String) -> Bool {
        let node = nodes[index]
        if node.escaped { return string(at: index) == name }
        let content = bytes[Int(node.start) + 1..<Int(node.end) - 1]
        let utf8 = name.utf8
        return content.count == utf8.count && content.elementsEqual(utf8)
    }

    /// Decodes the inside of a string whose grammar was checked.
    private static func unescape(_ content: ArraySlice<UInt8>) -> String {
        var out: [UInt8] = []
        out.reserveCapacity(content.count)
        var i = content.startIndex
        func hex(_ at: Int) -> UInt32 {
            content[at..<at + 4].reduce(0) { $0 << 4 | UInt32(hexDigit($1)) }
        }
        while i < content.endIndex {
            let byte = content[i]
            guard byte == UInt8(ascii: "\\") else {
                out.append(byte)
                i += 1
                continue
            }
            let code = content[i + 1]
            i += 2
            switch code {
            case UInt8(ascii: "n"): out.append(0x0A)
            case UInt8(ascii: "t"): out.append(0x09)
            case UInt8(ascii: "r"): out.append(0x0D)
            case UInt8(ascii: "b"): out.append(0x08)
            case UInt8(ascii: "f"): out.append(0x0C)
            case UInt8(ascii: "u"):
                var scalar = hex(i)
                i += 4
                if (0xD800..<0xDC00).contains(scalar), i + 6 <= content.endIndex, content[i] == UInt8(ascii: "\\"),
                    content[i + 1] == UInt8(ascii: "u"), (0xDC00..<0xE000).contains(hex(i + 2))
                {
                    scalar = 0x10000 + (scalar - 0xD800) << 10 + (hex(i + 2) - 0xDC00)
                    i += 6
                }
                out.append(contentsOf: String(Character(Unicode.Scalar(scalar) ?? "\u{FFFD}")).utf8)
            default: out.append(code)
            }
        }
        return String(decoding: out, as: UTF8.self)
    }
}

/// The value of a hexadecimal digit that the scanner has checked.
private func hexDigit(_ byte: UInt8) -> UInt8 {
    byte <= UInt8(ascii: "9") ? byte - UInt8(ascii: "0") : (byte | 0x20) - UInt8(ascii: "a") + 10
}
