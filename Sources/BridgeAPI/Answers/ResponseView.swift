import Realtime

/// A response object for clients: upstream's own, with all its words together added as `output_text`.
enum ResponseView {
    /// - Parameter object: as upstream spelt it.
    static func value(_ object: [UInt8]) -> JSONValue {
        let native = NativeView.response(object)
        guard let response = try? JSON.parse(native, maximumDepth: 256), response.kind == .object else { return .raw(native) }
        var splice = JSONSplice(response)
        splice.set("output_text", of: response, to: JSONValue.string(words(of: response)).bytes)
        return .raw(splice.bytes)
    }

    /// Text and transcripts of all content parts, in their order; both spellings of the protocol keep them in these fields.
    private static func words(of response: JSON) -> String {
        var words = ""
        for item in response["output"]?.elements ?? [] {
            for part in item["content"]?.elements ?? [] {
                words += part["text"]?.string ?? part["transcript"]?.string ?? ""
            }
        }
        return words
    }
}
