package import Logging
package import NIOCore
import NIOPosix

/// The real ``UpstreamConnecting``: SwiftNIO for sockets, HTTP and WebSocket, the system's OpenSSL for TLS.
package final class NIOUpstreamConnector: UpstreamConnecting {
    private let group: any EventLoopGroup
    private let logger: Logger
    private let tlsContexts = TLSContextCache()

    /// - Parameter group: runs the connections; belongs to the caller, who shuts it down after the last connection.
    package init(group: any EventLoopGroup, logger: Logger) {
        self.group = group
        self.logger = logger
    }

    package func connect(to endpoint: UpstreamEndpoint) async throws(UpstreamError) -> UpstreamConnection {
        let started = ContinuousClock.now
        do throws(UpstreamError) {
            let connection = try await open(endpoint, UpgradeRequest(endpoint))
            logger.debug(
                "upstream session opened",
                metadata: ["bridge.upstream": "\(endpoint.name)", "bridge.duration": "\(ContinuousClock.now - started)"])
            return connection
        } catch {
            logger.debug(
                "upstream session not opened",
                metadata: ["bridge.upstream": "\(endpoint.name)", "bridge.error": "\(error.debugDescription)"])
            throw error
        }
    }

    private func open(_ endpoint: UpstreamEndpoint, _ request: UpgradeRequest) async throws(UpstreamError) -> UpstreamConnection {
        let tls: TLSContext? = request.address.isSecure ? try await tlsContexts.context(for: endpoint.tls) : nil
        let loop = group.next()
        let opened = loop.makePromise(of: UpstreamConnection.self)
        let deadline = loop.scheduleTask(in: TimeAmount(endpoint.handshakeTimeout)) {
            opened.fail(ConnectFailure.timedOut(endpoint.handshakeTimeout))
        }
        let connecting = ClientBootstrap(group: loop)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .connectTimeout(TimeAmount(endpoint.handshakeTimeout))
            .connect(host: request.address.host, port: request.address.port)
        connecting.whenFailure { opened.fail(ConnectFailure.toConnect($0, limit: endpoint.handshakeTimeout)) }
        // Handlers are added to the one channel that won: IPv4 and IPv6 are tried side by side, and a loser must not fail the promise.
        connecting.whenSuccess { channel in
            do {
                try Self.start(on: channel, tls, endpoint, request, opened)
            } catch {
                opened.fail(ConnectFailure.duringHandshake(error))
            }
        }
        opened.futureResult.whenComplete { result in
            deadline.cancel()
            if case .failure = result { connecting.whenSuccess { $0.close(promise: nil) } }
        }
        do {
            return try await withTaskCancellationHandler {
                try await opened.futureResult.get()
            } onCancel: {
                opened.fail(UpstreamError(.cancelled, "connecting to upstream was cancelled"))
            }
        } catch {
            throw ConnectFailure.duringHandshake(error)
        }
    }

    /// On the channel's event loop, with the TCP connection standing.
    private static func start(
        on channel: any Channel, _ tls: TLSContext?, _ endpoint: UpstreamEndpoint, _ request: UpgradeRequest,
        _ opened: EventLoopPromise<UpstreamConnection>
    ) throws {
        guard channel.isActive else { throw ChannelError.ioOnClosedChannel }
        let pipeline = channel.pipeline.syncOperations
        if let tls {
            let host = request.address.host
            try pipeline.addHandler(TLSHandler(session: TLSSession(tls, host: host), host: host))
        }
        try pipeline.addHandler(UpgradeHandler(endpoint: endpoint, request: request, opened: opened))
        pipeline.fireUserInboundEventTriggered(TransportReady())
    }
}
