import EventLog
import HTTPServer
import Realtime
import Sessions

/// `/v1/sessions/{session}/responses`.
enum ResponseRoutes {
    static func create(_ api: BridgeAPI, _ call: APICall) async throws -> Response {
        var commands = try await Commands(api, call)
        commands.place = "response"
        let asked = try NewResponse(BodyFields(try await call.body.collect()), dialect: commands.view.shown)
        return try await answer(to: asked, Answering(asked, call), commands)
    }

    /// In which form a response is given.
    struct Answering {
        /// As its events.
        let isStreamed: Bool
        /// Only its words or its speech; nil: as JSON, or as its events.
        let form: ProducedForm?

        /// - Throws: 400 for forms that exclude each other, and for speech where the response is to have none.
        init(_ asked: NewResponse, _ call: APICall) throws(APIError) {
            isStreamed = asked.isStreamed || call.accept.wantsResponsesEvents
            form = ProducedForm(call.accept)
            if isStreamed || form != nil, asked.isInBackground {
                throw APIError(
                    .badRequest, code: "invalid_value", "'background' and a stream, by 'stream' or by Accept, exclude each other.",
                    param: "background")
            }
            if isStreamed, form != nil {
                throw APIError(
                    .badRequest, code: "invalid_value", "'stream' asks for events, and Accept for words or speech alone.", param: "stream")
            }
            try SpeechRefusal.check(form, asked.event)
        }
    }

    /// Asks for a response and answers with what becomes of it.
    static func answer(to asked: NewResponse, _ answering: Answering, _ commands: Commands) async throws -> Response {
        let (api, call) = (commands.api, commands.call)
        let (isStreamed, form) = (answering.isStreamed, answering.form)
        try await SpeechRefusal.check(form, asked.event, commands)
        // Before anything is sent: a refusal for want of a place tells clients to repeat the request.
        let seat =
            isStreamed
            ? try api.streams.seat(in: commands.session.history) : form != nil ? try ProducedAnswers.seat(commands) : nil
        let begun = ContinuousClock.now
        let response = try await commands.ask(for: asked)
        let receipt = response.response
        let isReceiptEnough = asked.isInBackground || (call.prefer.isAsync && call.prefer.wait == nil)
        if response.isQueued, isReceiptEnough { return Commands.accepted(receipt, inside: "response", isQueued: true) }
        let result: Commands.Result
        do {
            let isWaitedFor = seat == nil && !asked.isInBackground
            result = try await commands.result(
                of: receipt, until: isWaitedFor ? .finished : .confirmed, wait: Commands.defaultResponseWait)
        } catch {
            seat?.leave()
            guard let removal = response.removal else { throw error }
            throw await takenBack(response, removal, commands, because: error)
        }
        guard case .confirmed(let event, let position) = result else {
            return Commands.accepted(receipt, inside: "response", isQueued: await commands.session.isQueued(receipt))
        }
        var answer: Response
        if let seat {
            if let form {
                answer = try await produced(event, form, in: seat, receipt, commands, since: begun)
            } else {
                answer = stream(event, position, in: seat, commands)
            }
            Warnings.add(receipt.leftOut, inside: "response", to: &answer)
        } else if asked.isInBackground {
            answer = Response.json(try await view(event, commands, receipt), status: 202)
        } else {
            answer = try await self.answer(to: event, receipt, commands)
        }
        // Whoever gets the response itself, from a session of its own, has no need to be told.
        if asked.isInBackground || form != nil || commands.isOneShot { answer.headers.set("location", place(of: event, commands)) }
        return answer
    }

    private static func place(of created: ServerEvent, _ commands: Commands) -> String {
        "/v1/sessions/\(commands.session.id)/responses/\(created.responseID ?? "")"
    }

    /// Only its words or its speech, from the first byte on.
    private static func produced(
        _ created: ServerEvent, _ form: ProducedForm, in seat: StreamSeat, _ receipt: CommandReceipt, _ commands: Commands,
        since begun: ContinuousClock.Instant
    ) async throws -> Response {
        let limit = commands.call.prefer.limit(default: Commands.defaultResponseWait)
        return try await ProducedAnswers(commands: commands).response(
            created.responseID ?? "", form, in: seat, eventID: receipt.eventID,
            wait: max(.zero, limit - (ContinuousClock.now - begun)))
    }

    /// The response was refused: what was added for it goes again, and the error says what became of it.
    private static func takenBack(
        _ asked: AskedResponse, _ removal: CommandReceipt, _ commands: Commands, because error: any Error
    ) async -> any Error {
        guard var known = ErrorTable.knownAnswer(to: error, passesBearer: commands.call.passesBearer), !mayStillRun(known) else {
            return error
        }
        if known.message.last != "." { known.message += "." }
        switch await removal.confirmed(within: .seconds(Commands.defaultWait)) {
        case .accepted:
            await commands.undone(asked.response)
        case .confirmed:
            await commands.undone(asked.response)
            known.message += " The item that was added for 'input' has been deleted again."
        case .failed, nil:
            known.message += " The item '\(removal.itemID ?? "")' that was added for 'input' may still be in the conversation."
            // A repetition would add it again.
            known.retry = .never
        }
        return known
    }

