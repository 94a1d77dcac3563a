import EventLog
import Foundation
import Logging
package import Realtime
import Upstream
import Webhooks

// How sessions are made: from nothing, from another one's history, for one response.
extension SessionDirectory {
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
        let connection = try await connect(to: upstream, model: model, kind, caller, within: new.connectingLimit)
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
        let connection = try await connect(to: upstream, model: model, .realtime, caller, within: new.connectingLimit)
        do {
            let session = try await store(record, upstream: upstream, nil, upTo: nil, nil, caller)
            await session.adopt(connection)
            return session
        } catch {
            await connection.close()
            throw SessionError(.storeUnavailable, error.message)
        }
    }

    /// - Throws: `.upstreamUnavailable` after the limit: nothing was sent.
    private func connect(
        to upstream: UpstreamConfiguration, model: String?, _ kind: SessionKind, _ caller: Caller, within limit: Duration?
    ) async throws(SessionError) -> UpstreamConnection {
        let endpoint = upstream.endpoint(model: model, kind: kind, bearer: caller.bearer)
        let connection: UpstreamConnection?
        do {
            connection = if let limit { try await connect(to: endpoint, within: limit) } else { try await connector.connect(to: endpoint) }
        } catch {
            logger.warning("no upstream connection", metadata: ["bridge.upstream": "\(upstream.name)", "bridge.error": "\(error)"])
            throw SessionError(error)
        }
        guard let connection else {
            throw SessionError(.upstreamUnavailable, "no upstream connection could be had in time; nothing was sent")
        }
        return connection
    }

    /// Nil after the limit; one that stands all the same then is closed.
    private nonisolated func connect(to endpoint: UpstreamEndpoint, within limit: Duration) async throws(UpstreamError)
        -> UpstreamConnection?
    {
        let attempt = await withTaskGroup(of: Result<UpstreamConnection, UpstreamError>?.self) { [connector] group in
            group.addTask {
                do throws(UpstreamError) {
                    return .success(try await connector.connect(to: endpoint))
                } catch {
                    return .failure(error)
                }
            }
            group.addTask {
                // Whoever does not wait is given what is there at once.
                try? await Task.sleep(for: max(limit, .milliseconds(100)))
                return nil
            }
            let first = await group.next() ?? nil
            group.cancelAll()
            if first == nil, case .success(let late)?? = await group.next() { await late.close() }
            return first
        }
        return try attempt?.get()
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

    func record(
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

    func store(
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

    /// 128 random bits: an id cannot be guessed, though it is no credential.
    package static func newID() -> String {
        let digits = Array("0123456789abcdefghijklmnopqrstuvwxyz")
        return "rts_" + String((0..<25).map { _ in digits[Int.random(in: 0..<36)] })
    }
}
