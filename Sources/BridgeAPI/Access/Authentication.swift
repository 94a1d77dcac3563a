import HTTPServer
import Sessions

/// Tells who is asking, from a request's `Authorization` alone (API.md section 6).
struct Authentication: Sendable {
    let keys: BridgeKeys
    let credentials: BridgeAPIConfiguration.Credentials
    /// Bearers are recognised by their HMAC with it, so that a copy of the store does not give them away.
    let secret: [UInt8]

    /// - Throws: 401.
    func caller(of head: RequestHead) throws(APIError) -> Caller {
        // Whatever a proxy in front may have left in the header is nothing to this bridge.
        if keys.isEmpty, credentials == .server { return Caller(owner: nil) }
        let bearer = try bearer(in: head)
        if !keys.isEmpty {
            guard let bearer else {
                throw unauthorized("missing_api_key", "This bridge needs a key: send 'Authorization: Bearer KEY'.")
            }
            guard let key = keys.key(presented: bearer) else {
                throw unauthorized("invalid_api_key", "This bridge does not know the key that was sent.")
            }
            // Sessions of nobody's are from a time without keys, when whoever made them could not know of these callers.
            let isAdmin = key.scopes.contains(.admin)
            return Caller(owner: "key:\(key.name)", seesAll: isAdmin, seesOwnerless: isAdmin)
        }
        guard let bearer else {
            guard credentials != .passThrough else {
                throw unauthorized("missing_api_key", "Send the upstream server's key: 'Authorization: Bearer KEY'.")
            }
            return Caller(owner: nil)
        }
        return Caller(owner: Caller.bearerOwnerPrefix + Digest.hex(Digest.hmacSHA256(bearer.utf8, key: secret)), bearer: bearer)
    }

    private func bearer(in head: RequestHead) throws(APIError) -> String? {
        let values = head.headers.values("authorization")
        guard let value = values.first else { return nil }
        let parts = value.split(separator: " ", maxSplits: 1)
        guard values.count == 1, parts.count == 2, parts[0].lowercased() == "bearer" else {
            throw unauthorized("invalid_authorization", "The Authorization header must be 'Bearer KEY', once.")
        }
        // It goes upstream in a header of its own, so nothing that could end a header line may be in it.
        let token = parts[1].drop { $0 == " " }
        guard !token.isEmpty, token.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw unauthorized("invalid_authorization", "The key in the Authorization header must be visible ASCII without spaces.")
        }
        return String(token)
    }

    private func unauthorized(_ code: String, _ message: String) -> APIError {
        APIError(.unauthorized, code: code, message, headers: ["www-authenticate": #"Bearer realm="realtime-bridge""#])
    }
}
