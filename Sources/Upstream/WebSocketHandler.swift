import NIOCore
import NIOWebSocket

/// Asks the handler to send CLOSE and to see the closing handshake through. Triggered as an outbound event.
struct CloseRequest: Sendable {
    var code: UInt16
    var reason: String
}

/// Runs one WebSocket on its event loop: frames in, messages to the queue; messages out, masked frames to the socket.
///
/// Last in the pipeline. Decisions are made by ``ConnectionLife``, ``WebSocketReceiver`` and ``KeepAlive``.
final class WebSocketHandler: ChannelDuplexHandler {
    typealias InboundIn = WebSocketFrame
    typealias OutboundIn = [UInt8]
    typealias OutboundOut = WebSocketFrame

    /// A server that does not answer CLOSE within this time is left without an answer.
    private static let closeTimeout = Duration.seconds(2)

    private let endpoint: UpstreamEndpoint
    private let inbound: InboundQueue
    /// Gone once it is completed: a promise keeps its value, and then the connection could never be dropped.
    private var opened: EventLoopPromise<UpstreamConnection>?
    private var life: ConnectionLife
    private var receiver: WebSocketReceiver
    private var keepAlive: KeepAlive
    private var isReadHeld = false
    /// The newest ping not answered yet, while the socket takes no more bytes. RFC 6455, 5.5.3 allows to answer only the newest,
    /// so that a server that pings without reading fills no memory.
    private var unansweredPing: ByteBuffer?
    private var timers: [Scheduled<Void>] = []
    private var keepAliveTimer: Scheduled<Void>?

    /// - Parameters:
    ///   - inbound: gets the messages after the session's first event, and the end.
    ///   - opened: succeeds when the session is ready, or fails with an ``UpstreamError``.
    init(endpoint: UpstreamEndpoint, inbound: InboundQueue, opened: EventLoopPromise<UpstreamConnection>) {
        self.endpoint = endpoint
        self.inbound = inbound
        self.opened = opened
        self.life = .opening(SessionOpening(server: endpoint.server, secrets: endpoint.secrets, awaitedEvent: endpoint.awaitedEvent))
        self.receiver = WebSocketReceiver(maximumMessageBytes: endpoint.maximumMessageBytes)
        self.keepAlive = KeepAlive(interval: TimeAmount(endpoint.pingInterval), timeout: TimeAmount(endpoint.pingTimeout), now: .now())
    }

    func handlerAdded(context: ChannelHandlerContext) {
        scheduleKeepAlive(context)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        keepAliveTimer?.cancel()
        for timer in timers { timer.cancel() }
        finish(life.lost("connection ended"), context)
    }

