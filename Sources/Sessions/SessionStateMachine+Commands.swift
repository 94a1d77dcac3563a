import EventLog
import Realtime
import Upstream

// What callers ask for: taken, refused without asking upstream, sent or queued.
extension SessionStateMachine {
    /// Takes a command: sends it, or queues it until a connection is there and its turn has come.
    mutating func take(_ command: Command, at now: Int) throws(SessionError) -> [Action] {
        try refuseUnlessTaking(command, at: now)
        lastActivityAt = now
        if oneShot != nil, case .responseCreate = command.kind { oneShot = .asked }
        if let actions = settledHere(command, at: now) { return actions }
        // Audio is nobody's to confirm, and waits for the next connection however long that takes to come.
        var command = command
        command.isAccepted = command.kind == .audioAppend && !link.isOpen
        let accepted: [Action] = command.isAccepted ? [.accept([command.id])] : []
        queue.append(command)
        return accepted + flushOrOpen(at: now)
    }

    /// As many commands wait for an answer as may.
    var isFull: Bool { unanswered.count(where: \.isAcknowledged) >= Self.maximumWaitingCommands }

    func refuseUnlessTaking(_ command: Command, at now: Int) throws(SessionError) {
        try refuseIfEnded()
        try refuseUnlessOneShotTakes(command)
        if command.isAcknowledged, isFull {
            throw SessionError(.tooManyCommands, "\(Self.maximumWaitingCommands) commands of this session already wait for an answer")
        }
        if case .waiting = link, now < downUntil, command.kind != .audioAppend {
            throw SessionError(
                .upstreamUnavailable, "the upstream server is not to be reached at the moment", retryAfterMilliseconds: downUntil - now)
        }
    }

    /// Sends what waits, or makes the connection that it waits for.
    mutating func flushOrOpen(at now: Int) -> [Action] {
        switch link {
        case .open: return flush(at: now)
        case .none:
            failures = 0
            return openLink()
        case .waiting, .opening, .seeding, .ended: return []
        }
    }

    /// Sends what waits, as far as it may go.
    mutating func flush(at now: Int) -> [Action] {
        var actions = advanceResponses(at: now)
        while case .open(let id) = link, let next = queue.first, mayGo(next, at: now) {
            let command = queue.removeFirst()
            // It may have been taken for another connection.
            if let settled = settledHere(command, at: now) {
                actions += settled
            } else {
                actions.append(send(command, on: id, at: now))
            }
        }
        return actions
    }

    /// Servers whose errors do not say what they answer are asked one thing at a time.
    private func mayGo(_ command: Command, at now: Int) -> Bool {
        if successor?.holdsCommands == true || isLeaving(at: now) { return false }
        return profile.echoesEventIDs || !command.isAcknowledged || matcher.unanswered.isEmpty
    }

    private mutating func send(_ command: Command, on id: LinkID, at now: Int) -> Action {
        var command = command
        command.sendings += 1
        command.sentAt = now
        command.isWritten = false
        command.audioPosition = command.audioPosition ?? ledger.position
        if let audio = command.audio {
            ledger.appended(audio)
            command.audio = nil
        }
        if command.isAcknowledged {
            lastAskedAt = now
            matcher.sent(command)
        } else {
            unwritten.append(command)
        }
        return sending(.command(command), on: id)
    }

    /// It is being handed to the socket: from now on upstream may have it.
    mutating func sending(_ command: CommandID, on id: LinkID) {
        guard link.id == id else { return }
        if let index = unwritten.firstIndex(where: { $0.id == command }) {
            unwritten[index].isWritten = true
        } else {
            matcher.sending(command)
        }
    }

    /// The socket has taken it.
    mutating func written(_ command: CommandID, on id: LinkID, at now: Int) -> [Action] {
        guard link.id == id else { return [] }
        if let index = unwritten.firstIndex(where: { $0.id == command }) { unwritten.remove(at: index) }
        return advance(at: now)
    }

    // MARK: What the present connection cannot be told

