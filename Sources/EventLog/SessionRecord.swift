package import Realtime

/// What is stored of a session beside its events: who may see it, how it was asked for, and where it stands.
package struct SessionRecord: Sendable, Equatable {
    package enum Status: String, Sendable, CaseIterable {
        /// The first upstream connection is being made.
        case connecting
        /// An upstream connection is open.
        case active
        /// History kept, no upstream socket; the next command reconnects.
        case suspended
        /// A new upstream connection is being made in the place of a lost one.
        case recovering
        case closed
        case failed

        /// Commands are answered 410, the history stays readable.
        package var hasEnded: Bool { self == .closed || self == .failed }

        /// Without an upstream connection, so that the end of the process changes nothing about it.
        var isAtRest: Bool { self == .suspended || hasEnded }
    }

    /// `rts_…`, the bridge's own.
    package let id: String
    /// Who may see it: the name of a bridge key, the HMAC of a passed-through bearer, or nil for every caller of a keyless bridge.
    package let owner: String?
    /// Unix seconds.
    package let createdAt: Int
    package let model: String?
    /// What its clients are shown unless they ask for the other one.
    package var dialect: Dialect
    package let upstreamName: String
    /// Made by the bridge for one response: in no list, takes no commands, and is deleted soon after its end.
    package let isOneShot: Bool
    /// One that is kept as long as other sessions are, since a repetition of its request may ask for its answer.
    package let isKept: Bool

    package var status: Status
    /// Why it was closed or has failed; the `reason` of `bridge.session.closed`.
    package var endReason: String?
    package var endedAt: Int?
    /// Unix seconds: when `max_duration` ends the session; nil if nothing does. ``EventLog/sessionsExpired(by:limit:)`` finds it.
    package var expiresAt: Int?
    /// A JSON object of the caller's own strings.
    package var metadata: [UInt8]
    /// The bridge's own settings as a JSON object: `idle_timeout`, `max_duration`, `on_last_viewer_gone`, where given.
    package var settings: [UInt8]

    /// The webhooks of its tools, a JSON object of URLs by the tools' names; nil without any.
    package var webhooks: [UInt8]?
    /// A webhook is to be called, or has been and its output, or the response after that, is not there yet. ``EventLog/sessionsOwingOutputs()`` finds it.
    package var owesOutputs = false
    /// Milliseconds of input audio that was appended and is in no item yet: memory alone holds it, so the end of the process loses it. While audio
    /// streams in it is up to a second behind. See `input_audio_lost_ms`.
    package var uncommittedAudioMilliseconds = 0

    /// What its events, items, responses and configurations are spelt in.
    package let upstreamDialect: Dialect
    package var upstreamSessionID: String?
    /// Counts upstream connections of this session, from 1.
    package var generation: Int
    package var upstreamExpiresAt: Int?
    /// The `session` object of the last `session.created` or `session.updated`, as upstream spelt it.
    package var configuration: [UInt8]?
    /// The merged `session` object of what the caller asked for, to configure the next upstream connection with.
    package var requestedConfiguration: [UInt8]?
    /// Summed token counts of all finished responses.
    package var usage: UsageTotals

    package init(
        id: String, owner: String?, createdAt: Int, model: String?, dialect: Dialect, upstreamName: String, status: Status,
        metadata: [UInt8], settings: [UInt8], upstreamDialect: Dialect, isOneShot: Bool = false, isKept: Bool = false
    ) {
        self.id = id
        self.owner = owner
        self.createdAt = createdAt
        self.model = model
        self.dialect = dialect
        self.upstreamName = upstreamName
        self.status = status
        self.metadata = metadata
        self.settings = settings
        self.upstreamDialect = upstreamDialect
        self.isOneShot = isOneShot
        self.isKept = isKept
        self.generation = 0
        self.usage = UsageTotals()
    }
}

/// Token counts summed over a session's responses, named as in the protocol's `usage` object.
package struct UsageTotals: Sendable, Equatable {
    package var totalTokens = 0
    package var inputTokens = 0
    package var outputTokens = 0

    package init() {}
}
