import Realtime

/// Gives a new connection what the session had: its configuration, then its items, each confirmed.
///
/// A value without I/O or clock: how long it may take is its owner's to decide. The automatic answers of voice activity detection are
/// off while items are on their way, since upstream would answer a conversation that is half there. Feed it every event of the
/// connection between `session.created` and its end; nothing else may be sent meanwhile. It is in one of these states:
/// - `new`: exits by ``start()``.
/// - `configuring`: the configuration waits for its `session.updated`. Exits: `items`, `restoring`, `ended`.
/// - `items`: up to ``maximumItemsInFlight`` creates wait for their confirmation. Exits: `restoring`, `ended`.
/// - `restoring`: turn detection is being put back. Exits: `ended`.
/// - `ended`: finished or refused; nothing changes it.
///
/// What is still in a server's own buffers is not its business: see ``InputAudioLedger``.
struct Seeding: Sendable {
    /// What a new connection has been given, for `bridge.upstream.switched`.
    struct Report: Sendable, Equatable {
        /// Items that upstream confirmed.
        var replayed: Int
        /// Items that the new conversation does not hold, and why: the plan's, then those that failed, in the order they did.
        var lost: [ItemNote]
        /// Items it holds in another form, and in which, in the order of the conversation. They are counted in ``replayed`` too.
        var altered: [ItemNote]
    }

    enum Message: Sendable {
        /// Written as it is.
        case event(ClientEvent)
        /// Made into a frame by the sender, which loads the item's input if ``RehydrationPlan/Seed/usesInput`` says so: then either
        /// ``Seeding/sent(itemID:alteration:)`` or ``Seeding/inputMissing(itemID:)``. See ``Seeding/event(creating:eventID:)``.
        case item(RehydrationPlan.Seed, eventID: String)
    }

    enum Outcome: Sendable {
        /// Send these in order (there may be none) and wait for upstream.
        case going([Message])
        /// - Parameter session: the `session` object as upstream last sent it.
        case finished(Report, session: [UInt8]?)
        /// Upstream does not take the configuration; the connection is of no use. Trouble of upstream's own is no refusal: its close follows.
        case refused(RealtimeError)
    }

    /// So many creates hide the round trips of all but the longest conversations; more would hold more audio in memory at once.
    static let maximumItemsInFlight = 16

    private enum State: Equatable {
        case new, items, ended
        case configuring(eventID: String)
        case restoring(eventID: String)
    }

    private struct ItemInFlight {
        let eventID: String
        let seed: RehydrationPlan.Seed
        /// An error that named no event came, and of all items that it could mean this one was sent first.
        var doubt: RealtimeError?
    }

    private let dialect: Dialect
    private let window: Int
    private let updateName: ClientEventName
    /// The first `session.update`; nil if there is nothing to say.
    private let configuration: [UInt8]?
    /// The `session.update` that ends it; nil if turn detection was left alone.
    private let restoration: [UInt8]?
    private let echoesEventIDs: Bool
    private let firstEventID: UInt64

    private var state = State.new
    private var eventIDs: UInt64 = 0
    private var waiting: ArraySlice<RehydrationPlan.Seed>
    private var inFlight: [ItemInFlight] = []
    private var confirmed: [String] = []
    /// Items whose `conversation.item.added` came and whose `.done`, which follows it in ga, did not yet.
    private(set) var undone: Set<String> = []
    private var lost: [ItemNote]
    private var alterations: [String: String]
    /// Calls that the new conversation does not hold although the plan had them.
    private var missingCalls: Set<String> = []
    private var session: [UInt8]

    /// - Parameters:
    ///   - configuration: the `session` object that the caller's updates amount to; nil if there were none.
    ///   - created: the `session` object of this connection's `session.created`.
    ///   - echoesEventIDs: upstream's errors name the event they answer. If not, items go one at a time.
    ///   - firstEventID: a random number; the events' ids are made of it and the ones that follow.
    init(
        configuration: [UInt8]?, created: JSON, plan: RehydrationPlan, dialect: Dialect, echoesEventIDs: Bool, firstEventID: UInt64
    ) {
        self.dialect = dialect
        self.echoesEventIDs = echoesEventIDs
        self.firstEventID = firstEventID
        window = echoesEventIDs ? Self.maximumItemsInFlight : 1
        let updates = SeedingUpdates(
            configuration: configuration, created: created, dialect: dialect, silencing: !plan.seeds.isEmpty)
        self.configuration = updates.first
        restoration = updates.last
        updateName = updates.name
        waiting = plan.seeds[...]
        lost = plan.lost
        alterations = Dictionary(plan.altered.map { ($0.id, $0.why) }) { first, _ in first }
        session = Array(created.lexeme)
    }

    /// The `conversation.item.create` of a seed's item object.
    static func event(creating item: [UInt8], eventID: String) -> ClientEvent {
        ClientEvent(.conversationItemCreate, eventID: eventID, [("item", .raw(item))])
    }

    // MARK: What happens

    /// Begins. Finished at once if there is nothing to configure and no item.
    mutating func start() -> Outcome {
        precondition(state == .new, "seeding was started in the state \(state)")
        guard let configuration else { return sendItems() }
        let event = update(configuration)
        state = .configuring(eventID: event.eventID)
        return .going([.event(event)])
    }

