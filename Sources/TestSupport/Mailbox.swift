import NIOConcurrencyHelpers

/// Thrown when a bounded wait is over.
package struct WaitedTooLong: Error, CustomStringConvertible {
    package let what: String

    package init(what: String) {
        self.what = what
    }

    package var description: String { "waited too long for \(what)" }
}

/// A queue between a fake and its test. The test waits with a bound, so that a missing event fails the test instead of hanging it.
package final class Mailbox<Element: Sendable>: Sendable {
    private struct State {
        var elements: [Element] = []
        var nextTicket = 0
        var waiting: [(ticket: Int, continuation: CheckedContinuation<Element, any Error>)] = []
    }

    private let what: String
    private let state = NIOLockedValueBox(State())

    /// - Parameter what: names the awaited thing in the failure.
    package init(_ what: String) {
        self.what = what
    }

    package func put(_ element: Element) {
        let waiter = state.withLockedValue { state in
            guard !state.waiting.isEmpty else {
                state.elements.append(element)
                return nil as CheckedContinuation<Element, any Error>?
            }
            return state.waiting.removeFirst().continuation
        }
        waiter?.resume(returning: element)
    }

    /// What has come and was not taken.
    package var pending: [Element] { state.withLockedValue { $0.elements } }

    /// The oldest element, waiting for one if there is none.
    /// - Throws: ``WaitedTooLong``.
    package func next(within limit: Duration = .seconds(30)) async throws -> Element {
        let ticket = state.withLockedValue { state in
            state.nextTicket += 1
            return state.nextTicket
        }
        let timer = Task {
            try await Task.sleep(for: limit)
            giveUp(ticket)
        }
        defer { timer.cancel() }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let ready: Result<Element, any Error>? = state.withLockedValue { state in
                    if !state.elements.isEmpty { return .success(state.elements.removeFirst()) }
                    if Task.isCancelled { return .failure(CancellationError()) }
                    state.waiting.append((ticket, continuation))
                    return nil
                }
                if let ready { continuation.resume(with: ready) }
            }
        } onCancel: {
            giveUp(ticket)
        }
    }

    private func giveUp(_ ticket: Int) {
        let waiter = state.withLockedValue { state in
            state.waiting.firstIndex { $0.ticket == ticket }.map { state.waiting.remove(at: $0).continuation }
        }
        waiter?.resume(throwing: WaitedTooLong(what: what))
    }
}
