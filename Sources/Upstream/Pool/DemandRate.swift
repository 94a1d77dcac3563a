import Foundation

/// How often connections are asked for, the recent past counting most: what happened 10 s ago weighs a third of what happens now.
struct DemandRate: Sendable {
    private static let windowMilliseconds = 10_000.0

    private var value = 0.0
    private var countedAt = 0

    mutating func count(now: Int) {
        value = perMillisecond(now: now) + 1 / Self.windowMilliseconds
        countedAt = now
    }

    func perMillisecond(now: Int) -> Double {
        value * exp(-Double(now - countedAt) / Self.windowMilliseconds)
    }
}
