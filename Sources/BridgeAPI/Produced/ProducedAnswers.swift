import Audio
import EventLog
import HTTPServer
import Realtime
import Sessions

/// Answers with what a response or an item says, while it is produced or later: the door of this folder to the route handlers.
///
/// The first byte decides the status: what has none in time, or fails before, is an error. What fails later cuts the connection.
/// From: `…/audio`, and responses asked for by `Accept`. To: ``HistoryBody``.
struct ProducedAnswers {
    let commands: Commands

    private var session: Session { commands.session }
    private var history: SessionHistory { commands.session.history }
    private var log: EventLog { commands.api.log }

    /// A place for an answer that is produced later, or not at all.
    /// - Throws: ``StreamRefusal``.
    static func seat(_ commands: Commands) throws(StreamRefusal) -> StreamSeat {
        try commands.api.streams.registry.admit(session: commands.session.id, isViewer: false)
    }

    // MARK: Responses

    /// What a response of the session says. It need not have ended, and goes on whatever becomes of its reader.
    /// - Parameters:
    ///   - eventID: of the client event that asked for it, if this is its answer.
    ///   - wait: how long the first byte is waited for.
    /// - Throws: 404, 410 (see ``item(_:_:in:wait:)``); what upstream said, if it failed before the first byte; 504 after `wait`.
    func response(
        _ id: String, _ form: ProducedForm, in seat: StreamSeat, eventID: String? = nil, wait: Duration
    ) async throws -> Response {
        guard let record = try await log.response(id, of: session.id) else {
            throw SessionError(.responseNotFound, "there is no response '\(id.prefix(64))' in this session")
        }
        // Who asked for it learns that it failed. Who reads it later is given what it said until then.
        if let eventID, record.status == "failed" { throw Self.failure(of: record, eventID) }
        switch form {
        case .words:
            let selection = ProducedSelection(content: .words, response: id, item: nil)
            if let done = record.doneSeq { return words(record, selection, through: done, in: seat) }
            return try await begun(selection, after: record.createdSeq, nil, in: seat, eventID, wait)
        case .speech(let container):
            let selection = ProducedSelection(content: .speech, response: id, item: nil)
            let sound = (container, SoundFormat(try await format(of: record)))
            guard let done = record.doneSeq else {
                return try await begun(selection, after: record.createdSeq, sound, in: seat, eventID, wait)
            }
            return try await file(selection, after: record.createdSeq, through: done, sound, in: seat)
        }
    }

    /// The words of a response that has ended: as they came or, if retention has removed that, as the response holds them.
    private func words(_ record: ResponseRecord, _ selection: ProducedSelection, through done: Int, in seat: StreamSeat) -> Response {
        guard isThere(after: record.createdSeq) else {
            let words = (try? JSON.parse(record.json, maximumDepth: 256)).map(ResponseView.words(of:)) ?? ""
            return Response(status: 200, headers: Self.wordHeaders, body: .bytes(Array(words.utf8) + Self.lineFeed))
        }
        let machine = ProducedMachine(after: record.createdSeq, through: done, of: selection, format: nil)
        return Response(
            status: 200, headers: Self.wordHeaders, body: .stream(body(machine, selection, suffix: Self.lineFeed, in: seat)))
    }

    // MARK: Items

    /// What an item says, by the assistant or by the caller.
    /// - Throws: 404 `item_has_no_audio`; 410 `audio_not_kept` if it had some that is not stored any more; 504 after `wait`.
    func item(_ id: String, _ container: SoundContainer, in seat: StreamSeat, wait: Duration) async throws -> Response {
        guard let item = try await log.item(id, of: session.id), !item.isDeleted else {
            throw SessionError(.itemNotFound, "there is no item '\(id.prefix(64))' in this session")
        }
        guard item.isSpoken else { return try await given(item, container, in: seat) }
        let selection = ProducedSelection(content: .speech, response: item.responseID, item: id)
        var response: ResponseRecord?
        if let responseID = item.responseID { response = try await log.response(responseID, of: session.id) }
        let sound = (container, SoundFormat(try await format(of: response)))
        guard item.isInProgress, let response, response.doneSeq == nil else {
            return try await file(selection, after: item.createdSeq, through: response?.doneSeq ?? item.updatedSeq, sound, in: seat)
        }
        return try await begun(selection, after: item.createdSeq, sound, in: seat, nil, wait)
    }

    /// What the caller said, as it is kept beside the item.
    private func given(_ item: ItemRecord, _ container: SoundContainer, in seat: StreamSeat) async throws -> Response {
        let object = try? JSON.parse(item.json, maximumDepth: 256, refusingDuplicates: false)
        guard let sound = try await givenSound(item.id, object) else {
            guard object?.hasInputAudio == true else { throw Self.silence(of: "item", item.id) }
            throw Self.notKept(item.id)
        }
        // Held whole while it is sent, which a slow client may make long: within what all bodies in memory may have together.
        let body = try GivenBody(sound.bytes, budget: commands.api.bodies, seat: seat)
        return try SoundFile(container, sound.format, dataBytes: sound.bytes.count).response(to: commands.call.head) { part in
            body.send(part)
            return .sizedStream(body, bytes: part.count)
        }
    }

