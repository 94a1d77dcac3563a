import HTTPServer
import Realtime

/// What a caller is told of fields that upstream was not sent, since its dialect has no counterpart for them.
enum Warnings {
    /// The member of a JSON answer; none without warnings.
    /// - Parameter place: of the client event's member that is the request's body, or part of it: `response` where the body is a response.
    static func members(_ fields: [LeftOutField], inside place: String? = nil) -> [(String, JSONValue)] {
        guard !fields.isEmpty else { return [] }
        return [("warnings", list(fields, inside: place))]
    }

    /// The same for an answer that is no JSON.
    static func add(_ fields: [LeftOutField], inside place: String? = nil, to response: inout Response) {
        guard !fields.isEmpty else { return }
        response.headers.add("x-warnings", ascii(list(fields, inside: place).bytes))
    }

    private static func list(_ fields: [LeftOutField], inside place: String?) -> JSONValue {
        .array(
            fields.map { field in
                let prefix = place.map { "\($0)." } ?? ""
                let param = field.param.hasPrefix(prefix) ? String(field.param.dropFirst(prefix.count)) : field.param
                return ["param": .string(param), "message": .string(field.message(naming: param))]
            })
    }

    /// Names of fields are known and plain, but a header must not hang on it.
    private static func ascii(_ bytes: [UInt8]) -> String {
        String(decoding: bytes.map { (0x20..<0x7F).contains($0) ? $0 : UInt8(ascii: "?") }, as: UTF8.self)
    }
}