    // MARK: In

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch receiver.receive(unwrapInboundIn(data)) {
        case .none: break
        case .message(let message): received(message, context)
        case .answerPing(let payload): answerPing(payload, context)
        case .peerClosed(let code, let reason): finish(life.peerClosed(code: code, reason: reason), context)
        case .fail(let fault): finish(life.violated(fault), context)
        }
    }

    private func received(_ message: [UInt8], _ context: ChannelHandlerContext) {
        switch life.received(message) {
        case .opened(let created, let delivers):
            if delivers { inbound.put(message) }
            // Nobody may wait any more. Then the connection is dropped at once, and closes its socket.
            opened.take()?.succeed(UpstreamConnection(channel: context.channel, created: created, inbound: inbound, endpoint: endpoint))
        case .deliver: inbound.put(message)
        case .awaitClose(let delivers):
            if delivers { inbound.put(message) }
            after(SessionOpening.refusalGrace, context) { handler, context in handler.finish(handler.life.refusalGraceOver(), context) }
        case .ignore: break
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if let deadline = event as? HandshakeDeadline { finish(life.handshakeTimedOut(deadline.limit), context) }
        context.fireUserInboundEventTriggered(event)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        // Comes after every read of the socket, also one that completed no frame.
        if keepAlive.heard(now: .now()) { scheduleKeepAlive(context) }
        context.fireChannelReadComplete()
    }

    /// The channel asks before each read whether to go on; not passing the question on is what slows the server down.
    func read(context: ChannelHandlerContext) {
        isReadHeld = inbound.mustHoldRead()
        if !isReadHeld { context.read() }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        switch error {
        case NIOWebSocketError.invalidFrameLength: finish(life.violated(.tooLarge), context)
        case is NIOWebSocketError: finish(life.violated(.protocolError("malformed frame")), context)
        default: finish(life.lost(ConnectFailure.shortReason(error)), context)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        finish(life.lost("connection ended without CLOSE"), context)
        context.fireChannelInactive()
    }

    // MARK: Out

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard life.takesMessages else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        context.write(frame(.text, unwrapOutboundIn(data), context), promise: promise)
    }

    func triggerUserOutboundEvent(context: ChannelHandlerContext, event: Any, promise: EventLoopPromise<Void>?) {
        guard let request = event as? CloseRequest else {
            context.triggerUserOutboundEvent(event, promise: promise)
            return
        }
        promise?.succeed()
        guard life.closeRequested(code: request.code, reason: request.reason) else { return }
        sendClose(WebSocketFault(closeCode: request.code, reason: request.reason), context)
        after(Self.closeTimeout, context) { handler, context in handler.finish(handler.life.closeTimedOut(), context) }
    }

    /// Somebody closes the channel from outside: a dropped connection, a cancelled task, the handshake's deadline.
    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        report(life.abandoned())
        context.close(mode: mode, promise: promise)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable, let ping = unansweredPing.take() { answerPing(ping, context) }
        context.fireChannelWritabilityChanged()
    }

    private func answerPing(_ payload: ByteBuffer, _ context: ChannelHandlerContext) {
        guard context.channel.isWritable else {
            unansweredPing = payload
            return
        }
        context.writeAndFlush(frame(.pong, Array(payload.readableBytesView), context), promise: nil)
    }

    private func sendClose(_ close: WebSocketFault, _ context: ChannelHandlerContext) {
        let payload = [UInt8(close.closeCode >> 8), UInt8(close.closeCode & 0xFF)] + Secrets.closeReason(close.reason).utf8
        context.writeAndFlush(frame(.connectionClose, payload, context), promise: nil)
    }

    private func frame(_ opcode: WebSocketOpcode, _ payload: [UInt8], _ context: ChannelHandlerContext) -> NIOAny {
        // Room in front lets the encoder put its header there, so that header and payload are one write, and one TLS record.
        let headerRoom = 14
        var data = context.channel.allocator.buffer(capacity: headerRoom + payload.count)
        data.writeRepeatingByte(0, count: headerRoom)
        data.moveReaderIndex(forwardBy: headerRoom)
        data.writeBytes(payload)
        return wrapOutboundOut(WebSocketFrame(fin: true, opcode: opcode, maskKey: .random(), data: data))
    }

    // MARK: End

    private func finish(_ finish: ConnectionLife.Finish?, _ context: ChannelHandlerContext) {
        guard let finish else { return }
        if let close = finish.closeFrame { sendClose(close, context) }
        report(finish)
        context.close(promise: nil)
    }

    private func report(_ finish: ConnectionLife.Finish?) {
        switch finish?.outcome {
        case .connectFails(let error): opened.take()?.fail(error)
        case .ends(let end): inbound.end(end)
        case nil: break
        }
    }

    // MARK: Time

    private func scheduleKeepAlive(_ context: ChannelHandlerContext) {
        keepAliveTimer?.cancel()
        keepAliveTimer = context.eventLoop.assumeIsolated().scheduleTask(deadline: keepAlive.nextCheck) {
            switch self.keepAlive.timerFired(now: .now(), isReading: !self.isReadHeld) {
            case .wait: break
            case .sendPing: context.writeAndFlush(self.frame(.ping, [], context), promise: nil)
            case .giveUp:
                self.finish(self.life.pingTimedOut(), context)
                return
            }
            self.scheduleKeepAlive(context)
        }
    }

    private func after(
        _ delay: Duration, _ context: ChannelHandlerContext, _ body: @escaping (WebSocketHandler, ChannelHandlerContext) -> Void
    ) {
        timers.append(context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(delay)) { body(self, context) })
    }
}
