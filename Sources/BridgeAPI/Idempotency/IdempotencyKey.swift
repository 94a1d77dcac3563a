import EventLog
import HTTPServer
import Sessions

/// The `Idempotency-Key` of a request (API.md section 2), and what it means the same request by.
struct IdempotencyKey: Sendable {
    static let header = "idempotency-key"
    private static let maximumBytes = 255

    let request: RequestKey
    /// Of the query and the body: with another one it is not the same request.
    let fingerprint: [UInt8]

    /// - Returns: nil without a key.
    init?(_ head: RequestHead, by caller: Caller, body: [UInt8]) {
        guard head.method == "POST", let key = head.headers[Self.header] else { return nil }
        request = RequestKey(
            digest: Self.digest([caller.owner ?? "", caller.owner == nil ? "anyone" : "owner", key, head.method] + head.segments))
        // The dialect is how the caller reads and writes, not what it asks for.
        let query = head.query.filter { $0.name != "dialect" }.flatMap { [$0.name, $0.value] }
        fingerprint = Digest.sha256(Self.digest(query) + Digest.sha256(body))
    }

    /// - Throws: 400 for a key that cannot be one, or that would promise what cannot be kept.
    static func check(_ head: RequestHead, _ route: Route) throws(APIError) {
        let keys = head.headers.values(header)
        guard route.method == .post || route.method == .put, let key = keys.first else { return }
        guard keys.count == 1, (1...maximumBytes).contains(key.utf8.count), key.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw refusal("invalid_value", "An Idempotency-Key is 1 to \(maximumBytes) visible ASCII characters, once.")
        }
        if let type = head.headers["content-type"], ContentType(type).name.hasPrefix("audio/") { throw sound }
        guard route.takesKey else {
            throw refusal("idempotency_not_available", "An Idempotency-Key is not taken here; send the request without it.")
        }
    }

    static let sound = refusal(
        "idempotency_not_available",
        "Audio that is sent on while it arrives cannot be sent once only; send it without an Idempotency-Key, or as JSON.")
    static let voiceDetection = refusal(
        "idempotency_not_available",
        "While voice detection is on, upstream says what is committed and answered; leave 'commit' and 'respond' out, or the Idempotency-Key."
    )

    private static func refusal(_ code: String, _ message: String) -> APIError {
        APIError(.badRequest, code: code, message, param: "Idempotency-Key")
    }

    /// No two lists have the same.
    private static func digest(_ parts: [String]) -> [UInt8] {
        Digest.sha256(parts.flatMap { Array("\($0.utf8.count):\($0)".utf8) })
    }
}
