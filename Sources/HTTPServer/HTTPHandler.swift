/// What answers a server's requests.
package protocol HTTPHandler: Sendable {
    /// A refusal that the head alone decides (401, 404, 405, 413, 415). On a server thread: must not block.
    ///
    /// A client that waits (`Expect: 100-continue`) is answered in place of its body, and the connection closed. Else the body is dropped first
    /// and the connection lives on, if it ends within `drainLimitBytes` and `drainTime`. ``respond(to:)`` is not called then.
    func refusal(of head: RequestHead) -> Response?

    /// The answer. Starts when the head is complete and the body may still be arriving; its task is cancelled when the client is known to
    /// have gone or the server ends it, and its response is then released unsent.
    ///
    /// A client that waits is told to send its body when it is first asked for here, and else answered in place of it. An answer before the
    /// body's end is as a refusal is.
    /// While the server waits for it a client that goes away is not noticed.
    func respond(to request: Request) async -> Response

    /// Called when an answer's first byte is about to leave, the server's own refusals of parsed heads included. On a server thread: must
    /// not block. Requests that libmicrohttpd refuses as malformed, and those that end without an answer, are not reported.
    func answered(_ head: RequestHead, status: Int)
}
