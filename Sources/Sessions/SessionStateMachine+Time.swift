import EventLog
import Realtime

// What time brings: the next attempt, a connection that is to be left before its end, a silent upstream, an idle session.
extension SessionStateMachine {
    /// When ``tick(at:)`` is due at the latest; nil while nothing is waited for. Being early does no harm.
    var nextDeadline: Int? {
        var next = viewerDeadline ?? .max
        switch link {
        case .none, .opening, .ended: break
        case .waiting(let until): next = min(next, until)
        case .seeding: next = min(next, seedingDeadline)
        case .open:
            if isAsking { next = min(next, stallDeadline) }
            if let expiredDeadline { next = min(next, expiredDeadline) }
            if let idleDeadline { next = min(next, idleDeadline) }
            if let turnDeadline { next = min(next, turnDeadline) }
            if let responsesDeadline { next = min(next, responsesDeadline) }
        }
        return next == .max ? nil : next
    }

    /// When the next step towards a successor of the open connection may be due.
    private var turnDeadline: Int? {
        switch successor?.state {
        case nil: return oneShot == nil ? age?.due : nil
        case .waiting(let until): return until
        case .opening: return nil
        case .ready:
            guard projection.responsesInProgress.isEmpty, unwritten.isEmpty else { return nil }
            // What upstream owes is waited for, but not beyond the connection's end.
            guard matcher.unanswered.isEmpty else { return age.map { max($0.last, lastAskedAt + Self.patience) } }
            let settled = isBetweenTurns ? lastFrameAt + SessionTimes.settling : Int.max
            let lastWords = lastFrameAt + SessionTimes.lastWords
            let urgent = successor?.holdsCommands == true ? lastWords : age.map { max($0.last, lastWords) } ?? .max
            return min(settled, urgent)
        }
    }

    /// What is not answered within this is not waited for when the connection has to be left.
    private static let patience = 2_000
    private var expiredDeadline: Int? { expiredAt.map { $0 + 1_000 } }

    mutating func tick(at now: Int) -> [Action] {
        var actions: [Action] = []
        switch link {
        case .waiting(let until) where now >= until:
            actions += openLink()
        case .seeding(let id, _) where now >= seedingDeadline:
            actions += [.closeLink(id)] + linkLost(id, code: nil, reason: "upstream did not take the conversation in time", at: now)
        case .open(let id):
            if let expiredDeadline, now >= expiredDeadline {
                lastError = RealtimeError(type: nil, code: "session_expired", message: "the upstream session has expired")
                actions += [.closeLink(id)] + linkLost(id, code: nil, reason: "", at: now)
            } else if isAsking, now >= stallDeadline {
                let seconds = times.stall / 1_000
                actions += [.closeLink(id)] + linkLost(id, code: nil, reason: "upstream said nothing for \(seconds) s", at: now)
            } else if let idleDeadline, now >= idleDeadline {
                actions += suspend(reason: "idle")
            } else {
                if let responsesDeadline, now >= responsesDeadline { actions += responsesOverdue(at: now) }
                actions += advance(at: now)
            }
        default: break
        }
        if let viewerDeadline, now >= viewerDeadline { actions += lastViewerGone(at: now) }
        return actions
    }

    // MARK: Leaving a connection before its end

    /// Takes the next step towards a successor of the open connection, if one is due.
    mutating func advance(at now: Int) -> [Action] {
        guard case .open(let id) = link else { return [] }
        guard let successor else {
            // What is made for one response needs no other connection once that runs.
            guard let age, now >= age.due, oneShot == nil else { return [] }
            return replaceLink(reason: "expiring", holdsCommands: false, at: now)
        }
        switch successor.state {
        case .waiting(let until):
            guard now >= until else { return [] }
            let next = newLink()
            self.successor?.state = .opening(next)
            return [.openLink(next)]
        case .opening:
            return []
        case .ready(let next, let created, let openedAt):
            guard mayLeave(successor, at: now) else { return [] }
            self.successor = nil
            switchReason = successor.reason
            voiced = []
            let overdue = SessionError(.upstreamLost, "the connection to the upstream server ended before it answered")
            return [.closeLink(id)] + requeue(overdue) + use(next, created: created, openedAt: openedAt, at: now)
        }
    }

