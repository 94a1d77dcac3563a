/// Opens sessions at Realtime servers.
package protocol UpstreamConnecting: Sendable {
    /// Returns once the server's `session.created` (or `transcription_session.created`) has come; a 101 alone proves nothing.
    /// With ``UpstreamEndpoint/awaitedEvent`` once that one has come too. It is not swallowed: it and what comes between the two are the first
    /// frames that ``UpstreamConnection/next()`` gives, also in the odd case that it came before the session's own.
    ///
    /// Cancelling the task closes whatever was opened.
    /// - Throws: ``UpstreamError``; never `.messageTooLarge`.
    func connect(to endpoint: UpstreamEndpoint) async throws(UpstreamError) -> UpstreamConnection

    /// Takes a connection that its caller needs no more and has left nothing on: no item, no configuration, nothing that the server still owes.
    /// The caller lets go of it with this call.
    ///
    /// Whoever cannot give it to somebody else closes it, and returns when that is done.
    /// - Parameter harmless: types of server events that may still come and concern nobody. After any other the connection is closed.
    func takeBack(_ connection: UpstreamConnection, harmless: Set<String>) async
}

extension UpstreamConnecting {
    package func takeBack(_ connection: UpstreamConnection, harmless: Set<String>) async {
        await connection.close()
    }
}

/// One message of the server, or the end.
package enum UpstreamInbound: Sendable, Equatable {
    case frame([UInt8])
    case ended(UpstreamEnd)
}

/// How a connection ended.
package struct UpstreamEnd: Sendable, Equatable {
    package enum Kind: Sendable, Equatable {
        /// The server sent CLOSE; `code` and `reason` are its own.
        case closedByPeer
        case closedByUs
        /// Reset, or end of stream without CLOSE.
        case lost
        /// Nothing came, not even a pong.
        case pingTimeout
        /// The server broke RFC 6455, or sent binary; `code` is what we closed with.
        case protocolViolation
        /// A message over ``UpstreamEndpoint/maximumMessageBytes``.
        case tooLarge
    }

    package var kind: Kind
    /// nil: no CLOSE was seen, or one without a code.
    package var code: UInt16?
    /// At most 123 bytes, key-like text masked.
    package var reason: String

    package init(_ kind: Kind, code: UInt16? = nil, reason: String = "") {
        self.kind = kind
        self.code = code
        self.reason = Secrets.closeReason(reason)
    }
}

/// One open session at a Realtime server. Dropping the last reference closes the socket without a close handshake.
///
/// From: the server's socket. To: the session's reading task, which calls ``next()``.
package final class UpstreamConnection: Sendable {
    /// The `session.created` frame, bytes as received.
    package let created: [UInt8]
    /// When ``created`` had come.
    package let openedAt = ContinuousClock.now

    private let nextInbound: @Sendable () async -> UpstreamInbound
    private let takeFrames: @Sendable () -> [[UInt8]]
    private let sendText: @Sendable ([UInt8]) async throws(UpstreamError) -> Void
    private let closeHandshake: @Sendable (UInt16, String) async -> Void
    private let watchEnd: @Sendable (@escaping @Sendable () -> Void) -> Void
    private let checkOpen: @Sendable () -> Bool
    private let abandon: @Sendable () -> Void

    /// - Parameters:
    ///   - unread: takes out the frames that ``next()`` has not given.
    ///   - isOpen: what ``isOpen`` says.
    ///   - onEnd: keeps a body and calls it at the end, at once if that has come; outside of any lock.
    ///   - abandon: called when the connection is dropped, also after its end.
    package init(
        created: [UInt8],
        next: @escaping @Sendable () async -> UpstreamInbound,
        unread: @escaping @Sendable () -> [[UInt8]],
        send: @escaping @Sendable ([UInt8]) async throws(UpstreamError) -> Void,
        close: @escaping @Sendable (UInt16, String) async -> Void,
        isOpen: @escaping @Sendable () -> Bool,
        onEnd: @escaping @Sendable (@escaping @Sendable () -> Void) -> Void,
        abandon: @escaping @Sendable () -> Void
    ) {
        self.created = created
        self.nextInbound = next
        self.takeFrames = unread
        self.sendText = send
        self.closeHandshake = close
        self.checkOpen = isOpen
        self.watchEnd = onEnd
        self.abandon = abandon
    }

    deinit {
        abandon()
    }

    /// The frames after ``created`` in order, then the end; asked again after the end it gives the end again.
    ///
    /// One consumer. When more than 1 MiB or 1,024 frames wait unread, the socket is not read, so the server is slowed down.
    /// Cancelling the consumer's task drops the connection.
    package func next() async -> UpstreamInbound {
        await nextInbound()
    }

    /// Takes the frames that have come and were not read, oldest first, without waiting for any; the end stays for ``next()``.
    ///
    /// Only while nobody reads: for who has the connection between two callers.
    package func takeUnread() -> [[UInt8]] { takeFrames() }

    /// False once the end is known here, also while frames that came before it still wait to be read.
    package var isOpen: Bool { checkOpen() }

    /// Calls the body once when the connection ends, whoever ends it, also when it is dropped; at once if it has ended.
    ///
    /// Takes nothing from ``next()``: frames and end are still to be read. The body runs on any thread, must not block, and must not keep
    /// the connection alive.
    package func onEnd(_ body: @escaping @Sendable () -> Void) {
        watchEnd(body)
    }

    /// Sends one text message; returns when the kernel has taken it. First come, first sent.
    ///
    /// A cancelled caller still waits: half a message cannot be taken back.
    /// - Throws: `.closed` when the connection has ended, `.messageTooLarge`.
    package func send(_ text: [UInt8]) async throws(UpstreamError) {
        try await sendText(text)
    }

    /// Sends CLOSE, waits at most 2 s for the server's, closes the socket. Harmless when the connection has ended.
    /// - Parameters:
    ///   - code: 1000 to 1003, 1007 to 1011, or 3000 to 4999; anything else is sent as 1000.
    ///   - reason: at most 123 bytes are sent.
    package func close(code: UInt16 = 1000, reason: String = "") async {
        await closeHandshake(code, reason)
    }
}
