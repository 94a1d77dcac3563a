import EventLog

/// The history of another session that a new one begins with.
struct SessionOrigin: Sendable {
    let session: String
    let plan: RehydrationPlan
    /// What is still being produced there.
    let unfinished: [ItemNote]
    /// Bytes stored there of what callers gave for items, by item.
    let inputs: [String: Int]
}

extension StoredSession {
    /// The conversation up to and with an item, or all of it; without what is still being produced.
    func conversation(upTo item: String?) -> [ItemRecord] {
        items(upTo: item).filter { !isUnfinished($0) }
    }

    func unfinished(upTo item: String?) -> [String] {
        items(upTo: item).filter(isUnfinished).map(\.id)
    }

    private func items(upTo item: String?) -> [ItemRecord] {
        let items = items.filter { !$0.isDeleted }
        guard let item, let last = items.firstIndex(where: { $0.id == item }) else { return items }
        return Array(items[...last])
    }

    private func isUnfinished(_ item: ItemRecord) -> Bool {
        responses.contains { $0.doneSeq == nil && $0.id == item.responseID }
    }
}
