/// What came of one attempt.
package enum WebhookAnswer: Sendable, Equatable {
    /// The whole answer. It is read only where its status says that it is an output.
    case answered(status: Int, body: [UInt8], retryAfter: Int?)
    /// No whole answer.
    case failed(Failure)

    package enum Failure: Sendable, Equatable {
        case timedOut
        /// No connection, or it broke. The words are the operator's: they name hosts and settings.
        case unreachable(String)
        /// The name leads, among others, to an address that is not allowed.
        case addressRefused
        case tooLarge(limitBytes: Int)
        /// Not HTTP, a head without end, or an encoding that was not asked for. The words go on after "the webhook's answer".
        case malformed(String)
        case cancelled
    }
}

/// Makes the attempts. Two stand: ``NIOWebhookSender`` and a script of the tests'.
package protocol WebhookSending: Sendable {
    /// Resolves the name once, connects to one of its addresses, all of which are allowed, sends, and reads the answer: all within the limit.
    /// Follows no redirect. Ends as `.cancelled` when the task is.
    func send(_ request: WebhookRequest, under rules: WebhookRules, within limit: Duration) async -> WebhookAnswer
}
