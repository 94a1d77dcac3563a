import EventLog
import HTTPServer
import Realtime
import Sessions

/// `/v1/sessions` and `/v1/sessions/{session}`.
enum SessionRoutes {
    /// Fields of the contract that wait for the parts of the bridge that honour them.
    private static let later = ["idle_timeout", "max_duration", "on_last_viewer_gone", "from", "up_to"]

    static func create(_ api: BridgeAPI, _ call: APICall) async throws -> Response {
        let fields = try BodyFields(try await call.body.collect())
        try fields.check(known: ["model", "session", "upstream", "dialect", "metadata"], later: later)
        var new = NewSession()
        new.model = try fields.string("model")
        if new.model?.isEmpty == true { throw BodyFields.wrong("model", "a name") }
        new.upstream = try fields.string("upstream")
        new.dialect = try dialect(fields) ?? call.dialect()
        if let spoken = new.dialect { try call.require(spoken) }
        // An event takes a text of its own, so that its values are spliced and not the whole body.
        new.configuration = try fields.object("session").map { ClientEventBody.parsed(Array($0.lexeme)) }
        if let metadata = try metadata(fields) { new.metadata = metadata }
        let session = try await api.directory.create(new, by: connecting(call.caller, to: new.upstream, api))
        var response = Response.json(await view(session), status: 201)
        response.headers.add("location", "/v1/sessions/\(session.id)")
        return response
    }

    static func list(_ api: BridgeAPI, _ call: APICall) async throws -> Response {
        let page = try PageQuery(call, ascending: false)
        var query = SessionQuery(owner: owner(seenBy: call.caller), limit: page.limit)
        query.order = page.isAscending ? .oldestFirst : .newestFirst
        query.after = page.after
        query.before = page.before
        if let names = call.query("status") {
            query.statuses = try names.split(separator: ",").map { name throws(APIError) in
                guard let status = SessionRecord.Status(rawValue: String(name)) else {
                    throw BodyFields.wrong(
                        "status", "connecting, active, suspended, recovering, closed or failed, or some of them with commas")
                }
                return status
            }
        }
        for (name, value) in call.head.query where name.hasPrefix("metadata.") {
            query.metadata[String(name.dropFirst("metadata.".count))] = value
        }
        let found = try await api.log.sessions(query)
        return .json(
            ListObject.value(found.summaries.map { ($0.record.id, SessionView.value($0)) }, hasMore: found.hasMore))
    }

    /// What `Caller.sees(owner:)` says of one session, for the list of all.
    private static func owner(seenBy caller: Caller) -> SessionQuery.Owner {
        if caller.seesAll { return .any }
        return caller.seesOwnerless ? .exactlyOrNobody(caller.owner) : .exactly(caller.owner)
    }

    static func get(_ api: BridgeAPI, _ call: APICall) async throws -> Response {
        let id = call.parameter("session")
        // From what is stored, not from the conversation's actor: nobody may see an event id before its commit.
        guard let stored = try await api.log.storedSession(id), call.caller.sees(owner: stored.record.owner),
            let history = try await api.log.history(of: id)
        else { throw SessionError(.sessionNotFound, "there is no session '\(id.prefix(64))'") }
        try call.require(stored.record.upstreamDialect)
        return .json(SessionView.value(stored, lastEventID: history.position(ofSeq: stored.lastSeq)))
    }

    static func update(_ api: BridgeAPI, _ call: APICall) async throws -> Response {
        let commands = try await Commands(api, call)
        let fields = try BodyFields(try await call.body.collect())
        for name in ["model", "upstream"] where fields[name] != nil {
            throw APIError(
                .badRequest, code: "invalid_value", "'\(name)' of a session cannot be changed; create another session.", param: name)
        }
        try fields.check(known: ["session", "dialect", "metadata"], later: later)
        if let dialect = try dialect(fields), dialect != commands.session.dialect {
            throw SessionError(
                .dialectNotAvailable, "the session speaks \(commands.session.dialect.rawValue) and is offered in that dialect only",
                param: "dialect")
        }
        let configuration = try fields.object("session")
        let metadata = try metadata(fields)
        if let configuration {
            let receipt = try await commands.submit(ClientEventBody.make(.sessionUpdate, [("session", JSONValue(configuration))]))
            // Whatever upstream makes of the rest, and whether or not it says so in time: the metadata are the bridge's own.
            if let metadata { try await commands.session.setMetadata(metadata) }
            let result = try await commands.result(of: receipt, until: .confirmed)
            if case .accepted = result { return Commands.accepted(receipt) }
        } else if let metadata {
            try await commands.session.setMetadata(metadata)
        }
        return .json(await view(commands.session))
    }

    static func delete(_ api: BridgeAPI, _ call: APICall) async throws -> Response {
        let id = call.parameter("session")
        try await api.directory.delete(id, keepingHistory: try call.flag("keep"), by: call.caller)
        return .json(["id": .string(id), "object": "realtime.session.deleted", "deleted": true])
    }

    private static func view(_ session: Session) async -> JSONValue {
        SessionView.value(
            await session.record, lastEventID: session.history.tail, itemCount: await session.itemCount,
            activeResponseID: await session.activeResponseID)
    }

    /// A caller's own credential goes to the default upstream, to others only where the operator says so.
    private static func connecting(_ caller: Caller, to upstream: String?, _ api: BridgeAPI) -> Caller {
        guard let upstream, !api.configuration.passThroughUpstreams.contains(upstream) else { return caller }
        return Caller(owner: caller.owner, seesAll: caller.seesAll, seesOwnerless: caller.seesOwnerless)
    }

    private static func dialect(_ fields: BodyFields) throws(APIError) -> Dialect? {
        guard let name = try fields.string("dialect") else { return nil }
        guard let dialect = Dialect(rawValue: name) else { throw BodyFields.wrong("dialect", "beta or ga") }
        return dialect
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
