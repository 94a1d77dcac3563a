import Realtime

/// One upstream connection of a session, from the first attempt to make it to its end. The session's alone.
final class SessionLink {
    private let outgoing: AsyncStream<SessionStateMachine.Outgoing>.Continuation
    /// What the connection's one writer takes.
    let outbox: AsyncStream<SessionStateMachine.Outgoing>
    /// Comes when the link is given up, so that a connection still being made is not waited for.
    let ended = Promise<Void>()
    /// Bytes of commands handed over and not yet written.
    private(set) var outgoingBytes = 0

    init() {
        // Unbounded by itself: the limits of waiting bytes, of waiting commands and of seeds under way bound it.
        (outbox, outgoing) = AsyncStream.makeStream(bufferingPolicy: .unbounded)
    }

    func send(_ message: SessionStateMachine.Outgoing) {
        if case .command(let command) = message { outgoingBytes += command.event.frame.count }
        outgoing.yield(message)
    }

    func written(_ command: Command) {
        outgoingBytes -= command.event.frame.count
    }

    func end() {
        outgoing.finish()
        ended.fulfil(())
    }
}