    /// Carries out what concerns an item that the upstream conversation does not hold as it was; nil if upstream is to be asked.
    mutating func settledHere(_ command: Command, at now: Int) -> [Action]? {
        switch command.kind {
        case .itemTruncate(let item) where isUnvoiced(item):
            matcher.sent(command)
            let actions = logged(cut(command, item))
            guard link.isOpen, successor == nil else {
                isCutUntold = !link.isNone
                return actions
            }
            // What comes next builds on the cut: the next connection is given the item only as far as it was heard.
            return actions + replaceLink(reason: Self.cutReason, holdsCommands: true, at: now)
        case .itemDelete(let item) where missing.contains(item) || (link.isNone && projection.items[item]?.isDeleted == false):
            matcher.sent(command)
            return logged(BridgeEvent.itemDeleted(itemID: item, eventID: ownEventID))
        default:
            return nil
        }
    }

    static let cutReason = "item_truncated"

    /// An assistant item with audio that an earlier connection produced: the present one, and one in the making, holds its words as
    /// text, which cannot be cut.
    func isUnvoiced(_ item: String) -> Bool {
        guard let record = projection.items[item] else { return false }
        return record.producedAudioBytes > 0 && !(link.isOpen && voiced.contains(item))
    }

    func cut(_ command: Command, _ item: String) -> [UInt8] {
        let event = try? JSON.parse(command.event.frame)
        return BridgeEvent.itemTruncated(
            itemID: item, contentIndex: event?["content_index"]?.int ?? 0, audioEndMilliseconds: event?["audio_end_ms"]?.int ?? 0,
            eventID: ownEventID)
    }

    /// For the event that is logged next, if it is the bridge's.
    var ownEventID: String { "event_bridge_\(lastSeq + 1)" }

    // MARK: Refused without asking

    func refuseIfEnded() throws(SessionError) {
        switch record.status {
        case .closed: throw SessionError(.sessionClosed, "the session is closed (\(record.endReason ?? "no reason given"))")
        case .failed: throw SessionError(.sessionFailed, "the session has failed (\(record.endReason ?? "no reason given"))")
        default: return
        }
    }

    /// An item id can be used once per conversation, deleted items and those on their way included.
    func refuseDuplicate(itemID: String) throws(SessionError) {
        let isTaken = projection.items[itemID] != nil || unanswered.contains { $0.kind == .itemCreate(itemID: itemID) }
        if isTaken {
            throw SessionError(
                .duplicateItem, "an item with the id '\(itemID)' is in the conversation already, or was: an id is used once",
                param: "item.id")
        }
    }

    func refuseSecondAnswer(toCall call: String) throws(SessionError) {
        if projection.answeredCalls.contains(call) || unanswered.contains(where: { $0.answersCall == call }) {
            throw SessionError(.callAlreadyAnswered, "the call '\(call)' already has its output", param: "item.call_id")
        }
    }

    /// There are no responses then (PROTOCOL.md section 11).
    func refuseResponseOfTranscription() throws(SessionError) {
        guard record.kind == .transcription else { return }
        throw SessionError(
            .invalidValue,
            "the session only writes down what is said (its type is 'transcription') and answers nothing; ask in one of type 'realtime'")
    }

    func refuseOutOfBandUnlessSupported() throws(SessionError) {
        guard profile.supportsOutOfBand else {
            throw SessionError(
                .invalidValue, "the upstream '\(record.upstreamName)' does not support responses outside of the conversation",
                param: "response.conversation")
        }
    }

    /// One response at a time may write to the default conversation (PROTOCOL.md section 6).
    func refuseSecondActiveResponse() throws(SessionError) {
        let isPending = !responses.isEmpty || unanswered.contains { $0.kind.isCreationInConversation }
        if let active = projection.activeResponse {
            throw SessionError(.responseActive, "the conversation already has an active response, '\(active.id)'; wait for it or cancel it")
        }
        if isPending {
            throw SessionError(.responseActive, "a response was already asked for; wait for it or cancel it")
        }
    }

    /// The response a cancel is aimed at; nil if one was asked for that upstream has not created yet.
    func cancelTarget(_ responseID: String?) throws(SessionError) -> String? {
        if let responseID {
            guard let response = projection.responses[responseID] else {
                throw SessionError(.responseNotFound, "there is no response '\(responseID)' in this session", param: "response_id")
            }
            if response.doneSeq == nil { return responseID }
            throw SessionError(.cancelNotActive, "the response '\(responseID)' has already ended", param: "response_id")
        }
        if let active = projection.activeResponse { return active.id }
        if unanswered.contains(where: { if case .responseCreate = $0.kind { true } else { false } }) { return nil }
        throw SessionError(.cancelNotActive, "no response is in progress")
    }
}
