import EventLog
import HTTPServer
import Realtime
import Sessions

/// What is asked for after the last byte of an upload: `?commit=true`, `?respond=true`; and the answer to it.
///
/// Where upstream's voice detection is on, it may have committed what was said, and answered it. That is then what was asked for.
struct UploadEnding {
    /// What was appended.
    struct Appended {
        let bytes: Int
        let milliseconds: Int
        /// Of silence at its end.
        let quietMilliseconds: Int
        let appends: Int
        let last: CommandReceipt
    }

    private let commands: Commands
    let commits: Bool
    private let responds: Bool
    /// For a response as a stream; taken before anything is sent, and left with this value where none comes of it.
    private let seat: StreamSeat?
    /// Words or speech alone, where that is what is accepted.
    private let form: ProducedForm?
    private var watch: EventWatch
    private var turns = VoiceTurns()
    /// Of what is not waited for.
    private var receipts: [JSONValue] = []

    /// To be made before the first byte is sent.
    init(_ commands: Commands) async throws {
        self.commands = commands
        responds = try commands.call.flag("respond")
        if responds, await commands.session.record.kind == .transcription {
            throw APIError(
                .badRequest, code: "invalid_value",
                "This session only writes down what is said (its type is 'transcription') and answers nothing: leave 'respond' out.",
                param: "respond")
        }
        let isCommitSaid = commands.call.query("commit") != nil
        let commit = try commands.call.flag("commit")
        guard commit || !responds || !isCommitSaid else {
            throw APIError(.badRequest, code: "invalid_value", "'respond' needs the commit: leave 'commit' out.", param: "commit")
        }
        commits = commit || responds
        watch = EventWatch(commands.session.history)
        let isStreamed = responds && commands.call.accept.wantsResponsesEvents
        form = responds ? ProducedForm(commands.call.accept) : nil
        try await SpeechRefusal.check(form, nil, commands)
        seat =
            isStreamed
            ? try commands.api.streams.seat(in: commands.session.history) : form != nil ? try ProducedAnswers.seat(commands) : nil
    }

    mutating func answer(_ appended: Appended) async throws -> Response {
        _ = try await commands.result(of: appended.last, until: .written)
        await commands.session.noteInputAudio(isExact: true)
        var members: [(String, JSONValue)] = [
            ("bytes", .int(appended.bytes)), ("duration_ms", .int(appended.milliseconds)), ("appends", .int(appended.appends)),
        ]
        guard commits else { return .json(.object(members), status: 202) }
        let detection = await commands.session.voiceDetection
        if detection != .off { try await listen(to: appended) }
        let found = try await item(detection)
        guard let (item, isVoices) = found else {
            // Who does not wait wants it all the same.
            if responds {
                do {
                    let receipt = try await commands.submit(ClientEventBody.make(.responseCreate), rejectIfActive: true)
                    receipts.append(Commands.view(receipt))
                } catch {
                    throw afterCommit(error, of: nil)
                }
            }
            return accepted(members)
        }
        members += [("item_id", .string(orNull: item.id)), ("previous_item_id", .string(orNull: item.previous))]
        guard responds else { return .json(.object(members)) }
        do {
            return try await respond(members, startedByVoice: isVoices && detection == .answers)
        } catch {
            throw afterCommit(error, of: item.id)
        }
    }

    /// 202, with the receipts of what is not waited for.
    private func accepted(_ members: [(String, JSONValue)]) -> Response {
        .json(.object(members + (receipts.isEmpty ? [] : [("receipts", .array(receipts))])), status: 202)
    }

    /// An error that a repetition of the whole would not mend, but double the turn.
    private func afterCommit(_ error: any Error, of item: String?) -> any Error {
        guard var known = ErrorTable.knownAnswer(to: error, passesBearer: commands.call.passesBearer) else { return error }
        let id = item.flatMap { $0.isEmpty ? nil : $0 }
        known.itemID = id
        if known.message.last != "." { known.message += "." }
        known.message += id.map { " The audio is committed as '\($0)'" } ?? " The commit of the audio was sent"
        known.message += ResponseRoutes.mayStillRun(known) ? "." : "; ask for its response with POST …/responses."
        return known
    }

    // MARK: Commit

    /// Follows voice detection until it has said what it makes of the last sound, or is not going to.
    private mutating func listen(to appended: Appended) async throws {
        let session = commands.session
        let turnSilence = await session.turnSilenceMilliseconds
        let limit = ContinuousClock.now + commands.call.prefer.limit(default: Commands.defaultWait)
        var since = ContinuousClock.now
        while true {
            // Asked for each time: a connection that takes over counts anew.
            let hearing = UploadHearing(
                end: await session.inputAudioMilliseconds, milliseconds: appended.milliseconds, quiet: appended.quietMilliseconds,
                turnSilence: turnSilence)
            guard let (event, position) = try await watch.next(until: min(limit, since + hearing.patience(turns))) else { return }
            if turns.take(event, at: position) { since = .now }
        }
    }

