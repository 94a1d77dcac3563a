package import EventLog
import Foundation
package import Logging
package import Realtime
package import Upstream
package import Webhooks

/// All sessions: makes them, finds them in memory or in the store, and brings them through a restart.
///
/// From: `BridgeAPI`'s handlers. To: ``Session``.
package actor SessionDirectory {
    package nonisolated let log: EventLog
    private let upstreams: UpstreamTable
    private let connector: any UpstreamConnecting
    private let limits: SessionLimits
    private let logger: Logger
    private nonisolated let tasks = TaskOwner()
    private let webhooks: Webhooks?
    private nonisolated let webhookTasks = TaskOwner()
    private var sessions: [String: Session] = [:]
    /// Sessions that are being read from the store.
    private var loading: [String: Promise<Void>] = [:]
    private nonisolated let openLinks = OpenLinks()
    /// Sessions whose first connection is being made.
    private var creating = 0
    private var isRecovering = false
    private var isStopping = false

    /// Sessions kept in memory before idle ones are put away; they cost their items.
    private static let loadedLimit = 2_000
    private static let loadingLimit = Duration.seconds(20)
    /// Sessions that are brought to rest at the same time after a start.
    private static let recoveredTogether = 256
    private static let webhookPause = Duration.milliseconds(100)
    /// Sessions past their end that are looked up at once.
    private static let endedTogether = 100

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

    /// Brings what the last run of the process left behind to rest: every response in progress gets its one terminal, every session
    /// is `suspended`. To be called before the first request; harmless to repeat.
    /// - Throws: `EventLogError`.
    package func recover() async throws {
        isRecovering = true
        defer { isRecovering = false }
        let ids = try await log.sessionsNeedingRecovery()
        for begin in stride(from: 0, to: ids.count, by: Self.recoveredTogether) {
            let together = ids[begin..<min(begin + Self.recoveredTogether, ids.count)]
            // At the same time, so that they share commits.
            try await withThrowingTaskGroup(of: Void.self) { group in
                for id in together { group.addTask { try await self.recover(id) } }
                try await group.waitForAll()
            }
        }
        let owing = webhooks == nil ? [] : try await log.sessionsOwingOutputs()
        // Not waited for: a start is not to take longer for them.
        if !owing.isEmpty { webhookTasks.add { await self.goOn(with: owing) } }
    }

    /// Loads sessions whose function calls wait for their webhooks, which makes them go on: as many at a time as webhooks are called, since each
    /// also opens a connection for the output.
    private nonisolated func goOn(with ids: [String]) async {
        await withTaskGroup(of: Void.self) { group in
            for (index, id) in ids.enumerated() {
                if index >= Webhooks.maximumRunning { await group.next() }
                guard !Task.isCancelled else { return }
                group.addTask { await self.goOn(with: id) }
            }
        }
    }

    /// Returns once the session has nothing to call any more, or waits for something else.
    private nonisolated func goOn(with id: String) async {
        guard let session = try? await session(id, for: Caller(owner: nil, seesAll: true)) else { return }
        while await session.isCallingWebhooks {
            guard (try? await Task.sleep(for: Self.webhookPause)) != nil else { return }
        }
    }

    private func recover(_ id: String) async throws(EventLogError) {
        // Nil: its creation was never answered.
        guard try await restored(id) == nil else { return }
        try await log.deleteSession(id)
    }

    /// Opens an upstream connection, gives it the configuration, and returns the session once upstream has confirmed both.
    /// - Throws: upstream's refusal among others; then no session is left behind.
    package func create(_ new: NewSession, by caller: Caller) async throws(SessionError) -> (session: Session, leftOut: [LeftOutField]) {
        guard !isStopping else { throw SessionError(.shuttingDown, "the bridge is shutting down") }
        let source = try await source(of: new, for: caller)
        let upstream = try upstreams.route(
            upstream: new.upstream ?? (new.model == nil ? source?.record.upstreamName : nil), model: new.model ?? source?.record.model)
        try await refuseOverLimits(isOneShot: false)
        let kind = SessionKind(new.configuration) ?? source?.record.kind ?? .realtime
        let update = new.configuration.map {
            ClientEventTranslation(
                SessionUpdate.event($0, of: kind, spelledIn: new.spelledIn), from: DialectView(of: upstream.dialect, in: new.spelledIn))
        }
        let own = try update.map { update throws(SessionError) in try ToolWebhooks.taken(from: update.event, under: webhooks?.rules) }
        // Another vendor's server does not know the source's.
        let inheritedModel = source?.record.upstreamName == upstream.name ? source?.record.model : nil
        let model = new.model ?? inheritedModel ?? (kind == .realtime ? upstream.usualModel : nil)
        creating += 1
        defer { creating -= 1 }
        let connection = try await connect(to: upstream, model: model, kind, caller)
        let session: Session
        do {
            let record = record(of: new, model: model, upstream: upstream, caller)
            session = try await store(record, upstream: upstream, source, upTo: new.from?.upTo, own, caller)
        } catch {
            await connection.close()
            throw SessionError(.storeUnavailable, error.message)
        }
        await session.adopt(connection)
        do throws(SessionError) {
            if source != nil {
                try await session.opened(within: limits.configurationTime * 6)
            } else if let update {
                try await configure(session, update.event, caller)
            }
        } catch {
            try? await session.close(reason: "refused")
            sessions[session.id] = nil
            try? await log.deleteSession(session.id)
            throw error.shown(in: DialectView(of: upstream.dialect, in: new.spelledIn))
        }
        return (session, (source.map { inherited($0, upstream).leftOut } ?? []) + (update?.leftOut ?? []))
    }

    /// The upstream that a session is for.
    /// - Throws: `.unknownUpstream`.
    package nonisolated func upstream(for new: NewSession) throws(SessionError) -> UpstreamConfiguration {
        try upstreams.route(upstream: new.upstream, model: new.model)
    }

    /// Opens a session that the bridge makes for one response: whoever has it asks for that next, and the session ends with it.
    ///
    /// It is in no list, and takes nothing but that response's cancel once it was asked for.
    /// - Parameters:
    ///   - new: of it the model, the upstream and the dialect.
    ///   - events: what will be submitted, in upstream's dialect. They are looked at before anything is opened.
    ///   - isKept: as long as other sessions, not only for minutes.
    /// - Throws: what is wrong with the events; what ``create(_:by:)`` throws. Nothing is left behind then.
    package func createOneShot(
        _ new: NewSession, submitting events: [JSON], isKept: Bool, by caller: Caller
    ) async throws(SessionError) -> Session {
        guard !isStopping else { throw SessionError(.shuttingDown, "the bridge is shutting down") }
        let upstream = try upstream(for: new)
        let model = new.model ?? upstream.usualModel
        let record = record(of: new, model: model, upstream: upstream, caller, isOneShot: true, isKept: isKept)
        let builder = CommandBuilder(machine: SessionStateMachine(new: record, profile: upstream.profile))
        for event in events { _ = try builder.build(event, firstID: 1, rejectIfActive: false) }
        try await refuseOverLimits(isOneShot: true)
        creating += 1
        defer { creating -= 1 }
        let connection = try await connect(to: upstream, model: model, .realtime, caller)
        do {
            let session = try await store(record, upstream: upstream, nil, upTo: nil, nil, caller)
            await session.adopt(connection)
            return session
        } catch {
            await connection.close()
            throw SessionError(.storeUnavailable, error.message)
        }
    }

    private func connect(
        to upstream: UpstreamConfiguration, model: String?, _ kind: SessionKind, _ caller: Caller
    ) async throws(SessionError) -> UpstreamConnection {
        do {
            return try await connector.connect(to: upstream.endpoint(model: model, kind: kind, bearer: caller.bearer))
        } catch {
            logger.warning("no upstream connection", metadata: ["bridge.upstream": "\(upstream.name)", "bridge.error": "\(error)"])
            throw SessionError(error)
        }
    }

    /// What a fork begins with of its source's configuration.
    private func inherited(
        _ source: StoredSession, _ upstream: UpstreamConfiguration
    ) -> (configuration: [UInt8]?, leftOut: [LeftOutField]) {
        SessionUpdate.translated(
            source.record.requestedConfiguration, of: source.record.kind, from: source.record.upstreamDialect, to: upstream.dialect)
    }

    /// The session whose history a new one begins with; nil if it begins empty.
    private func source(of new: NewSession, for caller: Caller) async throws(SessionError) -> StoredSession? {
        guard let origin = new.from else { return nil }
        guard let stored = try await reading({ () async throws(EventLogError) in try await self.log.storedSession(origin.session) }),
            caller.sees(owner: stored.record.owner)
        else { throw SessionError(.sessionNotFound, "there is no session '\(origin.session.prefix(64))'", param: "from") }
        guard !stored.record.isOneShot else {
            throw SessionError(.sessionIsOneShot, "that session was made for one response, and cannot be gone on from", param: "from")
        }
        if let item = origin.upTo, !stored.items.contains(where: { $0.id == item && !$0.isDeleted }) {
            throw SessionError(.itemNotFound, "there is no item '\(item.prefix(64))' in that session", param: "up_to")
        }
        if let item = origin.upTo, stored.unfinished(upTo: nil).contains(item) {
            throw SessionError(.responseActive, "the item '\(item.prefix(64))' is still being produced", param: "up_to")
        }
        return stored
    }

    /// - Throws: `.sessionNotFound` also for a session that is another caller's.
    package func session(_ id: String, for caller: Caller) async throws(SessionError) -> Session {
        try await session(id, for: caller, goingOn: true)
    }

    /// - Parameter goingOn: false: it is about to end, and one that is loaded for that calls no webhooks.
    private func session(_ id: String, for caller: Caller, goingOn: Bool) async throws(SessionError) -> Session {
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

    private func end(_ session: Session, reason: String) async throws(SessionError) {
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

    private func refuseOverLimits(isOneShot: Bool) async throws(SessionError) {
        let counts = try await reading { () async throws(EventLogError) in try await self.log.sessionCounts() }
        // A suspended session that connects again is not refused; only new ones are.
        if openLinks.count + creating >= limits.live {
            throw SessionError(.sessionLimit, "\(limits.live) sessions are live (setting --max-sessions); close one first")
        }
        if isOneShot, counts.oneShots >= limits.kept {
            throw SessionError(
                .sessionLimit,
                "\(limits.kept) responses without a session are kept (setting --max-kept-sessions, which counts them apart from sessions); "
                    + "wait until some are gone, 10 minutes after their end (with an Idempotency-Key as long as sessions are kept), or raise it"
            )
        }
        if !isOneShot, counts.stored >= limits.kept {
            throw SessionError(.sessionLimit, "\(limits.kept) sessions are kept (setting --max-kept-sessions); delete some first")
        }
    }

    private func record(
        of new: NewSession, model: String?, upstream: UpstreamConfiguration, _ caller: Caller, isOneShot: Bool = false,
        isKept: Bool = false
    ) -> SessionRecord {
        var record = SessionRecord(
            id: new.id ?? Self.newID(), owner: caller.owner, createdAt: Int(Date().timeIntervalSince1970), model: model,
            dialect: new.dialect, upstreamName: upstream.name, status: .connecting, metadata: new.metadata,
            settings: new.settings.json, upstreamDialect: upstream.dialect, isOneShot: isOneShot, isKept: isKept)
        record.expiresAt = new.settings.maxDuration.map { record.createdAt + $0 }
        return record
    }

    private func store(
        _ record: SessionRecord, upstream: UpstreamConfiguration, _ source: StoredSession?, upTo: String?,
        _ update: (event: JSON, webhooks: ToolWebhooks?)?, _ caller: Caller
    ) async throws(EventLogError) -> Session {
        let own = update?.event["session"]
        var record = record
        var origin: SessionOrigin?
        if let source {
            origin = try await self.origin(source, upTo: upTo, upstream, own)
            record.requestedConfiguration = inherited(source, upstream).configuration
            if let own {
                record.requestedConfiguration = SessionConfiguration.merge(record.requestedConfiguration, with: Array(own.lexeme))
            }
            // With its tools.
            record.webhooks = update?.webhooks.map(\.json) ?? source.record.webhooks
        }
        let history = try await log.createSession(record)
        let machine = SessionStateMachine(
            new: record, profile: upstream.profile, times: SessionTimes(limits, profile: upstream.profile),
            tokenLimit: limits.replayTokenLimit, origin: origin)
        let session = session(machine, history, upstream, bearer: caller.bearer)
        await putAwayIdle()
        sessions[record.id] = session
        return session
    }

    private func origin(
        _ source: StoredSession, upTo: String?, _ upstream: UpstreamConfiguration, _ own: JSON?
    ) async throws(EventLogError) -> SessionOrigin {
        // What the new session's audio will be.
        var target = source.record
        let view = DialectView(of: target.upstreamDialect, in: upstream.dialect)
        target.configuration = target.configuration.map { view.session($0, of: source.record.kind) }
        if let own { target.configuration = SessionConfiguration.merge(target.configuration, with: Array(own.lexeme)) }
        let inputs = try await log.inputSizes(of: source.record.id)
        let items = source.conversation(upTo: upTo)
        let profile = upstream.profile
        let plan = RehydrationPlan.make(
            conversation: items, inputs: inputs, dialect: upstream.dialect, inputFormat: AudioFormat.input(of: target, profile),
            outputFormat: AudioFormat.output(of: source.record, profile), tokenLimit: limits.replayTokenLimit)
        let unfinished = source.unfinished(upTo: upTo).map { ItemNote(id: $0, why: ItemLoss.incomplete.rawValue) }
        return SessionOrigin(session: source.record.id, plan: plan, unfinished: unfinished, inputs: inputs)
    }

    private func configure(_ session: Session, _ update: JSON, _ caller: Caller) async throws(SessionError) {
        switch try await session.submit(update, by: caller).confirmed(within: limits.configurationTime) {
        case .confirmed, .accepted: return
        case .failed(let error): throw error
        case nil: throw SessionError(.upstreamTimeout, "upstream did not confirm the session's configuration in time")
        }
    }

    /// The one actor of a stored session; nil if there is none. Whoever comes while it is being loaded waits for the same one.
    private func load(_ id: String, goingOn: Bool) async throws(EventLogError) -> Session? {
        while let loading = loading[id] {
            guard await loading.value(within: Self.loadingLimit) != nil else {
                throw EventLogError(.unavailable, "the session could not be read in time")
            }
        }
        if let session = sessions[id] { return session }
        let done = Promise<Void>()
        loading[id] = done
        defer {
            loading[id] = nil
            done.fulfil(())
        }
        guard let session = try await restored(id) else { return nil }
        // Made for one response: it has ended, and takes nothing. Kept here it would outlive its rows.
        guard await !session.record.isOneShot else { return session }
        sessions[id] = session
        if goingOn { await session.startWebhooks() }
        await putAwayIdle()
        return session
    }

    /// A session as the store has it, at rest: what was found running there, by a start or after a failing store, is suspended before
    /// anyone else sees it.
    private func restored(_ id: String) async throws(EventLogError) -> Session? {
        guard let history = try await log.history(of: id) else { return nil }
        // What an actor that was put away has still on its way into the store comes first.
        if history.waitingBytes > 0 { await Self.settle(history) }
        if history.failure != nil { _ = try history.reload() }
        // One whose creation has not been answered yet is nobody's.
        guard let stored = try await log.storedSession(id), stored.record.status != .connecting else { return nil }
        let upstream = upstreams.upstream(named: stored.record.upstreamName)
        let profile = upstream?.profile ?? UpstreamProfile()
        let machine = SessionStateMachine(
            stored: stored, inputs: try await log.inputSizes(of: id), profile: profile, times: SessionTimes(limits, profile: profile),
            tokenLimit: limits.replayTokenLimit)
        let session = session(machine, history, upstream, bearer: nil)
        if stored.record.status.hasEnded {
            history.markEnded()
        } else if stored.record.status != .suspended || stored.responses.contains(where: { $0.doneSeq == nil }) {
            await session.suspend(reason: isRecovering ? "bridge_restarted" : "store_failed")
        }
        return session
    }

    private static func settle(_ history: SessionHistory) async {
        let settled = Promise<Void>()
        history.append(LogEntry(seq: nil, frame: [], createdAtMilliseconds: 0) { _ in settled.fulfil(()) })
        _ = await settled.value(within: loadingLimit)
    }

    private func session(
        _ machine: SessionStateMachine, _ history: SessionHistory, _ upstream: UpstreamConfiguration?, bearer: String?
    ) -> Session {
        Session(
            machine: machine, history: history, log: log, upstream: upstream, connector: connector, bearer: bearer, tasks: tasks,
            broken: mend, over: forget, openLinks: openLinks, webhooks: webhooks, webhookTasks: webhookTasks, logger: logger)
    }

    /// Ends the sessions whose `max_duration` has passed, loaded or not.
    private nonisolated func endOverdue() async {
        while !Task.isCancelled {
            let now = Int(Date().timeIntervalSince1970)
            let ids = (try? await log.sessionsExpired(by: now, limit: Self.endedTogether)) ?? []
            for id in ids {
                guard let session = try? await session(id, for: Caller(owner: nil, seesAll: true), goingOn: false) else { continue }
                try? await end(session, reason: "max_duration")
            }
            // Many at once are not waited for long, but neither is a store that does not take their ends asked in a circle.
            try? await Task.sleep(for: ids.count < Self.endedTogether ? .seconds(1) : .milliseconds(100))
        }
    }

    /// Brings a session whose events could not be stored to rest as soon as the store writes again, so that its viewers see the end of
    /// what was in progress without anybody asking.
    private func mend(_ id: String) async {
        while !isStopping {
            if log.isHealthy {
                _ = try? await session(id, for: Caller(owner: nil, seesAll: true))
                return
            }
            try? await Task.sleep(for: .seconds(1))
        }
    }

    /// A session made for one response is over: whoever asks for it reads what is stored.
    ///
    /// Async, so that it goes to its actor itself: one that is not, taken for a function that is, runs on its caller's (Swift 6.3).
    private func forget(_ id: String) async {
        sessions[id] = nil
    }

    private func putAwayIdle() async {
        guard sessions.count > Self.loadedLimit else { return }
        for (id, session) in sessions {
            guard sessions.count > Self.loadedLimit / 2 else { return }
            if await session.retireIfIdle(), sessions[id] === session { sessions[id] = nil }
        }
    }

    private func reading<Value>(
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

    /// 128 random bits: an id cannot be guessed, though it is no credential.
    package static func newID() -> String {
        let digits = Array("0123456789abcdefghijklmnopqrstuvwxyz")
        return "rts_" + String((0..<25).map { _ in digits[Int.random(in: 0..<36)] })
    }
}
