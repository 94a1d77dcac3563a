import EventLog

/// The history of another session that a new one begins with.
struct SessionOrigin: Sendable {
    let session: String
    let plan: RehydrationPlan
    /// Bytes stored there of what callers gave for items, by item.
    let inputs: [String: Int]
}

extension StoredSession {
    /// The conversation up to and with an item, or all of it; without what is still being produced.
    func conversation(upTo item: String?) -> [ItemRecord] {
        var items = items.filter { !$0.isDeleted }
        if let item, let last = items.firstIndex(where: { $0.id == item }) { items.removeSubrange((last + 1)...) }
        let running = Set(responses.filter { $0.doneSeq == nil }.map(\.id))
        return items.filter { $0.responseID.map { !running.contains($0) } ?? true }
    }
}
