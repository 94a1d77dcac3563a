import NIOConcurrencyHelpers

/// Sees to it that a session has one history in memory, for as long as anybody holds it.
final class HistoryCache: Sendable {
    private struct Reference: Sendable {
        weak var history: SessionHistory?
    }

    private enum Slot: Sendable {
        /// Somebody reads it from the store; the others wait for that.
        case loading([CheckedContinuation<Void, Never>])
        case ready(Reference)
    }

    private struct State: Sendable {
        var slots: [String: Slot] = [:]
        /// Slots of histories that nobody holds are swept when there are this many.
        var sweepAt = 1024
    }

    private let state = NIOLockedValueBox(State())

    private enum Claim {
        case found(SessionHistory)
        case load
        case wait
    }

    /// The history in memory, or else what `load` makes; `load` runs once at a time for an id.
    func history(
        of id: String, load: () async throws(EventLogError) -> SessionHistory?
    ) async throws(EventLogError) -> SessionHistory? {
        while true {
            switch claim(id) {
            case .found(let history):
                return history
            case .wait:
                await loaded(id)
            case .load:
                do throws(EventLogError) {
                    return settle(id, try await load())
                } catch {
                    _ = settle(id, nil)
                    throw error
                }
            }
        }
    }

    /// Forgets a deleted session, and gives what others may still hold of it.
    func remove(_ id: String) -> SessionHistory? {
        state.withLockedValue { state in
            guard case .ready(let reference)? = state.slots[id] else { return nil }
            state.slots[id] = nil
            return reference.history
        }
    }

    private func claim(_ id: String) -> Claim {
        state.withLockedValue { state in
            switch state.slots[id] {
            case .loading:
                return .wait
            case .ready(let reference):
                if let history = reference.history { return .found(history) }
            case nil:
                break
            }
            state.slots[id] = .loading([])
            return .load
        }
    }

    private func loaded(_ id: String) async {
        await withCheckedContinuation { continuation in
            let mustWait = state.withLockedValue { state in
                guard case .loading(var waiters)? = state.slots[id] else { return false }
                waiters.append(continuation)
                state.slots[id] = .loading(waiters)
                return true
            }
            if !mustWait { continuation.resume() }
        }
    }

    private func settle(_ id: String, _ history: SessionHistory?) -> SessionHistory? {
        let waiters: [CheckedContinuation<Void, Never>] = state.withLockedValue { state in
            let slot = state.slots[id]
            state.slots[id] = history.map { .ready(Reference(history: $0)) }
            if state.slots.count >= state.sweepAt {
                state.slots = state.slots.filter { _, slot in
                    if case .ready(let reference) = slot { reference.history != nil } else { true }
                }
                state.sweepAt = max(1024, state.slots.count * 2)
            }
            guard case .loading(let waiters)? = slot else { return [] }
            return waiters
        }
        for waiter in waiters { waiter.resume() }
        return history
    }
}
