import NIOCore
import NIOHTTP1

/// Answers in HTTP what did not become a WebSocket: 404 for another path, 426 for a plain request, 503 for a handshake refused on purpose.
final class HTTPRefusalHandler: ChannelInboundHandler, RemovableChannelHandler, Sendable {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard case .head(let head) = unwrapInboundIn(data) else { return }
        let status: HTTPResponseStatus =
            if head.uri.prefix(while: { $0 != "?" }) != HandshakeRules.path || head.uri.contains("call_id=") {
                .notFound
            } else if head.headers.contains(name: "Upgrade") {
                .serviceUnavailable
            } else {
                .upgradeRequired
            }
        let body = context.channel.allocator.buffer(string: "{\"error\":{\"message\":\"\(status.reasonPhrase)\",\"type\":\"simulator\"}}")
        let headers: HTTPHeaders = [
            "Content-Type": "application/json", "Content-Length": String(body.readableBytes), "Connection": "close",
        ]
        context.write(wrapOutboundOut(.head(HTTPResponseHead(version: .http1_1, status: status, headers: headers))), promise: nil)
        context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
        let channel = context.channel
        context.writeAndFlush(wrapOutboundOut(.end(nil))).whenComplete { _ in channel.close(promise: nil) }
    }
}
