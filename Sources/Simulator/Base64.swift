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

    /// The decoded bytes; nil if the text is not base64 with its padding.
    static func decode(_ text: some Collection<UInt8>) -> [UInt8]? {
        let count = text.count
        guard count % 4 == 0 else { return nil }
        var out: [UInt8] = []
        out.reserveCapacity(count / 4 * 3)
        var bits: UInt32 = 0
        var held = 0
        var padding = 0
        for letter in text {
            if letter == UInt8(ascii: "=") {
                padding += 1
                continue
            }
            let value = values[Int(letter)]
            guard value != 255, padding == 0 else { return nil }
            bits = bits << 6 | UInt32(value)
            held += 1
            if held == 4 {
                out.append(UInt8(truncatingIfNeeded: bits >> 16))
                out.append(UInt8(truncatingIfNeeded: bits >> 8))
                out.append(UInt8(truncatingIfNeeded: bits))
                bits = 0
                held = 0
            }
        }
        guard held + padding == 4 || (held == 0 && padding == 0) else { return nil }
        switch held {
        case 0: return padding == 0 ? out : nil
        case 2:
            out.append(UInt8(truncatingIfNeeded: bits >> 4))
        case 3:
            out.append(UInt8(truncatingIfNeeded: bits >> 10))
            out.append(UInt8(truncatingIfNeeded: bits >> 2))
        default: return nil
        }
        return out
    }
}
