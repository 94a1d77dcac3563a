import Realtime

/// The body of `POST …/responses`: the inner `response` object of `response.create`, flat, and the bridge's own fields beside it.
struct NewResponse: Sendable {
    /// A user message that is to be there before the response.
    struct Item: Sendable {
        let id: String
        let event: JSON
    }

    let event: JSON
    let isStreamed: Bool
    let isInBackground: Bool
    let firstItem: Item?

    private static let own = ["stream", "background", "if_active"]

    init(_ fields: BodyFields, dialect: Dialect) throws(APIError) {
        guard fields.json["response"] == nil else {
            throw APIError(
                .badRequest, code: "unknown_parameter", "The response's fields stand in the body itself, without 'response' around them.",
                param: "response")
        }
        isStreamed = try fields.bool("stream") ?? false
        isInBackground = try fields.bool("background") ?? false
        switch try fields.string("if_active") {
        case nil, "reject"?: break
        case "queue"?, "interrupt"?:
            throw APIError(
                .badRequest, code: "parameter_not_available", "'if_active' offers only reject for now.", param: "if_active")
        default: throw BodyFields.wrong("if_active", "reject, queue or interrupt")
        }
        var splice = JSONSplice(fields.json)
        for name in Self.own { splice.remove(name, from: fields.json) }
        var item: Item?
        if let input = fields["input"] {
            if let text = input.string {
                let message = ClientEventBody.message(text: text, role: "user", dialect: dialect)
                if fields["conversation"]?.string == "none" {
                    // Out of band: what it is asked must not enter the conversation either.
                    splice.replace(input, with: JSONValue.array([message]).bytes)
                } else {
                    splice.remove("input", from: fields.json)
                    item = Self.item(text: text, dialect: dialect)
                }
            } else if input.kind != .array {
                throw BodyFields.wrong("input", "a string or an array of items")
            }
        }
        firstItem = item
        let response = splice.bytes
        let isEmpty = JSON.parse(written: response).members.isEmpty
        event = ClientEventBody.make(.responseCreate, isEmpty ? [] : [("response", .raw(response))])
    }

    /// With an id of ours, so that it can be deleted again whatever upstream says.
    private static func item(text: String, dialect: Dialect) -> Item {
        let hex = String(UInt64.random(in: .min ... .max), radix: 16)
        let id = "item_in" + String(repeating: "0", count: 16 - hex.count) + hex
        let message = JSON.parse(written: ClientEventBody.message(text: text, role: "user", dialect: dialect).bytes)
        var splice = JSONSplice(message)
        splice.set("id", of: message, to: JSONValue.string(id).bytes)
        return Item(id: id, event: ClientEventBody.make(.conversationItemCreate, [("item", .raw(splice.bytes))]))
    }
}
