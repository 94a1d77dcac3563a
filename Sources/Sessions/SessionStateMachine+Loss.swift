import EventLog
import Realtime

// What the end of a connection, or one that cannot be made, leads to: another attempt, rest, or the session's end.
extension SessionStateMachine {
    /// No connection could be made.
    /// - Parameter isFinal: none can be made, whenever it is tried.
    mutating func linkFailed(_ id: LinkID, _ error: SessionError, isFinal: Bool = false, at now: Int) -> [Action] {
        if successor?.id == id { return successorFailed(at: now) }
        guard case .opening(id) = link else { return [] }
        guard isFinal else { return attemptFailed(error, at: now) }
        return switchReason == nil ? giveUp(error, suspendedReason: nil) : giveUpForGood(error, reason: error.message, at: now)
    }

    /// A connection is over, whoever ended it. Running responses get their terminal; what waits is answered or sent again.
    /// - Parameter isTooLarge: upstream has ended it since a message was too large for it.
    mutating func linkLost(_ id: LinkID, code: Int?, reason: String, isTooLarge: Bool = false, at now: Int) -> [Action] {
        if successor?.id == id { return successorFailed(at: now) }
        guard link.id == id, !link.isEnded else { return [] }
        let verdict = LossPolicy.verdict(closeCode: code, lastError: lastError?.code)
        let words = lastError.map { "\(reason.isEmpty ? "" : reason + ": ")\($0.message)" } ?? reason
        let lost = SessionError(
            .upstreamLost, "the connection to the upstream server was lost before it answered\(words.isEmpty ? "" : " (\(words))")",
            upstream: lastError)
        lastError = nil
        guard link.isOpen else {
            if verdict == .fail { return giveUpForGood(lost, reason: words, at: now) }
            return attemptFailed(lost, at: now)
        }
        // One that did nothing before it broke is a failed attempt, though its handshake succeeded.
        failures = hasServed || now - openedAt >= Reconnection.stableMilliseconds ? 0 : failures + 1
        outageBegan = now
        voiced = []
        record.status = verdict == .fail ? .failed : .recovering
        var actions = terminals(why: lost.message) + cutsInFlight() + requeue(lost, isTooLarge: isTooLarge)
        // Nothing is left to make a connection for.
        let isOver = isOneShotOver
        actions += logged(BridgeEvent.disconnected(code: code, reason: reason, willRetry: verdict != .fail && !isOver))
        if verdict == .fail { return actions + giveUpForGood(lost, reason: words, at: now) }
        if isOver {
            link = .none
            return actions + close(reason: Self.oneShotReason, at: now / 1_000)
        }
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
    mutating func giveUp(_ error: SessionError, suspendedReason: String?) -> [Action] {
        let left = successor?.id.map { [Action.closeLink($0)] } ?? []
        successor = nil
        link = .none
        failures = 0
        switchReason = nil
        voiced = []
        failure = error
        let wasSuspended = record.status == .suspended
        // What is made for one response does not rest: it ends right after this.
        record.status = oneShot == nil ? .suspended : .recovering
        let isTold = oneShot == nil && !wasSuspended
        let told = suspendedReason.map { isTold ? logged(BridgeEvent.suspended(reason: $0)) : [] } ?? []
        return answerAll(error) + told + left
    }

    /// Neither another connection nor another command can help.
    private mutating func giveUpForGood(_ error: SessionError, reason: String, at now: Int) -> [Action] {
        let ids = [link.id, successor?.id].compactMap { $0 }
        link = .ended
        successor = nil
        failure = error
        record.status = .failed
        record.endReason = reason
        // Nobody goes on from these.
        if record.isOneShot { record.endedAt = now / 1_000 }
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

    /// Larger than audio is sent, which is in no list any more when it was.
    private static let largeBytes = CommandBuilder.maximumAppendCharacters + 1_024

    /// Puts what was sent before what waits, as far as it may be sent again (API.md section 8); the rest is answered.
    /// - Parameter isTooLarge: a message was too large: if it was a command, the largest one would end the next connection too.
    mutating func requeue(_ error: SessionError, isTooLarge: Bool = false) -> [Action] {
        let sent = matcher.removeAll()
        let others = unwritten
        unwritten = []
        var again: [Command] = []
        var lost: [CommandID] = []
        var previous: Int?
        var isAudioLost = false
        var refused: [Action] = []
        let large = isTooLarge ? (sent + others).filter { $0.event.frame.count > Self.largeBytes } : []
        let largest = large.max { $0.event.frame.count < $1.event.frame.count }
        for command in (sent + others).sorted(by: { $0.id < $1.id }) where command.kind != .audioAppend {
            var isWhole = true
            if command.kind == .audioCommit || command.kind == .audioClear {
                isWhole = command.kind == .audioClear || ledger.holdsAll(from: previous)
                previous = command.audioPosition
            }
            // An answer to a turn that upstream will not have is not what was asked for.
            if isAudioLost, case .responseCreate = command.kind { isWhole = false }
            if command.id == largest?.id {
                let bytes = command.event.frame.count
                let refusal = SessionError(
                    .refusedByUpstream, "upstream takes no message as large as this one, of \(bytes) bytes (close code 1009)")
                refused = failed([command.id], refusal, wereSent: false)
                continue
            }
            let goes = command.mayBeSentAgain && isWhole
            if goes { again.append(command) } else { lost.append(command.id) }
            if command.kind == .audioCommit, !goes { isAudioLost = true }
        }
        // Their audio is kept, and goes first.
        let appends = others.filter { $0.kind == .audioAppend && !$0.isKeptAudio && !$0.isAccepted }.map(\.id)
        let waiting = queue.removeAll().filter { !$0.isKeptAudio }
        for command in again + waiting { queue.append(command) }
        return (appends.isEmpty ? [] : [.accept(appends)]) + refused + failed(lost, error, wereSent: true)
    }

    /// Puts the kept audio between the commands that wait: each of those that were sent at the place that it had in the audio.
    mutating func restoreQueue() {
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
        for command in commands where command.sendings > 0 || command.kind == .audioAppend { queue.append(command) }
        let unsent = commands.filter { $0.sendings == 0 && $0.kind != .audioAppend }
        let requests = unsent.compactMap { $0.answersCall.flatMap { turns.remove($0) } }
        return failed((unsent + requests).map(\.id), error, wereSent: false) + failWaitingResponses(error)
    }

    /// Answers everything that waits.
    /// - Parameter other: for what upstream was never sent, if that is not the same.
    mutating func answerAll(_ error: SessionError, unsent other: SessionError? = nil) -> [Action] {
        let lost = SessionError(.upstreamLost, error.message, upstream: error.upstream)
        let sent = matcher.removeAll() + unwritten
        unwritten = []
        let queued = queue.removeAll().filter { !$0.isKeptAudio }
        // Audio waits for the next connection, whoever else does not.
        let appends = queued.filter { $0.kind == .audioAppend }
        for audio in appends.compactMap(\.audio) { ledger.appended(audio) }
        let unanswered = appends.filter { !$0.isAccepted }.map(\.id)
        let waiting = queued.filter { $0.kind != .audioAppend }
        // What upstream was sent once may have been carried out there.
        let asked = (sent.filter { !$0.isKeptAudio && !$0.isAccepted } + waiting.filter { $0.sendings > 0 }).map(\.id)
        let unsent = (waiting.filter { $0.sendings == 0 } + turns.removeAll()).map(\.id)
        let isOver = error.code == .sessionClosed || error.code == .sessionFailed
        // A connection that broke before it was used has taken nothing.
        let isUnsent = error.code == .upstreamLost
        let why = other ?? (isUnsent ? SessionError(.upstreamUnavailable, error.message, upstream: error.upstream) : error)
        return (unanswered.isEmpty ? [] : [.accept(unanswered)])
            + failed(asked, isOver ? error : lost, wereSent: true) + failed(unsent, why, wereSent: false) + failWaitingResponses(why)
    }
}

extension Command {
    /// Audio that was appended on an earlier connection.
    fileprivate static func keptAudio(_ audio: [UInt8], position: Int) -> Command {
        let quote = UInt8(ascii: "\"")
        let event = ClientEvent(
            .inputAudioBufferAppend, eventID: BridgeEventID.make(random: .random(in: .min ... .max), callers: nil),
            [("audio", .raw([quote] + Base64.encoded(audio[...]) + [quote]))])
        return Command(id: 0, kind: .audioAppend, event: event, audioPosition: position, isKeptAudio: true)
    }
}
