/// How much an ``UpstreamPool`` may hold and do at once.
package struct UpstreamPoolLimits: Sendable {
    /// Warm connections kept for each of the endpoints that the pool was told to keep warm. At most ``maximum``.
    package var minimum: Int
    /// Warm connections kept for one endpoint at most; 0 turns keeping off. An idle connection costs a server little, but some count them.
    package var maximum: Int
    /// Endpoints for which connections are kept. One more is served without the pool's help until another is forgotten.
    package var maximumKeys: Int
    /// Handshakes under way at once, callers' and the pool's own together. A server that is back after a failure is not run over.
    package var handshakesAtOnce: Int
    /// Callers that wait for their handshake's turn; one more is refused at once.
    package var maximumWaiting: Int
    /// Failures in a row after which an upstream is left alone for a while.
    package var failuresToOpenCircuit: Int

    package init(
        minimum: Int = 0, maximum: Int = 8, maximumKeys: Int = 64, handshakesAtOnce: Int = 8, maximumWaiting: Int = 256,
        failuresToOpenCircuit: Int = 5
    ) {
        precondition(handshakesAtOnce > 0 && failuresToOpenCircuit > 0, "nothing could ever be opened")
        self.minimum = minimum
        self.maximum = maximum
        self.maximumKeys = maximumKeys
        self.handshakesAtOnce = handshakesAtOnce
        self.maximumWaiting = maximumWaiting
        self.failuresToOpenCircuit = failuresToOpenCircuit
    }
}
