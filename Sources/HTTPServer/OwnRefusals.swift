extension Response {
    /// What the server itself answers where no handler does, in the shape that API clients know.
    ///
    /// - Parameter message: plain ASCII without quotes or backslashes.
    static func ownRefusal(
        status: Int, type: String = "invalid_request_error", code: String, message: String, closes: Bool = false
    ) -> Response {
        let json = """
            {"error":{"message":"\(message)","type":"\(type)","code":"\(code)","param":null,"event_id":null}}

            """
        var headers: HTTPHeaders = ["content-type": "application/json"]
        if closes { headers.add("connection", "close") }
        return Response(status: status, headers: headers, body: .bytes(Array(json.utf8)))
    }

    static func badRequest(_ message: String) -> Response {
        ownRefusal(status: 400, code: "bad_request", message: message)
    }

    static func headTooLarge(limitBytes: Int) -> Response {
        ownRefusal(status: 431, code: "header_fields_too_large", message: "The request head is larger than \(limitBytes) bytes.")
    }

    /// For a request whose handler had begun. How far it came nobody knows, so clients must not repeat the request by themselves.
    static func shuttingDown(_ head: RequestHead) -> Response {
        var response = ownRefusal(
            status: 503, type: "server_error", code: "shutting_down",
            message: "The server is shutting down; what became of the request is not known.", closes: true)
        response.headers.add("x-should-retry", "false")
        return response.called(head)
    }

    /// With the request's id.
    func called(_ head: RequestHead) -> Response {
        var response = self
        response.headers.add("x-request-id", RequestID.of(head))
        return response
    }

    static let uploadTimedOut = ownRefusal(
        status: 408, code: "request_timeout", message: "The request body stopped arriving.", closes: true)
}
