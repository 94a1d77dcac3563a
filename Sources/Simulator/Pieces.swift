/// Cuts a text into what one delta carries.
enum Pieces {
    private static let longest = 48

    /// Words with the space before them, cut when very long; joined they are the text again.
    static func of(_ text: String) -> [String] {
        var pieces: [String] = []
        var piece = ""
        var length = 0
        for character in text {
            let startsWord = character.isWhitespace && !(piece.last?.isWhitespace ?? true)
            if startsWord || length >= longest {
                pieces.append(piece)
                piece = ""
                length = 0
            }
            piece.append(character)
            length += 1
        }
        if !piece.isEmpty { pieces.append(piece) }
        return pieces
    }
}
