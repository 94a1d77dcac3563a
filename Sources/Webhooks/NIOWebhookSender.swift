import NIOConcurrencyHelpers
package import NIOCore
import NIOHTTP1
import NIOPosix
package import Upstream

/// The real ``WebhookSending``: SwiftNIO for sockets and HTTP, the system's OpenSSL for TLS. A connection for each attempt.
///
/// The name is looked up once, all of its addresses are checked, and a connection is made to exactly one of those: nothing can answer
/// differently the second time.
package final class NIOWebhookSender: WebhookSending {
    private let group: any EventLoopGroup
    private let resolver: any WebhookResolving
    private let settings: UpstreamTLS
    private let tls = TLSClient()

    /// Of an answer's body.
    static let maximumBodyBytes = 1 << 20
    /// An address that does not answer leaves time for the next one.
    private static let connectTime = TimeAmount.seconds(3)
    /// A name with more addresses than anybody is going to try.
    private static let maximumAddresses = 4

    /// - Parameters:
    ///   - group: runs the connections; belongs to the caller.
    ///   - tls: the authorities to trust.
    package init(group: any EventLoopGroup, resolver: any WebhookResolving, tls: UpstreamTLS) {
        self.group = group
        self.resolver = resolver
        settings = tls
    }

    package func send(_ request: WebhookRequest, under rules: WebhookRules, within limit: Duration) async -> WebhookAnswer {
        let secure: TLSClient.Context?
        do {
            secure = request.url.isSecure ? try await tls.context(for: settings) : nil
        } catch {
            return .failed(.connection(error))
        }
        let attempt = Attempt(request: request, rules: rules, tls: secure, loop: group.next())
        let deadline = attempt.loop.scheduleTask(in: TimeAmount(limit)) { attempt.end(.failed(.timedOut)) }
        attempt.done.futureResult.whenComplete { _ in deadline.cancel() }
        return await withTaskCancellationHandler {
            attempt.resolve(resolver)
            return (try? await attempt.done.futureResult.get()) ?? .failed(.cancelled)
        } onCancel: {
            attempt.end(.failed(.cancelled))
        }
    }

    /// One attempt, on one event loop.
    private struct Attempt: Sendable {
        let request: WebhookRequest
        let rules: WebhookRules
        let tls: TLSClient.Context?
        let loop: any EventLoop
        /// The first answer counts.
        let done: EventLoopPromise<WebhookAnswer>
        /// Its time is over or its task was cancelled, as any thread may see.
        private let isOver = NIOLockedValueBox(false)

        init(request: WebhookRequest, rules: WebhookRules, tls: TLSClient.Context?, loop: any EventLoop) {
            (self.request, self.rules, self.tls, self.loop) = (request, rules, tls, loop)
            done = loop.makePromise()
        }

        func end(_ answer: WebhookAnswer) {
            isOver.withLockedValue { $0 = true }
            done.succeed(answer)
        }

        func resolve(_ resolver: any WebhookResolving) {
            let url = request.url
            if let literal = try? SocketAddress(ipAddress: url.host, port: url.port) {
                loop.execute { connect(to: [literal]) }
                return
            }
            let isWanted = { @Sendable [isOver] in !isOver.withLockedValue { $0 } }
            resolver.addresses(of: url.nameToLookUp, port: url.port, on: loop, while: isWanted).whenComplete { found in
                guard case .success(let addresses) = found, !addresses.isEmpty else {
                    return end(.failed(.unreachable("its name cannot be resolved")))
                }
                connect(to: addresses)
            }
        }

        private func connect(to addresses: [SocketAddress]) {
            // One that is not allowed is a reason to trust none: such an answer is made to be tried twice.
            let areAllowed = addresses.allSatisfy { address in
                address.ipAddress.flatMap { IPAddressBytes($0) }.map { rules.permit($0, for: request.url) } ?? false
            }
            guard areAllowed else { return end(.failed(.addressRefused)) }
            tryNext(addresses.prefix(maximumAddresses))
        }

        private func tryNext(_ addresses: ArraySlice<SocketAddress>) {
            // A name server may answer when it is too late.
            guard let address = addresses.first, !isOver.withLockedValue({ $0 }) else { return }
            let connecting = ClientBootstrap(group: loop)
                .channelOption(.tcpOption(.tcp_nodelay), value: 1)
                .connectTimeout(connectTime)
                .connect(to: address)
            connecting.whenFailure { error in
                guard addresses.count > 1 else { return end(.failed(.connection(error))) }
                tryNext(addresses.dropFirst())
            }
            connecting.whenSuccess { channel in
                // Also if the time was over before the connection stood.
                done.futureResult.whenComplete { _ in channel.close(promise: nil) }
                do {
                    try start(on: channel)
                } catch {
                    end(.failed(.connection(error)))
                }
            }
        }

        private func start(on channel: any Channel) throws {
            guard channel.isActive else { throw ChannelError.ioOnClosedChannel }
            let pipeline = channel.pipeline.syncOperations
            if let tls { try TLSClient.begin(tls, on: pipeline, host: request.url.host) }
            let exchange = WebhookExchange(request, maximumBodyBytes: maximumBodyBytes, done: done)
            try pipeline.addHandler(exchange.gauge)
            try pipeline.addHandler(HTTPRequestEncoder())
            try pipeline.addHandler(ByteToMessageHandler(exchange.decoder))
            try pipeline.addHandler(exchange)
            pipeline.fireUserInboundEventTriggered(TransportReady())
        }
    }
}
