import NIOConcurrencyHelpers

@testable import Upstream

/// A clock that the test sets. Sleepers wake when their time is reached, also one that comes late.
final class HandClock: Sendable {
    private struct State {
        var now = 0
        var lastTicket = 0
        var sleepers: [Int: (until: Int, continuation: CheckedContinuation<Void, Never>)] = [:]
    }

    /// In 2026, as a server would say it.
    static let unixSeconds = 1_790_000_000

    private let state = NIOLockedValueBox(State())

    func advance(by milliseconds: Int) {
        let woken = state.withLockedValue { state in
            state.now += milliseconds
            let due = state.sleepers.filter { $0.value.until <= state.now }
            for ticket in due.keys { state.sleepers[ticket] = nil }
            return due.values.map(\.continuation)
        }
        for sleeper in woken { sleeper.resume() }
    }

    var environment: PoolEnvironment {
        PoolEnvironment(
            now: { self.now }, unixMilliseconds: { Self.unixSeconds * 1000 + self.now }, sleepUntil: { await self.sleep(until: $0) },
            random: { 1 })
    }

    private var now: Int { state.withLockedValue { $0.now } }

    private func sleep(until deadline: Int) async {
        let ticket = state.withLockedValue { state in
            state.lastTicket += 1
            return state.lastTicket
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = state.withLockedValue { state in
                    if Task.isCancelled || deadline <= state.now { return true }
                    state.sleepers[ticket] = (deadline, continuation)
                    return false
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            state.withLockedValue { $0.sleepers.removeValue(forKey: ticket) }?.continuation.resume()
        }
    }
}
