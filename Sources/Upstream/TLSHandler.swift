import NIOCore

/// TLS in a pipeline: ciphertext on the socket's side, plaintext on the other.
///
/// Takes ``TransportReady`` for TCP, or the tunnel, as the sign to begin, and passes it on when TLS stands: server verified, nothing sent before.
final class TLSHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Exits: waiting → handshaking, closed. handshaking → open, closed. open → closed.
    private enum Life {
        case waiting
        case handshaking
        case open
        /// By either side's close-notify, by a failure, or by us.
        case closed
    }

    private let session: TLSSession
    private let host: String
    private var life = Life.waiting

    init(session: TLSSession, host: String) {
        self.session = session
        self.host = host
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch (event, life) {
        case (is TransportReady, .waiting):
            life = .handshaking
            proceed(context)
        case (let deadline as HandshakeDeadline, .handshaking): fail(TLSFailure.stalled(deadline.limit, host: host), context)
        default: context.fireUserInboundEventTriggered(event)
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard life == .handshaking || life == .open else { return }
        session.receive(unwrapInboundIn(data))
        if life == .handshaking { proceed(context) }
        if life == .open { decrypt(context) }
    }

    private func proceed(_ context: ChannelHandlerContext) {
        let progress = session.handshake()
        flushCiphertext(context)
        switch progress {
        case .wouldBlock: break
        case .complete:
            life = .open
            context.fireUserInboundEventTriggered(TransportReady())
        case .closed: fail(TLSFailure.endedDuringHandshake(host: host), context)
        case .failed(let error): fail(error, context)
        }
    }

    private func decrypt(_ context: ChannelHandlerContext) {
        var plaintext = context.channel.allocator.buffer(capacity: 0)
        let progress = session.decrypt(into: &plaintext)
        // A key update or an alert may have to be answered.
        flushCiphertext(context)
        if plaintext.readableBytes > 0 { context.fireChannelRead(wrapInboundOut(plaintext)) }
        // Reading may have made somebody close the connection.
        guard life == .open else { return }
        switch progress {
        case .complete, .wouldBlock: break
        case .closed: close(context: context, mode: .all, promise: nil)
        case .failed(let error): fail(error, context)
        }
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard life == .open else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        do {
            context.write(wrapOutboundOut(try session.encrypt(unwrapOutboundIn(data), context.channel.allocator)), promise: promise)
        } catch {
            promise?.fail(error)
            fail(error, context)
        }
    }

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        if life == .open {
            session.shutDown()
            flushCiphertext(context)
        }
        life = .closed
        context.close(mode: mode, promise: promise)
    }

    func channelInactive(context: ChannelHandlerContext) {
        switch life {
        case .waiting, .closed: break
        case .handshaking: context.fireErrorCaught(TLSFailure.endedDuringHandshake(host: host))
        // Anybody on the way can end a TCP connection; only a close-notify comes from the server.
        case .open: context.fireErrorCaught(TLSFailure.cutOff(host: host))
        }
        life = .closed
        context.fireChannelInactive()
    }

    private func flushCiphertext(_ context: ChannelHandlerContext) {
        guard let ciphertext = session.takeCiphertext(context.channel.allocator) else { return }
        context.writeAndFlush(wrapOutboundOut(ciphertext), promise: nil)
    }

    private func fail(_ error: UpstreamError, _ context: ChannelHandlerContext) {
        life = .closed
        context.fireErrorCaught(error)
        context.close(promise: nil)
    }
}
