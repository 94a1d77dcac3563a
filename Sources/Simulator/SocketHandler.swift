import Foundation
import NIOCore
import NIOWebSocket
import Realtime

/// Runs one socket: feeds its ``ConversationMachine`` with frames and time, sends what it says, and commits the faults asked for.
///
/// Lives on its channel's event loop.
final class SocketHandler: ChannelInboundHandler {
    typealias InboundIn = WebSocketFrame
    typealias OutboundOut = WebSocketFrame

    /// How long the peer may take to answer our CLOSE.
    private static let closeTimeout = TimeAmount.seconds(5)

    private let verdict: HandshakeRules.Verdict
    private let connection: Int
    private let configuration: SimulatorConfiguration
    private let recorder: FrameRecorder?
    private let speech: SpeechSource
    private var machine: ConversationMachine?
    private let openedAt = NIODeadline.now()
    private var tickTask: Scheduled<Void>?
    private var tickTime: Duration?
    private var pingTask: Scheduled<Void>?
    private var faultTasks: [Scheduled<Void>] = []
    private let faults: ConnectionFaults
    private var eventsSent = 0
    private var isClosing = false
    private var isStalled = false

    init(
        _ verdict: HandshakeRules.Verdict, connection: Int, _ configuration: SimulatorConfiguration, recorder: FrameRecorder?,
        speech: SpeechSource
    ) {
        self.verdict = verdict
        self.connection = connection
        self.configuration = configuration
        self.recorder = recorder
        self.speech = speech
        faults = ConnectionFaults(configuration, connection: connection)
    }

    private var isDeaf: Bool { isStalled && configuration.stallIsDeaf }

    private var now: Duration { .nanoseconds((NIODeadline.now() - openedAt).nanoseconds) }

    // MARK: opening and ending

    func handlerAdded(context: ChannelHandlerContext) {
        recorder?.record(connection: connection, .opened)
        switch verdict {
        case .open(let kind, let model):
            var options = ConversationMachine.Options(
                dialect: configuration.dialect, kind: kind, model: model, openedAt: Int(Date().timeIntervalSince1970))
            if let expireAfter = configuration.expireAfter { options.lifetime = expireAfter }
            options.deltaDelay = configuration.deltaDelay
            options.seed = configuration.seed &* 0x1_0000_0001 &+ UInt64(connection)
            machine = ConversationMachine(options)
            perform(machine?.open() ?? [], context)
            schedulePing(context)
            scheduleFaults(context)
        case .refuse(let error, let code):
            var ids = Identifiers(seed: configuration.seed &* 0x1_0000_0001 &+ UInt64(connection))
            send(error.frame(eventID: ids.next("event_"), clientEventID: nil).bytes, context)
            context.flush()
            close(code, error.closeReason, context)
        case .notFound, .unavailable:
            context.close(promise: nil)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        tickTask?.cancel()
        pingTask?.cancel()
        for task in faultTasks { task.cancel() }
        recorder?.record(connection: connection, .gone)
        machine = nil
        isClosing = true
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // The frame decoder has answered with a CLOSE where the protocol wants one.
        context.close(promise: nil)
    }

    // MARK: frames in

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let frame = unwrapInboundIn(data)
        switch frame.opcode {
        case .text:
            let text = Array(frame.unmaskedData.readableBytesView)
            recorder?.record(connection: connection, .incoming, text)
            perform(machine?.receive(text, now: now) ?? [], context)
        case .binary:
            recorder?.recordBinary(connection: connection, byteCount: frame.data.readableBytes)
            perform(machine?.receiveBinary(now: now) ?? [], context)
        case .ping:
            guard !isDeaf else { return }
            context.writeAndFlush(wrapOutboundOut(WebSocketFrame(fin: true, opcode: .pong, data: frame.unmaskedData)), promise: nil)
        case .connectionClose:
            peerCloses(frame, context)
        default: break
        }
    }

    private func peerCloses(_ frame: WebSocketFrame, _ context: ChannelHandlerContext) {
        guard !isDeaf else { return }
        guard !isClosing else { return context.close(promise: nil) }
        isClosing = true
        machine = nil
        var data = frame.unmaskedData
        let code = data.readSlice(length: min(2, data.readableBytes)) ?? context.channel.allocator.buffer(capacity: 0)
        context.writeAndFlush(wrapOutboundOut(WebSocketFrame(fin: true, opcode: .connectionClose, data: code)), promise: nil)
        context.close(mode: .output, promise: nil)
        closeLater(context)
    }

    // MARK: actions

    private func perform(_ actions: [ConversationMachine.Action], _ context: ChannelHandlerContext) {
        var hasWritten = false
        for action in actions {
            switch action {
            case .send(let bytes):
                guard send(bytes, context) else { return }
                hasWritten = true
            case .speak(let request): speak(request, context)
            case .close(let code, let reason):
                context.flush()
                close(code, reason, context)
            }
        }
        if hasWritten { context.flush() }
        scheduleTick(context)
    }

