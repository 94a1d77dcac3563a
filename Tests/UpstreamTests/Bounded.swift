import TestSupport

/// Runs `body`, but waits no longer for it than ``patience``: a connection that never says anything then fails the test by name, and does not hang it.
///
/// The body is cancelled when the wait is over, and left alone if it does not care.
func bounded<Value: Sendable>(_ what: String, _ body: @escaping @Sendable () async throws -> Value) async throws -> Value {
    let outcome = Mailbox<Result<Value, any Error>>(what)
    let task = Task {
        do {
            outcome.put(.success(try await body()))
        } catch {
            outcome.put(.failure(error))
        }
    }
    defer { task.cancel() }
    return try await outcome.next(within: patience).get()
}
