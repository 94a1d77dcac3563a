import Logging
import NIOPosix
import TestSupport
import Testing
import Upstream

let connector = NIOUpstreamConnector(group: MultiThreadedEventLoopGroup.singleton, logger: Logger(label: "test"))

extension ScriptedServer {
    func endpoint(_ change: (inout UpstreamEndpoint) -> Void = { _ in }) -> UpstreamEndpoint {
        var endpoint = UpstreamEndpoint(
            name: "test", url: url, headers: [("Authorization", "Bearer sk-test-0123456789")], handshakeTimeout: patience)
        change(&endpoint)
        return endpoint
    }

    func connect(_ change: (inout UpstreamEndpoint) -> Void = { _ in }) async throws -> UpstreamConnection {
        try await open(endpoint(change))
    }

    /// What `connect` threw.
    func refusal(_ change: (inout UpstreamEndpoint) -> Void = { _ in }) async throws -> UpstreamError {
        try await UpstreamTests.refusal(of: endpoint(change))
    }
}

func open(_ endpoint: UpstreamEndpoint, by connector: NIOUpstreamConnector = connector) async throws -> UpstreamConnection {
    try await bounded("a connection") { try await connector.connect(to: endpoint) }
}

struct NotRefused: Error {}

func refusal(of endpoint: UpstreamEndpoint, by connector: NIOUpstreamConnector = connector) async throws -> UpstreamError {
    do {
        _ = try await open(endpoint, by: connector)
    } catch let error as UpstreamError {
        return error
    }
    throw NotRefused()
}

extension UpstreamConnection {
    func nextInbound() async throws -> UpstreamInbound {
        try await bounded("a frame from the connection") { await self.next() }
    }

    func nextText() async throws -> String? {
        guard case .frame(let frame) = try await nextInbound() else { return nil }
        return String(decoding: frame, as: UTF8.self)
    }

    /// Skips what is left and returns the end.
    func end() async throws -> UpstreamEnd {
        try await bounded("the connection's end") {
            while true {
                if case .ended(let end) = await self.next() { return end }
            }
        }
    }

    func sendText(_ text: String) async throws {
        try await bounded("the socket to take a message") { try await self.send(Array(text.utf8)) }
    }

    func closeAndWait(code: UInt16 = 1000, reason: String = "") async throws {
        try await bounded("the closing handshake") { await self.close(code: code, reason: reason) }
    }
}
