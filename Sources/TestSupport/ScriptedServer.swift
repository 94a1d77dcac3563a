import Glibc
import NIOConcurrencyHelpers
package import NIOCore
import NIOPosix

/// A TCP server on a port of its own that plays a script on each connection, byte for byte.
package struct ScriptedServer: Sendable {
    package let port: Int
    package var url: String { "ws://127.0.0.1:\(port)/v1/realtime?model=test" }

    /// Runs `client` against a server that plays `script`; both must succeed. A script ends at the latest when the client's side is gone.
    /// Whatever either waits for, this returns soon after `limit`, with every socket closed.
    package static func run<Result: Sendable>(
        host: String = "127.0.0.1", within limit: Duration = patience,
        script: @escaping @Sendable (inout WebSocketPeer<TCPWire>) async throws -> Void,
        client: @escaping @Sendable (ScriptedServer) async throws -> Result
    ) async throws -> Result {
        let (connections, accepted) = AsyncStream.makeStream(of: TCPWire.self, bufferingPolicy: .bufferingOldest(16))
        let channels = NIOLockedValueBox<[any Channel]>([])
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.autoRead, value: false)
            .childChannelInitializer { channel in
                channels.withLockedValue { $0.append(channel) }
                return channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(WireHandler(accepted: accepted))
                }
            }
            .bind(host: host, port: 0).get()
        defer {
            listener.close(promise: nil)
            for channel in channels.withLockedValue({ $0 }) { channel.close(promise: nil) }
        }
        return try await bounded("the script and its client", within: limit) {
            async let scripted: Void = {
                for await wire in connections {
                    var peer = WebSocketPeer(wire: wire)
                    defer { wire.channel.close(promise: nil) }
                    try await script(&peer)
                }
            }()
            let result = try await client(ScriptedServer(port: listener.localAddress?.port ?? 0))
            try await listener.close()
            accepted.finish()
            try await scripted
            return result
        }
    }
}

/// Reads only when asked to, so that a script can leave its socket full.
package struct TCPWire: Wire, Sendable {
    package let channel: any Channel
    let received: Mailbox<[UInt8]?>

    package func read() async throws -> [UInt8]? {
        channel.read()
        return try await received.next()
    }

    package func write(_ bytes: [UInt8]) async throws {
        try await channel.writeAndFlush(ByteBuffer(bytes: bytes))
    }

    package static func connect(host: String = "127.0.0.1", to port: Int) async throws -> TCPWire {
        let (connected, wires) = AsyncStream.makeStream(of: TCPWire.self, bufferingPolicy: .bufferingOldest(1))
        _ = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.autoRead, value: false)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(WireHandler(accepted: wires)) }
            }
            .connect(host: host, port: port).get()
        for await wire in connected { return wire }
        throw PeerGone()
    }

    /// Closes with a TCP reset.
    package func reset() async throws {
        guard let socket = channel as? any SocketOptionProvider else { preconditionFailure("\(channel) is no socket") }
        try await socket.setSoLinger(linger(l_onoff: 1, l_linger: 0)).get()
        try await channel.close()
    }
}

private final class WireHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let accepted: AsyncStream<TCPWire>.Continuation
    private let received = Mailbox<[UInt8]?>("bytes from the client")

    init(accepted: AsyncStream<TCPWire>.Continuation) {
        self.accepted = accepted
    }

    func channelActive(context: ChannelHandlerContext) {
        // Not sooner: a read asked for before the channel is active is forgotten.
        accepted.yield(TCPWire(channel: context.channel, received: received))
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        received.put(Array(unwrapInboundIn(data).readableBytesView))
    }

    func channelInactive(context: ChannelHandlerContext) {
        received.put(nil)
    }

    /// A reset counts as the end of the stream, which follows.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}
