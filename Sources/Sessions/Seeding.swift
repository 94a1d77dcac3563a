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
        /// Upstream does not take the configuration; the connection is of no use.
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
            confirmed.append(inFlight.remove(at: index).seed.itemID)
            return sendItems()
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
        switch state {
        case .configuring(let eventID), .restoring(let eventID):
            // Nothing else is unanswered, so an error that names nothing can only mean this.
            guard error.eventID == eventID || error.eventID == nil else { return .going([]) }
            state = .ended
            return .refused(error)
        case .items:
            let index =
                error.eventID.map { id in inFlight.firstIndex { $0.eventID == id } } ?? (echoesEventIDs ? nil : inFlight.indices.first)
            guard let index else { return .going([]) }
            lose(at: index, why: error.code ?? ItemLoss.refused.rawValue)
            return sendItems()
        case .new, .ended:
            return .going([])
        }
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
        guard inFlight.isEmpty else { return .going(messages) }
        guard let restoration else { return finished() }
        let event = update(restoration)
        state = .restoring(eventID: event.eventID)
        return .going([.event(event)])
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
