import Realtime
import Upstream

/// Finds which waiting command a server event answers (ARCHITECTURE.md section 1).
///
/// Success frames do not name the request they answer, so each kind is matched by what a client can choose (item id, metadata
/// token) or, failing that, by order: the socket is ordered and the server handles events in turn. A command whose caller has given
/// up stays here until it is answered, so that the next of its kind is not given its answer.
struct ReplyMatcher: Sendable {
    enum Stage: Equatable, Sendable {
        /// Confirmed; a `response.create` goes on to ``finished``.
        case confirmed
        case finished
        case refused(RealtimeError)
    }

    struct Match: Equatable, Sendable {
        let command: Command
        let stage: Stage
    }

    /// Written to upstream and not yet answered, oldest first.
    private var waiting: [Command] = []
    /// Created responses that were asked for through this session.
    private var running: [String: Command] = [:]
    /// Items that server VAD has named: their `committed` answers nobody's commit.
    private var vadItems: Set<String> = []
    private static let maximumVADItems = 64
    private let profile: UpstreamProfile

    init(profile: UpstreamProfile = UpstreamProfile()) {
        self.profile = profile
    }

    /// What was sent and not yet answered, oldest first.
    var unanswered: [Command] { waiting }

    mutating func sent(_ command: Command) {
        if command.isAcknowledged { waiting.append(command) }
    }

    /// It is being handed to the socket.
    mutating func sending(_ id: CommandID) {
        guard let index = waiting.firstIndex(where: { $0.id == id }) else { return }
        waiting[index].isWritten = true
    }

    /// The commands this event settles, in the order they were sent.
    mutating func match(_ event: ServerEvent) -> [Match] {
        switch event.name {
        case .sessionUpdated, .transcriptionSessionUpdated:
            return first { $0 == .sessionUpdate }
        case .conversationItemCreated, .conversationItemAdded:
            guard let item = event.itemID else { return [] }
            return first { $0 == .itemCreate(itemID: item) }
        case .conversationItemDeleted:
            guard let item = event.itemID else { return [] }
            return first { $0 == .itemDelete(itemID: item) }
        case .conversationItemTruncated:
            guard let item = event.itemID else { return [] }
            return first { $0 == .itemTruncate(itemID: item) }
        case .conversationItemRetrieved:
            guard let item = event.itemID else { return [] }
            return first { $0 == .itemRetrieve(itemID: item) }
        case .inputAudioBufferSpeechStopped, .inputAudioBufferTimeoutTriggered:
            // An upstream that never commits what it names must not make this grow.
            if vadItems.count >= Self.maximumVADItems { vadItems = [] }
            if let item = event.itemID { vadItems.insert(item) }
            return []
        case .inputAudioBufferCommitted:
            if let item = event.itemID, vadItems.remove(item) != nil { return [] }
            return first { $0 == .audioCommit }
        case .inputAudioBufferCleared:
            return first { $0 == .audioClear }
        case .responseCreated:
            return created(event)
        case .responseDone:
            return done(event)
        case .error:
            return refused(RealtimeError(event.json["error"]))
        default:
            return []
        }
    }

    /// Takes out everything that waits, oldest first; running responses too.
    mutating func removeAll() -> [Command] {
        defer { self = ReplyMatcher(profile: profile) }
        return waiting + running.values.sorted { $0.id < $1.id }
    }

    private mutating func first(where fits: (Command.Kind) -> Bool) -> [Match] {
        guard let index = waiting.firstIndex(where: { fits($0.kind) }) else { return [] }
        let command = waiting.remove(at: index)
        return [Match(command: command, stage: .confirmed)]
    }

    private mutating func created(_ event: ServerEvent) -> [Match] {
        guard let response = event.json["response"], let id = response["id"]?.string, running[id] == nil else { return [] }
        let token = CorrelationToken.read(from: response)
        // Without a token it is the server's own (VAD), where tokens come back.
        guard token != nil || !profile.echoesMetadata,
            let index = waiting.firstIndex(where: { $0.kind.token.map { $0 == token || token == nil } ?? false })
        else { return [] }
        let command = waiting.remove(at: index)
        running[id] = command
        return [Match(command: command, stage: .confirmed)]
    }

    private mutating func done(_ event: ServerEvent) -> [Match] {
        guard let id = event.responseID else { return [] }
        let isOutOfBand = event.json["response"]?["conversation_id"]?.isNull == true
        let cancels = waiting.filter {
            guard case .responseCancel(let target) = $0.kind else { return false }
            return target == id || (target == nil && !isOutOfBand)
        }
        waiting.removeAll { command in cancels.contains { $0.id == command.id } }
        let asked = running.removeValue(forKey: id).map { [$0] } ?? []
        return (asked + cancels).map { Match(command: $0, stage: .finished) }
    }

    private mutating func refused(_ error: RealtimeError) -> [Match] {
        // An error without our id is tied to nothing: it is logged, and answers nobody. Servers that never give ids back are sent one
        // command at a time, so there it can only mean that one.
        let isOnlyOne = !profile.echoesEventIDs && waiting.count == 1
        guard let index = waiting.firstIndex(where: { $0.event.eventID == error.eventID }) ?? (isOnlyOne ? 0 : nil) else { return [] }
        // What is known of the error is that it answers a cancel; without an id, that of a response that has ended meanwhile.
        if !profile.echoesEventIDs, error.code == "response_cancel_not_active" {
            guard case .responseCancel = waiting[index].kind else { return [] }
        }
        // The race with a response's own end: its `response.done` has come or is on its way, and answers the cancel.
        if case .responseCancel(.some) = waiting[index].kind, error.code == "response_cancel_not_active" { return [] }
        let command = waiting.remove(at: index)
        return [Match(command: command, stage: .refused(error))]
    }
}

extension Command.Kind {
    fileprivate var token: String? {
        if case .responseCreate(let token, _) = self { token } else { nil }
    }
}
