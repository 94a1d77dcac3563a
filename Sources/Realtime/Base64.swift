/// Base64 as the protocol carries audio (RFC 4648 section 4: standard alphabet, padded). All of it agrees on what is valid:
/// ``decoded(_:)`` gives ``decodedCount(_:)`` bytes exactly where ``firstFault(in:)`` finds none.
package enum Base64 {
    /// Bytes that a valid text of this length and padding decodes to.
    package static func decodedCount(_ text: ArraySlice<UInt8>) -> Int {
        let padding = text.suffix(2).count { $0 == UInt8(ascii: "=") }
        return max(0, text.count / 4 * 3 - padding)
    }

    /// Offset of the first byte that cannot stand where it stands; nil if the text is valid.
    package static func firstFault(in text: ArraySlice<UInt8>) -> Int? {
        let body = text.dropLast(paddingCount(text))
        for (offset, byte) in body.enumerated() where values[Int(byte)] == invalid { return offset }
        return text.count.isMultiple(of: 4) ? nil : text.count
    }

    /// The bytes that the text stands for; nil if it is not valid. Bits that the padding leaves over are not looked at.
    package static func decoded(_ text: ArraySlice<UInt8>) -> [UInt8]? {
        guard text.count.isMultiple(of: 4) else { return nil }
        let padding = paddingCount(text)
        // A padded group is completed with letters for zero, and the bytes they add are left out.
        let whole = padding > 0 ? text.dropLast(4) : text
        var last: ArraySlice<UInt8> = []
        if padding > 0 { last = text.suffix(4).dropLast(padding) + repeatElement(UInt8(ascii: "A"), count: padding) }
        var seen: UInt32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: whole.count / 4 * 3 + last.count / 4 * 3) { out, count in
            values.withUnsafeBufferPointer { values in
                for letters in [whole, last] {
                    letters.withUnsafeBufferPointer { letters in
                        var next = 0
                        while next < letters.count {
                            let a = values[Int(letters[next])]
                            let b = values[Int(letters[next + 1])]
                            let c = values[Int(letters[next + 2])]
                            let d = values[Int(letters[next + 3])]
                            seen |= a | b | c | d
                            let bits = a << 18 | b << 12 | c << 6 | d
                            out[count] = UInt8(truncatingIfNeeded: bits >> 16)
                            out[count + 1] = UInt8(truncatingIfNeeded: bits >> 8)
                            out[count + 2] = UInt8(truncatingIfNeeded: bits)
                            next += 4
                            count += 3
                        }
                    }
                }
            }
            count -= padding
        }
        // One look at the end instead of one per letter: no valid value has a bit of `invalid`.
        return seen & invalid == 0 ? bytes : nil
    }

    /// The text that stands for the bytes.
    package static func encoded(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: (bytes.count + 2) / 3 * 4) { out, count in
            alphabet.withUnsafeBufferPointer { letters in
                bytes.withUnsafeBufferPointer { bytes in
                    var next = 0
                    func group(_ bits: UInt32) {
                        out[count] = letters[Int(bits >> 18)]
                        out[count + 1] = letters[Int(bits >> 12 & 63)]
                        out[count + 2] = letters[Int(bits >> 6 & 63)]
                        out[count + 3] = letters[Int(bits & 63)]
                        count += 4
                    }
                    while next + 2 < bytes.count {
                        group(UInt32(bytes[next]) << 16 | UInt32(bytes[next + 1]) << 8 | UInt32(bytes[next + 2]))
                        next += 3
                    }
                    guard next < bytes.count else { return }
                    let hasSecond = next + 1 < bytes.count
                    group(UInt32(bytes[next]) << 16 | (hasSecond ? UInt32(bytes[next + 1]) << 8 : 0))
                    out[count - 1] = UInt8(ascii: "=")
                    if !hasSecond { out[count - 2] = UInt8(ascii: "=") }
                }
            }
        }
    }

    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    private static let invalid: UInt32 = 1 << 31

    /// For every byte the six bits it stands for, or ``invalid``.
    private static let values: [UInt32] = {
        var table = [UInt32](repeating: invalid, count: 256)
        for (value, letter) in alphabet.enumerated() { table[Int(letter)] = UInt32(value) }
        return table
    }()

    private static func paddingCount(_ text: ArraySlice<UInt8>) -> Int {
        guard text.last == UInt8(ascii: "=") else { return 0 }
        return text.dropLast().last == UInt8(ascii: "=") ? 2 : 1
    }
}
