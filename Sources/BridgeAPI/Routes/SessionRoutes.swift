import EventLog
import HTTPServer
import Realtime
import Sessions

/// `/v1/sessions` and `/v1/sessions/{session}`.
enum SessionRoutes {
    private static let settingsNames = ["idle_timeout", "max_duration", "on_last_viewer_gone"]

    static func create(_ api: BridgeAPI, _ call: APICall) async throws -> Response {
        let fields = try BodyFields(try await call.body.collect())
        try fields.check(known: ["model", "session", "upstream", "dialect", "metadata", "from", "up_to"] + settingsNames)
        var new = NewSession()
        new.model = try model(fields)
        new.upstream = try fields.string("upstream")
        let asked = try call.dialect()
        new.dialect = try fields.choice("dialect", as: Dialect.self) ?? asked ?? api.configuration.dialect
        new.spelledIn = asked ?? new.dialect
        // An event takes a text of its own, so that its values are spliced and not the whole body.
        new.configuration = try fields.object("session").map { JSON.parse(written: Array($0.lexeme)) }
        if let metadata = try metadata(fields) { new.metadata = metadata }
        new.settings = try settings(fields)
        new.from = try origin(fields)
        typealias Made = (session: Session, leftOut: [LeftOutField])
        new.connectingLimit = call.prefer.wait.map { .seconds($0) }
        let asNew = new
        let (session, leftOut) = try await SessionStep.session(call, api) { session -> Made in
            (session, await Self.leftOut(of: asNew, session))
        } make: { id throws -> Made in
            var named = asNew
            named.id = id
            return try await api.directory.create(named, by: call.caller)
        }
        var response = Response.json(try await view(session, call, leftOut), status: 201)
        response.headers.add("location", "/v1/sessions/\(session.id)")
        return response
    }

    /// What the configuration lost on its way upstream when the session was made.
    private static func leftOut(of new: NewSession, _ session: Session) async -> [LeftOutField] {
        guard let configuration = new.configuration else { return [] }
        let update = SessionUpdate.event(configuration, of: await session.record.kind, spelledIn: new.spelledIn)
        return ClientEventTranslation(update, from: DialectView(of: session.upstreamDialect, in: new.spelledIn)).leftOut
    }

    static func model(_ fields: BodyFields) throws(APIError) -> String? {
        let model = try fields.string("model")
        if model?.isEmpty == true { throw BodyFields.wrong("model", "a name") }
        return model
    }

    static func list(_ api: BridgeAPI, _ call: APICall) async throws -> Response {
        let page = try PageQuery(call, ascending: false)
        var query = SessionQuery(owner: owner(seenBy: call.caller), limit: page.limit)
        query.order = page.isAscending ? .oldestFirst : .newestFirst
        query.after = page.after
        query.before = page.before
        query.statuses = try call.choices("status", as: SessionRecord.Status.self)
        for (name, value) in call.head.query where name.hasPrefix("metadata.") {
            query.metadata[String(name.dropFirst("metadata.".count))] = value
        }
        let found = try await api.log.sessions(query)
        guard found.isCursorKnown else { throw PageQuery.unknownCursor(page.after == nil ? "before" : "after") }
        return .json(
            ListObject.value(
                try found.summaries.map { ($0.record.id, SessionView.value($0, in: try call.view(of: $0.record))) }, hasMore: found.hasMore)
        )
    }

    /// What `Caller.sees(owner:)` says of one session, for the list of all.
    private static func owner(seenBy caller: Caller) -> SessionQuery.Owner {
        if caller.seesAll { return .any }
        return caller.seesOwnerless ? .exactlyOrNobody(caller.owner) : .exactly(caller.owner)
    }

    static func get(_ api: BridgeAPI, _ call: APICall) async throws -> Response {
        let id = call.parameter("session")
        // From what is stored, not from the conversation's actor: nobody may see an event id before its commit.
        guard let stored = try await api.log.storedSession(id, withProducedContent: false), call.caller.sees(owner: stored.record.owner),
            let history = try await api.log.history(of: id)
        else { throw SessionError(.sessionNotFound, "there is no session '\(id.prefix(64))'") }
        let view = try call.view(of: stored.record)
        return .json(SessionView.value(stored, in: view, lastEventID: history.position(ofSeq: stored.lastSeq)))
    }

