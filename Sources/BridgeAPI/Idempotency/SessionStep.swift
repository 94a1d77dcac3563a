import EventLog
import Sessions

/// The making of a session as a step of a request with an `Idempotency-Key`.
enum SessionStep {
    /// The session that an earlier request has made; else what is made now.
    /// - Parameters:
    ///   - steps: of the whole request; with fewer of them nothing is left to do in a session that has ended.
    ///   - found: what is to be said of one that was made before.
    ///   - make: makes it, under the id if there is one. A failure leaves no session.
    static func session<Made>(
        _ call: APICall, _ api: BridgeAPI, steps: Int = 1, found: (Session) async throws -> Made, make: (String?) async throws -> Made
    ) async throws -> Made {
        guard let request = call.once else { return try await make(nil) }
        var next = try await request.next(mark: SessionDirectory.newID())
        if case .begun(let step, let id, let note) = next {
            let recorded = request.recordedSteps
            if note == .accepted || recorded > step.number + 1 {
                let session = try await api.directory.session(id, for: call.caller)
                let hasEnded = await session.record.status.hasEnded
                if recorded >= steps || !hasEnded { return try await found(session) }
            }
            // Cut off, by the end of the process and with it of the connection: nothing is left of it but what the store may hold, and
            // nobody was told of that.
            try await api.directory.discard(id)
            next = try await request.restart(mark: SessionDirectory.newID())
        }
        guard case .new(let step, let id) = next else { preconditionFailure("a restarted request has an old step") }
        do {
            let made = try await make(id)
            request.note(.accepted, of: step)
            return made
        } catch {
            if let error = error as? SessionError { request.note(.refused(error), of: step) }
            throw error
        }
    }
}