    private func givenSound(_ id: String, _ object: JSON?) async throws -> (bytes: [UInt8], format: SoundFormat)? {
        switch try await log.input(of: id, session: session.id) {
        case .audio(let bytes, let encoding):
            return AudioFormat(encoding: encoding).map { (bytes, SoundFormat($0)) }
        case .item(let bytes):
            // In which format it was given is not kept; as when a new connection is given it, what the session takes now is supposed.
            let bytes = (try? JSON.parse(bytes, maximumDepth: 256, refusingDuplicates: false))?.inputAudio ?? []
            return bytes.isEmpty ? nil : (bytes, SoundFormat(await session.inputFormat))
        case nil:
            // Some servers give back what they were given.
            let bytes = object?.inputAudio ?? []
            return bytes.isEmpty ? nil : (bytes, SoundFormat(await session.inputFormat))
        }
    }

    // MARK: While it is produced

    private typealias Sound = (container: SoundContainer, format: SoundFormat)

    private func begun(
        _ selection: ProducedSelection, after seq: Int, _ sound: Sound?, in seat: StreamSeat, _ eventID: String?, _ wait: Duration
    ) async throws -> Response {
        func machine(cuts: [String: Int] = [:]) -> ProducedMachine {
            ProducedMachine(after: seq, through: nil, of: selection, format: sound?.format, cuts: cuts, failsWithResponse: true)
        }
        if sound != nil, Precondition(commands.call.head, tag: nil) == .failed { throw SoundFile.isNotWhatIsMatched(tag: nil) }
        switch try await ProducedWalk(machine(), of: selection, in: history).beginning(within: wait) {
        case .something(let cuts):
            let prefix = sound.map { $0.container.header($0.format, dataBytes: nil) } ?? []
            return Response(
                status: 200, headers: sound.map(SoundFile.headers) ?? Self.wordHeaders,
                body: .stream(
                    body(machine(cuts: cuts), selection, prefix: prefix, suffix: sound == nil ? Self.lineFeed : [], in: seat)))
        case .nothing:
            return try await ended(selection, eventID, isSpeech: sound != nil)
        case .late:
            throw APIError(
                .gatewayTimeout, code: "upstream_timeout",
                "Nothing was said in time; the response goes on, and can be read when it has.",
                eventID: eventID.map(ErrorTable.callers), retry: .never)
        }
    }

    /// It ended without a word.
    private func ended(_ selection: ProducedSelection, _ eventID: String?, isSpeech: Bool) async throws -> Response {
        if let id = selection.response, let record = try await log.response(id, of: session.id), record.status == "failed" {
            throw Self.failure(of: record, eventID)
        }
        guard isSpeech else { return Response(status: 200, headers: Self.wordHeaders, body: .bytes(Self.lineFeed)) }
        throw Self.silence(of: selection)
    }

    // MARK: Later

    /// What there is and where is read from the events first, so that no length has to be trusted but their own.
    private func file(
        _ selection: ProducedSelection, after seq: Int, through last: Int, _ sound: Sound, in seat: StreamSeat
    ) async throws -> Response {
        guard let survey = try await survey(selection, after: seq, through: last, sound.format) else { throw try await gone(selection) }
        guard !survey.items.isEmpty else { throw Self.silence(of: selection) }
        let cuts = try await cuts(of: survey, sound.format)
        let file = SoundFile(sound.container, sound.format, dataBytes: survey.count(cutting: cuts))
        return try file.response(to: commands.call.head) { part in
            let body = body(
                survey.machine(giving: part.data, cutting: cuts), selection, prefix: part.prefix, suffix: part.suffix, in: seat)
            return .sizedStream(body, bytes: part.count)
        }
    }

    /// Where its items were truncated, in bytes: while they were produced, or later.
    func cuts(of survey: ProducedSurvey, _ format: SoundFormat) async throws(EventLogError) -> [String: Int] {
        var cuts = survey.cuts
        for id in survey.items {
            if let milliseconds = try await log.item(id, of: session.id)?.truncatedAtMilliseconds {
                cuts[id] = min(cuts[id] ?? .max, format.bytes(ofMilliseconds: milliseconds))
            }
        }
        return cuts
    }

    /// Of what is over; nil if its events are not there any more.
    /// Of what is over; nil if its events are not there any more.
    func survey(
        _ selection: ProducedSelection, after seq: Int, through last: Int, _ format: SoundFormat
    ) async throws(EventLogError) -> ProducedSurvey? {
        guard isThere(after: seq) else { return nil }
        let key = ProducedSurveys.Key(session: session.id, selection: selection, after: seq, through: last, format: format)
        return try await commands.api.surveys.survey(key) { () async throws(EventLogError) -> ProducedSurvey? in
            let machine = ProducedMachine(after: seq, through: last, of: selection, format: format)
            var walk = ProducedWalk(machine, of: selection, in: history)
            return try await walk.survey()
        }
    }

