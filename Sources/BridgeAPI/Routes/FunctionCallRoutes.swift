import EventLog
import HTTPServer
import Realtime
import Sessions

/// `/v1/sessions/{session}/function_calls`.
enum FunctionCallRoutes {
    static func list(_ api: BridgeAPI, _ call: APICall) async throws -> Response {
        let page = try PageQuery(call, ascending: true)
        let statuses = try call.choices("status", as: FunctionCallView.Status.self)
        let commands = try await Commands(api, call)
        let calls = FunctionCallView.calls(in: try await api.log.itemChain(of: commands.session.id))
        let (shown, hasMore) = try page.cut(calls, id: \.id) { !$0.isDeleted && statuses?.contains($0.status) ?? true }
        return .json(ListObject.value(shown.map { ($0.id, $0.value) }, hasMore: hasMore))
    }

    /// Answers once upstream has the output and, if that was the turn's last one, the response has begun.
    static func answer(_ api: BridgeAPI, _ call: APICall) async throws -> Response {
        let commands = try await Commands(api, call)
        let id = call.parameter("call")
        let fields = try BodyFields(try await call.body.collect())
        try fields.check(known: ["output", "respond"])
        // Null is an output too.
        let output = try fields.required("output", fields.json["output"])
        let text = output.string ?? String(decoding: output.lexeme, as: UTF8.self)
        let item: JSONValue = ["type": "function_call_output", "call_id": .string(id), "output": .string(text)]
        let began = ContinuousClock.now
        let given = try await commands.answer(
            call: id, with: ClientEventBody.make(.conversationItemCreate, [("item", item)]), goingOn: try fields.bool("respond") ?? true)
        let result: Commands.Result
        do {
            result = try await commands.result(of: given.output, until: .confirmed)
        } catch {
            // What goes on from it is given up with it.
            if let response = given.response { _ = commands.noted(await response.confirmed(within: .zero), of: response) }
            throw error
        }
        guard case .confirmed(let added, _) = result else { return Commands.accepted(given.output) }
        var response = JSONValue.null
        var waitsFor: [String] = []
        if let receipt = given.response {
            let left = call.prefer.limit(default: Commands.defaultWait) - (ContinuousClock.now - began)
            (response, waitsFor) = try await next(receipt, after: id, within: max(.zero, left), commands)
        }
        var answer = Response.json(
            .object([
                ("object", "realtime.function_call.output"), ("call_id", .string(id)),
                ("item", .raw(commands.view.item(added.json["item"].map { Array($0.lexeme) } ?? Array("null".utf8)))),
                ("response", response), ("waits_for", .array(waitsFor.map { .string($0) })),
            ]), status: 201)
        if let item = given.output.itemID { answer.headers.add("location", "/v1/sessions/\(commands.session.id)/items/\(item)") }
        return answer
    }

    /// The response that the turn goes on with, or what it waits for. A call without its output may take long; it is not waited for.
    private static func next(
        _ receipt: CommandReceipt, after call: String, within limit: Duration, _ commands: Commands
    ) async throws -> (response: JSONValue, waitsFor: [String]) {
        let missing = await commands.session.callsWaitedFor(afterCall: call)
        guard missing.isEmpty else { return (.null, missing) }
        switch commands.noted(await receipt.confirmed(within: limit), of: receipt) {
        case .confirmed(let created, _):
            return (try await ProducedAnswers(commands: commands).view(of: created.json["response"]), [])
        case .failed(let error) where error.code == .outcomeUnknown:
            // The output is known to be there; who asked for the response after it, if anybody, is not.
            return (.null, await commands.session.waitedFor(afterCall: call))
        case .failed(let error):
            var failure = commands.failure(error, of: receipt)
            failure.message += " The output is in the conversation; POST …/responses asks for the response again."
            failure.retry = .never
            throw failure
        case .accepted, nil:
            return (.null, await commands.session.waitedFor(afterCall: call))
        }
    }
}
