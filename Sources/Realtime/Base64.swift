/// Base64 as the protocol carries audio (RFC 4648 section 4: standard alphabet, padded), checked without decoding.
package enum Base64 {
    /// Bytes that a valid text of this length and padding decodes to.
    package static func decodedCount(_ text: ArraySlice<UInt8>) -> Int {
        let padding = text.suffix(2).count { $0 == UInt8(ascii: "=") }
        return max(0, text.count / 4 * 3 - padding)
    }

    /// Offset of the first byte that cannot stand where it stands; nil if the text is valid.
    package static func firstFault(in text: ArraySlice<UInt8>) -> Int? {
        var body = text
        if body.last == UInt8(ascii: "=") { body.removeLast() }
        if body.count < text.count, body.last == UInt8(ascii: "=") { body.removeLast() }
        for (offset, byte) in body.enumerated() where !isInAlphabet(byte) { return offset }
        return text.count.isMultiple(of: 4) ? nil : text.count
    }

    private static func isInAlphabet(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "+"), UInt8(ascii: "/"):
            true
        default: false
        }
    }
}
