import Logging
import NIOPosix
import Testing
import Upstream

let connector = NIOUpstreamConnector(group: MultiThreadedEventLoopGroup.singleton, logger: Logger(label: "test"))

/// Longer than any handshake takes on a busy machine under a sanitizer.
let patience = Duration.seconds(30)

extension ScriptedServer {
    func endpoint(_ change: (inout UpstreamEndpoint) -> Void = { _ in }) -> UpstreamEndpoint {
        var endpoint = UpstreamEndpoint(
            name: "test", url: url, headers: [("Authorization", "Bearer sk-test-0123456789")], handshakeTimeout: patience)
        change(&endpoint)
        return endpoint
    }

    func connect(_ change: (inout UpstreamEndpoint) -> Void = { _ in }) async throws -> UpstreamConnection {
        try await connector.connect(to: endpoint(change))
    }

    /// What `connect` threw.
    func refusal(_ change: (inout UpstreamEndpoint) -> Void = { _ in }) async throws -> UpstreamError {
        try await UpstreamTests.refusal(of: endpoint(change))
    }
}

struct NotRefused: Error {}

func refusal(of endpoint: UpstreamEndpoint) async throws -> UpstreamError {
    do throws(UpstreamError) {
        _ = try await connector.connect(to: endpoint)
    } catch {
        return error
    }
    throw NotRefused()
}

extension UpstreamConnection {
    func nextText() async -> String? {
        guard case .frame(let frame) = await next() else { return nil }
        return String(decoding: frame, as: UTF8.self)
    }

    /// Skips what is left and returns the end.
    func end() async -> UpstreamEnd {
        while true {
            if case .ended(let end) = await next() { return end }
        }
    }
}
