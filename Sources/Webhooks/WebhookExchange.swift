import NIOCore
import NIOHTTP1
import Upstream

/// Sends the request once the transport is ready, and reads the answer within its bounds.
final class WebhookExchange: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundOut = HTTPClientRequestPart

    /// Heads that only announce another one, chunk sizes and trailers are not the body, and not without end either.
    private static let maximumOverheadBytes = 7 << 20
    private static let maximumHeadBytes = 64 << 10

    private static let headTooLarge = WebhookAnswer.failed(.malformed("has a head of more than \(maximumHeadBytes) bytes"))
    private static let cut = WebhookAnswer.failed(.unreachable("the connection ended before the whole answer had come"))

    let gauge: Gauge
    let decoder: HTTPResponseDecoder
    private let request: WebhookRequest
    private let maximumBodyBytes: Int
    private let done: EventLoopPromise<WebhookAnswer>
    private var head: HTTPResponseHead?
    private var body: [UInt8] = []

    init(_ request: WebhookRequest, maximumBodyBytes: Int, done: EventLoopPromise<WebhookAnswer>) {
        self.request = request
        self.maximumBodyBytes = maximumBodyBytes
        self.done = done
        gauge = Gauge(limitBytes: Self.maximumHeadBytes, exceeded: Self.headTooLarge, done: done)
        var limits = NIOHTTPDecoderLimitConfiguration()
        limits.maxHeaderListSize = Self.maximumHeadBytes
        decoder = HTTPResponseDecoder(leftOverBytesStrategy: .dropBytes, informationalResponseStrategy: .drop, limitConfiguration: limits)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard event is TransportReady else { return context.fireUserInboundEventTriggered(event) }
        let head = HTTPRequestHead(
            version: .http1_1, method: .POST, uri: request.url.target,
            headers: HTTPHeaders(request.headers.map { ($0.name, $0.value) }))
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.write(wrapOutboundOut(.body(.byteBuffer(context.channel.allocator.buffer(bytes: request.body)))), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            self.head = head
            gauge.limitBytes = maximumBodyBytes + Self.maximumOverheadBytes
            gauge.exceeded = .failed(.tooLarge(limitBytes: maximumBodyBytes))
            // What is no output is not read: it may be of any size.
            guard (200..<300).contains(head.status.code) else { return answer(head) }
            if let encoding = head.headers.first(name: "content-encoding"), encoding.lowercased() != "identity" {
                return done.succeed(.failed(.malformed("is encoded, which was not asked for (accept-encoding: identity)")))
            }
            if let length = head.headers.first(name: "content-length").flatMap({ Int($0) }), length > maximumBodyBytes {
                done.succeed(.failed(.tooLarge(limitBytes: maximumBodyBytes)))
            }
        case .body(let part):
            guard body.count + part.readableBytes <= maximumBodyBytes else {
                body = []
                return done.succeed(.failed(.tooLarge(limitBytes: maximumBodyBytes)))
            }
            body.append(contentsOf: part.readableBytesView)
        case .end:
            if let head { answer(head) }
        }
    }

    private func answer(_ head: HTTPResponseHead) {
        // A date is not read: few send one here, and clocks differ.
        let retryAfter = head.headers.first(name: "retry-after").flatMap { Int($0) }
        done.succeed(.answered(status: Int(head.status.code), body: body, retryAfter: retryAfter))
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        switch error as? HTTPParserError {
        case .invalidEOFState: done.succeed(Self.cut)
        case .headerOverflow: done.succeed(Self.headTooLarge)
        case .some: done.succeed(.failed(.malformed("is not HTTP")))
        case nil: done.succeed(.failed(.connection(error)))
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        done.succeed(Self.cut)
        context.fireChannelInactive()
    }

    /// Counts what comes, before anybody keeps it.
    final class Gauge: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias InboundOut = ByteBuffer

        var limitBytes: Int
        var exceeded: WebhookAnswer
        private let done: EventLoopPromise<WebhookAnswer>
        private var count = 0

        init(limitBytes: Int, exceeded: WebhookAnswer, done: EventLoopPromise<WebhookAnswer>) {
            (self.limitBytes, self.exceeded, self.done) = (limitBytes, exceeded, done)
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let bytes = unwrapInboundIn(data)
            count += bytes.readableBytes
            // A first read may hold the head and more; it is of bounded size.
            guard count - bytes.readableBytes <= limitBytes else { return done.succeed(exceeded) }
            context.fireChannelRead(data)
        }
    }
}
