/// Decides what every event means for one WebSocket, from its 101 to its end.
///
/// Exits: opening → open, ended. open → closing, ended. closing → ended.
enum ConnectionLife {
    /// Accepted, but no session yet.
    case opening(SessionOpening)
    case open
    /// Our CLOSE is out; the server's, the end of the socket, or the timer finishes it.
    case closing(UpstreamEnd)
    case ended

    var takesMessages: Bool {
        if case .open = self { true } else { false }
    }

    typealias MessageAction = SessionOpening.Action

    mutating func received(_ message: [UInt8]) -> MessageAction {
        switch self {
        case .opening(var opening):
            let action = opening.received(message)
            self = if case .opened = action { .open } else { .opening(opening) }
            return action
        case .open, .closing: return .deliver
        case .ended: return .ignore
        }
    }

    /// What is left to do at the end: a last CLOSE if there is one, then tell whoever waits, then close the socket.
    struct Finish {
        enum Outcome {
            case connectFails(UpstreamError)
            case ends(UpstreamEnd)
        }
        var closeFrame: WebSocketFault?
        var outcome: Outcome
    }

    mutating func peerClosed(code: UInt16?, reason: String) -> Finish? {
        // RFC 6455, 5.5.1: the answer typically echoes the code. 1000 stands in for none.
        let echo = WebSocketFault(closeCode: code ?? 1000, reason: "")
        return finish(
            closeFrame: echo, end: UpstreamEnd(.closedByPeer, code: code, reason: reason),
            failure: { $0.refused(closeCode: code, reason: reason) })
    }

    mutating func violated(_ fault: WebSocketFault) -> Finish? {
        let kind: UpstreamEnd.Kind = fault == .tooLarge ? .tooLarge : .protocolViolation
        return finish(
            closeFrame: fault, end: UpstreamEnd(kind, code: fault.closeCode, reason: fault.reason),
            failure: { UpstreamError(.badUpgrade, "\($0.server) broke the WebSocket protocol: \(fault.reason)") })
    }

    mutating func lost(_ reason: String) -> Finish? {
        finish(
            closeFrame: nil, end: UpstreamEnd(.lost, reason: reason),
            failure: {
                $0.wasRefused
                    ? $0.refused(closeCode: nil, reason: "")
                    : UpstreamError(.closed, "\($0.server) left before it had opened the session: \(reason)")
            })
    }

    mutating func pingTimedOut() -> Finish? {
        finish(
            closeFrame: nil, end: UpstreamEnd(.pingTimeout, reason: "no sign of life after a ping"),
            failure: { UpstreamError(.handshakeTimeout, "\($0.server) fell silent before it had opened the session") })
    }

    mutating func handshakeTimedOut(_ limit: Duration) -> Finish? {
        guard case .opening = self else { return nil }
        return finish(
            closeFrame: WebSocketFault(closeCode: 1000, reason: ""), end: UpstreamEnd(.closedByUs), failure: { $0.timedOut(limit) })
    }

    mutating func refusalGraceOver() -> Finish? {
        guard case .opening(let opening) = self, opening.wasRefused else { return nil }
        self = .ended
        let closeFrame = WebSocketFault(closeCode: 1000, reason: "")
        return Finish(closeFrame: closeFrame, outcome: .connectFails(opening.refused(closeCode: nil, reason: "")))
    }

    /// The socket is closed under the connection by its owner: dropped, cancelled, timed out.
    mutating func abandoned() -> Finish? {
        finish(
            closeFrame: nil, end: UpstreamEnd(.closedByUs),
            failure: { _ in UpstreamError(.cancelled, "the connection was given up while it was being opened") })
    }

    mutating func closeTimedOut() -> Finish? {
        guard case .closing = self else { return nil }
        return abandoned()
    }

    /// True if CLOSE has to be sent now.
    mutating func closeRequested(code: UInt16, reason: String) -> Bool {
        guard case .open = self else { return false }
        self = .closing(UpstreamEnd(.closedByUs, code: code, reason: reason))
        return true
    }

    private mutating func finish(
        closeFrame: WebSocketFault?, end: UpstreamEnd, failure: (SessionOpening) -> UpstreamError
    ) -> Finish? {
        switch self {
        case .opening(let opening):
            self = .ended
            return Finish(closeFrame: closeFrame, outcome: .connectFails(failure(opening)))
        case .open:
            self = .ended
            return Finish(closeFrame: closeFrame, outcome: .ends(end))
        case .closing(let ours):
            self = .ended
            return Finish(closeFrame: nil, outcome: .ends(ours))
        case .ended:
            return nil
        }
    }
}
