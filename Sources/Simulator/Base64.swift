/// Base64 as the protocol's audio fields use it: RFC 4648 section 4, padded, no line breaks.
enum Base64 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    /// For every byte its six bits, or 255.
    private static let values: [UInt8] = {
        var table = [UInt8](repeating: 255, count: 256)
        for (value, letter) in alphabet.enumerated() { table[Int(letter)] = UInt8(value) }
        return table
    }()

    /// The encoded bytes inside double quotes: a JSON string that needs no escaping.
    static func quoted(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity((bytes.count + 2) / 3 * 4 + 2)
        out.append(UInt8(ascii: "\""))
        alphabet.withUnsafeBufferPointer { letters in
            bytes.withUnsafeBufferPointer { input in
                var i = 0
                while i + 2 < input.count {
                    let bits = UInt32(input[i]) << 16 | UInt32(input[i + 1]) << 8 | UInt32(input[i + 2])
                    out.append(letters[Int(bits >> 18)])
                    out.append(letters[Int(bits >> 12 & 63)])
                    out.append(letters[Int(bits >> 6 & 63)])
                    out.append(letters[Int(bits & 63)])
                    i += 3
                }
                guard i < input.count else { return }
                let hasSecond = i + 1 < input.count
                let bits = UInt32(input[i]) << 16 | (hasSecond ? UInt32(input[i + 1]) << 8 : 0)
                out.append(letters[Int(bits >> 18)])
                out.append(letters[Int(bits >> 12 & 63)])
                out.append(hasSecond ? letters[Int(bits >> 6 & 63)] : UInt8(ascii: "="))
                out.append(UInt8(ascii: "="))
            }
        }
        out.append(UInt8(ascii: "\""))
        return out
    }

    static func decode(_ text: String) -> [UInt8]? { decode(Array(text.utf8)[...]) }

    /// The decoded bytes; nil if the text is not base64 with its padding.
    static func decode(_ text: ArraySlice<UInt8>) -> [UInt8]? {
        guard text.count % 4 == 0 else { return nil }
        guard !text.isEmpty else { return [] }
        let padding = text.suffix(2).reversed().prefix { $0 == UInt8(ascii: "=") }.count
        let count = text.count / 4 * 3 - padding
        var isValid = true
        let decoded = [UInt8](unsafeUninitializedCapacity: text.count / 4 * 3) { out, initialized in
            values.withUnsafeBufferPointer { values in
                text.withUnsafeBufferPointer { letters in
                    var position = 0
                    var group = 0
                    while group < letters.count {
                        var bits: UInt32 = 0
                        for offset in 0..<4 {
                            let isPadding = group + offset >= letters.count - padding
                            let value = isPadding ? 0 : values[Int(letters[group + offset])]
                            if value == 255 { isValid = false }
                            bits = bits << 6 | UInt32(value & 63)
                        }
                        out[position] = UInt8(truncatingIfNeeded: bits >> 16)
                        out[position + 1] = UInt8(truncatingIfNeeded: bits >> 8)
                        out[position + 2] = UInt8(truncatingIfNeeded: bits)
                        position += 3
                        group += 4
                    }
                }
            }
            initialized = count
        }
        return isValid ? decoded : nil
    }
}