    private func body(
        _ machine: ProducedMachine, _ selection: ProducedSelection, prefix: [UInt8] = [], suffix: [UInt8] = [], in seat: StreamSeat
    ) -> HistoryBody {
        HistoryBody(machine, of: selection, in: history, prefix: prefix, suffix: suffix, seat: seat, logger: commands.api.streams.logger)
    }

    /// Whether the events after that one are still stored.
    func isThere(after seq: Int) -> Bool { history.start.seq <= seq }

    // MARK: Formats

    /// The format of a response's audio: as the response says, else as the session was configured when the response began.
    func format(of response: ResponseRecord?) async throws -> AudioFormat {
        guard let response else { return await session.outputFormat }
        if let stated = await session.outputFormat(statedBy: try? JSON.parse(response.json, maximumDepth: 256)) { return stated }
        // Only servers that leave it out of their responses get here. Sessions are configured at their beginning and whenever a connection
        // is made, so the way back is bounded by an hour or so of events, and read a page at a time.
        var end = response.createdSeq
        while end > history.start.seq {
            let begin = max(history.start.seq, end - 1_000)
            var (seq, stated) = (begin, AudioFormat?.none)
            while seq < end {
                let page = try await history.page(after: seq, limit: end - seq, maximumBytes: 256 * 1024)
                guard let last = page.last else { break }
                for event in page {
                    guard let event = ServerEvent(event.frame) else { continue }
                    switch event.name {
                    case .sessionCreated, .sessionUpdated:
                        stated = await session.outputFormat(statedBy: event.json["session"]) ?? stated
                    case .responseCreated where event.responseID == response.id:
                        stated = await session.outputFormat(statedBy: event.json["response"]) ?? stated
                    default:
                        break
                    }
                }
                seq = last.position.seq
            }
            if let stated { return stated }
            end = begin
        }
        return await session.outputFormat
    }

    // MARK: Refusals

    private static let lineFeed = [UInt8(ascii: "\n")]
    private static let wordHeaders: HTTPHeaders = [
        "content-type": "text/plain; charset=utf-8", "cache-control": "no-store, no-transform", "x-accel-buffering": "no",
    ]

    /// Its events are not there any more. Whether any of them was audio, its row still says.
    private func gone(_ selection: ProducedSelection) async throws -> APIError {
        if let id = selection.item { return Self.notKept(id) }
        guard let id = selection.response, let record = try await log.response(id, of: session.id) else {
            return Self.silence(of: selection)
        }
        let object = try? JSON.parse(record.json, maximumDepth: 256)
        return object.map(ResponseView.spokenItems(of:))?.isEmpty == false ? Self.notKept(id) : Self.silence(of: selection)
    }

    private static func failure(of record: ResponseRecord, _ eventID: String?) -> APIError {
        let response = try? JSON.parse(record.json, maximumDepth: 256)
        return ErrorTable.answer(toFailedResponse: RealtimeError(response?["status_details"]?["error"]), eventID: eventID)
    }

    private static func notKept(_ id: String) -> APIError {
        APIError(.gone, code: "audio_not_kept", "The audio of '\(id.prefix(64))' is not stored any more; its transcript may be.")
    }

    private static func silence(of selection: ProducedSelection) -> APIError {
        if let item = selection.item { return silence(of: "item", item) }
        return silence(of: "response", selection.response ?? "")
    }

    static let responseHasNoAudio = "response_has_no_audio"

    private static func silence(of kind: String, _ id: String) -> APIError {
        APIError(.notFound, code: "\(kind)_has_no_audio", "The \(kind) '\(id.prefix(64))' has no audio.")
    }
}

extension ItemRecord {
    fileprivate var isInProgress: Bool { status == "in_progress" }

    /// The assistant's: said, or perhaps about to be.
    fileprivate var isSpoken: Bool {
        if producedAudioBytes > 0 { return true }
        guard isInProgress, responseID != nil, let object = try? JSON.parse(json, maximumDepth: 256, refusingDuplicates: false) else {
            return false
        }
        return object["type"]?.string == "message"
    }
}

extension JSON {
    fileprivate var hasInputAudio: Bool { self["content"]?.elements.contains { $0["type"]?.string == "input_audio" } ?? false }

    /// Of an item's content parts, decoded, in their order.
    fileprivate var inputAudio: [UInt8] {
        (self["content"]?.elements ?? []).flatMap { part in
            part["type"]?.string == "input_audio" ? part["audio"]?.string.flatMap { Base64.decoded(Array($0.utf8)[...]) } ?? [] : []
        }
    }
}
