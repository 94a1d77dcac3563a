/// The name that was probably meant by one that does not exist.
enum Suggestion {
    /// More changes than this make another word.
    private static let mostChanges = 2

    /// The nearest of `names`; nil if none is near. Hyphens and underscores count as the same, and so do small and capital letters.
    static func name(for written: String, among names: some Sequence<String>) -> String? {
        let word = normal(written)
        // A word of three letters is near to any other one.
        let limit = min(mostChanges, word.count / 3)
        return names.map { (changes: changes(from: word, to: normal($0)), name: $0) }
            .filter { $0.changes <= limit }
            .min { ($0.changes, $0.name) < ($1.changes, $1.name) }?.name
    }

    /// To be put after what is wrong with a name.
    static func hint(for written: String, among names: some Sequence<String>) -> String {
        name(for: written, among: names).map { "; did you mean '\($0)'?" } ?? ""
    }

    private static func normal(_ name: String) -> [Character] {
        name.lowercased().map { $0 == "_" ? "-" : $0 }
    }

    /// Levenshtein's distance: letters added, left out or put in another's place.
    private static func changes(from word: [Character], to other: [Character]) -> Int {
        var row = Array(0...other.count)
        for (index, letter) in word.enumerated() {
            var diagonal = row[0]
            row[0] = index + 1
            for column in other.indices {
                let replaced = diagonal + (letter == other[column] ? 0 : 1)
                diagonal = row[column + 1]
                row[column + 1] = min(replaced, row[column] + 1, diagonal + 1)
            }
        }
        return row[other.count]
    }
}
