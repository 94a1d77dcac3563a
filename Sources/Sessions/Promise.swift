import NIOConcurrencyHelpers

/// A value that comes once, awaited by any number of tasks, each with its own limit.
package final class Promise<Value: Sendable>: Sendable {
    private struct State {
        var value: Value?
        var waiting: [Int: CheckedContinuation<Value?, Never>] = [:]
        var nextWaiter = 0
    }

    private let state = NIOLockedValueBox(State())

    package init() {}

    /// Gives the value to all who wait and will wait. Later values are ignored.
    package func fulfil(_ value: Value) {
        let waiting = state.withLockedValue { state -> [CheckedContinuation<Value?, Never>] in
            guard state.value == nil else { return [] }
            state.value = value
            defer { state.waiting = [:] }
            return Array(state.waiting.values)
        }
        for continuation in waiting { continuation.resume(returning: value) }
    }

    var isFulfilled: Bool { state.withLockedValue { $0.value != nil } }

    /// The value, or nil once the limit has passed or the task was cancelled.
    package func value(within limit: Duration) async -> Value? {
        if let value = state.withLockedValue({ $0.value }) { return value }
        let ticket = state.withLockedValue { state -> Int in
            defer { state.nextWaiter += 1 }
            return state.nextWaiter
        }
        return await withTaskGroup(of: Value?.self) { group in
            group.addTask { await self.wait(as: ticket) }
            group.addTask {
                try? await Task.sleep(for: limit)
                return nil
            }
            let first = await group.next() ?? nil
            giveUp(ticket)
            group.cancelAll()
            return first
        }
    }

    private func wait(as ticket: Int) async -> Value? {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let ready = state.withLockedValue { state -> Value?? in
                    if let value = state.value { return .some(value) }
                    // A cancellation that came first has no continuation to resume, so it is looked for here.
                    if Task.isCancelled { return .some(nil) }
                    state.waiting[ticket] = continuation
                    return nil
                }
                if let ready { continuation.resume(returning: ready) }
            }
        } onCancel: {
            giveUp(ticket)
        }
    }

    private func giveUp(_ ticket: Int) {
        state.withLockedValue { $0.waiting.removeValue(forKey: ticket) }?.resume(returning: nil)
    }
}
