/// What answers a server's requests.
package protocol HTTPHandler: Sendable {
    /// A refusal that the head alone decides (401, 404, 405, 413, 415). On a server thread: must not block.
    ///
    /// With `Expect: 100-continue` or more than 64 KiB announced it is answered before the body and the connection closed; else the body
    /// is dropped first and the connection lives on. ``respond(to:)`` is not called then.
    func refusal(of head: RequestHead) -> Response?

    /// The answer. Starts when the head is complete and the body may still be arriving; its task is cancelled when the client is known to
    /// have gone or the server ends it, and its response is then released unsent.
    ///
    /// While the server waits for it a client that goes away is not noticed.
    func respond(to request: Request) async -> Response

    /// Called when an answer's first byte is about to leave, the server's own refusals of parsed heads included. On a server thread: must
    /// not block. Requests that libmicrohttpd refuses as malformed, and those that end without an answer, are not reported.
    func answered(_ head: RequestHead, status: Int)
}
