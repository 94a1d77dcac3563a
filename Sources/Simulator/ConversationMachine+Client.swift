import Realtime

/// What each client event does.
extension ConversationMachine {
    /// The types that a refusal of an unknown type names.
    private var acceptedTypes: [String] {
        switch (dialect, settings.kind) {
        case (.ga, .conversation):
            [
                "session.update", "session.close", "input_audio_buffer.append", "input_audio_buffer.commit", "input_audio_buffer.clear",
                "session.input_audio_buffer.append", "conversation.item.create", "conversation.item.truncate", "conversation.item.delete",
                "conversation.item.retrieve", "response.create", "response.cancel",
            ]
        case (.ga, .transcription):
            [
                "session.update", "input_audio_buffer.append", "input_audio_buffer.commit", "input_audio_buffer.clear",
                "conversation.item.create", "conversation.item.delete", "conversation.item.retrieve",
            ]
        case (.beta, .conversation):
            [
                "session.update", "input_audio_buffer.append", "input_audio_buffer.commit", "input_audio_buffer.clear",
                "conversation.item.create", "conversation.item.truncate", "conversation.item.delete", "conversation.item.retrieve",
                "response.create", "response.cancel",
            ]
        case (.beta, .transcription):
            [
                "transcription_session.update", "input_audio_buffer.append", "input_audio_buffer.commit", "input_audio_buffer.clear",
                "conversation.item.create", "conversation.item.delete", "conversation.item.retrieve",
            ]
        }
    }

    mutating func handle(_ type: String, _ fields: Fields) throws(ProtocolError) {
        switch (type, settings.kind, dialect) {
        case ("session.update", .conversation, _), ("session.update", .transcription, .ga):
            try updateSession(fields, confirmation: "session.updated")
        case ("transcription_session.update", .transcription, .beta):
            try updateSession(fields, confirmation: "transcription_session.updated")
        case ("input_audio_buffer.append", _, _): try appendAudio(fields)
        case ("input_audio_buffer.commit", _, _): try commitAudio(fields)
        case ("input_audio_buffer.clear", _, _): try clearAudio(fields)
        case ("conversation.item.create", _, _): try createItem(fields)
        case ("conversation.item.retrieve", _, _): try retrieveItem(fields)
        case ("conversation.item.delete", _, _): try deleteItem(fields)
        case ("conversation.item.truncate", .conversation, _): try truncateItem(fields)
        case ("response.create", .conversation, _): try createResponse(fields)
        case ("response.cancel", .conversation, _): try cancelResponse(fields)
        default: throw .invalidValue("type", type, supported: acceptedTypes)
        }
    }

    private mutating func updateSession(_ fields: Fields, confirmation: String) throws(ProtocolError) {
        try fields.allowOnly(["type", "event_id", "session"])
        guard let value = fields["session"] else { throw .missing("session") }
        settings = try settings.updated(
            by: Fields(value, at: "session"), dialect: dialect, hasAssistantAudio: conversation.hasAssistantAudio)
        input.configure(format: settings.inputFormat, parameters: settings.turnDetection?.detectorParameters)
        if settings.turnDetection?.idleTimeoutMilliseconds == nil { idleDeadline = nil }
        if settings.turnDetection == nil { speechItemID = nil }
        send(confirmation, [("session", sessionJSON)])
    }

    // MARK: items

    private mutating func createItem(_ fields: Fields) throws(ProtocolError) {
        try fields.allowOnly(["type", "event_id", "previous_item_id", "item"])
        guard let value = fields["item"] else { throw .missing("item") }
        let context = ConversationItem.Context(
            dialect: dialect, inputFormat: settings.inputFormat, knownCalls: conversation.callIDs)
        let item = try ConversationItem(Fields(value, at: "item"), id: ids.next("item_"), context)
        guard !conversation.contains(item.id) else {
            throw ProtocolError(
                code: "item_create_duplicate_item_id", message: "Error adding item: an item with the ID '\(item.id)' already exists.",
                param: "item.id")
        }
        guard conversation.items.count < Conversation.maximumItems else {
            throw .invalidValue("item", "The conversation holds \(Conversation.maximumItems) items already.")
        }
        var place = Conversation.Place.end
        let previous = try fields.isNull("previous_item_id") ? nil : fields.string("previous_item_id")
        switch previous {
        case nil, "": break
        case "root": place = .start
        case let id?:
            guard conversation.contains(id) else {
                throw ProtocolError(
                    code: "item_create_invalid_previous_item_id",
                    message: "Error adding item: the previous item with ID '\(id.prefix(64))' does not exist.", param: "previous_item_id")
            }
            place = .after(id)
        }
        let follows = conversation.insert(item, place)
        announce(item, follows: follows)
    }

