import EventLog
import Realtime
import Upstream

// How a connection is made, given the conversation, used, and lost.
extension SessionStateMachine {
    mutating func openLink() -> [Action] {
        let id = newLink()
        link = .opening(id)
        return [.openLink(id)]
    }

    /// The first connection is there: its `session.created` is the session's first event.
    /// - Parameter openedAt: when upstream created its session; one from the pool is older than its use.
    mutating func firstLinkOpened(created: [UInt8], openedAt: Int, at now: Int) -> (LinkID, [Action]) {
        precondition(link.isNone && record.generation == 0, "a session's first link opened in the state \(link)")
        let id = newLink()
        lastActivityAt = now
        record.generation = 1
        note(created, openedAt: openedAt, at: now)
        if origin == nil { opened(id, at: now) } else { link = .opening(id) }
        var actions = logged(created)
        actions += logged(
            BridgeEvent.connected(upstream: record.upstreamName, sessionID: record.upstreamSessionID, generation: record.generation))
        // The items' own events make them part of this session, so these are logged.
        if let origin { actions += startSeeding(id, created: created, plan: origin.plan, at: now) }
        return (id, actions)
    }

    /// A later connection is there.
    mutating func linkOpened(_ id: LinkID, created: [UInt8], openedAt: Int, at now: Int) -> [Action] {
        if successor?.id == id {
            successor?.state = .ready(id, created: created, openedAt: openedAt)
            return advance(at: now)
        }
        guard case .opening(id) = link else { return [.closeLink(id)] }
        return use(id, created: created, openedAt: openedAt, at: now)
    }

    /// Makes a connection the session's own and gives it the conversation.
    mutating func use(_ id: LinkID, created: [UInt8], openedAt: Int, at now: Int) -> [Action] {
        record.generation += 1
        note(created, openedAt: openedAt, at: now)
        let plan = RehydrationPlan.make(
            conversation: projection.conversation, inputs: inputs, dialect: record.upstreamDialect,
            inputFormat: AudioFormat.input(of: record, profile), outputFormat: AudioFormat.output(of: record, profile),
            tokenLimit: tokenLimit)
        return startSeeding(id, created: created, plan: plan, at: now)
    }

    private mutating func startSeeding(_ id: LinkID, created: [UInt8], plan: RehydrationPlan, at now: Int) -> [Action] {
        lastFrameAt = now
        lastError = nil
        isCutUntold = false
        var seeding = Seeding(
            configuration: record.requestedConfiguration, created: ServerEvent(created)?.json["session"] ?? Self.noSession, plan: plan,
            dialect: record.upstreamDialect, echoesEventIDs: profile.echoesEventIDs, firstEventID: .random(in: .min ... .max))
        let outcome = seeding.start()
        return after(outcome, seeding, id, at: now)
    }

    /// In the place of a `session` object that `session.created` does not have.
    private static let noSession: JSON = {
        guard let json = try? JSON.parse([UInt8(ascii: "{"), UInt8(ascii: "}")]) else { preconditionFailure("{} is no JSON") }
        return json
    }()

    private mutating func after(_ outcome: Seeding.Outcome, _ seeding: Seeding, _ id: LinkID, at now: Int) -> [Action] {
        switch outcome {
        case .going(let messages):
            link = .seeding(id, seeding)
            return messages.map { sending(.seed($0), on: id) }
        case .finished(let report, let session):
            return switched(id, report, undone: seeding.undone, session: session, at: now)
        case .refused(let error):
            let refusal = SessionError(
                .refusedByUpstream, "upstream refused the session's configuration: \(error.message)", upstream: error)
            return [.closeLink(id)] + giveUp(refusal, suspendedReason: "configuration_refused")
        }
    }

    private mutating func switched(
        _ id: LinkID, _ report: Seeding.Report, undone: Set<String>, session: [UInt8]?, at now: Int
    ) -> [Action] {
        let isFirst = origin != nil
        let lost = report.lost + (origin?.unfinished ?? [])
        if !isFirst { projection.configuration = session }
        let reason = isFirst ? "forked" : switchReason ?? "resumed"
        origin = nil
        switchReason = nil
        noteConfiguration()
        opened(id, at: now)
        missing = Set(report.lost.map(\.id))
        missingCalls = Set(
            missing.compactMap { projection.items[$0] }.compactMap { (try? JSON.parse($0.json, maximumDepth: 256))?["call_id"]?.string })
        seededUndone = isFirst ? [] : undone
        // Upstream's own voice detection has heard what is not kept, and nobody spoke.
        let lostAudio = audioLostWithProcess + (isDetectingVoice ? 0 : ledger.droppedMilliseconds)
        audioLostWithProcess = 0
        restoreQueue()
        let event = BridgeEvent.switched(
            reason: reason, generation: record.generation, stateRestored: lost.isEmpty && lostAudio == 0,
            itemsReplayed: report.replayed, itemsLost: lost.map { ($0.id, $0.why) },
            itemsAltered: report.altered.map { ($0.id, $0.why) }, inputAudioLostMilliseconds: lostAudio)
        var actions = logged(event)
        if isCutUntold {
            isCutUntold = false
            return actions + replaceLink(reason: Self.cutReason, holdsCommands: true, at: now)
        }
        if owesVoiceAnswer {
            // The turn was spoken and committed; nobody else will ask for its answer.
            voiceAnswersAsked += 1
            owesVoiceAnswer = isAnsweringVoice && voiceAnswersAsked < Self.maximumVoiceAnswers
            if isAnsweringVoice { actions.append(sending(.command(.ownRequest(.responseCreate)), on: id)) }
        }
        return actions + flush(at: now)
    }

