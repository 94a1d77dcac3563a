import HTTPServer
import Realtime

/// What a caller is told of fields that upstream was not sent, since its dialect has no counterpart for them.
enum Warnings {
    /// The member of a JSON answer; none without warnings, and at most 64 of them.
    /// - Parameter place: of the client event's member that is the request's body, or part of it: `response` where the body is a response.
    static func members(_ fields: [LeftOutField], inside place: String? = nil) -> [(String, JSONValue)] {
        guard !fields.isEmpty else { return [] }
        return [("warnings", list(fields, inside: place))]
    }

    /// The same for an answer that is no JSON.
    static func add(_ fields: [LeftOutField], inside place: String? = nil, to response: inout Response) {
        guard !fields.isEmpty else { return }
        var shown = fields.prefix(maximumFields)
        // Proxies refuse heads of more than a few kilobytes; the first ones tell what kind of thing is left out.
        while shown.count > 1, list(Array(shown), inside: place).bytes.count > maximumHeaderBytes { shown.removeLast() }
        response.headers.add("x-warnings", ascii(list(Array(shown), inside: place).bytes))
    }

    private static let maximumFields = 64
    private static let maximumHeaderBytes = 2_048
    private static let maximumNameCharacters = 128

    private static func list(_ fields: [LeftOutField], inside place: String?) -> JSONValue {
        .array(
            fields.prefix(maximumFields).map { field in
                let prefix = place.map { "\($0)." } ?? ""
                let path = field.param.hasPrefix(prefix) ? field.param.dropFirst(prefix.count) : field.param[...]
                let param = String(path.prefix(maximumNameCharacters))
                return ["param": .string(param), "message": .string(field.message(naming: param))]
            })
    }

    /// Names of fields can be anything that a caller writes.
    private static func ascii(_ bytes: [UInt8]) -> String {
        String(decoding: bytes.map { (0x20..<0x7F).contains($0) ? $0 : UInt8(ascii: "?") }, as: UTF8.self)
    }
}