    /// Tells of an item that is complete from the start.
    mutating func announce(_ item: ConversationItem, follows previous: String?) {
        let members: [(String, JSONValue)] = [("previous_item_id", .string(orNull: previous)), ("item", item.json(dialect: dialect))]
        switch dialect {
        case .beta: send("conversation.item.created", members)
        case .ga:
            send("conversation.item.added", members)
            send("conversation.item.done", members)
        }
    }

    private mutating func retrieveItem(_ fields: Fields) throws(ProtocolError) {
        try fields.allowOnly(["type", "event_id", "item_id"])
        let id = try fields.requiredString("item_id")
        guard let item = conversation.item(id) else { throw unknownItem(id, "retrieve", "retrieving") }
        send("conversation.item.retrieved", [("item", item.json(dialect: dialect, withAudio: true))])
    }

    private mutating func deleteItem(_ fields: Fields) throws(ProtocolError) {
        try fields.allowOnly(["type", "event_id", "item_id"])
        let id = try fields.requiredString("item_id")
        guard conversation.remove(id) else { throw unknownItem(id, "delete", "deleting") }
        send("conversation.item.deleted", [("item_id", .string(id))])
    }

    private mutating func truncateItem(_ fields: Fields) throws(ProtocolError) {
        try fields.allowOnly(["type", "event_id", "item_id", "content_index", "audio_end_ms"])
        let id = try fields.requiredString("item_id")
        guard let contentIndex = try fields.int("content_index", in: 0...Int.max) else { throw .missing("content_index") }
        guard let end = try fields.int("audio_end_ms", in: 0...Int.max) else { throw .missing("audio_end_ms") }
        guard var item = conversation.item(id) else { throw unknownItem(id, "truncate", "truncating") }
        try item.truncate(part: contentIndex, toMilliseconds: end)
        conversation.replace(item)
        send(
            "conversation.item.truncated",
            [("item_id", .string(id)), ("content_index", .int(contentIndex)), ("audio_end_ms", .int(end))])
    }

    private func unknownItem(_ id: String, _ verb: String, _ doing: String) -> ProtocolError {
        ProtocolError(
            code: "item_\(verb)_invalid_item_id",
            message: "Error \(doing) item: the item with id '\(id.prefix(64))' does not exist.", param: "item_id")
    }

    // MARK: responses

    private mutating func createResponse(_ fields: Fields) throws(ProtocolError) {
        try fields.allowOnly(["type", "event_id", "response"])
        var parameters = ResponseParameters(settings)
        if let overrides = try fields.object("response") {
            try parameters.apply(
                overrides, dialect: dialect, conversation: conversation, inputFormat: settings.inputFormat, ids: &ids)
        }
        if !parameters.isOutOfBand {
            if let active = activeResponse {
                throw ProtocolError(
                    code: "conversation_already_has_active_response",
                    message:
                        "Conversation already has an active response in progress: \(active.id).",
                    param: nil)
            }
            if conversation.hasAssistantAudio, parameters.voice != settings.voice { throw Voice.cannotChange }
        }
        guard responses.count < Self.maximumResponses else {
            throw ProtocolError(code: "rate_limit_exceeded", message: "Too many responses at a time.", param: nil)
        }
        startResponse(parameters)
    }

    private mutating func cancelResponse(_ fields: Fields) throws(ProtocolError) {
        try fields.allowOnly(["type", "event_id", "response_id"])
        let id = try fields.isNull("response_id") ? nil : fields.string("response_id")
        let index = responses.firstIndex { response in
            !response.isFinished && (id.map { $0 == response.id } ?? !response.parameters.isOutOfBand)
        }
        guard let index else {
            throw ProtocolError(
                code: "response_cancel_not_active", message: "Cancellation failed: no active response found", param: nil)
        }
        endResponse(index, .clientCancelled)
        responses.removeAll { $0.isFinished }
        if owesResponse { respondToTurn() }
    }
}
