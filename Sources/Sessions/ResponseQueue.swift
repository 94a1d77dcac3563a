/// What becomes of a response that is asked for while the conversation has one (API.md section 4, "Responses").
package enum IfActive: String, CaseIterable, Sendable {
    /// It is refused.
    case reject
    /// It waits for its turn.
    case queue
    /// The one that runs is cancelled, and it goes before those that queue.
    case interrupt
}

/// A response that is to be asked for, with the item that it is to answer.
///
/// Its commands are sent one after the other, when the conversation has no response; no other planned response goes between them.
struct PlannedResponse: Equatable, Sendable {
    let create: Command
    /// Added before. Goes with ``removal``.
    var item: Command? = nil
    /// Takes the item out again if the response is refused. Answered in any case: `accepted` if there was nothing to take out.
    var removal: Command? = nil
    let ifActive: IfActive
    /// The conversation has the item.
    var isItemAdded = false
    /// How often upstream has named a running response that it had not told of.
    var unfoundedRefusals = 0

    var id: CommandID { create.id }
    var itemID: String? { if case .itemCreate(let id)? = item?.kind { id } else { nil } }
    var interrupts: Bool { ifActive == .interrupt }
}

/// The planned responses of one session: those that wait for their turn, and the one whose turn it is.
struct ResponseQueue: Sendable {
    /// Beside the one whose turn it is.
    static let maximumWaiting = 16

    /// First those that interrupt.
    private(set) var waiting: [PlannedResponse] = []
    /// Its item is on its way; nobody else's turn can come.
    private(set) var adding: PlannedResponse?
    /// Their creation is on its way, or abandoned.
    private var asked: [CommandID: PlannedResponse] = [:]
    /// The response that was cancelled for one that interrupts; upstream is told once.
    var cancelled: String?
    /// The first may not be asked for before then, since upstream refused it for a response that nobody knows of; in milliseconds.
    var retryAt: Int?

    /// Nothing waits for its turn or takes it.
    var isEmpty: Bool { waiting.isEmpty && adding == nil }
    var isFull: Bool { waiting.count >= Self.maximumWaiting }

    mutating func append(_ planned: PlannedResponse) {
        insertBehind(planned) { !planned.interrupts || $0.interrupts }
    }

    /// Upstream could not begin it: it is the first again, of its kind.
    mutating func putBack(_ planned: PlannedResponse) {
        insertBehind(planned) { $0.interrupts && !planned.interrupts }
    }

    private mutating func insertBehind(_ planned: PlannedResponse, _ goesFirst: (PlannedResponse) -> Bool) {
        waiting.insert(planned, at: waiting.firstIndex { !goesFirst($0) } ?? waiting.count)
    }

    enum Step: Equatable {
        case add(item: Command)
        case ask(create: Command)
    }

    /// The turn of the first has come.
    mutating func begin() -> Step {
        let planned = waiting.removeFirst()
        guard let item = planned.item, !planned.isItemAdded else {
            asked[planned.id] = planned
            return .ask(create: planned.create)
        }
        adding = planned
        return .add(item: item)
    }

    /// Its creation follows next, before anybody's who came meanwhile.
    mutating func itemAdded() {
        guard var planned = adding else { return }
        adding = nil
        planned.isItemAdded = true
        waiting.insert(planned, at: 0)
    }

    /// The one whose item that command adds, no longer among these.
    mutating func removeAdding(item: CommandID) -> PlannedResponse? {
        guard let planned = adding, planned.item?.id == item else { return nil }
        adding = nil
        return planned
    }

    /// The one that was asked for by that command, no longer among these.
    mutating func removeAsked(_ id: CommandID) -> PlannedResponse? { asked.removeValue(forKey: id) }

    mutating func removeWaiting(_ id: CommandID) -> PlannedResponse? {
        waiting.firstIndex { $0.id == id }.map { waiting.remove(at: $0) }
    }

    mutating func removeAllWaiting() -> [PlannedResponse] {
        defer { waiting = [] }
        return waiting
    }

    /// It has not been asked for: it waits, or its item is on its way.
    func holds(_ id: CommandID) -> Bool { adding?.id == id || waiting.contains { $0.id == id } }
}
