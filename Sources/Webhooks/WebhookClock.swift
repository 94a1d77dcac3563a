import Foundation

/// Time and chance, which tests set.
package protocol WebhookClock: Sendable {
    var now: ContinuousClock.Instant { get }
    var unixSeconds: Int { get }
    /// From 0 to 1.
    var random: Double { get }
    /// False if the task was cancelled.
    func sleep(for duration: Duration) async -> Bool
}

package struct SystemWebhookClock: WebhookClock {
    package init() {}

    package var now: ContinuousClock.Instant { .now }
    package var unixSeconds: Int { Int(Date().timeIntervalSince1970) }
    package var random: Double { .random(in: 0...1) }
    package func sleep(for duration: Duration) async -> Bool { (try? await Task.sleep(for: duration)) != nil }
}
