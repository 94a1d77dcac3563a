/// How a server listens and where its limits are.
package struct HTTPServerConfiguration: Sendable {
    package var listen: [ListenAddress]
    /// Permissions (`mode_t`) of Unix socket files, which are their authentication.
    package var socketMode: UInt32 = 0o600
    /// Threads over all listeners, at least one each. Each walks its own suspended connections at every wake, so more threads help where
    /// many streams sleep.
    package var workerThreads: Int = 2
    /// Connections over all listeners together; those beyond it are closed as soon as they are accepted.
    package var connectionLimit: Int = 12_000
    /// Beyond it 431. libmicrohttpd answers for itself what does not fit ``connectionMemoryBytes``.
    package var maximumHeadBytes: Int = 16 * 1024
    /// libmicrohttpd's memory per connection: the head, then the pull buffer. It clears, and so occupies, half of it when an answer begins,
    /// and all of it when the connection is used again.
    package var connectionMemoryBytes: Int = 24 * 1024
    /// Ends connections between requests and clients that stop reading an answer. Whole seconds, at least one.
    package var idleTimeout: Duration = .seconds(60)
    /// Ends uploads that send nothing for so long, with 408. Time in which the server does not read does not count. Whole seconds.
    package var bodyIdleTimeout: Duration = .seconds(60)
    /// How much of a body that the handler did not want is read and dropped so that the connection lives on. Of a longer one the answer comes
    /// amidst, and ends the connection.
    package var drainLimitBytes: Int = 1024 * 1024
    /// How long such a body may take; then it is answered amidst as well. A client that sends on regardless is cut off after as long again.
    package var drainTime: Duration = .seconds(2)

    package init(listen: [ListenAddress]) {
        self.listen = listen
    }
}
