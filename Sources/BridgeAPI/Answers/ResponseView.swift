import Realtime
import Sessions

/// A response object for clients: upstream's own, with all its words together added as `output_text`.
enum ResponseView {
    /// - Parameters:
    ///   - object: as upstream spelt it.
    ///   - more: members of the bridge's.
    ///   - words: where they are not in the object.
    static func value(
        _ object: [UInt8], in view: DialectView, _ more: [(String, JSONValue)] = [], words: String? = nil
    ) -> JSONValue {
        let shown = view.response(object)
        guard let response = try? JSON.parse(shown, maximumDepth: 256, refusingDuplicates: false), response.kind == .object else {
            return .raw(shown)
        }
        var splice = JSONSplice(response)
        for (name, value) in more { splice.set(name, of: response, to: value.bytes) }
        splice.set("output_text", of: response, to: JSONValue.string(words ?? self.words(of: response)).bytes)
        return .raw(splice.bytes)
    }

    /// Text and transcripts of all content parts, in their order; both spellings of the protocol keep them in these fields.
    static func words(of response: JSON) -> String {
        var words = ""
        for item in response["output"]?.elements ?? [] {
            for part in item["content"]?.elements ?? [] {
                words += part["text"]?.string ?? part["transcript"]?.string ?? ""
            }
        }
        return words
    }

    /// Whether the bridge has ended it, since upstream could not any more.
    static func isLost(_ response: JSON) -> Bool {
        response["status"]?.string == "failed"
            && response["status_details"]?["error"]?["code"]?.string == SessionError.Code.upstreamLost.rawValue
    }

    /// Ids of the output items that say something aloud.
    static func spokenItems(of response: JSON) -> [String] {
        (response["output"]?.elements ?? []).compactMap { item in
            let isSpoken = item["content"]?.elements.contains { ["audio", "output_audio"].contains($0["type"]?.string) } ?? false
            return isSpoken ? item["id"]?.string : nil
        }
    }
}
