/// Longer than anything a test waits for takes on a busy machine under a sanitizer, and shorter than a suite's time limit, which tells less.
package let patience = Duration.seconds(20)

/// Runs `body`, but waits no longer for it than `limit`: a connection that never says anything then fails the test by name, and does not hang it.
///
/// The body is cancelled when the wait is over, and left alone if it does not care.
package func bounded<Value: Sendable>(
    _ what: String, within limit: Duration = patience, _ body: @escaping @Sendable () async throws -> Value
) async throws -> Value {
    let outcome = Mailbox<Result<Value, any Error>>(what)
    let task = Task {
        do {
            outcome.put(.success(try await body()))
        } catch {
            outcome.put(.failure(error))
        }
    }
    defer { task.cancel() }
    return try await outcome.next(within: limit).get()
}
