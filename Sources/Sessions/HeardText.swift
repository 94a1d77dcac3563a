/// The part of an answer's words that was heard before its audio was cut.
///
/// Servers do not say which word lies where in the audio, so words are taken to be spoken at an even pace; a word that the cut falls
/// into is left out.
enum HeardText {
    /// - Parameters:
    ///   - transcripts: of an item's audio parts, in order.
    ///   - heard: where the audio was cut.
    ///   - produced: how long the audio was before; 0 says that there was none.
    /// - Returns: what is left of each, possibly nothing.
    static func cut(_ transcripts: [String], heardMilliseconds heard: Int, producedMilliseconds produced: Int) -> [String] {
        guard heard < produced else { return produced > 0 ? transcripts : transcripts.map { _ in "" } }
        let characters = transcripts.map(Array.init)
        var left = characters.reduce(0) { $0 + $1.count } * max(0, heard) / produced
        return characters.map { part in
            var end = min(left, part.count)
            left -= end
            while end > 0, end < part.count, !isBoundary(part[end - 1], part[end]) { end -= 1 }
            while end > 0, part[end - 1].isWhitespace { end -= 1 }
            return String(part[..<end])
        }
    }

    private static func isBoundary(_ before: Character, _ after: Character) -> Bool {
        before.isWhitespace || after.isWhitespace || isWordByItself(before) || isWordByItself(after)
    }

    /// Thai, Lao, Burmese, Khmer, Chinese and Japanese are written without spaces between words.
    private static func isWordByItself(_ character: Character) -> Bool {
        switch character.unicodeScalars.first?.value ?? 0 {
        case 0x0E00...0x0EFF, 0x1000...0x109F, 0x1780...0x17FF, 0x2E80...0xA4CF, 0xF900...0xFAFF, 0xFF00...0xFFEF, 0x20000...0x3FFFF: true
        default: false
        }
    }
}
