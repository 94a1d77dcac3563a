import NIOCore
import NIOHTTP1
import NIOWebSocket

/// Builds the pipeline of one connection: TLS (if any), HTTP until the 101, WebSocket after it.
struct Handshake {
    let endpoint: UpstreamEndpoint
    let request: UpgradeRequest
    let opened: EventLoopPromise<UpstreamConnection>

    /// On the channel's event loop, with the TCP connection standing.
    func start(on channel: any Channel) throws {
        guard channel.isActive else { throw ChannelError.ioOnClosedChannel }
        let pipeline = channel.pipeline.syncOperations
        let upgrader = NIOWebSocketClientUpgrader(
            // A control frame must fit also where messages are kept tiny.
            maxFrameSize: max(125, min(endpoint.maximumMessageBytes, Int(UInt32.max))),
            automaticErrorHandling: false,
            upgradePipelineHandler: { [self] channel, response in
                channel.eventLoop.makeCompletedFuture { try accept(response, on: channel) }
            })
        try pipeline.addHTTPClientHandlers(
            // The default drops what follows the 101 in the same segment, which is where `session.created` often is.
            leftOverBytesStrategy: .forwardBytes,
            withClientUpgrade: (
                upgraders: [upgrader],
                completionHandler: { context in
                    // It cannot take bytes that are not HTTP, and those are forwarded right after this.
                    let pipeline = context.pipeline.syncOperations
                    if let handler = try? pipeline.handler(type: UpgradeRequestHandler.self) { pipeline.removeHandler(handler, promise: nil) }
                }
            ))
        try pipeline.addHandler(UpgradeRequestHandler(request: request, opened: opened))
        channel.pipeline.fireUserInboundEventTriggered(TransportReady())
    }

    private func accept(_ response: HTTPResponseHead, on channel: any Channel) throws {
        if let fault = request.fault(of: response) {
            opened.fail(fault)
            throw fault
        }
        let inbound = InboundQueue(resumeReading: { channel.read() })
        try channel.pipeline.syncOperations.addHandler(WebSocketHandler(endpoint: endpoint, inbound: inbound, opened: opened))
    }
}
