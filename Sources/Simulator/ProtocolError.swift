import Realtime

/// What an `error` frame says. It ends nothing by itself.
struct ProtocolError: Error, Equatable, Sendable {
    var type = "invalid_request_error"
    var code: String?
    var message: String
    var param: String?

    static func invalidValue(_ param: String, _ message: String) -> ProtocolError {
        ProtocolError(code: "invalid_value", message: message, param: param)
    }

    static func invalidValue(_ param: String, _ value: String, supported: [String]) -> ProtocolError {
        let list = supported.map { "'\($0)'" }
        let text = list.count > 1 ? list.dropLast().joined(separator: ", ") + " and " + list[list.count - 1] : list.joined()
        return .invalidValue(param, "Invalid value: '\(value.prefix(128))'. Supported values are: \(text).")
    }

    static func wrongKind(_ param: String, expected: String, found: JSON.Kind) -> ProtocolError {
        let name =
            switch found {
            case .object: "an object"
            case .array: "an array"
            case .string: "a string"
            case .number: "a number"
            case .true, .false: "a boolean"
            case .null: "null"
            }
        return .invalidValue(param, "Invalid type for '\(param)': expected \(expected), but got \(name) instead.")
    }

    static func unknownParameter(_ param: String) -> ProtocolError {
        ProtocolError(code: "unknown_parameter", message: "Unknown parameter: '\(param)'.", param: param)
    }

    static func missing(_ param: String) -> ProtocolError {
        ProtocolError(code: "missing_required_parameter", message: "Missing required parameter: '\(param)'.", param: param)
    }

    static func tooLong(_ param: String, maximum: Int) -> ProtocolError {
        ProtocolError(
            code: "string_above_max_length",
            message: "Invalid '\(param)': string too long. Expected a string with maximum length \(maximum).", param: param)
    }

    static let serverError = ProtocolError(
        type: "server_error", code: nil, message: "The server had an error while processing your request.", param: nil)

    func frame(eventID: String, clientEventID: String?) -> JSONValue {
        .object([
            ("type", "error"), ("event_id", .string(eventID)),
            (
                "error",
                .object([
                    ("type", .string(type)), ("code", .string(orNull: code)), ("message", .string(message)),
                    ("param", .string(orNull: param)), ("event_id", .string(orNull: clientEventID)),
                ])
            ),
        ])
    }
}
