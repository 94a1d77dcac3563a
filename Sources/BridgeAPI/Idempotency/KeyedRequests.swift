import EventLog
import HTTPServer
import NIOConcurrencyHelpers
import Sessions

/// Requests with an `Idempotency-Key`: one at a time under each key, and each carried out once (``IdempotentRequest``).
final class KeyedRequests: Sendable {
    private let log: EventLog
    /// Those whose handler runs, with their fingerprints; as many as there are requests at most.
    private let running = NIOLockedValueBox<[RequestKey: [UInt8]]>([:])

    init(log: EventLog) {
        self.log = log
    }

    /// Runs the handler, or answers as it did. A request without a key goes straight to it.
    /// - Throws: 422 for a key of another request, 409 while the first one is being answered; else what the handler throws.
    func once(_ call: APICall, _ handler: (APICall) async throws -> Response) async throws -> Response {
        guard call.route.takesKey, call.head.headers[IdempotencyKey.header] != nil else { return try await handler(call) }
        let body = try await call.body.collect()
        guard let key = IdempotencyKey(call.head, by: call.caller, body: body) else { return try await handler(call) }
        call.body.keep(body)
        try enter(key)
        defer { running.withLockedValue { $0[key.request] = nil } }
        var recorded = try await log.request(key.request)
        // None of its steps was ever sent.
        if recorded?.steps.isEmpty == true { recorded = nil }
        if let recorded, recorded.fingerprint != key.fingerprint { throw Self.reused }
        let request = IdempotentRequest(key, recorded: recorded, log: log)
        var call = call
        call.once = request
        do {
            var response = try await handler(call)
            try await request.finish(hasFailed: false)
            if request.isReplay { response.headers.add(Self.replayed, "true") }
            return response
        } catch {
            // What the store does not take leaves steps of which nobody knows what became of them, which is safe.
            try? await request.finish(hasFailed: true)
            guard var known = ErrorTable.knownAnswer(to: error, passesBearer: call.passesBearer) else { throw error }
            if Self.mayBeRepeated(known) { known.retry = .unsaid }
            if request.isReplay { known.headers[Self.replayed] = "true" }
            throw known
        }
    }

    private func enter(_ key: IdempotencyKey) throws(APIError) {
        let other = running.withLockedValue { running in
            let other = running[key.request]
            if other == nil { running[key.request] = key.fingerprint }
            return other
        }
        guard let other else { return }
        guard other == key.fingerprint else { throw Self.reused }
        throw APIError(
            .conflict, code: "idempotency_in_progress", "A request with this Idempotency-Key is being answered; ask again for its outcome.",
            param: "Idempotency-Key", retry: .after(seconds: 1))
    }

    private static let replayed = "idempotent-replayed"

    private static let reused = APIError(
        .unprocessable, code: "idempotency_key_reused",
        "This Idempotency-Key was used for another request to this path: with another body or query. Use a new one.",
        param: "Idempotency-Key")

    /// Without a key a repetition of these could be carried out twice, and OpenAI's SDKs are told not to make one; with it they may. That
    /// nobody knows the outcome does not change by asking again.
    private static func mayBeRepeated(_ error: APIError) -> Bool {
        guard error.retry == .never, error.code != SessionError.Code.outcomeUnknown.rawValue else { return false }
        return error.status == .gatewayTimeout || error.status == .conflict
            || (error.status == .badGateway && error.code == SessionError.Code.upstreamLost.rawValue)
    }
}
