import NIOConcurrencyHelpers

/// A server's exchanges and their tasks, so that stopping can wait for them, end them, and leave none behind.
final class LiveExchanges: Sendable {
    private enum Phase { case open, stopping, ending }

    private struct State {
        var phase = Phase.open
        var exchanges: [ObjectIdentifier: Exchange] = [:]
        var tasks = 0
        var waiters: [Int: CheckedContinuation<Void, Never>] = [:]
        var nextWaiter = 0

        var isEmpty: Bool { exchanges.isEmpty && tasks == 0 }
    }

    private let state = NIOLockedValueBox(State())

    /// From here on answers close their connections.
    func stop() {
        state.withLockedValue { $0.phase = .stopping }
    }

    var isStopping: Bool {
        state.withLockedValue { $0.phase != .open }
    }

    /// Ends every exchange, those that begin later too.
    func endAll() {
        let exchanges = state.withLockedValue { state in
            state.phase = .ending
            return Array(state.exchanges.values)
        }
        for exchange in exchanges { exchange.endNow() }
    }

    func exchangeBegan(_ exchange: Exchange) {
        let ends = state.withLockedValue { state in
            state.exchanges[ObjectIdentifier(exchange)] = exchange
            return state.phase == .ending
        }
        if ends { exchange.endNow() }
    }

    func exchangeEnded(_ exchange: Exchange) {
        change { $0.exchanges[ObjectIdentifier(exchange)] = nil }
    }

    func taskBegan() {
        change { $0.tasks += 1 }
    }

    func taskEnded() {
        change { $0.tasks -= 1 }
    }

    /// Waits until there is no exchange and no task. False if the time is over first.
    func areGone(within limit: Duration) async -> Bool {
        await withTaskGroup(of: Bool.self) { group in
            group.addTask {
                await self.areGone()
                return self.state.withLockedValue { $0.isEmpty }
            }
            group.addTask {
                try? await Task.sleep(for: limit)
                return false
            }
            defer { group.cancelAll() }
            return await group.next() ?? false
        }
    }

    private func change(_ body: (inout State) -> Void) {
        let waiters = state.withLockedValue { state in
            body(&state)
            guard state.isEmpty, !state.waiters.isEmpty else { return [CheckedContinuation<Void, Never>]() }
            defer { state.waiters = [:] }
            return Array(state.waiters.values)
        }
        for waiter in waiters { waiter.resume() }
    }

    private func areGone() async {
        let id = state.withLockedValue { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let waits = state.withLockedValue { state in
                    guard !state.isEmpty, !Task.isCancelled else { return false }
                    state.waiters[id] = continuation
                    return true
                }
                if !waits { continuation.resume() }
            }
        } onCancel: {
            state.withLockedValue { $0.waiters.removeValue(forKey: id) }?.resume()
        }
    }
}
