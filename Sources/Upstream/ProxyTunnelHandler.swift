import NIOCore

/// Asks the proxy for a tunnel once TCP stands, and leaves when it is open: then the bytes are the server's.
///
/// Takes ``TransportReady`` for TCP as the sign to begin, and passes it on for the tunnel.
final class ProxyTunnelHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let request: ProxyTunnelRequest
    private var answer = ResponseHeadReader()
    private var hasFailed = false

    init(request: ProxyTunnelRequest) {
        self.request = request
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case is TransportReady: context.writeAndFlush(wrapOutboundOut(request.bytes), promise: nil)
        case let deadline as HandshakeDeadline: fail(request.timedOut(deadline.limit), context)
        default: context.fireUserInboundEventTriggered(event)
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !hasFailed else { return }
        switch answer.read(unwrapInboundIn(data)) {
        case .needMore: break
        case .malformed: fail(request.spokeNoHTTP, context)
        case .head(let head, let leftOver):
            if let fault = request.fault(of: head) {
                fail(fault, context)
                return
            }
            context.fireUserInboundEventTriggered(TransportReady())
            // A 2xx to CONNECT has no body, whatever its headers say (RFC 9110, 9.3.6): what follows comes from the server.
            if leftOver.readableBytes > 0 { context.fireChannelRead(wrapInboundOut(leftOver)) }
            context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        fail(request.broke(error), context)
    }

    func channelInactive(context: ChannelHandlerContext) {
        fail(request.left, context)
        context.fireChannelInactive()
    }

    private func fail(_ error: UpstreamError, _ context: ChannelHandlerContext) {
        // The first failure is the one that says why.
        guard !hasFailed else { return }
        hasFailed = true
        context.fireErrorCaught(error)
        context.close(promise: nil)
    }
}
