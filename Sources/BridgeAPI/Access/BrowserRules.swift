import HTTPServer

/// Keeps pages of other sites away from a bridge that trusts whoever reaches it: `Host` against DNS rebinding, `Origin` and
/// `Sec-Fetch-Site` against cross-site requests, CORS for the origins that are allowed (API.md section 6).
struct BrowserRules: Sendable {
    let allowedHosts: [String]
    let listenHosts: [String]
    let corsOrigins: [String]
    /// With keys, `Host` is checked only against hosts that were named.
    let hasKeys: Bool

    private static let loopbackHosts = ["localhost", "127.0.0.1", "[::1]"]
    private static let allowedHeaders =
        "authorization, content-type, idempotency-key, if-range, last-event-id, openai-beta, prefer, range, x-request-id"
    private static let exposedHeaders = "location, retry-after, x-request-id, idempotent-replayed, accept-ranges, content-range, etag"

    /// - Throws: 403.
    func check(_ head: RequestHead) throws(APIError) {
        if case .unix = head.listener { return }
        try checkHost(head)
        try checkOrigin(head)
    }

    /// What a page of an allowed origin needs to read an answer, errors included.
    func headers(for head: RequestHead) -> [(name: String, value: String)] {
        guard !corsOrigins.isEmpty else { return [] }
        guard let origin = head.headers["origin"], isAllowed(origin: origin) else { return [("vary", "origin")] }
        return [
            ("access-control-allow-origin", origin), ("access-control-expose-headers", Self.exposedHeaders), ("vary", "origin"),
        ]
    }

    /// The Fetch standard's preflight: an OPTIONS request that says which method it is for.
    func preflightHeaders(for head: RequestHead, allow: String) -> [(name: String, value: String)] {
        guard head.headers["access-control-request-method"] != nil, let origin = head.headers["origin"], isAllowed(origin: origin) else {
            return []
        }
        return [
            ("access-control-allow-methods", allow), ("access-control-allow-headers", Self.allowedHeaders),
            ("access-control-max-age", "600"),
        ]
    }

    private func checkHost(_ head: RequestHead) throws(APIError) {
        let hosts = head.headers.values("host")
        guard hosts.count <= 1 else { throw APIError(.forbidden, code: "host_not_allowed", "There is more than one Host header.") }
        guard !hasKeys || !allowedHosts.isEmpty else { return }
        let name = Self.name(ofHost: hosts.first ?? "")
        let allowed = allowedHosts + (hasKeys ? [] : Self.loopbackHosts + listenHosts)
        guard allowed.contains(where: { Self.name(ofHost: $0) == name }) else {
            throw APIError(
                .forbidden, code: "host_not_allowed",
                "The Host header names a host that this bridge does not answer for; allow it with --allowed-host.")
        }
    }

    private func checkOrigin(_ head: RequestHead) throws(APIError) {
        let origins = head.headers.values("origin")
        guard let origin = origins.first else {
            guard head.headers["sec-fetch-site"]?.lowercased() != "cross-site" else {
                throw APIError(.forbidden, code: "origin_not_allowed", "Requests of other sites' pages are refused.")
            }
            return
        }
        guard origins.count == 1, isAllowed(origin: origin) || isSameOrigin(origin, head) else {
            throw APIError(
                .forbidden, code: "origin_not_allowed",
                "Pages of this Origin may not use this bridge; allow it with --cors-origin.")
        }
    }

    /// `null` is what sandboxed frames and files send, so nobody can be allowed by it.
    private func isAllowed(origin: String) -> Bool {
        let origin = origin.lowercased()
        return origin != "null" && corsOrigins.contains { $0 == "*" || $0.lowercased() == origin }
    }

    /// The host was found to be allowed before. `https` is a page behind a proxy that ends TLS.
    private func isSameOrigin(_ origin: String, _ head: RequestHead) -> Bool {
        guard let host = head.headers["host"]?.lowercased(), !host.isEmpty else { return false }
        return ["http://\(host)", "https://\(host)"].contains(origin.lowercased())
    }

    /// Without its port, in lower case; IPv6 addresses in their brackets.
    private static func name(ofHost host: String) -> String {
        let host = host.lowercased()
        if host.hasPrefix("[") { return String(host.prefix { $0 != "]" }) + "]" }
        let parts = host.split(separator: ":", omittingEmptySubsequences: false)
        return parts.count > 2 ? "[\(host)]" : String(parts.first ?? "")
    }
}
