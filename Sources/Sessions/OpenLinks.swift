import NIOConcurrencyHelpers

/// How many sessions have, or are making, an upstream connection.
final class OpenLinks: Sendable {
    private let number = NIOLockedValueBox(0)

    var count: Int { number.withLockedValue { $0 } }

    func opened() { number.withLockedValue { $0 += 1 } }
    func closed() { number.withLockedValue { $0 -= 1 } }
}