    /// One that is lost as well is asked for once more; after that the speaker has to.
    private static let maximumVoiceAnswers = 2

    private mutating func opened(_ id: LinkID, at now: Int) {
        link = .open(id)
        record.status = .active
        openedAt = now
        lastFrameAt = now
        lastAskedAt = now
        voiced = []
        hasServed = false
        expiredAt = nil
        awaitedTranscripts = []
    }

    private mutating func note(_ created: [UInt8], openedAt: Int, at now: Int) {
        let session = ServerEvent(created)?.json["session"]
        record.upstreamSessionID = session?["id"]?.string
        record.upstreamExpiresAt = session?["expires_at"]?.int
        age = ConnectionAge(expiresAt: record.upstreamExpiresAt, openedAt: openedAt, now: now, times: times)
    }

    // MARK: Frames

    /// One frame of a connection.
    /// - Parameter secrets: the credentials of the connection, which servers echo in refusals.
    mutating func received(_ frame: [UInt8], on id: LinkID, secrets: [String] = [], at now: Int) -> [Action] {
        guard link.id == id else { return [] }
        let event = ServerEvent(frame)
        if let event, profile.heartbeats.contains(event.type) { return [] }
        lastFrameAt = now
        if oneShot != nil { use.heard(event, on: id) }
        if case .seeding(_, var seeding) = link {
            var actions: [Action] = []
            if origin != nil { actions += entered(frame, event, secrets) }
            guard let event else { return actions }
            lastError = event.name == .error ? RealtimeError(event.json["error"]) : nil
            let outcome = seeding.received(event)
            return actions + after(outcome, seeding, id, at: now)
        }
        // The last words about what was seeded: they are no part of the conversation either, and show items as they were made again.
        if let event, event.name == .conversationItemDone, let item = event.itemID, seededUndone.remove(item) != nil { return [] }
        lastActivityAt = now
        var actions = entered(frame, event, secrets)
        // A close follows most of the time, but not always (PROTOCOL.md section 9).
        if lastError?.code == "session_expired" { expiredAt = expiredAt ?? now }
        actions += flush(at: now)
        return actions + advance(at: now)
    }

    /// A frame of the conversation, which the log gets.
    private mutating func entered(_ frame: [UInt8], _ event: ServerEvent?, _ secrets: [String]) -> [Action] {
        // The bridge's own names are not upstream's to use: clients act on them.
        guard let event, !event.type.hasPrefix("bridge.") else {
            return logged(BridgeEvent.malformed(Secrets.masked(frame, also: secrets)))
        }
        guard event.name == .error else {
            // Only what was said right before a close explains it.
            lastError = nil
            return logged(frame, event)
        }
        // Servers echo parts of a key they refuse; the log's only edit (API.md section 6).
        let masked = Secrets.masked(frame, also: secrets)
        let safe = masked == frame ? event : ServerEvent(masked) ?? event
        lastError = RealtimeError(safe.json["error"])
        return logged(masked, safe)
    }

    /// The sender made an item of the seeding into a frame.
    /// - Parameter alteration: how it differs from the item that it stands for; nil if it does not.
    mutating func seeded(_ item: String, alteration: String?, on id: LinkID) {
        guard case .seeding(id, var seeding) = link else { return }
        seeding.sent(itemID: item, alteration: alteration)
        link = .seeding(id, seeding)
    }

    /// What an item needs is not in the store any more.
    mutating func seedMissing(_ item: String, on id: LinkID, at now: Int) -> [Action] {
        guard case .seeding(id, var seeding) = link else { return [] }
        let outcome = seeding.inputMissing(itemID: item)
        return after(outcome, seeding, id, at: now)
    }
}

extension Command {
    /// Asked for by the bridge itself: nobody waits for it, and upstream's answer is logged as any other.
    static func ownRequest(_ name: ClientEventName, _ members: [(String, JSONValue)] = []) -> Command {
        let event = ClientEvent(name, eventID: BridgeEventID.make(random: .random(in: .min ... .max), callers: nil), members)
        return Command(id: 0, kind: .unacknowledged, event: event)
    }
}
