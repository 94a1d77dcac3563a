/// Whether an upstream conversation is the one that the bridge shows.
enum ConversationCheck {
    /// - Parameters:
    ///   - bridge: from `GET …/items`, all pages.
    ///   - lost: ids that the last `bridge.upstream.switched` named in `items_lost`.
    ///   - cut: items that were truncated, and their words before that. Where they were cut each side guesses for itself.
    /// - Returns: what differs, in words; nothing if nothing does.
    static func differences(
        upstream: UpstreamRecord.Connection, bridge: [RecordedItem], lost: Set<String>, cut: [String: String] = [:]
    ) -> [String] {
        var differences: [String] = []
        let expected = bridge.filter { !lost.contains($0.id ?? "") }
        let there = upstream.items.map { $0.id ?? "?" }
        let shown = expected.map { $0.id ?? "?" }
        for id in there where lost.contains(id) { differences.append("\(id) is said to be lost, and is there") }
        for id in shown where !there.contains(id) { differences.append("\(id) is not upstream: \(text(of: id, in: bridge))") }
        for id in there where !shown.contains(id) && !lost.contains(id) {
            differences.append("\(id) is upstream, and the bridge does not show it: \(text(of: id, in: upstream.items))")
        }
        let common = Set(there).intersection(shown)
        let orders = (there.filter(common.contains), shown.filter(common.contains))
        if orders.0 != orders.1, let place = zip(orders.0, orders.1).enumerated().first(where: { $1.0 != $1.1 }) {
            differences.append("at \(place.offset) of what both have: \(place.element.0) upstream, \(place.element.1) at the bridge")
        }
        for item in expected {
            guard let id = item.id, let other = upstream.items.first(where: { $0.id == id }) else { continue }
            differences += self.differences(
                id, upstream: other, bridge: item, isTruncatedThere: upstream.truncated.contains(id), whole: cut[id])
        }
        return differences
    }

    private static func text(of id: String, in items: [RecordedItem]) -> String {
        items.first { $0.id == id }.map { "\($0.type) \($0.role ?? "") \($0.status ?? ""): \(words($0).prefix(60))" } ?? "?"
    }

    private static func words(_ item: RecordedItem) -> String {
        (item.content ?? []).map { $0.words ?? "[\($0.type)]" }.joined(separator: "|")
    }

    private static func differences(
        _ id: String, upstream: RecordedItem, bridge: RecordedItem, isTruncatedThere: Bool, whole: String?
    ) -> [String] {
        var differences: [String] = []
        func compare(_ name: String, _ there: String?, _ shown: String?) {
            guard there != shown else { return }
            differences.append("\(id): \(name) is \(there ?? "nothing") upstream, \(shown ?? "nothing") at the bridge")
        }
        compare("type", upstream.type, bridge.type)
        compare("role", upstream.role, bridge.role)
        compare("call_id", upstream.callID, bridge.callID)
        compare("name", upstream.name, bridge.name)
        compare("arguments", upstream.arguments, bridge.arguments)
        compare("output", upstream.output, bridge.output)
        let (there, shown) = (upstream.content ?? [], bridge.content ?? [])
        guard there.count == shown.count else {
            return differences + ["\(id): \(there.count) parts upstream, \(shown.count) at the bridge"]
        }
        for (index, (there, shown)) in zip(there, shown).enumerated() {
            // The frame that tells of the cut does not tell which words are left.
            if isTruncatedThere { continue }
            if let whole {
                let words = there.words ?? ""
                if !whole.hasPrefix(words) || words.count >= whole.count {
                    differences.append("\(id): was cut from '\(whole)', and upstream holds '\(words)'")
                }
                continue
            }
            // The caller's sound without a transcript has no words to compare, but must still be sound.
            if shown.isInputAudio, shown.words == nil { compare("part \(index)", there.type, shown.type) }
            compare("part \(index)'s words", there.words, shown.words)
            compare("part \(index)'s image", there.imageURL, shown.imageURL)
        }
        return differences
    }
}
