package import Logging

/// Opens sessions at Realtime servers, out of a stock of warm ones where it can.
///
/// A warm connection has seen its `session.created` and nothing else; it is given out once, configured by nobody before. Only endpoints with
/// ``UpstreamEndpoint/sharesConnections`` are kept warm; all others are opened when asked for. The stock follows demand: it covers the creates
/// of a few handshake times, within ``UpstreamPoolLimits``. All handshakes take turns, callers before the stock.
///
/// An upstream that fails several times in a row is left alone for up to 30 s (``UpstreamError/Code/circuitOpen(retryAfterMilliseconds:)``); what
/// callers' own credentials meet neither counts for that nor is held up by it.
///
/// From: ``UpstreamConnecting`` below. To: sessions, which see no difference but the time.
package final class UpstreamPool: UpstreamConnecting {
    private let connector: any UpstreamConnecting

    /// - Parameter warm: endpoints to keep ``UpstreamPoolLimits/minimum`` connections for before anybody has asked; each shares connections.
    package init(connector: any UpstreamConnecting, limits: UpstreamPoolLimits, warm: [UpstreamEndpoint], logger: Logger) {
        self.connector = connector
    }

    /// A connection nobody else has: a warm one that is still open, else one opened now.
    ///
    /// Waits at most ``UpstreamEndpoint/handshakeTimeout`` for its turn and as long again for the handshake. What the server sent since
    /// ``UpstreamConnection/created`` is still to be read.
    /// - Throws: what the connector throws; `.circuitOpen`; `.handshakeTimeout` when its turn does not come; `.cancelled`, also after ``stop()``.
    package func connect(to endpoint: UpstreamEndpoint) async throws(UpstreamError) -> UpstreamConnection {
        try await connector.connect(to: endpoint)
    }

    /// Keeps the stock until ``stop()`` or until the task is cancelled, which stops the pool too. Call it once.
    ///
    /// While it does not run, ``connect(to:)`` works, but nothing is kept warm.
    package func run() async {}

    /// Closes what is warm, refuses who waits, and ends ``run()``; connections given out go on. Returns when all are closed, within 2 s or so.
    package func stop() async {}

    /// Each upstream that was ever asked for or is to be kept warm, by name.
    package var status: [UpstreamPoolStatus] { [] }
}
