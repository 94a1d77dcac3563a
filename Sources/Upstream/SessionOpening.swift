import Realtime

/// Decides whether a WebSocket that was just accepted becomes a session.
///
/// Servers say no after the 101: an `error` event, then CLOSE. But an `error` alone is no refusal yet, so the close is waited for.
struct SessionOpening {
    /// A close follows a refusal in the same moment; a server that keeps silent for this long after an `error` will not open the session either.
    static let refusalGrace = Duration.seconds(1)
    private static let readyTypes: Set<String> = ["session.created", "transcription_session.created"]
    private static let maximumErrorBytes = 64 << 10

    /// How messages call the server.
    let server: String
    /// Credentials that a server may echo.
    private let secrets: [String]
    private let awaitedEvent: String?
    /// The session's own event, kept while ``awaitedEvent`` is waited for.
    private var created: [UInt8]?
    private var hasSeenAwaitedEvent: Bool
    private var refusal: (frame: [UInt8]?, type: String?, code: String?, message: String?)?

    init(server: String, secrets: [String], awaitedEvent: String? = nil) {
        self.server = server
        self.secrets = secrets
        self.awaitedEvent = awaitedEvent
        hasSeenAwaitedEvent = awaitedEvent == nil
    }

    enum Action: Equatable {
        /// The frame was the last one missing. `delivers`: it goes to the reader, being another one than `created`.
        case opened(created: [UInt8], delivers: Bool)
        /// Give up after ``refusalGrace`` unless something else happens. `delivers`: the frame goes to the reader, if there will be one.
        case awaitClose(delivers: Bool)
        /// For the reader: the session exists, only the awaited event is missing.
        case deliver
        /// Not a session event: some servers send one or two before `session.created`. Or that event itself, kept.
        case ignore
    }

    mutating func received(_ frame: [UInt8]) -> Action {
        let event = FirstEvent(frame)
        let isCreated = created == nil && event.type.map(Self.readyTypes.contains) ?? false
        let isAwaited = !hasSeenAwaitedEvent && event.type == awaitedEvent
        if isCreated { created = frame }
        if isAwaited { hasSeenAwaitedEvent = true }
        if isCreated || isAwaited, let created, hasSeenAwaitedEvent { return .opened(created: created, delivers: !isCreated) }
        if isCreated { return .ignore }
        guard event.type == "error", refusal == nil else { return isAwaited || created != nil ? .deliver : .ignore }
        let kept = frame.count <= Self.maximumErrorBytes ? Secrets.masked(frame, also: secrets) : nil
        refusal = (kept, event.errorType, event.errorCode, event.errorMessage)
        return .awaitClose(delivers: created != nil)
    }

    /// What `connect` throws when the server has kept silent, or talked of other things, for too long.
    func timedOut(_ limit: Duration) -> UpstreamError {
        let missing = created == nil ? "session.created" : awaitedEvent ?? ""
        let advice = created == nil ? "is its URL that of a Realtime endpoint?" : "does this upstream really send it?"
        return UpstreamError(.handshakeTimeout, "\(server) opened the WebSocket but sent no \(missing) within \(limit); \(advice)")
    }

    /// What `connect` throws once it is clear that no session comes.
    func refused(closeCode: UInt16?, reason: String) -> UpstreamError {
        var message = "\(server) accepted the connection and then refused the session"
        let details = [closeCode.map { "close \($0)" }, reason.isEmpty ? nil : reason, refusal?.message].compactMap { $0 }
        if !details.isEmpty { message += ": " + details.joined(separator: ", ") }
        return UpstreamError(
            .refused(closeCode: closeCode, errorType: shown(refusal?.type), errorCode: shown(refusal?.code)),
            shown(message) ?? "", upstreamError: refusal?.frame)
    }

    var wasRefused: Bool { refusal != nil }

    /// Text of the server's that goes on to a caller.
    private func shown(_ text: String?) -> String? {
        text.map { Secrets.masked(String($0.prefix(512)), also: secrets) }
    }
}

/// The few members of a first event that decide.
struct FirstEvent {
    private(set) var type: String?
    private(set) var errorType: String?
    private(set) var errorCode: String?
    private(set) var errorMessage: String?

    init(_ frame: [UInt8]) {
        guard let event = ServerEvent(frame) else { return }
        type = event.type
        // Some servers send a bare string instead of an object.
        let error = event.json["error"]
        errorType = error?["type"]?.string
        errorCode = error?["code"]?.string
        errorMessage = error?["message"]?.string ?? error?.string
    }
}
