import Realtime
import Sessions

/// The body of `POST …/responses`: the inner `response` object of `response.create`, flat, and the bridge's own fields beside it.
struct NewResponse: Sendable {
    let event: JSON
    let isStreamed: Bool
    let isInBackground: Bool
    let ifActive: IfActive
    /// Adds the user message that is to be there before the response.
    let firstItem: JSON?
    /// Of a response without a session whose server takes none out of band: what is in its `input`, to be added before.
    private(set) var items: [JSON] = []

    /// Each is a command of its own.
    private static let maximumItems = 256

    private static let own = ["stream", "background", "if_active"]

    /// The body of `POST /v1/responses`, which has the fields of `model` and `upstream` besides.
    /// - Parameter isOutOfBand: the server takes responses outside of its conversation. Else this one has the connection's conversation for itself.
    init(withoutSession fields: BodyFields, dialect: Dialect, isOutOfBand: Bool) throws(APIError) {
        if let conversation = fields["conversation"], conversation.string != "none" {
            throw APIError(
                .badRequest, code: "invalid_value",
                "A response without a session is in no conversation: leave 'conversation' out, or create a session with POST /v1/sessions.",
                param: "conversation")
        }
        var splice = JSONSplice(fields.json)
        for name in ["model", "upstream"] { splice.remove(name, from: fields.json) }
        if isOutOfBand {
            splice.set("conversation", of: fields.json, to: JSONValue.string("none").bytes)
        } else {
            splice.remove("conversation", from: fields.json)
        }
        let input = fields["input"]
        if !isOutOfBand, input?.kind == .array { splice.remove("input", from: fields.json) }
        try self.init(BodyFields(json: JSON.parse(written: splice.bytes)), dialect: dialect)
        guard !isOutOfBand, let input, input.kind == .array else { return }
        guard input.elements.count <= Self.maximumItems else {
            throw APIError(
                .badRequest, code: "too_many_events",
                "This upstream is given each item of 'input' as an event of its own, and at most \(Self.maximumItems) of them.",
                param: "input")
        }
        items = input.elements.map { ClientEventBody.make(.conversationItemCreate, [("item", JSONValue($0))]) }
    }

    init(_ fields: BodyFields, dialect: Dialect) throws(APIError) {
        guard fields.json["response"] == nil else {
            throw APIError(
                .badRequest, code: "unknown_parameter", "The response's fields stand in the body itself, without 'response' around them.",
                param: "response")
        }
        isStreamed = try fields.bool("stream") ?? false
        isInBackground = try fields.bool("background") ?? false
        ifActive = try fields.choice("if_active", as: IfActive.self) ?? .reject
        var splice = JSONSplice(fields.json)
        for name in Self.own { splice.remove(name, from: fields.json) }
        var item: JSON?
        if let input = fields["input"] {
            if let text = input.string {
                let message = ClientEventBody.message(text: text, role: "user", dialect: dialect)
                if fields["conversation"]?.string == "none" {
                    // Out of band: what it is asked must not enter the conversation either.
                    splice.replace(input, with: JSONValue.array([message]).bytes)
                } else {
                    splice.remove("input", from: fields.json)
                    item = ClientEventBody.make(.conversationItemCreate, [("item", message)])
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
}
