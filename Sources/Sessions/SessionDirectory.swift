package import EventLog
package import Logging
package import Upstream
package import Webhooks

/// All sessions: makes them, finds them in memory or in the store, and brings them through a restart.
///
/// From: `BridgeAPI`'s handlers. To: ``Session``.
package actor SessionDirectory {
    package nonisolated let log: EventLog
    let upstreams: UpstreamTable
    let connector: any UpstreamConnecting
    let limits: SessionLimits
    let logger: Logger
    private nonisolated let tasks = TaskOwner()
    let webhooks: Webhooks?
    nonisolated let webhookTasks = TaskOwner()
    var sessions: [String: Session] = [:]
    /// Sessions that are being read from the store.
    var loading: [String: Promise<Void>] = [:]
    nonisolated let openLinks = OpenLinks()
    /// Sessions whose first connection is being made.
    var creating = 0
    var isRecovering = false
    var isStopping = false

    /// Sessions kept in memory before idle ones are put away; they cost their items.
    private static let loadedLimit = 2_000

    /// - Parameters:
    ///   - upstreams: the first one is the default; not empty.
    ///   - webhooks: nil: tools may have none.
    package init(
        log: EventLog, upstreams: [UpstreamConfiguration], connector: any UpstreamConnecting, limits: SessionLimits = SessionLimits(),
        webhooks: Webhooks? = nil, logger: Logger
    ) {
        self.log = log
        self.upstreams = UpstreamTable(upstreams)
        self.connector = connector
        self.limits = limits
        self.webhooks = webhooks
        self.logger = logger
    }

    /// Runs the sessions' connections until ``stop(within:)`` was called and all have ended. Webhooks that are called then are cut off: the next
    /// start calls them again.
    package nonisolated func run() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.endOverdue() }
            group.addTask { await self.webhookTasks.run() }
            await tasks.run()
            group.cancelAll()
        }
    }

    /// - Throws: `.sessionNotFound` also for a session that is another caller's.
    package func session(_ id: String, for caller: Caller) async throws(SessionError) -> Session {
        try await session(id, for: caller, goingOn: true)
    }

    /// - Parameter goingOn: false: it is about to end, and one that is loaded for that calls no webhooks.
    func session(_ id: String, for caller: Caller, goingOn: Bool) async throws(SessionError) -> Session {
        if let session = sessions[id] {
            guard caller.sees(owner: session.owner) else { throw Self.notFound(id) }
            // As long as the store fails, a reload would only fail again; the session refuses commands by itself.
            guard await session.mustBeReloaded, log.isHealthy else { return session }
            if sessions[id] === session { sessions[id] = nil }
        }
        guard let session = try await reading({ () async throws(EventLogError) in try await self.load(id, goingOn: goingOn) }) else {
            throw Self.notFound(id)
        }
        guard caller.sees(owner: session.owner) else {
            await session.startWebhooks()
            throw Self.notFound(id)
        }
        return session
    }

    /// Ends a session; its history goes too unless it is to be kept.
    package func delete(_ id: String, keepingHistory: Bool, by caller: Caller) async throws(SessionError) {
        try await end(try await session(id, for: caller, goingOn: false), reason: keepingHistory ? "closed" : "deleted")
        sessions[id] = nil
        guard !keepingHistory else { return }
        _ = try await reading { () async throws(EventLogError) in try await self.log.deleteSession(id) }
    }

    func end(_ session: Session, reason: String) async throws(SessionError) {
        do throws(SessionError) {
            try await session.close(reason: reason)
        } catch {
            // It goes on as if nobody had wanted that.
            await session.startWebhooks()
            throw error
        }
    }

    /// Makes a session not exist of which nobody was told: its creation was cut off. One that is not there is fine.
    package func discard(_ id: String) async throws(SessionError) {
        // In the store it may be connecting, and is nobody's then.
        let session = try await reading { () async throws(EventLogError) in try await self.load(id, goingOn: false) }
        if let session { try await end(session, reason: "deleted") }
        sessions[id] = nil
        _ = try await reading { () async throws(EventLogError) in try await self.log.deleteSession(id) }
    }

    /// Stops: no new sessions, responses in progress, and webhooks that are called, may end within the limit, then every session gives its
    /// connection back and is `suspended`. Returns when that is stored.
    package func stop(within limit: Duration) async {
        isStopping = true
        let deadline = ContinuousClock.now + limit
        while ContinuousClock.now < deadline, await isAnyTurnInProgress() {
            try? await Task.sleep(for: .milliseconds(50))
        }
        await withDiscardingTaskGroup { group in
            for session in sessions.values { group.addTask { await session.stop() } }
        }
        tasks.finish()
    }

    // MARK: Inside

    private func isAnyTurnInProgress() async -> Bool {
        for session in sessions.values where await session.isInTurn { return true }
        return false
    }

    func session(
        _ machine: SessionStateMachine, _ history: SessionHistory, _ upstream: UpstreamConfiguration?, bearer: String?
    ) -> Session {
        Session(
            machine: machine, history: history, log: log, upstream: upstream, connector: connector, bearer: bearer, tasks: tasks,
            broken: mend, over: forget, openLinks: openLinks, webhooks: webhooks, webhookTasks: webhookTasks, logger: logger)
    }

    /// A session made for one response is over: whoever asks for it reads what is stored.
    ///
    /// Async, so that it goes to its actor itself: one that is not, taken for a function that is, runs on its caller's (Swift 6.3).
    private func forget(_ id: String) async {
        sessions[id] = nil
    }

    func putAwayIdle() async {
        guard sessions.count > Self.loadedLimit else { return }
        for (id, session) in sessions {
            guard sessions.count > Self.loadedLimit / 2 else { return }
            if await session.retireIfIdle(), sessions[id] === session { sessions[id] = nil }
        }
    }

    func reading<Value>(
        _ body: () async throws(EventLogError) -> Value
    ) async throws(SessionError) -> Value {
        do throws(EventLogError) {
            return try await body()
        } catch {
            throw SessionError(.storeUnavailable, error.message)
        }
    }

    private static func notFound(_ id: String) -> SessionError {
        SessionError(.sessionNotFound, "there is no session '\(id.prefix(64))'")
    }
}
