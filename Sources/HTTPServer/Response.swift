/// The answer to one request.
///
/// The server adds `Date`, the framing (`Content-Length` or `Transfer-Encoding`) and, where HTTP asks for it, `Connection`; nothing else.
/// Framing fields among `headers` are ignored. `Connection: close` is honoured. A field with a line break in it is left out and logged.
package struct Response: Sendable {
    /// 200 to 599.
    package var status: Int
    package var headers: HTTPHeaders
    package var body: ResponseBody

    package init(status: Int, headers: HTTPHeaders = [:], body: ResponseBody = .none) {
        self.status = status
        self.headers = headers
        self.body = body
    }
}

/// What follows a response's headers. HEAD requests and statuses without a body get the headers only.
package enum ResponseBody: Sendable {
    case none
    case bytes([UInt8])
    /// Pulled while it is sent; chunked for HTTP/1.1, ended by closing the connection for HTTP/1.0.
    case stream(any ResponseStream)
    /// Pulled likewise, its length in bytes known before: announced as `Content-Length`, also to HEAD. At least 1. A body that finishes
    /// before it has given them all cuts the connection.
    case sizedStream(any ResponseStream, bytes: Int)
}
