import NIOConcurrencyHelpers

/// Counts a server's connections over all its listeners.
///
/// libmicrohttpd's own limit divides among workers and leaves clients beyond it hanging unanswered; here they are closed at once.
final class ConnectionGate: Sendable {
    private let limit: Int
    private let count = NIOLockedValueBox(0)

    init(limit: Int) {
        self.limit = limit
    }

    /// Asked before a connection is taken. Threads that ask at the same moment may pass the limit by one each.
    var hasRoom: Bool {
        count.withLockedValue { $0 < limit }
    }

    func connectionOpened() {
        count.withLockedValue { $0 += 1 }
    }

    func connectionClosed() {
        count.withLockedValue { $0 -= 1 }
    }
}