    /// A response that was sent and not refused may still be created, and then it needs its words.
    static func mayStillRun(_ error: APIError) -> Bool {
        error.status == .gatewayTimeout || error.status == .badGateway || error.code == SessionError.Code.outcomeUnknown.rawValue
    }

    static func stream(
        _ created: ServerEvent, _ position: EventPosition, in seat: StreamSeat, _ commands: Commands
    ) -> Response {
        guard let id = created.responseID else { preconditionFailure("a response.created without an id was matched") }
        // From just before `response.created`: that one is the stream's first event.
        let history = commands.session.history
        let request = StreamRequest.response(id, after: history.position(ofSeq: position.seq - 1))
        return commands.api.streams.stream(request, of: commands.history, in: seat)
    }

    /// A response's events from its first on, or after those that the client has.
    private static func stream(_ response: ResponseRecord, _ commands: Commands) async throws -> Response {
        let history = commands.session.history
        var request: StreamRequest
        do throws(StreamRequestError) {
            let query = commands.call.head.query.filter { $0.name == "after" }
            request = try StreamRequest(format: .eventStream, query: query, headers: commands.call.head.headers)
        } catch {
            throw APIError(.badRequest, code: "invalid_value", error.description, param: error.parameter)
        }
        if let done = response.doneSeq {
            if case .gap = history.check(history.position(ofSeq: done - 1)) {
                throw APIError(
                    .gone, code: "events_expired", "The events of this response are older than what is kept; it can still be read.")
            }
            // What is behind its end has nothing of it, and nothing will come.
            if case .after(let id) = request.cursor, case .valid(let seq) = history.check(id.position), seq >= done, id.remaining == 0 {
                return Response(status: 204, headers: ["cache-control": "no-store"])
            }
        }
        request.only(response.id, from: history.position(ofSeq: response.createdSeq - 1))
        return try await commands.api.streams.respond(to: request, of: commands.history)
    }

    private static func answer(to done: ServerEvent, _ receipt: CommandReceipt, _ commands: Commands) async throws -> Response {
        let response = done.json["response"]
        if response?["status"]?.string == "failed" {
            throw ErrorTable.answer(toFailedResponse: RealtimeError(response?["status_details"]?["error"]), eventID: receipt.eventID)
        }
        return .json(try await view(done, commands, receipt))
    }

    private static func view(_ event: ServerEvent, _ commands: Commands, _ receipt: CommandReceipt) async throws -> JSONValue {
        try await ProducedAnswers(commands: commands).view(
            of: event.json["response"], Warnings.members(receipt.leftOut, inside: "response"))
    }

    private static func view(_ response: ResponseRecord, _ commands: Commands) async throws -> JSONValue {
        try await ProducedAnswers(commands: commands).view(
            of: try? JSON.parse(response.json, maximumDepth: 256, refusingDuplicates: false))
    }

    static func list(_ api: BridgeAPI, _ call: APICall) async throws -> Response {
        let page = try PageQuery(call, ascending: true)
        let commands = try await Commands(api, call)
        let (responses, hasMore) = try page.cut(try await api.log.responses(of: commands.session.id), id: \.id)
        var shown: [(String, JSONValue)] = []
        for response in responses { shown.append((response.id, try await view(response, commands))) }
        return .json(ListObject.value(shown, hasMore: hasMore))
    }

    static func get(_ api: BridgeAPI, _ call: APICall) async throws -> Response {
        let commands = try await Commands(api, call)
        let id = call.parameter("response")
        let isStreamed = try call.flag("stream") || call.accept.wantsResponsesEvents
        if !isStreamed, call.query("after") != nil {
            throw APIError(.badRequest, code: "invalid_value", "'after' is for a stream: add 'stream=true'.", param: "after")
        }
        if !isStreamed, let form = ProducedForm(call.accept) {
            return try await ProducedAnswers(commands: commands).response(
                id, form, in: try ProducedAnswers.seat(commands), wait: .seconds(Commands.defaultResponseWait))
        }
        guard let response = try await api.log.response(id, of: commands.session.id) else {
            throw SessionError(.responseNotFound, "there is no response '\(id.prefix(64))' in this session")
        }
        if isStreamed { return try await stream(response, commands) }
        return .json(try await view(response, commands))
    }

    static func cancel(_ api: BridgeAPI, _ call: APICall) async throws -> Response {
        let commands = try await Commands(api, call)
        try BodyFields(try await call.body.collect()).check(known: [])
        let event = ClientEventBody.make(.responseCancel, [("response_id", .string(call.parameter("response")))])
        let (receipt, result) = try await commands.perform(event, until: .finished)
        guard case .confirmed(let done, _) = result else { return Commands.accepted(receipt) }
        return .json(try await view(done, commands, receipt))
    }
}
