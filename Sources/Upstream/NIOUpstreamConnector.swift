package import Logging
package import NIOCore
package import NIOPosix

/// The real ``UpstreamConnecting``: SwiftNIO for sockets, HTTP and WebSocket, the system's OpenSSL for TLS.
package final class NIOUpstreamConnector: UpstreamConnecting {
    private let group: any EventLoopGroup
    private let logger: Logger
    private let resolver: (any Resolver & Sendable)?
    private let tlsContexts = TLSContextCache()

    /// - Parameters:
    ///   - group: runs the connections; belongs to the caller, who shuts it down after the last connection.
    ///   - resolver: looks names up, one query at a time; nil: the system does.
    package init(group: any EventLoopGroup, logger: Logger, resolver: (any Resolver & Sendable)? = nil) {
        self.group = group
        self.logger = logger
        self.resolver = resolver
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
                metadata: ["bridge.upstream": "\(endpoint.name)", "bridge.error": "\(error.logText)"])
            throw error
        }
    }

    private func open(_ endpoint: UpstreamEndpoint, _ request: UpgradeRequest) async throws(UpstreamError) -> UpstreamConnection {
        let address = request.address
        let tunnel: ProxyTunnelRequest? = if let proxy = endpoint.proxy { try ProxyTunnelRequest(proxy, to: address) } else { nil }
        let tls: TLSContext? = address.isSecure ? try await tlsContexts.context(for: endpoint.tls) : nil
        let place = tunnel.map { "the proxy \($0.proxy)" } ?? endpoint.server
        let limit = endpoint.handshakeTimeout

        let loop = group.next()
        let opened = loop.makePromise(of: UpstreamConnection.self)
        // RFC 8305: both families are looked up, IPv6 is tried first, the next address a quarter of a second after the one before or when it fails.
        let connecting = ClientBootstrap(group: loop)
            .resolver(resolver)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .connectTimeout(TimeAmount(limit))
            .connect(host: tunnel?.proxy.host ?? address.host, port: tunnel?.proxy.port ?? address.port)
        connecting.whenFailure { opened.fail(ConnectFailure.toConnect($0, limit: limit, place: place)) }
        // Handlers are added to the one channel that won: a loser must not fail the promise.
        connecting.whenSuccess { channel in
            do {
                try Self.start(on: channel, tunnel, tls, endpoint, request, opened)
            } catch {
                opened.fail(ConnectFailure.duringHandshake(error))
            }
        }
        let deadline = loop.scheduleTask(in: TimeAmount(limit)) {
            // At once if TCP stands: then whoever waits there knows what for.
            connecting.whenSuccess { $0.pipeline.fireUserInboundEventTriggered(HandshakeDeadline(limit: limit)) }
            opened.fail(ConnectFailure.notConnected(limit, to: place))
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
        on channel: any Channel, _ tunnel: ProxyTunnelRequest?, _ tls: TLSContext?, _ endpoint: UpstreamEndpoint, _ request: UpgradeRequest,
        _ opened: EventLoopPromise<UpstreamConnection>
    ) throws {
        guard channel.isActive else { throw ChannelError.ioOnClosedChannel }
        let pipeline = channel.pipeline.syncOperations
        if let tunnel { try pipeline.addHandler(ProxyTunnelHandler(request: tunnel)) }
        if let tls {
            let host = request.address.host
            try pipeline.addHandler(TLSHandler(session: TLSSession(tls, host: host), host: host))
        }
        try pipeline.addHandler(UpgradeHandler(endpoint: endpoint, request: request, opened: opened))
        pipeline.fireUserInboundEventTriggered(TransportReady())
    }
}
