import Dispatch
import Foundation

/// Time and chance, as an ``UpstreamPool`` gets them.
package struct PoolEnvironment: Sendable {
    /// Milliseconds of a clock that never goes back.
    package var now: @Sendable () -> Int
    /// Milliseconds since 1970, in which servers say when a session ends.
    package var unixMilliseconds: @Sendable () -> Int
    /// Returns when ``now`` has reached the time, or at once when the task is cancelled.
    package var sleepUntil: @Sendable (Int) async -> Void
    /// 0 to 1.
    package var random: @Sendable () -> Double

    package init(
        now: @escaping @Sendable () -> Int, unixMilliseconds: @escaping @Sendable () -> Int,
        sleepUntil: @escaping @Sendable (Int) async -> Void, random: @escaping @Sendable () -> Double
    ) {
        self.now = now
        self.unixMilliseconds = unixMilliseconds
        self.sleepUntil = sleepUntil
        self.random = random
    }

    package static let system = PoolEnvironment(
        now: { systemNow() },
        unixMilliseconds: { Int(Date().timeIntervalSince1970 * 1000) },
        // A cancelled sleep is over, and that is all there is to know.
        sleepUntil: { try? await Task.sleep(for: .milliseconds(max(0, $0 - systemNow()))) },
        random: { Double.random(in: 0...1) })
}

private func systemNow() -> Int {
    Int(DispatchTime.now().uptimeNanoseconds / 1_000_000)
}
