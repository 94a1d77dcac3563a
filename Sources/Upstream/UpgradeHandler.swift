import NIOCore
import NIOWebSocket

/// Says that bytes can be written: TCP stands, and the tunnel and TLS on it if there are any.
package struct TransportReady: Sendable {
    package init() {}
}

/// Says that ``UpstreamEndpoint/handshakeTimeout`` is over. The handler that still waits for the peer takes it, fails with its own words, and does
/// not pass it on.
struct HandshakeDeadline: Sendable {
    var limit: Duration
}

/// Sends the upgrade request once the transport is ready, and puts the WebSocket in its place when the good answer has come.
final class UpgradeHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let endpoint: UpstreamEndpoint
    private let request: UpgradeRequest
    private let opened: EventLoopPromise<UpstreamConnection>
    private var answer = ResponseHeadReader()
    private var hasFailed = false

    init(endpoint: UpstreamEndpoint, request: UpgradeRequest, opened: EventLoopPromise<UpstreamConnection>) {
        self.endpoint = endpoint
        self.request = request
        self.opened = opened
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case is TransportReady: context.writeAndFlush(wrapOutboundOut(request.bytes), promise: nil)
        case let deadline as HandshakeDeadline: fail(ConnectFailure.unanswered(by: endpoint.server, deadline.limit), context)
        default: context.fireUserInboundEventTriggered(event)
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        // The body of a refusal is not read: it may be of any size and echo anything.
        guard !hasFailed else { return }
        switch answer.read(unwrapInboundIn(data)) {
        case .needMore:
            break
        case .malformed:
            fail(UpstreamError(.badUpgrade, "\(endpoint.server) does not speak HTTP; check scheme and port of its URL"), context)
        case .head(let head, let leftOver):
            if let fault = request.fault(of: head) {
                fail(fault, context)
            } else {
                becomeWebSocket(leftOver, context)
            }
        }
    }

    /// All in this call, so that nothing that follows the 101 can meet a half-built pipeline, not even the end of the stream.
    private func becomeWebSocket(_ leftOver: ByteBuffer, _ context: ChannelHandlerContext) {
        // A control frame must fit also where messages are kept tiny.
        let maximumFrameBytes = max(125, min(endpoint.maximumMessageBytes, Int(UInt32.max)))
        let channel = context.channel
        let inbound = InboundQueue(resumeReading: { channel.read() })
        do {
            let pipeline = context.pipeline.syncOperations
            try pipeline.addHandler(WebSocketFrameEncoder())
            try pipeline.addHandler(ByteToMessageHandler(WebSocketFrameDecoder(maxFrameSize: maximumFrameBytes)))
            try pipeline.addHandler(WebSocketHandler(endpoint: endpoint, inbound: inbound, opened: opened))
        } catch {
            fail(ConnectFailure.duringHandshake(error), context)
            return
        }
        if leftOver.readableBytes > 0 { context.fireChannelRead(wrapInboundOut(leftOver)) }
        context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        fail(ConnectFailure.duringHandshake(error), context)
    }

    func channelInactive(context: ChannelHandlerContext) {
        fail(UpstreamError(.unreachable, "\(endpoint.server) closed the connection before it had answered"), context)
        context.fireChannelInactive()
    }

    private func fail(_ error: UpstreamError, _ context: ChannelHandlerContext) {
        // The first failure is the one that says why; a promise ignores the later ones.
        hasFailed = true
        opened.fail(error)
        context.close(promise: nil)
    }
}
