import ArgumentParser
import Foundation
import HTTPServer
import NIOCore
import NIOHTTP1
import NIOPosix

/// Asks a running bridge whether it is ready: for container probes, where there is neither a shell nor curl.
struct HealthcheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "healthcheck", abstract: "Exit 0 if a bridge is ready, else 1 and say why.")

    @Argument(
        help:
            "Where the bridge listens: http://HOST:PORT or unix:/path. Default: the first of REALTIME_BRIDGE_LISTEN, else http://127.0.0.1:8080."
    )
    var url: String?

    private static let limit = TimeAmount.seconds(5)

    func run() async throws {
        let configured = ProcessInfo.processInfo.environment["REALTIME_BRIDGE_LISTEN"]?.split(separator: ",").first.map(String.init)
        var text = url ?? configured ?? "127.0.0.1:8080"
        for scheme in ["http://"] where text.hasPrefix(scheme) { text.removeFirst(scheme.count) }
        while text.hasSuffix("/"), !text.hasPrefix("unix:") { text.removeLast() }
        let address: ListenAddress
        do {
            address = try ListenAddress(parsing: text)
        } catch {
            throw ValidationError(error.description)
        }
        do {
            let status = try await Self.askReadiness(address)
            guard status == 200 else { return try Self.fail("\(address) answers /readyz with \(status)") }
        } catch let error as ExitCode {
            throw error
        } catch {
            try Self.fail("\(address) does not answer: \(error)")
        }
    }

    private static func fail(_ reason: String) throws {
        FileHandle.standardError.write(Data("\(reason)\n".utf8))
        throw ExitCode.failure
    }

    private static func askReadiness(_ address: ListenAddress) async throws -> Int {
        let bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connectTimeout(limit)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHTTPClientHandlers() }
            }
        let wrap: @Sendable (any Channel) -> EventLoopFuture<NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart>> = { channel in
            channel.eventLoop.makeCompletedFuture { try NIOAsyncChannel(wrappingChannelSynchronously: channel) }
        }
        let channel: NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart>
        switch address {
        case .tcp(let host, let port):
            // A wildcard address is for listening; the loopback one is there too.
            let target = host == "0.0.0.0" ? "127.0.0.1" : host == "::" ? "::1" : host
            channel = try await bootstrap.connect(host: target, port: Int(port), channelInitializer: wrap)
        case .unix(let path):
            channel = try await bootstrap.connect(unixDomainSocketPath: path, channelInitializer: wrap)
        }
        let timeout = channel.channel.eventLoop.scheduleTask(in: limit) { channel.channel.close(promise: nil) }
        defer { timeout.cancel() }
        return try await channel.executeThenClose { inbound, outbound in
            try await outbound.write(
                .head(
                    HTTPRequestHead(version: .http1_1, method: .GET, uri: "/readyz", headers: ["host": "localhost", "connection": "close"]))
            )
            try await outbound.write(.end(nil))
            for try await case .head(let head) in inbound { return Int(head.status.code) }
            throw ChannelError.eof
        }
    }
}