    static func update(_ api: BridgeAPI, _ call: APICall) async throws -> Response {
        var commands = try await Commands(api, call)
        let fields = try BodyFields(try await call.body.collect())
        for name in ["model", "upstream", "from", "up_to"] where fields[name] != nil {
            throw APIError(
                .badRequest, code: "invalid_value", "'\(name)' of a session cannot be changed; create another session.", param: name)
        }
        try fields.check(known: ["session", "dialect", "metadata"] + settingsNames)
        let dialect = try fields.choice("dialect", as: Dialect.self)
        // As at the creation: a session that is given a dialect is spelt in it.
        if let dialect, try call.dialect() == nil { commands.view = DialectView(of: commands.view.upstream, in: dialect) }
        let configuration = try fields.object("session")
        let metadata = try metadata(fields)
        let settings = try settings(fields)
        let cleared = Set(settingsNames.filter { fields.json[$0]?.isNull == true })
        if let configuration {
            let kind = await commands.session.record.kind
            let update = SessionUpdate.event(configuration, of: kind, spelledIn: commands.view.shown)
            let receipt = try await commands.submit(update)
            // Whatever upstream makes of the rest, and whether or not it says so in time: these are the bridge's own.
            try await set(dialect, metadata, settings, clearing: cleared, of: commands.session)
            let result = try await commands.result(of: receipt, until: .confirmed)
            if case .accepted = result { return Commands.accepted(receipt) }
            return .json(try await view(commands.session, call, receipt.leftOut))
        }
        try await set(dialect, metadata, settings, clearing: cleared, of: commands.session)
        return .json(try await view(commands.session, call, []))
    }

    static func delete(_ api: BridgeAPI, _ call: APICall) async throws -> Response {
        let id = call.parameter("session")
        try await api.directory.delete(id, keepingHistory: try call.flag("keep"), by: call.caller)
        return .json(["id": .string(id), "object": "realtime.session.deleted", "deleted": true])
    }

    private static func view(_ session: Session, _ call: APICall, _ leftOut: [LeftOutField]) async throws -> JSONValue {
        let record = await session.record
        return SessionView.value(
            record, in: try call.view(of: record), lastEventID: session.history.tail, itemCount: await session.itemCount,
            activeResponseID: await session.activeResponseID, Warnings.members(leftOut))
    }

    private static func set(
        _ dialect: Dialect?, _ metadata: [UInt8]?, _ settings: SessionSettings, clearing cleared: Set<String>, of session: Session
    ) async throws(SessionError) {
        if let dialect { try await session.set(dialect) }
        if let metadata { try await session.setMetadata(metadata) }
        if settings != SessionSettings() || !cleared.isEmpty { try await session.setSettings(settings, clearing: cleared) }
    }

    private static func settings(_ fields: BodyFields) throws(APIError) -> SessionSettings {
        SessionSettings(
            idleTimeout: try fields.int("idle_timeout", in: SessionSettings.idleTimeouts),
            maxDuration: try fields.int("max_duration", in: SessionSettings.maxDurations),
            onLastViewerGone: try fields.choice("on_last_viewer_gone", as: SessionSettings.OnLastViewerGone.self))
    }

    private static func origin(_ fields: BodyFields) throws(APIError) -> NewSession.Origin? {
        let (session, item) = (try fields.string("from"), try fields.string("up_to"))
        if session?.isEmpty == true { throw BodyFields.wrong("from", "the id of a session") }
        if item?.isEmpty == true { throw BodyFields.wrong("up_to", "the id of an item") }
        guard let session else {
            guard item == nil else {
                throw APIError(
                    .badRequest, code: "invalid_value", "'up_to' says how far the session of 'from' is taken over; 'from' is missing.",
                    param: "up_to")
            }
            return nil
        }
        return NewSession.Origin(session: session, upTo: item)
    }

    /// OpenAI's bounds for metadata: 16 pairs, names of 64 and values of 512 characters.
    private static func metadata(_ fields: BodyFields) throws(APIError) -> [UInt8]? {
        guard let metadata = try fields.object("metadata") else { return nil }
        let pairs = metadata.members
        guard pairs.count <= 16 else { throw BodyFields.wrong("metadata", "at most 16 pairs") }
        for (name, value) in pairs {
            guard name.count <= 64, let text = value.string, text.count <= 512 else {
                throw APIError(
                    .badRequest, code: "invalid_value", "Metadata are strings of at most 512 characters under names of at most 64.",
                    param: "metadata.\(name.prefix(64))")
            }
        }
        return Array(metadata.lexeme)
    }
}
