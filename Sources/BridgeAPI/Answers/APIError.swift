import HTTPServer
import Realtime

/// A refusal in the shape of OpenAI's REST API, with its HTTP status.
struct APIError: Error, Sendable, Equatable {
    enum Status: Int, Sendable, CaseIterable {
        case badRequest = 400
        case unauthorized = 401
        case forbidden = 403
        case notFound = 404
        case methodNotAllowed = 405
        case requestTimeout = 408
        case conflict = 409
        case gone = 410
        case preconditionFailed = 412
        case payloadTooLarge = 413
        case unsupportedMediaType = 415
        case rangeNotSatisfiable = 416
        case unprocessable = 422
        case tooManyRequests = 429
        case internalError = 500
        case badGateway = 502
        case serviceUnavailable = 503
        case gatewayTimeout = 504
    }

    /// What OpenAI's SDKs do with an error: they repeat 409, 429 and 5xx unless told otherwise, and a repeated response is paid twice.
    enum Retry: Equatable, Sendable {
        case unsaid
        case never
        /// Nothing was sent upstream.
        case after(seconds: Int)
    }

    var status: Status
    var type: String
    var code: String
    var message: String
    var param: String?
    /// The client event it is about, with the caller's own id where one was given.
    var eventID: String?
    /// Of an upload that went wrong: how much of it upstream had been sent by then.
    var appendedBytes: Int?
    /// The item that it was committed as, if it was.
    var itemID: String?
    var retry: Retry
    var headers: [String: String]

    init(
        _ status: Status, type: String? = nil, code: String, _ message: String, param: String? = nil, eventID: String? = nil,
        retry: Retry = .unsaid, headers: [String: String] = [:]
    ) {
        self.status = status
        self.type = type ?? status.type
        self.code = code
        self.message = message
        self.param = param
        self.eventID = eventID
        self.retry = retry
        self.headers = headers
    }

    /// The inner object, as receipts carry it.
    var object: JSONValue {
        .object(
            [
                ("message", .string(message)), ("type", .string(type)), ("code", .string(code)), ("param", .string(orNull: param)),
                ("event_id", .string(orNull: eventID)),
            ] + (appendedBytes.map { [("appended_bytes", .int($0))] } ?? []) + (itemID.map { [("item_id", .string($0))] } ?? []))
    }

    var response: Response {
        var response = Response.json(["error": object], status: status.rawValue)
        for (name, value) in headers.sorted(by: { $0.key < $1.key }) { response.headers.add(name, value) }
        switch retry {
        case .unsaid: break
        case .never: response.headers.add("x-should-retry", "false")
        case .after(let seconds):
            response.headers.add("x-should-retry", "true")
            response.headers.add("retry-after", String(seconds))
        }
        return response
    }
}

extension APIError.Status {
    fileprivate var type: String {
        switch self {
        case .badRequest, .unauthorized, .notFound, .methodNotAllowed, .requestTimeout, .conflict, .gone, .preconditionFailed,
            .payloadTooLarge, .unsupportedMediaType, .rangeNotSatisfiable, .unprocessable:
            "invalid_request_error"
        case .forbidden: "permission_error"
        case .tooManyRequests: "rate_limit_error"
        case .internalError, .badGateway, .serviceUnavailable, .gatewayTimeout: "server_error"
        }
    }
}

extension Response {
    static func json(_ value: JSONValue, status: Int = 200) -> Response {
        var bytes = value.bytes
        // A terminal shows its prompt on a line of its own.
        bytes.append(UInt8(ascii: "\n"))
        return Response(
            status: status, headers: ["content-type": "application/json", "cache-control": "no-store"], body: .bytes(bytes))
    }
}
