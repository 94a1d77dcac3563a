/// Takes credentials out of text that others will read.
///
/// Servers echo keys: OpenAI's answer to a bad key shows its first and last characters.
package enum Secrets {
    /// The text with everything that looks like a key replaced by its prefix and `***`.
    ///
    /// Looks like a key: `sk-`, `sk_`, `ek_`, `xai-`, `gsk_`, `AIza` or `eyJ` (a JWT) at the start of a word, and what follows `Bearer`, `Basic` or
    /// `api-key` if it is long or has a digit. Linear in the length.
    /// - Parameter also: credentials known to the caller, replaced wherever they stand. Those under 8 characters are ignored.
    package static func masked(_ text: String, also known: [String] = []) -> String {
        String(decoding: masked(Array(text.utf8), also: known), as: UTF8.self)
    }

    /// The same on bytes; JSON stays JSON.
    package static func masked(_ text: [UInt8], also known: [String] = []) -> [UInt8] {
        var masked = text
        for secret in known where secret.utf8.count >= 8 {
            masked.replaceAll(Array(secret.utf8), with: replacement)
        }
        return maskedByShape(masked)
    }

    /// Fit for a close reason or a log line: masked, and cut to the 123 bytes that a CLOSE frame can carry (RFC 6455, 5.5).
    static func closeReason(_ reason: String) -> String {
        // A lot is cut before masking, so that a hostile text costs nothing, and the rest after it, so that no cut key escapes the mask.
        var reason = masked(String(reason.prefix(1024)))
        while reason.utf8.count > 123 { reason.removeLast() }
        return reason
    }

    private static let replacement = Array("***".utf8)
    private static let prefixes = ["sk-", "sk_", "ek_", "xai-", "gsk_", "AIza", "eyJ"].map { Array($0.utf8) }
    private static let schemes = ["bearer", "basic", "api-key"].map { Array($0.utf8) }

    private static func maskedByShape(_ text: [UInt8]) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(text.count)
        var position = 0
        while position < text.count {
            guard text[position].isToken else {
                out.append(text[position])
                position += 1
                continue
            }
            var end = position
            while end < text.count, text[end].isToken { end += 1 }
            out += maskedWord(text[position..<end], after: out)
            position = end
        }
        return out
    }

    private static func maskedWord(_ word: ArraySlice<UInt8>, after text: [UInt8]) -> [UInt8] {
        var end = word.endIndex
        // The dot of a sentence is not part of the key in it.
        while end > word.startIndex, word[end - 1] == UInt8(ascii: ".") { end -= 1 }
        let core = word[word.startIndex..<end]
        // A key may stand behind `=` or `.`, as in `key=sk-…` or the sub-protocol `openai-insecure-api-key.sk-…`.
        var start = core.startIndex
        while start < core.endIndex {
            if start == core.startIndex || !core[start - 1].isAlphanumericOrJoiner,
                let prefix = prefixes.first(where: { core[start...].starts(with: $0) && core.endIndex - start > $0.count })
            {
                return Array(word[word.startIndex..<start]) + prefix + replacement + word[end...]
            }
            start += 1
        }
        if isCredential(core), schemes.contains(where: { endsWithScheme(text, $0) }) {
            return replacement + word[end...]
        }
        return Array(word)
    }

    private static func isCredential(_ word: ArraySlice<UInt8>) -> Bool {
        word.count >= 20 || word.contains { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    }

    /// `… Bearer ` or `… api-key: `, in any case.
    private static func endsWithScheme(_ text: [UInt8], _ scheme: [UInt8]) -> Bool {
        var end = text.endIndex
        while end > 0, [UInt8(ascii: " "), UInt8(ascii: ":"), UInt8(ascii: "\"")].contains(text[end - 1]) { end -= 1 }
        guard end < text.endIndex, end >= scheme.count else { return false }
        return text[(end - scheme.count)..<end].elementsEqual(scheme) { $0 | 0x20 == $1 | 0x20 }
    }
}

extension UInt8 {
    fileprivate var isAlphanumericOrJoiner: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
        default: false
        }
    }

    /// What keys are made of: base64 in both alphabets, dots, and the stars of a half-masked key.
    fileprivate var isToken: Bool {
        isAlphanumericOrJoiner
            || [UInt8(ascii: "."), UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "/"), UInt8(ascii: "=")].contains(self)
    }
}

extension [UInt8] {
    fileprivate mutating func replaceAll(_ needle: [UInt8], with replacement: [UInt8]) {
        guard count >= needle.count else { return }
        var out: [UInt8] = []
        var position = 0
        var found = false
        while position < count {
            if self[position] == needle[0], self[position...].starts(with: needle) {
                out += replacement
                position += needle.count
                found = true
            } else {
                out.append(self[position])
                position += 1
            }
        }
        if found { self = out }
    }
}
