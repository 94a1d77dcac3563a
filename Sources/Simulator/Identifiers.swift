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

/// SplitMix64 (Steele, Lea, Flood 2014): small, seedable, good enough for ids and faults.
struct SeededRandom: RandomNumberGenerator, Sendable {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}