    private func speak(_ request: ConversationMachine.SpeechRequest, _ context: ChannelHandlerContext) {
        speech.sound(for: request, on: context.eventLoop).assumeIsolated().whenSuccess { bytes in
            guard context.channel.isActive, self.machine != nil else { return }
            self.perform(self.machine?.speechReady(ticket: request.ticket, bytes, now: self.now) ?? [], context)
        }
    }

    /// Writes one event; false if that was the last one a fault allows and the socket is gone.
    @discardableResult
    private func send(_ bytes: [UInt8], _ context: ChannelHandlerContext) -> Bool {
        guard !isClosing, !isStalled else { return true }
        recorder?.record(connection: connection, .outgoing, bytes)
        eventsSent += 1
        let isLast = configuration.dropAfterEvents.map { eventsSent >= $0 } ?? false
        let written = isLast ? context.eventLoop.makePromise(of: Void.self) : nil
        context.write(wrapOutboundOut(WebSocketFrame(fin: true, opcode: .text, data: ByteBuffer(bytes: bytes))), promise: written)
        if let limit = configuration.stallAfterEvents, eventsSent >= limit { stall(context) }
        guard let written else { return true }
        drop(after: written.futureResult, context)
        return false
    }

    /// Ends the connection in its manner.
    /// - Parameter written: the end must not overtake the frames that were promised.
    private func drop(after written: EventLoopFuture<Void>, _ context: ChannelHandlerContext) {
        switch faults.ending {
        case .close:
            context.flush()
            return close(1011, "server_error", context)
        case .reset: recorder?.record(connection: connection, .reset)
        case .end: recorder?.record(connection: connection, .ended)
        }
        isClosing = true
        machine = nil
        let channel = context.channel
        let isReset = faults.ending == .reset
        written.whenComplete { _ in
            guard isReset, let socket = channel as? any SocketOptionProvider else { return channel.close(promise: nil) }
            socket.setSoLinger(linger(l_onoff: 1, l_linger: 0)).whenComplete { _ in channel.close(promise: nil) }
        }
        context.flush()
    }

    private func stall(_ context: ChannelHandlerContext) {
        context.flush()
        isStalled = true
        recorder?.record(connection: connection, .stalled)
    }

    private func close(_ code: UInt16, _ reason: String, _ context: ChannelHandlerContext) {
        guard !isClosing, !isStalled else { return }
        isClosing = true
        machine = nil
        var data = context.channel.allocator.buffer(capacity: 2 + reason.utf8.count)
        data.writeInteger(code)
        data.writeString(reason)
        recorder?.record(connection: connection, .closing(code: code))
        context.writeAndFlush(wrapOutboundOut(WebSocketFrame(fin: true, opcode: .connectionClose, data: data)), promise: nil)
        closeLater(context)
    }

    private func closeLater(_ context: ChannelHandlerContext) {
        let channel = context.channel
        context.eventLoop.scheduleTask(in: Self.closeTimeout) { channel.close(promise: nil) }
    }

    // MARK: time

    private func schedulePing(_ context: ChannelHandlerContext) {
        pingTask = context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(configuration.pingInterval)) {
            guard context.channel.isActive, !self.isClosing else { return }
            if !self.isDeaf {
                context.writeAndFlush(self.wrapOutboundOut(WebSocketFrame(fin: true, opcode: .ping, data: ByteBuffer())), promise: nil)
            }
            self.schedulePing(context)
        }
    }

    private func scheduleFaults(_ context: ChannelHandlerContext) {
        let eventLoop = context.eventLoop.assumeIsolated()
        if let time = faults.dropTime {
            faultTasks.append(
                eventLoop.scheduleTask(in: TimeAmount(time)) {
                    // A stalled connection has a fault already, and keeps it.
                    guard context.channel.isActive, !self.isClosing, !self.isStalled else { return }
                    self.drop(after: context.eventLoop.makeSucceededVoidFuture(), context)
                })
        }
        if let time = faults.stallTime {
            faultTasks.append(
                eventLoop.scheduleTask(in: TimeAmount(time)) {
                    guard context.channel.isActive, !self.isClosing, !self.isStalled else { return }
                    self.stall(context)
                })
        }
    }

    private func scheduleTick(_ context: ChannelHandlerContext) {
        // A peer that does not read gets no more deltas made, but its session expires; `channelWritabilityChanged` goes on.
        let due = context.channel.isWritable ? machine?.nextTick : machine?.options.lifetime
        guard let next = due, !isStalled else {
            tickTask?.cancel()
            tickTask = nil
            tickTime = nil
            return
        }
        guard next != tickTime || tickTask == nil else { return }
        tickTask?.cancel()
        tickTask = nil
        tickTime = next
        let wait = max(.zero, next - now)
        tickTask = context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(wait)) {
            self.tickTask = nil
            self.tickTime = nil
            guard context.channel.isActive, self.machine != nil else { return }
            self.perform(self.machine?.tick(now: self.now) ?? [], context)
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        // A peer that sends without reading would fill our memory with refusals.
        context.channel.setOption(.autoRead, value: context.channel.isWritable).assumeIsolated().whenComplete { _ in }
        if context.channel.isWritable { scheduleTick(context) }
        context.fireChannelWritabilityChanged()
    }
}
