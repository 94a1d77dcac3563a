extension Response {
    /// What the server itself answers where no handler does, in the shape that API clients know.
    ///
    /// - Parameter message: plain ASCII without quotes or backslashes.
    static func ownRefusal(status: Int, code: String, message: String, closes: Bool = false) -> Response {
        let json = """
            {"error":{"message":"\(message)","type":"invalid_request_error","code":"\(code)","param":null,"event_id":null}}

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

    static let shuttingDown = ownRefusal(
        status: 503, code: "shutting_down", message: "The server is shutting down.", closes: true)

    static let uploadTimedOut = ownRefusal(
        status: 408, code: "request_timeout", message: "The request body stopped arriving.", closes: true)
}
