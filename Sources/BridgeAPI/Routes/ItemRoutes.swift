import EventLog
import HTTPServer
import Realtime
import Sessions

/// `/v1/sessions/{session}/items`.
enum ItemRoutes {
    static func create(_ api: BridgeAPI, _ call: APICall) async throws -> Response {
        let commands = try await Commands(api, call)
        let event = try event(BodyFields(try await call.body.collect()), dialect: commands.view.shown)
        let (receipt, result) = try await commands.perform(event)
        guard case .confirmed(let confirmation, _) = result, let item = confirmation.json["item"] else { return Commands.accepted(receipt) }
        var response = Response.json(.raw(commands.view.item(Array(item.lexeme))), status: 201)
        // Upstream's own ids are harmless in a path; a caller's may be anything.
        if let id = receipt.itemID, id.utf8.allSatisfy(isPlain) {
            response.headers.add("location", "/v1/sessions/\(commands.session.id)/items/\(id)")
        }
        return response
    }

    /// The three forms of an item: `{"text"}`, `{"item"}`, and the bare item, which has a `type`.
    private static func event(_ fields: BodyFields, dialect: Dialect) throws(APIError) -> JSON {
        if fields["text"] != nil, fields["item"] == nil, fields["type"] == nil {
            try fields.check(known: ["text", "role", "previous_item_id"])
            let text = try fields.required("text", fields.string("text"))
            let role = try fields.string("role") ?? "user"
            guard ["user", "system", "assistant"].contains(role) else { throw BodyFields.wrong("role", "user, system or assistant") }
            return make(ClientEventBody.message(text: text, role: role, dialect: dialect), after: fields.json["previous_item_id"])
        }
        if fields["item"] == nil, fields["type"] != nil {
            guard fields.json["previous_item_id"] == nil else {
                throw APIError(
                    .badRequest, code: "unknown_parameter", #"With 'previous_item_id' send {"item":{…},"previous_item_id":"…"}."#,
                    param: "previous_item_id")
            }
            return make(JSONValue(fields.json), after: nil)
        }
        guard fields.json["item"] != nil else {
            throw APIError(
                .badRequest, code: "missing_required_parameter", #"Send {"text":"…"} for a message of the user, or {"item":{…}}."#,
                param: "item")
        }
        try fields.check(known: ["item", "previous_item_id"])
        return make(JSONValue(try fields.required("item", fields.object("item"))), after: fields.json["previous_item_id"])
    }

    private static func make(_ item: JSONValue, after previous: JSON?) -> JSON {
        ClientEventBody.make(
            .conversationItemCreate, (previous.map { [("previous_item_id", JSONValue($0))] } ?? []) + [("item", item)])
    }

    static func list(_ api: BridgeAPI, _ call: APICall) async throws -> Response {
        let page = try PageQuery(call, ascending: true)
        let commands = try await Commands(api, call)
        let (items, hasMore) = try page.cut(try await api.log.itemChain(of: commands.session.id), id: \.id) { !$0.isDeleted }
        let output = await commands.session.outputFormat
        return .json(ListObject.value(items.map { ($0.id, .raw(commands.view.item($0.asHeard(output)))) }, hasMore: hasMore))
    }

    static func get(_ api: BridgeAPI, _ call: APICall) async throws -> Response {
        let commands = try await Commands(api, call)
        let id = call.parameter("item")
        switch call.query("source") {
        case nil, "log"?:
            guard let item = try await api.log.item(id, of: commands.session.id), !item.isDeleted else {
                throw SessionError(.itemNotFound, "there is no item '\(id.prefix(64))' in this session")
            }
            return .json(.raw(commands.view.item(item.asHeard(await commands.session.outputFormat))))
        case "upstream"?:
            guard commands.session.upstreamDialect == .ga else {
                throw APIError(
                    .badRequest, code: "source_not_available", "Only upstreams that speak ga are asked for items; leave 'source' out.",
                    param: "source")
            }
            let (receipt, result) = try await commands.perform(
                ClientEventBody.make(.conversationItemRetrieve, [("item_id", .string(id))]))
            guard case .confirmed(let event, _) = result, let item = event.json["item"] else { return Commands.accepted(receipt) }
            return .json(.raw(commands.view.item(Array(item.lexeme))))
        default:
            throw BodyFields.wrong("source", "log or upstream")
        }
    }

    static func delete(_ api: BridgeAPI, _ call: APICall) async throws -> Response {
        let commands = try await Commands(api, call)
        let id = call.parameter("item")
        let (receipt, result) = try await commands.perform(ClientEventBody.make(.conversationItemDelete, [("item_id", .string(id))]))
        guard case .confirmed = result else { return Commands.accepted(receipt) }
        return .json(["id": .string(id), "object": "realtime.item.deleted", "deleted": true])
    }

    static func truncate(_ api: BridgeAPI, _ call: APICall) async throws -> Response {
        let commands = try await Commands(api, call)
        let fields = try BodyFields(try await call.body.collect())
        try fields.check(known: ["audio_end_ms", "content_index"])
        let end = try fields.required("audio_end_ms", fields["audio_end_ms"])
        guard let milliseconds = end.int, milliseconds >= 0 else {
            throw BodyFields.wrong("audio_end_ms", "an integer of milliseconds, 0 or more")
        }
        var members: [(String, JSONValue)] = [("item_id", .string(call.parameter("item"))), ("audio_end_ms", JSONValue(end))]
        if let index = fields["content_index"] {
            guard let number = index.int, number >= 0 else { throw BodyFields.wrong("content_index", "an integer, 0 or more") }
            members.append(("content_index", JSONValue(index)))
        }
        let (receipt, result) = try await commands.perform(ClientEventBody.make(.conversationItemTruncate, members))
        guard case .confirmed(let event, _) = result else { return Commands.accepted(receipt) }
        return .json(truncated(event, clampedFrom: receipt.clampedFrom))
    }

    /// - Parameter event: a `conversation.item.truncated`.
    static func truncated(_ event: ServerEvent, clampedFrom: Int?) -> JSONValue {
        var answer: [(String, JSONValue)] = [
            ("id", .string(orNull: event.itemID)), ("object", "realtime.item.truncated"),
            ("audio_end_ms", event.json["audio_end_ms"].map { JSONValue($0) } ?? .null),
            ("content_index", event.json["content_index"].map { JSONValue($0) } ?? .int(0)),
        ]
        if let clampedFrom { answer.append(("clamped_from", .int(clampedFrom))) }
        return .object(answer)
    }

    /// RFC 3986's unreserved characters.
    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"):
            true
        default: false
        }
    }
}
