package import Foundation
import NIOCore
import NIOPosix
package import Upstream

/// `openssl s_server`, whose standard input and output are the plaintext of its one connection.
package final class OpenSSLServer: Sendable {
    package let port: Int
    private let address: String
    private let process: ServerProcess

    /// Runs `client` against an `s_server`, with `script` behind it; both must succeed. Ends soon after ``patience`` whatever they wait for.
    package static func run<Result: Sendable>(
        _ kind: TestCertificates.Kind, options: [String] = [], address: String = "127.0.0.1",
        script: @escaping @Sendable (inout WebSocketPeer<ProcessWire>) async throws -> Void = { _ in },
        client: @escaping @Sendable (OpenSSLServer) async throws -> Result
    ) async throws -> Result {
        let server = try await OpenSSLServer(kind, options: options, address: address)
        defer { server.process.kill() }
        return try await bounded("the script behind openssl s_server and its client") {
            async let scripted: Void = {
                var peer = WebSocketPeer(wire: server.process.wire)
                try await script(&peer)
            }()
            let result = try await client(server)
            try await scripted
            return result
        }
    }

    private init(_ kind: TestCertificates.Kind, options: [String], address: String) async throws {
        let certificates = try TestCertificates.shared.get()
        self.address = address
        let probe = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton).bind(host: address, port: 0).get()
        port = probe.localAddress?.port ?? 0
        try await probe.close()
        let place = address.contains(":") ? "[\(address)]:\(port)" : "\(address):\(port)"
        process = try ServerProcess(
            arguments: [
                "openssl", "s_server", "-quiet", "-accept", place, "-cert", certificates.certificate(kind), "-key", certificates.key(kind),
            ] + options)
        try await waitUntilListening()
    }

    /// A process tells nobody that it listens, so we knock. The knock itself is a failed handshake for it.
    private func waitUntilListening() async throws {
        let deadline = ContinuousClock.now + .seconds(10)
        while true {
            if let knock = try? await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton).connect(host: address, port: port).get()
            {
                try await knock.close()
                return
            }
            guard ContinuousClock.now < deadline else { throw WaitedTooLong(what: "openssl s_server") }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    /// As seen by a client that trusts the test authority.
    package func endpoint(host: String = "localhost", port: Int? = nil, _ change: (inout UpstreamEndpoint) -> Void = { _ in }) throws
        -> UpstreamEndpoint
    {
        let authority = try TestCertificates.shared.get().authority
        var endpoint = UpstreamEndpoint(
            name: "tls", url: "wss://\(host):\(port ?? self.port)/v1/realtime", tls: UpstreamTLS(caFile: authority),
            handshakeTimeout: patience)
        change(&endpoint)
        return endpoint
    }

    /// Ends the process, and the connection with it, without a close-notify.
    package func kill() { process.kill() }
}

/// The process and the pipes to it.
package struct ServerProcess: Sendable {
    package let wire: ProcessWire
    private let identifier: Int32

    package init(arguments: [String]) throws {
        let process = Process()
        let (input, output) = (Pipe(), Pipe())
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = arguments
        process.standardInput = input
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        let received = Mailbox<[UInt8]?>("plaintext from openssl s_server")
        try process.run()
        identifier = process.processIdentifier
        // A thread and not `readabilityHandler`, whose dispatch source crashed libdispatch under the thread sanitizer.
        let reading = output.fileHandleForReading
        Thread.detachNewThread {
            while true {
                let data = reading.availableData
                received.put(data.isEmpty ? nil : Array(data))
                if data.isEmpty { return }
            }
        }
        wire = ProcessWire(input: input.fileHandleForWriting, received: received)
    }

    package func kill() {
        _ = Foundation.kill(identifier, SIGKILL)
    }
}

package struct ProcessWire: Wire, Sendable {
    package let input: FileHandle
    package let received: Mailbox<[UInt8]?>

    package func read() async throws -> [UInt8]? { try await received.next() }
    package func write(_ bytes: [UInt8]) async throws { try input.write(contentsOf: Data(bytes)) }
    /// `s_server` answers the end of its input with a close-notify.
    package func close() throws { try input.close() }
}
