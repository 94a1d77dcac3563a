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
            return messages.map { .send(id, .seed($0)) }
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
        seededUndone = isFirst ? [] : undone
        // Upstream's own voice detection has heard what is not kept, and nobody spoke.
        let lostAudio = isDetectingVoice ? 0 : ledger.droppedMilliseconds
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
            owesVoiceAnswer = false
            if isAnsweringVoice { actions.append(.send(id, .command(.ownRequest(.responseCreate)))) }
        }
        return actions + flush(at: now)
    }

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

    // MARK: Loss

    /// No connection could be made.
    /// - Parameter isFinal: none can be made, whenever it is tried.
    mutating func linkFailed(_ id: LinkID, _ error: SessionError, isFinal: Bool = false, at now: Int) -> [Action] {
        if successor?.id == id { return successorFailed(at: now) }
        guard case .opening(id) = link else { return [] }
        guard isFinal else { return attemptFailed(error, at: now) }
        return switchReason == nil ? giveUp(error, suspendedReason: nil) : giveUpForGood(error, reason: error.message)
    }

    /// A connection is over, whoever ended it. Running responses get their terminal; what waits is answered or sent again.
    mutating func linkLost(_ id: LinkID, code: Int?, reason: String, at now: Int) -> [Action] {
        if successor?.id == id { return successorFailed(at: now) }
        guard link.id == id, !link.isEnded else { return [] }
        let verdict = LossPolicy.verdict(closeCode: code, lastError: lastError?.code)
        let words = lastError.map { "\(reason.isEmpty ? "" : reason + ": ")\($0.message)" } ?? reason
        let lost = SessionError(
            .upstreamLost, "the connection to the upstream server was lost before it answered\(words.isEmpty ? "" : " (\(words))")",
            upstream: lastError)
        lastError = nil
        guard link.isOpen else {
            if verdict == .fail { return giveUpForGood(lost, reason: words) }
            return attemptFailed(lost, at: now)
        }
        // One that did nothing before it broke is a failed attempt, though its handshake succeeded.
        failures = hasServed || now - openedAt >= Reconnection.stableMilliseconds ? 0 : failures + 1
        outageBegan = now
        voiced = []
        record.status = verdict == .fail ? .failed : .recovering
        var actions = terminals(why: lost.message) + cutsInFlight() + requeue(lost)
        actions += logged(BridgeEvent.disconnected(code: code, reason: reason, willRetry: verdict != .fail))
        if verdict == .fail { return actions + giveUpForGood(lost, reason: words) }
        switchReason = verdict == .renew ? "expired" : "lost"
        if failures >= Reconnection.attemptsAfterLoss { return actions + giveUp(lost, suspendedReason: "upstream_unavailable") }
        if let successor {
            self.successor = nil
            switch successor.state {
            case .ready(let next, let created, let openedAt): return actions + use(next, created: created, openedAt: openedAt, at: now)
            case .opening(let next):
                link = .opening(next)
                return actions
            case .waiting: break
            }
        }
        // The first attempt after a loss is made at once.
        return actions + retry(at: now, failures: failures - 1)
    }

    private mutating func attemptFailed(_ error: SessionError, at now: Int) -> [Action] {
        // A new session that cannot be given its history is not created.
        guard origin == nil else { return giveUp(error, suspendedReason: nil) }
        let hadLink = switchReason != nil
        if let pause = error.retryAfterMilliseconds {
            // Upstream is known to be down, and was not asked: who waits is told when to come back, instead of waiting for nothing.
            guard hadLink, now - outageBegan < Reconnection.longestOutage else { return giveUp(error, wasLost: hadLink) }
            downUntil = now + pause
            return answerUnsent(error) + retry(at: now, failures: failures, atLeast: pause + Int.random(in: 0...pause / 4))
        }
        failures += 1
        let limit = hadLink ? Reconnection.attemptsAfterLoss : Reconnection.attemptsToWake
        return failures >= limit ? giveUp(error, wasLost: hadLink) : retry(at: now, failures: failures)
    }

    private mutating func retry(at now: Int, failures: Int, atLeast: Int = 0) -> [Action] {
        let wait = max(Reconnection.wait(afterFailures: failures), atLeast)
        if wait == 0 { return openLink() }
        link = .waiting(until: now + wait)
        return []
    }

    private mutating func giveUp(_ error: SessionError, wasLost: Bool) -> [Action] {
        giveUp(error, suspendedReason: wasLost ? "upstream_unavailable" : nil)
    }

    /// No further attempt; the next command makes one.
    private mutating func giveUp(_ error: SessionError, suspendedReason: String?) -> [Action] {
        link = .none
        failures = 0
        switchReason = nil
        failure = error
        let wasSuspended = record.status == .suspended
        record.status = .suspended
        let told = suspendedReason.map { wasSuspended ? [] : logged(BridgeEvent.suspended(reason: $0)) } ?? []
        return answerAll(error) + told
    }

    /// Neither another connection nor another command can help.
    private mutating func giveUpForGood(_ error: SessionError, reason: String) -> [Action] {
        let ids = [link.id, successor?.id].compactMap { $0 }
        link = .ended
        successor = nil
        failure = error
        record.status = .failed
        record.endReason = reason
        let failed = SessionError(.sessionFailed, "the session has failed (\(reason))", upstream: error.upstream)
        return answerAll(error, unsent: failed) + logged(BridgeEvent.closed(reason: reason)) + ids.map { .closeLink($0) }
    }

    /// Upstream's end of each running response, which it cannot tell any more; also answers who waits for or cancels it.
    mutating func terminals(why: String) -> [Action] {
        projection.responsesInProgress.flatMap { response -> [Action] in
            guard let object = try? JSON.parse(response.json, maximumDepth: 256) else { return [] }
            return logged(BridgeEvent.responseLost(response: object, eventID: ownEventID, message: why))
        }
    }

    /// Cuts on their way: the next connection holds these items as text, cut where they were asked to be.
    private mutating func cutsInFlight() -> [Action] {
        matcher.unanswered.flatMap { command -> [Action] in
            guard case .itemTruncate(let item) = command.kind, (projection.items[item]?.producedAudioBytes ?? 0) > 0 else { return [] }
            return logged(cut(command, item))
        }
    }

    /// Puts what was sent before what waits, as far as it may be sent again (API.md section 8); the rest is answered.
    mutating func requeue(_ error: SessionError) -> [Action] {
        let sent = matcher.removeAll()
        let others = unwritten
        unwritten = []
        var again: [Command] = []
        var lost: [CommandID] = []
        var previous: Int?
        var isAudioLost = false
        for command in (sent + others).sorted(by: { $0.id < $1.id }) where command.kind != .audioAppend {
            var isWhole = true
            if command.kind == .audioCommit || command.kind == .audioClear {
                isWhole = command.kind == .audioClear || ledger.holdsAll(from: previous)
                previous = command.audioPosition
            }
            // An answer to a turn that upstream will not have is not what was asked for.
            if isAudioLost, case .responseCreate = command.kind { isWhole = false }
            let goes = command.mayBeSentAgain && isWhole
            if goes { again.append(command) } else { lost.append(command.id) }
            if command.kind == .audioCommit, !goes { isAudioLost = true }
        }
        // Their audio is kept, and goes first.
        let appends = others.filter { $0.kind == .audioAppend && !$0.isKeptAudio }.map(\.id)
        let waiting = queue.removeAll().filter { !$0.isKeptAudio }
        for command in again + waiting { queue.append(command) }
        return (appends.isEmpty ? [] : [.accept(appends)]) + (lost.isEmpty ? [] : [.fail(lost, error)])
    }

    /// Puts the kept audio between the commands that wait: each of those that were sent at the place that it had in the audio.
    private mutating func restoreQueue() {
        let base = ledger.restarted()
        var given = 0
        var restored: [Command] = []
        func give(upTo end: Int) {
            while given < end {
                let next = min(end, given + CommandBuilder.maximumAppendBytes)
                restored.append(Command.keptAudio(ledger.kept(given..<next), position: given))
                given = next
            }
        }
        for var command in queue.removeAll() {
            if let position = command.audioPosition {
                give(upTo: min(max(position - base, 0), ledger.position))
                command.audioPosition = given
            } else {
                give(upTo: ledger.position)
            }
            restored.append(command)
        }
        give(upTo: ledger.position)
        for command in restored { queue.append(command) }
    }

    /// Answers what upstream was never sent; what it was, is for the next connection.
    private mutating func answerUnsent(_ error: SessionError) -> [Action] {
        let commands = queue.removeAll()
        for command in commands where command.sendings > 0 { queue.append(command) }
        let unsent = commands.filter { $0.sendings == 0 }.map(\.id)
        return unsent.isEmpty ? [] : [.fail(unsent, error)]
    }

    /// Answers everything that waits.
    /// - Parameter other: for what upstream was never sent, if that is not the same.
    mutating func answerAll(_ error: SessionError, unsent other: SessionError? = nil) -> [Action] {
        let lost = SessionError(.upstreamLost, error.message, upstream: error.upstream)
        let sent = matcher.removeAll() + unwritten
        unwritten = []
        let waiting = queue.removeAll().filter { !$0.isKeptAudio }
        // What upstream was sent once may have been carried out there.
        let asked = (sent.filter { !$0.isKeptAudio } + waiting.filter { $0.sendings > 0 }).map(\.id)
        let unsent = waiting.filter { $0.sendings == 0 }.map(\.id)
        let isOver = error.code == .sessionClosed || error.code == .sessionFailed
        // A connection that broke before it was used has taken nothing.
        let isUnsent = error.code == .upstreamLost
        let why = other ?? (isUnsent ? SessionError(.upstreamUnavailable, error.message, upstream: error.upstream) : error)
        return (asked.isEmpty ? [] : [.fail(asked, isOver ? error : lost)]) + (unsent.isEmpty ? [] : [.fail(unsent, why)])
    }
}

extension Command {
    /// Asked for by the bridge itself: nobody waits for it, and upstream's answer is logged as any other.
    static func ownRequest(_ name: ClientEventName, _ members: [(String, JSONValue)] = []) -> Command {
        let event = ClientEvent(name, eventID: BridgeEventID.make(random: .random(in: .min ... .max), callers: nil), members)
        return Command(id: 0, kind: .unacknowledged, event: event)
    }

    /// Audio that was appended on an earlier connection.
    fileprivate static func keptAudio(_ audio: [UInt8], position: Int) -> Command {
        let quote = UInt8(ascii: "\"")
        let event = ClientEvent(
            .inputAudioBufferAppend, eventID: BridgeEventID.make(random: .random(in: .min ... .max), callers: nil),
            [("audio", .raw([quote] + Base64.encoded(audio[...]) + [quote]))])
        return Command(id: 0, kind: .audioAppend, event: event, audioPosition: position, isKeptAudio: true)
    }
}
