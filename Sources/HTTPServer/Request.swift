/// One request: its head, and its body as it arrives.
package struct Request: Sendable {
    package let head: RequestHead
    package let body: RequestBody
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
}