    /// One event of the connection, in its order. Those that are none of its business change nothing.
    mutating func received(_ event: ServerEvent) -> Outcome {
        switch event.name {
        case .sessionUpdated, .transcriptionSessionUpdated:
            if let object = event.json["session"] { session = Array(object.lexeme) }
            return updated()
        case .conversationItemAdded, .conversationItemCreated:
            guard state == .items, let index = inFlight.firstIndex(where: { $0.seed.itemID == event.itemID }) else { return .going([]) }
            let item = inFlight.remove(at: index).seed.itemID
            confirmed.append(item)
            if event.name == .conversationItemAdded { undone.insert(item) }
            answered(at: index)
            return sendItems()
        case .conversationItemDone:
            if let item = event.itemID { undone.remove(item) }
            return .going([])
        case .error:
            return failed(RealtimeError(event.json["error"]))
        default:
            return .going([])
        }
    }

    /// The sender has made the item, and in which form if it was another one than it had.
    mutating func sent(itemID: String, alteration: String?) {
        alterations[itemID] = alteration
    }

    /// The sender could not make the item: ``RehydrationPlan/Seed/item(input:)`` was nil. Nothing was sent for it.
    mutating func inputMissing(itemID: String) -> Outcome {
        guard state == .items, let index = inFlight.firstIndex(where: { $0.seed.itemID == itemID }) else { return .going([]) }
        lose(at: index, why: inFlight[index].seed.whyWithoutInput)
        return sendItems()
    }

    // MARK: Inside

    private mutating func updated() -> Outcome {
        switch state {
        case .configuring: return sendItems()
        case .restoring: return finished()
        case .new, .items, .ended: return .going([])
        }
    }

    private mutating func failed(_ error: RealtimeError) -> Outcome {
        // Those that never name an event leave the member out or empty.
        let named = error.eventID.flatMap { $0.isEmpty ? nil : $0 }
        // It answers nothing: the end follows, or nothing does, and then its owner's patience ends it.
        if named == nil, error.code == "session_expired" { return .going([]) }
        switch state {
        case .configuring(let eventID), .restoring(let eventID):
            guard named == eventID || named == nil && isRefusal(error) else { return .going([]) }
            state = .ended
            return .refused(error)
        case .items:
            if let named {
                guard let index = inFlight.firstIndex(where: { $0.eventID == named }) else { return .going([]) }
                lose(at: index, why: error)
                answered(at: index)
            } else {
                guard let index = inFlight.firstIndex(where: { $0.doubt == nil }) else { return .going([]) }
                inFlight[index].doubt = error
            }
            return sendItems()
        case .new, .ended:
            return .going([])
        }
    }

    /// Whether an error that names no event refuses the update: nothing else is unanswered, so where errors never name one it can mean
    /// nothing else, unless the server is in trouble of its own, which passes.
    private func isRefusal(_ error: RealtimeError) -> Bool { !echoesEventIDs && error.type != "server_error" }

    /// Upstream answers in the order in which it is asked. So when the item that was at that place is answered, errors that named nothing
    /// meant the doubted ones that were sent before it; and where it was doubted itself, those behind it are doubted for nothing.
    private mutating func answered(at index: Int) {
        var next = 0
        for _ in 0..<index {
            if let doubt = inFlight[next].doubt { lose(at: next, why: doubt) } else { next += 1 }
        }
        for index in inFlight.indices { inFlight[index].doubt = nil }
    }

    private mutating func lose(at index: Int, why error: RealtimeError) {
        lose(at: index, why: error.code ?? ItemLoss.refused.rawValue)
    }

    private mutating func lose(at index: Int, why: String) {
        let seed = inFlight.remove(at: index).seed
        // An output that was on its way when its call was refused is refused for that, in whatever words.
        let isOrphan = seed.answersCall.map(missingCalls.contains) ?? false
        lost.append(ItemNote(id: seed.itemID, why: isOrphan ? ItemLoss.callNotCarried.rawValue : why))
        if let call = seed.makesCall { missingCalls.insert(call) }
    }

    private mutating func sendItems() -> Outcome {
        state = .items
        var messages = fillWindow()
        // With no other item on its way that an error could have meant, it is settled.
        while !inFlight.isEmpty, inFlight.allSatisfy({ $0.doubt != nil }) {
            while let doubt = inFlight.first?.doubt { lose(at: 0, why: doubt) }
            messages += fillWindow()
        }
        guard inFlight.isEmpty else { return .going(messages) }
        guard let restoration else { return finished() }
        let event = update(restoration)
        state = .restoring(eventID: event.eventID)
        return .going([.event(event)])
    }

    private mutating func fillWindow() -> [Message] {
        var messages: [Message] = []
        while inFlight.count < window, let seed = waiting.popFirst() {
            if let call = seed.answersCall, missingCalls.contains(call) {
                lost.append(ItemNote(id: seed.itemID, why: ItemLoss.callNotCarried.rawValue))
                continue
            }
            let item = ItemInFlight(eventID: newEventID(), seed: seed)
            inFlight.append(item)
            messages.append(.item(seed, eventID: item.eventID))
        }
        return messages
    }

    private mutating func finished() -> Outcome {
        state = .ended
        let altered = confirmed.compactMap { id in alterations[id].map { ItemNote(id: id, why: $0) } }
        return .finished(Report(replayed: confirmed.count, lost: lost, altered: altered), session: session)
    }

    private mutating func newEventID() -> String {
        defer { eventIDs += 1 }
        return BridgeEventID.make(random: firstEventID &+ eventIDs, callers: nil)
    }

    private mutating func update(_ session: [UInt8]) -> ClientEvent {
        ClientEvent(updateName, eventID: newEventID(), [("session", .raw(session))])
    }
}
