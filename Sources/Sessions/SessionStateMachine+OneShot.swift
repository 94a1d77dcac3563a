import EventLog
import Realtime
import Upstream

/// Where a session stands that is made for one response.
enum OneShot: Equatable, Sendable {
    /// Its maker may add items, and asks for the response.
    case preparing
    /// The response was asked for. Nothing else is taken but its cancel.
    case asked
}

// A session that the bridge makes for one response and ends with it.
extension SessionStateMachine {
    /// The one way to a connection's socket.
    mutating func sending(_ outgoing: Outgoing, on id: LinkID) -> Action {
        use.note(outgoing, on: id)
        return .send(id, outgoing)
    }

    /// Nobody looks after it, and it cannot be gone on with: there is nothing to set.
    func refuseChangeOfOneShot() throws(SessionError) {
        guard record.isOneShot else { return }
        throw SessionError(.sessionIsOneShot, "this session was made for one response, and nothing of it can be changed")
    }

    func refuseUnlessOneShotTakes(_ command: Command) throws(SessionError) {
        guard oneShot == .asked else { return }
        if case .responseCancel = command.kind { return }
        throw SessionError(
            .sessionIsOneShot,
            "this session was made for one response and takes nothing but its cancel; create a session with POST /v1/sessions")
    }

    /// The response was asked for, and nothing is left to come.
    var isOneShotOver: Bool {
        oneShot == .asked && !link.isEnded && matcher.unanswered.isEmpty && queue.isEmpty && responses.isEmpty
            && projection.responsesInProgress.isEmpty
    }

    /// Ends the session if its response is over, and lets somebody else have the connection if nothing of it is left there.
    mutating func endIfOneShotIsOver(at now: Int) -> [Action] {
        guard isOneShotOver else { return [] }
        let given = mayBeGivenBack
        return close(reason: Self.oneShotReason, at: now / 1_000).map { action in
            if let given, case .closeLink(given) = action { .giveBackLink(given) } else { action }
        }
    }

    static let oneShotReason = "one_shot"

    /// Ends the session before its response has: the bridge stops, or was found to have stopped.
    mutating func endOneShot(reason: String, at now: Int) -> [Action] {
        guard !link.isEnded else { return [] }
        let words = "the bridge stopped before upstream answered (\(reason))"
        return terminals(why: words) + answerAll(SessionError(.upstreamLost, words)) + close(reason: reason, at: now / 1_000)
    }

    /// The open connection, if one response outside of the conversation was asked for on it that leaves nothing, and the server has told of
    /// that one as such, of nothing else, and has ended it with the event that came last.
    private var mayBeGivenBack: LinkID? {
        guard case .open(let id) = link, profile.supportsOutOfBand, use.isOneResponseWithoutTraces(on: id), unwritten.isEmpty,
            successor == nil,
            expiredAt == nil, projection.items.isEmpty, projection.responses.count == 1, let response = projection.responses.values.first,
            response.isOutOfBand, response.doneSeq == lastSeq, ["completed", "incomplete"].contains(response.status)
        else { return nil }
        return id
    }
}
