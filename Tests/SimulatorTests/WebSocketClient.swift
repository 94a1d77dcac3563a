import Foundation
import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOWebSocket
import Realtime
import Testing

/// A client for one socket of the simulator, with a bound on every wait.
final class WebSocketClient: Sendable {
    enum Received: Equatable, Sendable {
        case text(String)
        case close(code: UInt16?, reason: String)
        case ping
        case pong
        /// The handshake was answered in HTTP.
        case http(Int)
        case upgraded(subprotocol: String?)
        case disconnected(wasReset: Bool)
    }

    struct TimedOut: Error {}

    private let channel: any Channel
    private let inbox: NIOLockedValueBox<Inbox>

    /// What came and was not asked for yet, and who waits.
    struct Inbox {
        var items: [Received] = []
        var waiter: CheckedContinuation<Received?, Never>?
    }

    private init(_ channel: any Channel, _ inbox: NIOLockedValueBox<Inbox>) {
        self.channel = channel
        self.inbox = inbox
    }

    static func connect(
        port: Int, path: String = "/v1/realtime?model=sim-1", headers: HTTPHeaders = ["Authorization": "Bearer sk-test"]
    ) async throws -> WebSocketClient {
        let inbox = NIOLockedValueBox(Inbox())
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let upgrader = NIOWebSocketClientUpgrader(
                        maxFrameSize: 64 << 20,
                        upgradePipelineHandler: { channel, head in
                            channel.eventLoop.makeCompletedFuture {
                                let answered = head.headers.first(name: "Sec-WebSocket-Protocol")
                                ReceivingHandler.deliver(.upgraded(subprotocol: answered), inbox)
                                try channel.pipeline.syncOperations.addHandler(ReceivingHandler(inbox))
                            }
                        })
                    let starter = UpgradeStarter(path: path, headers: headers, inbox)
                    try channel.pipeline.syncOperations.addHTTPClientHandlers(
                        leftOverBytesStrategy: .forwardBytes,
                        withClientUpgrade: (
                            upgraders: [upgrader],
                            completionHandler: { context in context.pipeline.syncOperations.removeHandler(starter, promise: nil) }
                        ))
                    try channel.pipeline.syncOperations.addHandler(starter)
                }
            }
            .connect(host: "127.0.0.1", port: port).get()
        return WebSocketClient(channel, inbox)
    }

    func send(_ text: String) {
        write(.text, ByteBuffer(string: text))
    }

    /// One text in frames of a few bytes.
    func sendFragmented(_ text: String) {
        var rest = ByteBuffer(string: text)
        var opcode = WebSocketOpcode.text
        while let piece = rest.readSlice(length: min(7, rest.readableBytes)) {
            channel.write(
                WebSocketFrame(fin: rest.readableBytes == 0, opcode: opcode, maskKey: .random(), data: piece), promise: nil)
            guard rest.readableBytes > 0 else { break }
            opcode = .continuation
        }
        channel.flush()
    }

    /// A text of zeros, without the cost of masking it.
    func sendUnmasked(byteCount: Int) {
        channel.writeAndFlush(
            WebSocketFrame(fin: true, opcode: .text, data: ByteBuffer(repeating: 0, count: byteCount)), promise: nil)
    }

    func sendBinary(_ bytes: [UInt8]) { write(.binary, ByteBuffer(bytes: bytes)) }

    func ping() { write(.ping, ByteBuffer(string: "p")) }

    func close(code: UInt16 = 1000) {
        var data = ByteBuffer()
        data.writeInteger(code)
        write(.connectionClose, data)
    }

    func abandon() { channel.close(promise: nil) }

    private func write(_ opcode: WebSocketOpcode, _ data: ByteBuffer) {
        channel.writeAndFlush(WebSocketFrame(fin: true, opcode: opcode, maskKey: .random(), data: data), promise: nil)
    }

    /// The next thing that comes.
    /// - Throws: ``TimedOut`` after the timeout.
    func next(timeout: TimeAmount = .seconds(10)) async throws -> Received {
        let timer = channel.eventLoop.scheduleTask(in: timeout) { [inbox] in
            inbox.withLockedValue { inbox in
                defer { inbox.waiter = nil }
                return inbox.waiter
            }?.resume(returning: nil)
        }
        defer { timer.cancel() }
        let result = await withCheckedContinuation { continuation in
            let ready = inbox.withLockedValue { inbox -> Received? in
                if !inbox.items.isEmpty { return inbox.items.removeFirst() }
                inbox.waiter = continuation
                return nil
            }
            if let ready { continuation.resume(returning: ready) }
        }
        guard let result else { throw TimedOut() }
        return result
    }

    /// The next event; anything else fails the test.
    func event(timeout: TimeAmount = .seconds(10)) async throws -> JSON {
        while true {
            switch try await next(timeout: timeout) {
            case .text(let text): return try JSON.parse(text)
            case .upgraded, .ping: continue
            case let other:
                Issue.record("expected an event, got \(other)")
                throw TimedOut()
            }
        }
    }

    /// Events up to and including the first of a type.
    func events(upTo type: String) async throws -> [JSON] {
        var events: [JSON] = []
        while true {
            events.append(try await event())
            if events.last?.type == type { return events }
        }
    }
}

private final class ReceivingHandler: ChannelInboundHandler {
    typealias InboundIn = WebSocketFrame

    private let inbox: NIOLockedValueBox<WebSocketClient.Inbox>
    private var wasReset = false

    init(_ inbox: NIOLockedValueBox<WebSocketClient.Inbox>) {
        self.inbox = inbox
    }

    static func deliver(_ received: WebSocketClient.Received, _ inbox: NIOLockedValueBox<WebSocketClient.Inbox>) {
        inbox.withLockedValue { inbox -> CheckedContinuation<WebSocketClient.Received?, Never>? in
            guard let waiter = inbox.waiter else {
                inbox.items.append(received)
                return nil
            }
            inbox.waiter = nil
            return waiter
        }?.resume(returning: received)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let frame = unwrapInboundIn(data)
        var body = frame.unmaskedData
        switch frame.opcode {
        case .text: Self.deliver(.text(String(buffer: body)), inbox)
        case .ping: Self.deliver(.ping, inbox)
        case .pong: Self.deliver(.pong, inbox)
        case .connectionClose:
            let code = body.readInteger(as: UInt16.self)
            Self.deliver(.close(code: code, reason: String(buffer: body)), inbox)
        default: break
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        wasReset = (error as? IOError)?.errnoCode == ECONNRESET
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        Self.deliver(.disconnected(wasReset: wasReset), inbox)
    }
}

private final class UpgradeStarter: ChannelInboundHandler, RemovableChannelHandler, Sendable {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundOut = HTTPClientRequestPart

    private let path: String
    private let headers: HTTPHeaders
    private let inbox: NIOLockedValueBox<WebSocketClient.Inbox>

    init(path: String, headers: HTTPHeaders, _ inbox: NIOLockedValueBox<WebSocketClient.Inbox>) {
        self.path = path
        self.headers = headers
        self.inbox = inbox
    }

    func channelActive(context: ChannelHandlerContext) {
        var headers = self.headers
        headers.add(name: "Host", value: "127.0.0.1")
        context.write(wrapOutboundOut(.head(.init(version: .http1_1, method: .GET, uri: path, headers: headers))), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .head(let head) = unwrapInboundIn(data) { ReceivingHandler.deliver(.http(Int(head.status.code)), inbox) }
    }
}
