import EventLog
import Realtime

// How a session comes to rest, or to its end.
extension SessionStateMachine {
    /// Gives the connection back and keeps the history; the next command opens another one.
    ///
    /// Also what a session needs that was found running in the store: its responses in progress get their terminal, the connection that
    /// nobody saw end is said to have ended, and it is `suspended` last, so that a process killed in between does the rest the next time.
    /// - Parameter isLast: the process ends, and with it what is only in memory.
    mutating func suspend(reason: String, isLast: Bool = false) -> [Action] {
        guard !link.isEnded else { return [] }
        let spoken = uncommittedAudioMilliseconds
        let left = leave()
        let ends =
            terminals(why: "the session was suspended (\(reason))")
            + answerAll(SessionError(.upstreamLost, "the session was suspended before upstream answered (\(reason))"))
        if isLast {
            audioLostWithProcess += max(spoken, uncommittedAudioMilliseconds)
            ledger.cleared(at: ledger.position)
        }
        guard record.status != .suspended else { return ends + left }
        // A loss was told when it happened; a connection that is given back is not lost.
        let isUntold = left.isEmpty && record.status == .active
        let disconnection = isUntold ? logged(BridgeEvent.disconnected(code: nil, reason: reason, willRetry: false)) : []
        record.status = .suspended
        let event = BridgeEvent.suspended(reason: reason, inputAudioLostMilliseconds: audioLostWithProcess)
        return ends + disconnection + logged(event) + left
    }

    /// Ends the session for good.
    mutating func close(reason: String, at unixSeconds: Int) -> [Action] {
        guard !link.isEnded else { return [] }
        let left = leave()
        link = .ended
        let ends =
            terminals(why: "the session was closed")
            + answerAll(SessionError(.sessionClosed, "the session was closed before upstream answered"))
        record.status = .closed
        record.endReason = reason
        record.endedAt = unixSeconds
        return ends + logged(BridgeEvent.closed(reason: reason)) + left
    }

    mutating func set(_ dialect: Dialect) {
        record.dialect = dialect
    }

    mutating func setMetadata(_ metadata: [UInt8]) {
        record.metadata = metadata
    }

    private mutating func leave() -> [Action] {
        let ids = [link.id, successor?.id].compactMap { $0 }
        link = .none
        successor = nil
        switchReason = nil
        failures = 0
        voiced = []
        // Silence that upstream's voice detection has heard is of no use any more; what a caller has still to commit is.
        if isDetectingVoice { ledger.cleared(at: ledger.position) }
        return ids.map { .closeLink($0) }
    }
}
