/// The items of a session in their order.
struct Conversation: Sendable {
    /// Far above what a context window holds; bounds what one socket can make the simulator keep.
    static let maximumItems = 10_000
    static let maximumAudioBytes = 64 << 20

    let id: String
    private(set) var items: [ConversationItem] = []
    private(set) var hasAssistantAudio = false
    private var audioBytes = 0
    private var ids: Set<String> = []
    private(set) var callIDs: Set<String> = []

    init(id: String) {
        self.id = id
    }

    enum Place: Equatable {
        case end, start
        case after(String)
    }

    func contains(_ id: String) -> Bool { ids.contains(id) }

    /// Positions are looked up from the end: recent items are what clients name.
    func position(of id: String) -> Int? { ids.contains(id) ? items.lastIndex { $0.id == id } : nil }

    func item(_ id: String) -> ConversationItem? { position(of: id).map { items[$0] } }

    var lastID: String? { items.last?.id }

    /// Puts a new item in and returns the id of the one it follows. `place` must exist.
    mutating func insert(_ item: ConversationItem, _ place: Place = .end) -> String? {
        let position =
            switch place {
            case .end: items.count
            case .start: 0
            case .after(let id): self.position(of: id).map { $0 + 1 } ?? items.count
            }
        items.insert(item, at: position)
        ids.insert(item.id)
        if case .call(let callID, _, _) = item.kind { callIDs.insert(callID) }
        hasAssistantAudio = hasAssistantAudio || item.hasAssistantAudio
        audioBytes += item.audioByteCount
        boundAudio()
        return position == 0 ? nil : items[position - 1].id
    }

    /// Replaces the item with the same id; does nothing if it was deleted meanwhile.
    mutating func replace(_ item: ConversationItem) {
        guard let position = position(of: item.id) else { return }
        items[position] = item
        hasAssistantAudio = hasAssistantAudio || item.hasAssistantAudio
        if case .call(let callID, _, _) = item.kind { callIDs.insert(callID) }
    }

    mutating func remove(_ id: String) -> Bool {
        guard let position = position(of: id) else { return false }
        let item = items.remove(at: position)
        ids.remove(id)
        audioBytes -= item.audioByteCount
        if case .call(let callID, _, _) = item.kind { callIDs.remove(callID) }
        return true
    }

    func previousID(of id: String) -> String? {
        guard let position = position(of: id), position > 0 else { return nil }
        return items[position - 1].id
    }

    /// The oldest recordings lose their bytes first.
    private mutating func boundAudio() {
        var index = 0
        while audioBytes > Self.maximumAudioBytes, index < items.count {
            audioBytes -= items[index].audioByteCount
            items[index].dropAudioBytes()
            index += 1
        }
    }
}
