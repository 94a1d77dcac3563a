/// What the sessions may use and how long they may take; plain values, each with a setting of its own.
package struct SessionLimits: Sendable {
    /// Sessions with an upstream connection.
    package var live: Int
    /// Sessions in the store, ended ones included; as many again of those made for one response, which nobody sees.
    package var kept: Int
    /// How long a new session's configuration may take to be confirmed.
    package var configurationTime: Duration
    /// How long nobody may speak, with no tool call pending and no viewer, before a session gives its connection back; nil: as long as
    /// upstream lets it.
    package var idleTimeout: Duration?
    /// Something is owed and upstream has not sent one frame for this long: its connection counts as lost.
    package var stallTimeout: Duration
    /// An estimate of the tokens of the items that a new connection is given; the oldest ones above it are dropped, and said to be.
    package var replayTokenLimit: Int
    /// How long a rollover waits for a running turn to end before it switches all the same.
    package var rolloverWait: Duration

    package init(
        live: Int = 1_000, kept: Int = 100_000, configurationTime: Duration = .seconds(10), idleTimeout: Duration? = .seconds(300),
        stallTimeout: Duration = .seconds(60), replayTokenLimit: Int = 24_000, rolloverWait: Duration = .seconds(60)
    ) {
        self.live = live
        self.kept = kept
        self.configurationTime = configurationTime
        self.idleTimeout = idleTimeout
        self.stallTimeout = stallTimeout
        self.replayTokenLimit = replayTokenLimit
        self.rolloverWait = rolloverWait
    }
}
