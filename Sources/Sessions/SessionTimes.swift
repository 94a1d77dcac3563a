import Upstream

/// How long things may take in one session, in milliseconds.
struct SessionTimes: Sendable {
    /// Without anybody speaking, any tool call pending and any viewer, before the connection is given back; nil: never.
    var idle: Int?
    /// Something is owed and upstream says nothing.
    var stall: Int
    /// How long before the end of a connection its replacement is asked for, so that a running turn can end.
    var rolloverWait: Int
    /// Between two steps of giving a new connection its conversation.
    var seeding: Int
    /// How long a connection lasts where the server does not say; nil: without end.
    var maximumAge: Int?

    /// After the last frame of a turn before its connection is left: `rate_limits.updated` and the like follow `response.done`.
    static let settling = 300
    /// The same where the connection has to be left now: what was sent with the last frame has come by then.
    static let lastWords = 50
    /// A viewer that lost its stream comes back within this.
    static let viewerGrace = 10_000

    init(idle: Int? = 300_000, stall: Int = 60_000, rolloverWait: Int = 60_000, seeding: Int = 10_000, maximumAge: Int? = nil) {
        self.idle = idle
        self.stall = stall
        self.rolloverWait = rolloverWait
        self.seeding = seeding
        self.maximumAge = maximumAge
    }

    init(_ limits: SessionLimits, profile: UpstreamProfile) {
        idle = limits.idleTimeout?.milliseconds
        stall = limits.stallTimeout.milliseconds
        rolloverWait = limits.rolloverWait.milliseconds
        seeding = limits.configurationTime.milliseconds
        maximumAge = profile.maximumSessionAge?.milliseconds
    }
}

extension Duration {
    var milliseconds: Int { Int(components.seconds) * 1_000 + Int(components.attoseconds / 1_000_000_000_000_000) }
}

/// When the present connection will end, and when to leave it.
struct ConnectionAge: Equatable, Sendable {
    /// Its replacement is asked for from here on; it is left as soon as no turn runs.
    let due: Int
    /// It is left from here on unless a response is being produced.
    let last: Int

    /// Nil for a connection that does not end by itself.
    /// - Parameters:
    ///   - expiresAt: unix seconds, as the server says.
    ///   - openedAt: when the connection's session was created; all in milliseconds.
    init?(expiresAt: Int?, openedAt: Int, now: Int, times: SessionTimes) {
        var end = times.maximumAge.map { openedAt + $0 }
        // A clock that runs differently makes what the server says meaningless.
        if let expiresAt, expiresAt > now / 1_000, expiresAt < now / 1_000 + 7 * 86_400 { end = expiresAt * 1_000 }
        guard let end else { return nil }
        let life = max(0, end - now)
        last = end - min(5_000, life / 10)
        due = min(last, end - min(times.rolloverWait + 10_000, life / 4))
    }
}