    mutating func replaceLink(reason: String, holdsCommands: Bool, at now: Int) -> [Action] {
        let next = newLink()
        successor = Successor(reason: reason, state: .opening(next), holdsCommands: holdsCommands)
        return [.openLink(next)]
    }

    mutating func successorFailed(at now: Int) -> [Action] {
        guard var successor else { return [] }
        successor.failures += 1
        if successor.holdsCommands, successor.failures >= Reconnection.attemptsAfterLoss, case .open(let id) = link {
            // The connection there is does not know what the commands build on, so it is of no use to them.
            self.successor = nil
            let error = SessionError(.upstreamUnavailable, "no upstream connection could be had that knows of the cut")
            return [.closeLink(id)] + terminals(why: error.message) + giveUp(error, suspendedReason: "upstream_unavailable")
        }
        successor.state = .waiting(until: now + Reconnection.wait(afterFailures: successor.failures))
        self.successor = successor
        return []
    }

    private func mayLeave(_ successor: Successor, at now: Int) -> Bool {
        guard projection.responsesInProgress.isEmpty, unwritten.isEmpty else { return false }
        let isLast = age.map { now >= $0.last } ?? false
        guard matcher.unanswered.isEmpty else { return isLast && now >= lastAskedAt + Self.patience }
        let quiet = now - lastFrameAt
        return (successor.holdsCommands || isLast) && quiet >= SessionTimes.lastWords
            || isBetweenTurns && quiet >= SessionTimes.settling
    }

    /// The open connection is left in a moment, and what is asked for until then goes to the next one.
    func isLeaving(at now: Int) -> Bool {
        guard case .ready = successor?.state, let age, now >= age.last else { return false }
        return projection.responsesInProgress.isEmpty && unwritten.isEmpty && matcher.unanswered.isEmpty
    }

    /// No turn runs (ARCHITECTURE.md "Recovery and rollover"), and no audio is at stake.
    private var isBetweenTurns: Bool {
        !isToolPending && !ledger.isSpeaking && !owesVoiceAnswer && (isDetectingVoice || ledger.holdsAll)
            && awaitedTranscripts.isEmpty
    }

    private var isToolPending: Bool {
        projection.pendingCalls.contains { !missingCalls.contains($0) && !webhookRuns.isForgone($0) }
    }

    // MARK: A silent upstream

    private var isAsking: Bool { !matcher.unanswered.isEmpty || !projection.responsesInProgress.isEmpty }
    private var seedingDeadline: Int { lastFrameAt + min(times.seeding, times.stall) }
    private var stallDeadline: Int { max(lastFrameAt, lastAskedAt) + times.stall }

    // MARK: An idle session

    /// Nobody speaks, no tool is pending, nobody looks on.
    private var idleDeadline: Int? {
        guard let idle = settings.idleTimeout.map({ $0 * 1_000 }) ?? times.idle, idle > 0, oneShot == nil, viewers == 0, !isAsking,
            queue.isEmpty, responses.isEmpty, successor == nil,
            !isToolPending, !ledger.isSpeaking
        else { return nil }
        return max(lastActivityAt, lastFrameAt, lastViewerLeftAt ?? 0) + idle
    }

    // MARK: Viewers

    mutating func viewersChanged(_ count: Int, at now: Int) {
        let hadSome = viewers > 0
        viewers = count
        lastViewerLeftAt = count > 0 ? nil : hadSome ? now : lastViewerLeftAt
    }

    private var viewerDeadline: Int? {
        guard let left = lastViewerLeftAt, !record.status.hasEnded else { return nil }
        return settings.onLastViewerGone ?? .keep == .keep ? nil : left + SessionTimes.viewerGrace
    }

    private mutating func lastViewerGone(at now: Int) -> [Action] {
        guard settings.onLastViewerGone != .close else { return close(reason: "last_viewer_gone", at: now / 1_000) }
        // Once for each time that they leave: what is asked for later has no viewer to lose.
        lastViewerLeftAt = nil
        lastActivityAt = now
        guard case .open(let id) = link else { return [] }
        return projection.responsesInProgress.map { response in
            sending(.command(.ownRequest(.responseCancel, [("response_id", .string(response.id))])), on: id)
        }
    }

    /// - Parameter settings: what the session goes by from now on.
    mutating func set(_ settings: SessionSettings) {
        self.settings = settings
        record.settings = settings.json
        record.expiresAt = settings.maxDuration.map { record.createdAt + $0 }
    }
}
