import Foundation
import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOWebSocket

/// A Realtime server that opens every session at once and then sends text deltas as it is told: one event loop, no protocol beyond that.
final class LoadUpstream: Sendable {
    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let listener: any Channel
    private let sockets: NIOLockedValueBox<[any Channel]>
    private let sent: NIOLockedValueBox<Int>

    /// - Parameter handshakeDelay: between a request and its `101`, which `session.created` follows at once.
    init(handshakeDelay: TimeAmount = .zero) throws {
        let sockets = NIOLockedValueBox<[any Channel]>([])
        let sent = NIOLockedValueBox(0)
        self.sockets = sockets
        self.sent = sent
        listener = try ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 256)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            // What waits in the kernel would be counted as sent.
            .childChannelOption(.socketOption(.so_sndbuf), value: 64 * 1024)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let upgrader = NIOWebSocketServerUpgrader(
                        shouldUpgrade: { channel, _ in
                            guard handshakeDelay > .zero else { return channel.eventLoop.makeSucceededFuture([:]) }
                            return channel.eventLoop.scheduleTask(in: handshakeDelay) { [:] }.futureResult
                        },
                        upgradePipelineHandler: { channel, _ in
                            channel.eventLoop.makeCompletedFuture {
                                let pipeline = channel.pipeline.syncOperations
                                // First, so that what it writes does not pass the frame encoder: its frames are made in advance.
                                try pipeline.addHandler(LoadHandler(sent: sent), position: .first)
                                try pipeline.addHandler(PongHandler())
                                sockets.withLockedValue { $0.append(channel) }
                                channel.triggerUserOutboundEvent(LoadHandler.Opening(), promise: nil)
                            }
                        })
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline(
                        withServerUpgrade: (upgraders: [upgrader], completionHandler: { _ in }))
                }
            }
            .bind(host: "127.0.0.1", port: 0).wait()
    }

    var port: UInt16 { UInt16(listener.localAddress?.port ?? 0) }

    /// Connections that were opened so far.
    var openSockets: Int { sockets.withLockedValue(\.count) }

    /// Frames handed to sockets so far.
    var sentFrames: Int { sent.withLockedValue { $0 } }

    /// Starts the same load on every session that is open.
    func start(_ load: Load) {
        for channel in sockets.withLockedValue({ $0 }) { channel.triggerUserOutboundEvent(load, promise: nil) }
    }

    /// Sends these events on every session that is open.
    func send(_ events: [String]) {
        let frames = LoadHandler.Frames(events: events)
        for channel in sockets.withLockedValue({ $0 }) { channel.triggerUserOutboundEvent(frames, promise: nil) }
    }

    func stop() throws {
        for channel in sockets.withLockedValue({ $0 }) { channel.close(promise: nil) }
        try listener.close().wait()
        try group.syncShutdownGracefully()
    }
}

/// What each session is sent.
struct Load: Sendable {
    /// Bytes of one event's JSON.
    var frameBytes: Int
    /// Events per second; nil for as many as the socket takes.
    var perSecond: Double?
    /// How often a paced load sends what is due.
    var tick: TimeAmount = .milliseconds(1)
    var events = Int.max
    var seconds: Double
}

/// Sends one session's load.
private final class LoadHandler: ChannelInboundHandler, ChannelOutboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    struct Opening: Sendable {}

    struct Frames: Sendable {
        let events: [String]
    }

    private static let created = #"{"type":"session.created","event_id":"event_0","session":{"id":"sess_0","object":"realtime.session"}}"#
    /// Frames of one write of an unpaced load.
    private static let batch = 32

    private let sent: NIOLockedValueBox<Int>
    private var load: Load?
    private var frame: DeltaFrame?
    private var begin = NIODeadline.now()
    private var sentEvents = 0
    private var isFilling = false

    init(sent: NIOLockedValueBox<Int>) { self.sent = sent }

    func triggerUserOutboundEvent(context: ChannelHandlerContext, event: Any, promise: EventLoopPromise<Void>?) {
        switch event {
        case is Opening:
            context.writeAndFlush(wrapOutboundOut(DeltaFrame.webSocketFrame(Array(Self.created.utf8))), promise: nil)
        case let frames as Frames:
            for event in frames.events { context.write(wrapOutboundOut(DeltaFrame.webSocketFrame(Array(event.utf8))), promise: nil) }
            context.flush()
        case let load as Load:
            self.load = load
            frame = DeltaFrame(bytes: load.frameBytes)
            begin = .now()
            sentEvents = 0
            if load.perSecond == nil { fill(context) } else { tick(context) }
        default:
            context.triggerUserOutboundEvent(event, promise: promise)
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if load?.perSecond == nil, !isFilling { fill(context) }
        context.fireChannelWritabilityChanged()
    }

    private var elapsed: Double { Double((NIODeadline.now() - begin).nanoseconds) / 1e9 }

    private func tick(_ context: ChannelHandlerContext) {
        guard let load, let perSecond = load.perSecond, context.channel.isActive else { return }
        let elapsed = elapsed
        let due = min(Int(min(elapsed, load.seconds) * perSecond), load.events) - sentEvents
        // Whoever cannot keep up gets no more than the socket takes; the rest becomes due later.
        if due > 0, context.channel.isWritable { send(due, context) }
        guard elapsed < load.seconds, sentEvents < load.events else { return }
        context.eventLoop.assumeIsolated().scheduleTask(in: load.tick) { self.tick(context) }
    }

    /// One batch at a time, so that every session of the loop has its turn.
    private func fill(_ context: ChannelHandlerContext) {
        isFilling = false
        guard let load, context.channel.isActive, sentEvents < load.events, elapsed < load.seconds, context.channel.isWritable else {
            return
        }
        isFilling = true
        send(min(Self.batch, load.events - sentEvents), context)
        context.eventLoop.assumeIsolated().execute { self.fill(context) }
    }

    private func send(_ count: Int, _ context: ChannelHandlerContext) {
        guard let buffer = frame?.copies(count, sentAt: Clock.monotonic()) else { return }
        sentEvents += count
        sent.withLockedValue { $0 += count }
        context.writeAndFlush(wrapOutboundOut(buffer), promise: nil)
    }
}

/// Answers the bridge's pings and its close.
private final class PongHandler: ChannelInboundHandler {
    typealias InboundIn = WebSocketFrame
    typealias OutboundOut = WebSocketFrame

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let frame = unwrapInboundIn(data)
        switch frame.opcode {
        case .ping:
            context.writeAndFlush(wrapOutboundOut(WebSocketFrame(fin: true, opcode: .pong, data: frame.unmaskedData)), promise: nil)
        case .connectionClose:
            context.close(promise: nil)
        default:
            break
        }
    }
}
