import TestSupport
import Upstream

/// A connector whose every handshake the test takes and ends.
final class HandshakesByHand: UpstreamConnecting {
    private let begun = Mailbox<Attempt>("a handshake")

    /// The oldest handshake that was not taken yet.
    func next(within limit: Duration = .seconds(30)) async throws -> Attempt {
        try await begun.next(within: limit)
    }

    /// Begun and not taken.
    var pending: Int { begun.pending.count }

    func connect(to endpoint: UpstreamEndpoint) async throws(UpstreamError) -> UpstreamConnection {
        let attempt = Attempt(endpoint: endpoint)
        begun.put(attempt)
        do {
            return try await attempt.outcome.next(within: .seconds(60)).get()
        } catch {
            throw error as? UpstreamError ?? UpstreamError(.cancelled, "connecting to upstream was cancelled")
        }
    }

    struct Attempt: Sendable {
        let endpoint: UpstreamEndpoint
        fileprivate let outcome = Mailbox<Result<UpstreamConnection, UpstreamError>>("the end of a handshake")

        /// - Returns: the server's side.
        @discardableResult
        func open(_ id: String = "sess_1", expiresAt: Int? = nil) -> ScriptedConnection {
            let server = ScriptedConnection()
            let expires = expiresAt.map { ",\"expires_at\":\($0)" } ?? ""
            let created = "{\"type\":\"session.created\",\"session\":{\"id\":\"\(id)\"\(expires)}}"
            open(server.clientSide(created: Array(created.utf8)))
            return server
        }

        func open(_ connection: UpstreamConnection) {
            outcome.put(.success(connection))
        }

        func fail(_ code: UpstreamError.Code = .unreachable) {
            outcome.put(.failure(UpstreamError(code, "out of reach")))
        }
    }
}