    /// The item that holds the last of the sound, and whether voice detection made it. Nil if the caller does not wait for it.
    private mutating func item(_ detection: VoiceDetection) async throws -> (VoiceTurns.Item, isVoices: Bool)? {
        if let item = turns.committed { return (item, true) }
        do {
            let (receipt, result) = try await commands.perform(ClientEventBody.make(.inputAudioBufferCommit))
            guard case .confirmed(let event, _) = result else {
                receipts.append(Commands.view(receipt))
                return nil
            }
            return (VoiceTurns.Item(id: event.itemID ?? "", previous: event.previousItemID), false)
        } catch let error as APIError where detection != .off && error.code == "input_audio_buffer_commit_empty" {
            // Voice detection was faster; what it says of that is there by now.
            try await follow(for: .zero) { _ in false }
            guard let item = turns.committed else { throw error }
            return (item, true)
        }
    }

    /// Reads what is there, and what comes until it is enough or the time is over.
    private mutating func follow(for limit: Duration, until isEnough: (VoiceTurns) -> Bool) async throws {
        let deadline = ContinuousClock.now + limit
        while let (event, position) = try await watch.next(until: isEnough(turns) ? .now : deadline) {
            turns.take(event, at: position)
        }
    }

    // MARK: Respond

    private mutating func respond(_ members: [(String, JSONValue)], startedByVoice: Bool) async throws -> Response {
        let prefer = commands.call.prefer
        if prefer.isAsync, prefer.wait == nil, startedByVoice { return .json(.object(members), status: 202) }
        if startedByVoice {
            try await follow(for: prefer.limit(default: Commands.defaultWait)) { $0.response != nil }
            if turns.response != nil { return try await voicesResponse(members) }
        }
        let receipt: CommandReceipt
        let result: Commands.Result
        do {
            receipt = try await commands.submit(ClientEventBody.make(.responseCreate), rejectIfActive: true)
            result = try await commands.result(
                of: receipt, until: seat == nil ? .finished : .confirmed, wait: Commands.defaultResponseWait)
        } catch {
            // Upstream's own has come between.
            try await follow(for: .zero) { _ in false }
            guard turns.response != nil, ErrorTable.knownAnswer(to: error, passesBearer: false)?.status == .conflict else { throw error }
            return try await voicesResponse(members)
        }
        guard case .confirmed(let event, let position) = result else {
            receipts.append(Commands.view(receipt))
            return accepted(members)
        }
        if let seat { return try await show(event, position, in: seat, eventID: receipt.eventID) }
        return try await answer(members, with: event, eventID: receipt.eventID)
    }

    private func show(
        _ created: ServerEvent, _ position: EventPosition, in seat: StreamSeat, eventID: String?
    ) async throws -> Response {
        guard let form else { return ResponseRoutes.stream(created, position, in: seat, commands) }
        return try await ProducedAnswers(commands: commands).response(
            created.responseID ?? "", form, in: seat, eventID: eventID,
            wait: commands.call.prefer.limit(default: Commands.defaultResponseWait))
    }

    private mutating func voicesResponse(_ members: [(String, JSONValue)]) async throws -> Response {
        guard let (event, position) = turns.response else { preconditionFailure("there is no response of upstream's own") }
        if let seat { return try await show(event, position, in: seat, eventID: nil) }
        try await follow(for: commands.call.prefer.limit(default: Commands.defaultResponseWait)) { $0.done != nil }
        guard let done = turns.done else {
            guard commands.call.prefer.isAsync else {
                throw APIError(
                    .gatewayTimeout, code: "upstream_timeout",
                    "The response that upstream began by itself has not ended in time; its events stand on the session's stream.",
                    retry: .never)
            }
            return .json(.object(members), status: 202)
        }
        return try await answer(members, with: done, eventID: nil)
    }

    private func answer(_ members: [(String, JSONValue)], with done: ServerEvent, eventID: String?) async throws -> Response {
        let response = done.json["response"]
        if response?["status"]?.string == "failed" {
            throw ErrorTable.answer(toFailedResponse: RealtimeError(response?["status_details"]?["error"]), eventID: eventID)
        }
        let shown = ResponseView.value(
            response.map { Array($0.lexeme) } ?? Array("null".utf8), in: commands.view,
            try await ProducedAnswers(commands: commands).audioMember(of: response))
        return .json(.object(members + [("response", shown)]))
    }
}
