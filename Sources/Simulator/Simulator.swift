package import Logging
import NIOConcurrencyHelpers
package import NIOCore
import NIOHTTP1
import NIOPosix
import NIOWebSocket
import Realtime

/// A Realtime server without a model: for demos, tests and faults on demand.
///
/// It speaks one dialect on `ws://HOST:PORT/v1/realtime`, keeps a conversation for each socket, finds turns in real audio, and answers
/// with text, calls and sound. It refuses what the service refuses. What texts cause which answers stands at ``Answer``; besides:
/// - a key that contains `invalid`, and no key, are refused with CLOSE 3000;
/// - a model that contains `unknown` or `invalid` with 4000, one that contains `not-found` with 4004;
/// - a transcription model that contains `fail` fails.
package final class Simulator: Sendable {
    /// Where it can be reached.
    package struct Address: Equatable, Sendable {
        package var host: String
        package var port: Int

        /// What a client connects to, without its query.
        package var url: String {
            "ws://\(host.contains(":") ? "[\(host)]" : host):\(port)\(HandshakeRules.path)"
        }
    }

    /// A 15 MiB append is 20 MiB of base64, and a little JSON around it.
    static let maximumFrameBytes = 21 << 20

    private struct State {
        var listener: (any Channel)?
        var sockets: [ObjectIdentifier: any Channel] = [:]
        var isStopped = false
        var connectionCount = 0
        var random: SeededRandom
        var recorder: FrameRecorder?
        var speech: SpeechSource?
    }

    private let configuration: SimulatorConfiguration
    private let group: any EventLoopGroup
    private let logger: Logger
    private let state: NIOLockedValueBox<State>

    /// - Parameter group: runs the sockets; stays the caller's to shut down, after ``stop()``.
    package init(configuration: SimulatorConfiguration, group: any EventLoopGroup, logger: Logger) {
        self.configuration = configuration
        self.group = group
        self.logger = logger
        state = NIOLockedValueBox(State(random: SeededRandom(seed: configuration.seed)))
    }

    /// Binds and accepts. Call once.
    /// - Throws: ``SimulatorError`` if the record file cannot be made; NIO's error if the address cannot be bound.
    package func start() async throws -> Address {
        let recorder = try configuration.recordFile.map { try FrameRecorder(path: $0) }
        let speech = SpeechSource(configuration.speech)
        state.withLockedValue {
            $0.recorder = recorder
            $0.speech = speech
        }
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try self.prepare(channel, recorder: recorder, speech: speech) }
            }
        let listener: any Channel
        do {
            listener = try await bootstrap.bind(host: configuration.host, port: configuration.port).get()
        } catch {
            await stop()
            throw error
        }
        state.withLockedValue { $0.listener = listener }
        let address = Address(host: configuration.host, port: listener.localAddress?.port ?? configuration.port)
        logger.info(
            "simulator listens",
            metadata: ["simulator.address": "\(address.url)", "simulator.dialect": "\(configuration.dialect.rawValue)"])
        return address
    }

    /// Stops accepting, cuts every socket, and returns when the record is written. May be called twice.
    package func stop() async {
        let (listener, sockets, recorder, speech) = state.withLockedValue { state in
            state.isStopped = true
            defer {
                state.listener = nil
                state.recorder = nil
                state.speech = nil
            }
            return (state.listener, Array(state.sockets.values), state.recorder, state.speech)
        }
        // A channel that is closed already says so; that is what was wanted.
        try? await listener?.close()
        for socket in sockets { socket.close(promise: nil) }
        // Not the promise of `close`, which comes before the handlers have been told.
        for socket in sockets { try? await socket.closeFuture.get() }
        await speech?.stop()
        recorder?.stop()
    }

    // MARK: one connection

    private func prepare(_ channel: any Channel, recorder: FrameRecorder?, speech: SpeechSource) throws {
        let key = ObjectIdentifier(channel)
        let isStopped = state.withLockedValue { state in
            state.sockets[key] = channel
            return state.isStopped
        }
        // Accepted while the listener was being closed: `stop` has not seen it.
        guard !isStopped else { return channel.close(promise: nil) }
        channel.closeFuture.whenComplete { _ in self.state.withLockedValue { _ = $0.sockets.removeValue(forKey: key) } }

        let rules = HandshakeRules(dialect: configuration.dialect, apiKeys: configuration.apiKeys, fault: drawHandshakeFault())
        let upgrader = NIOWebSocketServerUpgrader(
            maxFrameSize: Self.maximumFrameBytes,
            shouldUpgrade: { channel, head in self.answerHandshake(channel, head, rules, recorder: recorder) },
            upgradePipelineHandler: { channel, head in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandlers(
                        NIOWebSocketFrameAggregator(
                            minNonFinalFragmentSize: 0, maxAccumulatedFrameCount: 4096, maxAccumulatedFrameSize: Self.maximumFrameBytes),
                        self.makeSocketHandler(rules.judge(head), recorder: recorder, speech: speech))
                }
            })
        let refusal = HTTPRefusalHandler()
        try channel.pipeline.syncOperations.configureHTTPServerPipeline(
            withPipeliningAssistance: false,
            withServerUpgrade: (
                upgraders: [upgrader],
                completionHandler: { context in context.pipeline.syncOperations.removeHandler(refusal, promise: nil) }
            ))
        try channel.pipeline.syncOperations.addHandler(refusal)
    }

    /// Drawn once for each connection, so that the same seed and order of connections give the same.
    private func drawHandshakeFault() -> HandshakeRules.Fault? {
        guard configuration.refuseRate > 0 else { return nil }
        return state.withLockedValue { state in
            let share = Double.random(in: 0..<1, using: &state.random)
            return share < configuration.refuseRate / 2 ? .unavailable : share < configuration.refuseRate ? .serverError : nil
        }
    }

    /// The headers of the `101`, after the delay asked for; nil to answer in HTTP.
    private func answerHandshake(
        _ channel: any Channel, _ head: HTTPRequestHead, _ rules: HandshakeRules, recorder: FrameRecorder?
    ) -> EventLoopFuture<HTTPHeaders?> {
        switch rules.judge(head) {
        case .notFound: return channel.eventLoop.makeSucceededFuture(nil)
        case .unavailable:
            recorder?.recordRefusal()
            return channel.eventLoop.makeSucceededFuture(nil)
        case .open, .refuse: break
        }
        let offersProtocol = head.headers[canonicalForm: "Sec-WebSocket-Protocol"].contains("realtime")
        let headers: HTTPHeaders = offersProtocol ? ["Sec-WebSocket-Protocol": "realtime"] : [:]
        guard configuration.handshakeDelay > .zero else { return channel.eventLoop.makeSucceededFuture(headers) }
        return channel.eventLoop.scheduleTask(in: TimeAmount(configuration.handshakeDelay)) { headers }.futureResult
    }

    private func makeSocketHandler(_ verdict: HandshakeRules.Verdict, recorder: FrameRecorder?, speech: SpeechSource) -> SocketHandler {
        let number = state.withLockedValue { state -> Int in
            state.connectionCount += 1
            return state.connectionCount
        }
        logger.debug("simulator connection", metadata: ["simulator.connection": "\(number)", "simulator.verdict": "\(verdict)"])
        return SocketHandler(verdict, connection: number, configuration, recorder: recorder, speech: speech)
    }
}

/// Why a ``Simulator`` did not start.
package enum SimulatorError: Error, Equatable, Sendable, CustomStringConvertible {
    case cannotRecord(path: String, reason: String)

    package var description: String {
        switch self {
        case .cannotRecord(let path, let reason): "cannot write the record \(path): \(reason)"
        }
    }
}

extension HandshakeRules {
    func judge(_ head: HTTPRequestHead) -> Verdict {
        judge(
            uri: head.uri, authorization: head.headers.first(name: "Authorization"),
            protocols: head.headers[canonicalForm: "Sec-WebSocket-Protocol"].map(String.init),
            betaHeader: head.headers.first(name: "OpenAI-Beta"))
    }
}
