import Foundation

/// What will go wrong on one connection by itself: drawn once, when it opens, so that the same seed and order of connections give the same.
struct ConnectionFaults: Equatable, Sendable {
    /// How a connection ends that is dropped.
    enum Ending: Equatable, Sendable {
        /// TCP reset, no CLOSE: a crashed server, a lost middlebox.
        case reset
        /// The stream ends without a CLOSE, which a client counts as 1006.
        case end
        /// CLOSE 1011.
        case close
    }

    let ending: Ending
    /// Counted from the opening; nil for never.
    let dropTime: Duration?
    let stallTime: Duration?

    init(_ configuration: SimulatorConfiguration, connection: Int) {
        // Not the seed of the connection's ids, so that faults do not change them.
        var random = SeededRandom(seed: ~configuration.seed &* 0x1_0000_0001 &+ UInt64(connection))
        switch configuration.dropManner {
        case .reset: ending = .reset
        case .end: ending = .end
        case .close: ending = .close
        case .mixed:
            // Mostly what is hardest to survive.
            let share = Double.random(in: 0..<1, using: &random)
            ending = share < 0.6 ? .reset : share < 0.8 ? .end : .close
        }
        dropTime = Self.time(mean: configuration.dropEvery, using: &random)
        stallTime = Self.time(mean: configuration.stallEvery, using: &random)
    }

    /// An exponentially distributed wait: however long a connection has lasted, what is left of it is as long as at its start.
    private static func time(mean: Duration?, using random: inout SeededRandom) -> Duration? {
        guard let mean else { return nil }
        return mean * -log(Double.random(in: Double.leastNormalMagnitude..<1, using: &random))
    }
}
