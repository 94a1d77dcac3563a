import NIOCore
import NIOHTTP1

/// Says that bytes can be written: TCP stands, and TLS on it if there is any.
struct TransportReady: Sendable {}

/// Sends the upgrade request once the transport is ready, and turns every answer but a good 101 into an error.
///
/// Stands behind NIO's upgrade handler, which passes on what it does not take; leaves the pipeline at the upgrade.
final class UpgradeRequestHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundOut = HTTPClientRequestPart

    private let request: UpgradeRequest
    private let opened: EventLoopPromise<UpstreamConnection>

    init(request: UpgradeRequest, opened: EventLoopPromise<UpstreamConnection>) {
        self.request = request
        self.opened = opened
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard event is TransportReady else {
            context.fireUserInboundEventTriggered(event)
            return
        }
        context.write(wrapOutboundOut(.head(request.head)), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        // The body of a refusal is not read: it may be of any size and echo anything.
        if case .head(let head) = unwrapInboundIn(data) {
            fail(ConnectFailure.refused(status: Int(head.status.code)), context)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        fail(ConnectFailure.duringHandshake(error), context)
    }

    func channelInactive(context: ChannelHandlerContext) {
        fail(UpstreamError(.unreachable, "upstream closed the connection before it had answered"), context)
        context.fireChannelInactive()
    }

    private func fail(_ error: UpstreamError, _ context: ChannelHandlerContext) {
        // The first failure is the one that says why; a promise ignores the later ones.
        opened.fail(error)
        context.close(promise: nil)
    }
}
