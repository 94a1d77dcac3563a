/// One request: its head, and its body as it arrives.
package struct Request: Sendable {
    package let head: RequestHead
    package let body: RequestBody

    /// For handlers that are called without a server.
    package init(head: RequestHead, body: RequestBody) {
        self.head = head
        self.body = body
    }
}

/// What a request says before its body.
package struct RequestHead: Sendable {
    /// As sent; methods are case-sensitive.
    package let method: String
    /// The request target as sent: `/a%20b?c=d`.
    package let target: String
    /// The target's path as sent, before `?`; `*` for `OPTIONS *`.
    package let path: String
    /// The path's segments, each percent-decoded, so that an encoded slash does not split one. `/` has none; a trailing slash gives a last
    /// one that is empty.
    package let segments: [String]
    /// The query's pairs in order, decoded, `+` as a space; a name without `=` has an empty value.
    package let query: [(name: String, value: String)]
    package let headers: HTTPHeaders
    package let isHTTP10: Bool
    /// The client's numeric address without its port; nil on Unix sockets.
    package let remoteAddress: String?
    /// The listener it came in by, with its bound port.
    package let listener: ListenAddress
    /// The announced length in bytes; nil without one and for chunked bodies.
    package let contentLength: Int?
    /// Whether a body follows: a `Content-Length` above 0, or chunked coding.
    package let hasBody: Bool

    /// The client sends its body only when told to (RFC 9110 section 10.1.1; HTTP/1.0 has no such thing).
    var clientWaits: Bool { hasBody && !isHTTP10 && headers["expect"]?.equalsIgnoringASCIICase("100-continue") ?? false }
}

extension RequestHead {
    /// A head as the server would make it of these, for handlers that are called without one. Nil where the server answers 400 itself.
    package init?(
        method: String, target: String, headers: HTTPHeaders = [:], isHTTP10: Bool = false, remoteAddress: String? = nil,
        listener: ListenAddress
    ) {
        guard let parsed = try? RequestTarget(parsing: target),
            let framing = try? RequestFraming(headers: headers, isHTTP10: isHTTP10, authority: parsed.authority)
        else { return nil }
        self.init(
            method: method, target: target, path: parsed.path, segments: parsed.segments, query: parsed.query.map { ($0.name, $0.value) },
            headers: headers.trimmed, isHTTP10: isHTTP10, remoteAddress: remoteAddress, listener: listener,
            contentLength: framing.contentLength, hasBody: framing.hasBody)
    }
}
