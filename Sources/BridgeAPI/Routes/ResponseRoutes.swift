import EventLog
import HTTPServer
import Realtime
import Sessions

/// `/v1/sessions/{session}/responses`.
enum ResponseRoutes {
    static func create(_ api: BridgeAPI, _ call: APICall) async throws -> Response {
        let commands = try await Commands(api, call)
        let asked = try NewResponse(BodyFields(try await call.body.collect()), dialect: commands.view.shown)
        try refuseUnavailableForm(Accept(call.head))
        let isStreamed = asked.isStreamed || call.accepts("text/event-stream")
        if isStreamed, asked.isInBackground {
            throw APIError(
                .badRequest, code: "invalid_value", "'background' and a stream, by 'stream' or by Accept, exclude each other.",
                param: "background")
        }
        // Before anything is sent: a refusal for want of a place tells clients to repeat the request.
        let seat = isStreamed ? try api.streams.seat(in: commands.session.history) : nil
        var added: CommandReceipt?
        if let item = asked.firstItem { added = try await add(item, for: commands) }
        let receipt: CommandReceipt
        let result: Commands.Result
        do {
            receipt = try await commands.submit(asked.event, rejectIfActive: true)
            let isWaitedFor = seat == nil && !asked.isInBackground
            result = try await commands.result(
                of: receipt, until: isWaitedFor ? .finished : .confirmed, wait: Commands.defaultResponseWait)
        } catch {
            seat?.leave()
            guard let added else { throw error }
            throw await takenBack(added, commands, because: error)
        }
        guard case .confirmed(let event, let position) = result else { return Commands.accepted(receipt, inside: "response") }
        if let seat {
            var response = stream(event, position, in: seat, commands)
            Warnings.add(receipt.leftOut, inside: "response", to: &response)
            return response
        }
        if asked.isInBackground {
            var response = Response.json(view(event, commands, receipt), status: 202)
            response.headers.add("location", "/v1/sessions/\(commands.session.id)/responses/\(event.responseID ?? "")")
            return response
        }
        return try answer(to: event, receipt, commands)
    }

    /// Words alone and speech alone come later; who asks for nothing else must not be given JSON for a player.
    private static func refuseUnavailableForm(_ accept: Accept) throws(APIError) {
        let available = ["application/json", "text/event-stream"]
        guard !accept.takesAnything, accept.first(of: available) == nil,
            let type = accept.first(of: ["text/plain", "audio/wav", "audio/pcm"])
        else { return }
        throw APIError(
            .badRequest, code: "form_not_available",
            "A response as '\(type)' is not available yet; accept \(available[0]) or \(available[1]).",
            param: "accept")
    }

    /// Adds the words the response is to answer. Waits for upstream, so that no response runs without them.
    private static func add(_ item: NewResponse.Item, for commands: Commands) async throws -> CommandReceipt {
        if commands.call.once?.isRepetition != true, await commands.session.activeResponseID != nil {
            throw SessionError(.responseActive, "the conversation already has an active response; wait for it or cancel it")
        }
        let receipt = try await commands.submit(item.event)
        try await commands.confirmation(of: receipt)
        return receipt
    }

    /// The response was refused: what was added for it goes again, and the error says what became of it.
    private static func takenBack(_ added: CommandReceipt, _ commands: Commands, because error: any Error) async -> any Error {
        guard var known = ErrorTable.knownAnswer(to: error, passesBearer: commands.call.passesBearer), !mayStillRun(known),
            let item = added.itemID
        else { return error }
        let event = ClientEventBody.make(.conversationItemDelete, [("item_id", .string(item))])
        let deletion = try? await commands.submit(event)
        if let deletion, case .confirmed = await deletion.confirmed(within: .seconds(Commands.defaultWait)) {
            commands.call.once?.undone([added.step, deletion.step])
            known.message += " The item that was added for 'input' has been deleted again."
        } else {
            known.message += " The item '\(item)' that was added for 'input' is still in the conversation."
            // A repetition would add it again.
            known.retry = .never
        }
        return known
    }

    /// A response that was sent and not refused may still be created, and then it needs its words.
    private static func mayStillRun(_ error: APIError) -> Bool {
        error.status == .gatewayTimeout || error.status == .badGateway || error.code == SessionError.Code.outcomeUnknown.rawValue
    }

    private static func stream(
        _ created: ServerEvent, _ position: EventPosition, in seat: StreamSeat, _ commands: Commands
    ) -> Response {
        guard let id = created.responseID else { preconditionFailure("a response.created without an id was matched") }
        // From just before `response.created`: that one is the stream's first event.
        let history = commands.session.history
        let request = StreamRequest.response(id, after: history.position(ofSeq: position.seq - 1))
        return commands.api.streams.stream(request, of: commands.history, in: seat)
    }

    private static func answer(to done: ServerEvent, _ receipt: CommandReceipt, _ commands: Commands) throws(APIError) -> Response {
        let response = done.json["response"]
        if response?["status"]?.string == "failed" {
            throw ErrorTable.answer(toFailedResponse: RealtimeError(response?["status_details"]?["error"]), eventID: receipt.eventID)
        }
        return .json(view(done, commands, receipt))
    }

    private static func view(_ event: ServerEvent, _ commands: Commands, _ receipt: CommandReceipt) -> JSONValue {
        ResponseView.value(
            event.json["response"].map { Array($0.lexeme) } ?? Array("null".utf8), in: commands.view,
            Warnings.members(receipt.leftOut, inside: "response"))
    }

    static func list(_ api: BridgeAPI, _ call: APICall) async throws -> Response {
        let page = try PageQuery(call, ascending: true)
        let commands = try await Commands(api, call)
        let (responses, hasMore) = page.cut(try await api.log.responses(of: commands.session.id), id: \.id)
        return .json(ListObject.value(responses.map { ($0.id, ResponseView.value($0.json, in: commands.view)) }, hasMore: hasMore))
    }

    static func get(_ api: BridgeAPI, _ call: APICall) async throws -> Response {
        let commands = try await Commands(api, call)
        let id = call.parameter("response")
        guard let response = try await api.log.response(id, of: commands.session.id) else {
            throw SessionError(.responseNotFound, "there is no response '\(id.prefix(64))' in this session")
        }
        return .json(ResponseView.value(response.json, in: commands.view))
    }

    static func cancel(_ api: BridgeAPI, _ call: APICall) async throws -> Response {
        let commands = try await Commands(api, call)
        try BodyFields(try await call.body.collect()).check(known: [])
        let event = ClientEventBody.make(.responseCancel, [("response_id", .string(call.parameter("response")))])
        let (receipt, result) = try await commands.perform(event, until: .finished)
        guard case .confirmed(let done, _) = result else { return Commands.accepted(receipt) }
        return .json(view(done, commands, receipt))
    }
}
