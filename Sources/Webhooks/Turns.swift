import DequeModule
import NIOConcurrencyHelpers

/// A number of places, given out in the order in which they were asked for.
final class Turns: Sendable {
    private struct State {
        var free: Int
        /// Bounded by who asks: a session has a few calls under way at a time.
        var waiting: Deque<(ticket: Int, turn: CheckedContinuation<Bool, Never>)> = []
        var nextTicket = 0
    }

    private let state: NIOLockedValueBox<State>

    init(places: Int) {
        state = NIOLockedValueBox(State(free: places))
    }

    /// How many wait.
    var waitingCount: Int { state.withLockedValue { $0.waiting.count } }

    /// Waits for a place.
    /// - Returns: false if the task was cancelled before its turn came; then there is nothing to ``leave()``.
    func enter() async -> Bool {
        let ticket = state.withLockedValue { state in
            defer { state.nextTicket += 1 }
            return state.nextTicket
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { turn in
                let isIn: Bool? = state.withLockedValue { state in
                    // A cancellation that came first has found nobody to tell.
                    if Task.isCancelled { return false }
                    guard state.free == 0 else {
                        state.free -= 1
                        return true
                    }
                    state.waiting.append((ticket, turn))
                    return nil
                }
                if let isIn { turn.resume(returning: isIn) }
            }
        } onCancel: {
            let turn = state.withLockedValue { state in
                state.waiting.firstIndex { $0.ticket == ticket }.map { state.waiting.remove(at: $0).turn }
            }
            turn?.resume(returning: false)
        }
    }

    /// Gives the place to whoever waits longest.
    func leave() {
        let next = state.withLockedValue { state in
            guard let next = state.waiting.popFirst() else {
                state.free += 1
                return nil as CheckedContinuation<Bool, Never>?
            }
            return next.turn
        }
        next?.resume(returning: true)
    }
}
