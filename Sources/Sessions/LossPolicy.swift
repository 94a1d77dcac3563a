import Realtime
import Upstream

/// What the end of an upstream connection, or a refused one, leads to (PROTOCOL.md section 9).
enum LossPolicy {
    enum Verdict: Equatable, Sendable {
        /// The session reached its maximum length: another one is asked for at once.
        case renew
        /// Network or server trouble, which passes: again, with growing waits.
        case retry
        /// Nothing but a change of the key, the model, the quota or the request helps.
        case fail
    }

    /// Codes of `error` events after which no server takes the same session again.
    private static let finalErrors: Set<String> = [
        "invalid_api_key", "invalid_model", "model_not_found", "missing_model", "beta_api_shape_disabled", "insufficient_quota",
        "account_deactivated", "billing_hard_limit_reached",
    ]

    /// - Parameters:
    ///   - closeCode: of the server's CLOSE frame; nil if there was none.
    ///   - lastError: the code of the `error` event right before the end.
    static func verdict(closeCode: Int?, lastError: String?) -> Verdict {
        // Expiry shows as the error, the close, or both.
        if lastError == "session_expired" || closeCode == 1001 { return .renew }
        if let lastError, finalErrors.contains(lastError) { return .fail }
        switch closeCode {
        case 3000, 4000, 4004: return .fail
        default: return .retry
        }
    }

    /// Whether a server that accepted the WebSocket and then said no may say yes to the same request later.
    ///
    /// Other than the end of a running session, a refusal is taken for final unless something says that it is not.
    static func passes(closeCode: UInt16?, errorType: String?, errorCode: String?) -> Bool {
        guard verdict(closeCode: closeCode.map(Int.init), lastError: errorCode) != .fail else { return false }
        switch closeCode {
        case 1001, 1006, 1011, 1012, 1013: return true
        default: return errorType == "server_error" || errorCode == "rate_limit_exceeded" || errorCode == "session_expired"
        }
    }

    /// Whether a connection that could not be made shows that none can be: the key, the model or the quota is refused.
    ///
    /// All else may be the way's fault and not the server's word: a proxy answers 404 while what is behind it is being replaced.
    static func isFinal(_ code: UpstreamError.Code) -> Bool {
        switch code {
        case .refused(let closeCode, _, let errorCode): verdict(closeCode: closeCode.map(Int.init), lastError: errorCode) == .fail
        case .refusedAtHandshake(status: 401): true
        default: false
        }
    }
}

/// How often and how fast a connection is tried for.
enum Reconnection {
    /// A command that wakes a session waits no longer than a few tries; its caller can ask again.
    static let attemptsToWake = 3
    /// A session that lost its connection keeps trying about half a minute before it is suspended.
    static let attemptsAfterLoss = 8
    /// A connection that lasted so long was a good one: the next try after its loss is a first one.
    static let stableMilliseconds = 5_000

    /// How long a session waits for an upstream that is known to be down, in milliseconds.
    static let longestOutage = 60_000

    private static let firstWait = 250
    private static let longestWait = 8_000

    /// Milliseconds before the next attempt: none before the first, then doubling, half of it by chance, so that the sessions of a lost
    /// server do not come back in step.
    static func wait(afterFailures failures: Int) -> Int {
        guard failures > 0 else { return 0 }
        let full = min(longestWait, firstWait << min(failures - 1, 10))
        return full / 2 + Int.random(in: 0...full / 2)
    }
}
