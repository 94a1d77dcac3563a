/// How a conversation item is spelt in the two dialects: they differ in the content of the assistant's messages, `text` and `audio` in
/// beta, `output_text` and `output_audio` in ga.
enum ItemSpelling {
    /// Spells an item in a dialect, from the other one.
    static func respell(_ item: JSON, in dialect: Dialect, with splice: inout JSONSplice) {
        // The caller's own texts have other names; a reference has no role.
        if dialect == .ga, let role = item["role"]?.string, role != "assistant" { return }
        for part in item["content"]?.elements ?? [] { respell(part: part, in: dialect, with: &splice) }
    }

    /// A content part that stands alone says `text` or `audio` in both; servers that say otherwise in ga are understood.
    static func respell(part: JSON, in dialect: Dialect, with splice: inout JSONSplice) {
        guard let type = part["type"], let other = other(type.string, in: dialect) else { return }
        splice.replace(type, with: JSONValue.string(other).bytes)
    }

    private static func other(_ type: String?, in dialect: Dialect) -> String? {
        switch (dialect, type) {
        case (.beta, "output_text"): "text"
        case (.beta, "output_audio"): "audio"
        case (.ga, "text"): "output_text"
        case (.ga, "audio"): "output_audio"
        default: nil
        }
    }
}
