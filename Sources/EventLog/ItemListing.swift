/// The order of a conversation's items, kept up while items are added: what follows an item is found without ordering all of them again.
struct ItemListing: Sendable {
    private var first: String?
    private(set) var last: String?
    private var followers: [String: String] = [:]
    /// Ids that items were put behind and that are no item's yet.
    private var awaited: Set<String> = []

    /// The order of ``ItemChain``.
    init(_ items: [ItemRecord]) {
        let ordered = ItemChain.ordered(items)
        first = ordered.first?.id
        last = ordered.last?.id
        for (item, next) in zip(ordered, ordered.dropFirst()) { followers[item.id] = next.id }
        let known = Set(ordered.map(\.id))
        awaited = Set(ordered.compactMap(\.previousItemID)).subtracting(known)
    }

    /// What stands right behind an item, or first; nil if nothing does.
    func follower(of id: String?) -> String? {
        guard let id else { return first }
        return followers[id]
    }

    /// Puts in the latest item. False if that moves others or its place is not known; then the listing has to be made anew.
    mutating func insert(_ id: String, behind previous: String?) -> Bool {
        guard !awaited.contains(id) else { return false }
        guard let previous else {
            followers[id] = first
            first = id
            if last == nil { last = id }
            return true
        }
        guard previous == last || followers[previous] != nil else { return false }
        followers[id] = followers[previous]
        followers[previous] = id
        if previous == last { last = id }
        return true
    }
}
