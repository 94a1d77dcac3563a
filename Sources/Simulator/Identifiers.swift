/// Makes the ids of one connection: the same seed gives the same ids.
struct Identifiers: Sendable {
    private var random: SeededRandom

    init(seed: UInt64) {
        random = SeededRandom(seed: seed)
    }

    private static let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789".utf8)

    /// `prefix` and 21 letters or digits. With `item_` and `call_` that stays below the protocol's 32 characters.
    mutating func next(_ prefix: String) -> String {
        var text = Array(prefix.utf8)
        text.reserveCapacity(text.count + 21)
        var bits = random.next()
        for index in 0..<21 {
            if index % 8 == 0 { bits = random.next() }
            text.append(Self.letters[Int(bits & 0xFF) % Self.letters.count])
            bits >>= 8
        }
        return String(decoding: text, as: UTF8.self)
    }
}
