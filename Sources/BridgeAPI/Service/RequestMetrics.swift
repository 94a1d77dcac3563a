import NIOConcurrencyHelpers
import Realtime

/// Counts of what was asked and what became of it, for `/metrics`.
final class RequestMetrics: Sendable {
    /// How a client event ended, as far as its caller waited.
    enum CommandOutcome: String, Sendable, CaseIterable {
        case confirmed, accepted, refused, failed, late
    }

    struct RequestKey: Hashable, Sendable {
        let operation: String
        let status: Int
    }

    struct CommandKey: Hashable, Sendable {
        let type: String
        let outcome: CommandOutcome
    }

    /// The numbers of labels are bounded: routes, statuses, and the protocol's client events.
    struct Counts: Sendable {
        var requests: [RequestKey: Int] = [:]
        var commands: [CommandKey: Int] = [:]
    }

    private let state = NIOLockedValueBox(Counts())

    var counts: Counts { state.withLockedValue { $0 } }

    func answered(operation: String, status: Int) {
        state.withLockedValue { $0.requests[RequestKey(operation: operation, status: status), default: 0] += 1 }
    }

    /// - Parameter type: as the caller spelt it; names that are not the protocol's are counted together.
    func command(_ type: String?, _ outcome: CommandOutcome) {
        let name = type.flatMap(ClientEventName.init)?.rawValue ?? "other"
        state.withLockedValue { $0.commands[CommandKey(type: name, outcome: outcome), default: 0] += 1 }
    }
}
