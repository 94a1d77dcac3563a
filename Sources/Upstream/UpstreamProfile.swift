/// What one vendor's Realtime server does otherwise than OpenAI's, whose ways the defaults are.
package struct UpstreamProfile: Sendable, Hashable {
    /// A response's events carry the `metadata` of its `response.create`, so that each is told by the bridge's mark in them. False for
    /// servers that drop or refuse them: there one response is created at a time, and the next `response.created` is taken for it.
    package var echoesMetadata: Bool
    /// An `error` names the client event that it answers in `error.event_id`. False for Qwen, GLM and LocalAI, whose errors have none
    /// or an empty one: commands that are acknowledged go to them one at a time.
    package var echoesEventIDs: Bool
    /// Takes `"conversation":"none"` in a `response.create`. False for speaches.
    package var supportsOutOfBand: Bool
    /// A server event to wait for beside `session.created` before anything is sent; `conversation.created` for xAI.
    package var awaitedEvent: String?
    /// Types of server events that say nothing but that the server is alive, and are not logged: `ping` of xAI, `heartbeat` of GLM.
    package var heartbeats: Set<String>
    /// Samples a second that the input formats `pcm16` and `pcm` mean where no rate is said. 16,000 for Qwen.
    package var inputRate: Int
    /// Samples a second that the output formats `pcm16` and `pcm` mean where no rate is said. 24,000 for all servers known.
    package var outputRate: Int
    /// How long a session lasts where `session.created` has no `expires_at`; nil: without end, as on one's own machine. Qwen: 2 h.
    package var maximumSessionAge: Duration?

    package init(
        echoesMetadata: Bool = true, echoesEventIDs: Bool = true, supportsOutOfBand: Bool = true, awaitedEvent: String? = nil,
        heartbeats: Set<String> = [], inputRate: Int = 24_000, outputRate: Int = 24_000, maximumSessionAge: Duration? = .seconds(3_600)
    ) {
        self.echoesMetadata = echoesMetadata
        self.echoesEventIDs = echoesEventIDs
        self.supportsOutOfBand = supportsOutOfBand
        self.awaitedEvent = awaitedEvent
        self.heartbeats = heartbeats
        self.inputRate = inputRate
        self.outputRate = outputRate
        self.maximumSessionAge = maximumSessionAge
    }
}
