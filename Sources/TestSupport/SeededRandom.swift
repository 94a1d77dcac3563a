/// SplitMix64 (Steele, Lea, Flood 2014): a random walk that failed can be walked again by its seed.
package struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64

    package init(seed: UInt64) {
        state = seed
    }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }

    package mutating func roll(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &self) }

    package mutating func below(_ bound: Int) -> Int { roll(0...bound - 1) }

    /// True once in so many times.
    package mutating func once(in times: Int) -> Bool { roll(1...times) == 1 }
}
