/// Puts a conversation's items into the order in which they are spoken.
enum ItemChain {
    /// Each item follows the one it was put behind; of several put behind the same one, the latest is nearest to it, since that
    /// is where `conversation.item.create` inserts. Items whose predecessor is not known come last, in the order of their creation.
    static func ordered(_ items: [ItemRecord]) -> [ItemRecord] {
        let byCreation = items.sorted { $0.createdSeq < $1.createdSeq }
        let known = Set(byCreation.map(\.id))
        var followers: [String?: [Int]] = [:]
        var orphans: [Int] = []
        for (index, item) in byCreation.enumerated() {
            if let previous = item.previousItemID, !known.contains(previous) {
                orphans.append(index)
            } else {
                followers[item.previousItemID, default: []].append(index)
            }
        }
        var ordered: [ItemRecord] = []
        ordered.reserveCapacity(items.count)
        var visited = [Bool](repeating: false, count: items.count)
        func walk(from roots: [Int]) {
            // A stack, since a chain may be as deep as the conversation is long; the latest follower is on top.
            var stack = roots
            while let index = stack.popLast() {
                guard !visited[index] else { continue }
                visited[index] = true
                ordered.append(byCreation[index])
                stack += followers[byCreation[index].id] ?? []
            }
        }
        walk(from: followers[nil] ?? [])
        for orphan in orphans { walk(from: [orphan]) }
        // What is left goes round in circles.
        for index in byCreation.indices where !visited[index] { walk(from: [index]) }
        return ordered
    }
}
