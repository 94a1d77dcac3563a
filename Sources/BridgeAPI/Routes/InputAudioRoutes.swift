import Audio
import HTTPServer
import Realtime
import Sessions

/// `/v1/sessions/{session}/input_audio`.
enum InputAudioRoutes {
    static func append(_ api: BridgeAPI, _ call: APICall) async throws -> Response {
        let commands = try await Commands(api, call)
        var type = try SoundType(call.head.headers["content-type"].map(ContentType.init))
        // What is known by now is said before a byte is asked for. A request that is carried out once has its answer, whatever has become of the
        // session since.
        if call.once == nil { try await commands.session.refuseIfEnded() }
        var ending = try await UploadEnding(commands)
        var beginning: [UInt8] = []
        if type == .unsaid {
            beginning = try await Self.beginning(of: call.body)
            guard !beginning.isEmpty else { throw SoundType.empty }
            type = try SoundType(beginning: beginning)
        }
        if call.once != nil {
            guard type == .json else { throw IdempotencyKey.sound }
            let detection = await commands.session.voiceDetection
            guard !ending.commits || detection == .off else { throw IdempotencyKey.voiceDetection }
        }
        let appended =
            type == .json
            ? try await appendJSON(commands, beginning) : try await appendSound(commands, type, beginning)
        do {
            return try await ending.answer(appended)
        } catch {
            throw Self.answer(to: error, commands, appendedBytes: appended.bytes)
        }
    }

    private static func beginning(of body: BodyReader) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < SoundType.beginningBytes, let more = try await body.next() { bytes += more }
        return bytes
    }

    private static func appendJSON(_ commands: Commands, _ beginning: [UInt8]) async throws -> UploadEnding.Appended {
        let fields = try BodyFields(try await commands.call.body.collect(after: beginning))
        try fields.check(known: ["audio"])
        let audio = try fields.required("audio", fields["audio"])
        guard audio.kind == .string else { throw BodyFields.wrong("audio", "a base64 string") }
        try await commands.api.uploads.waitForEnd(
            of: commands.session.id, within: commands.call.prefer.limit(default: Commands.defaultWait))
        let format = await commands.session.inputFormat
        let receipt = try await commands.submit(ClientEventBody.make(.inputAudioBufferAppend, [("audio", JSONValue(audio))]))
        let bytes = audio.stringBytes.flatMap(Base64.decoded) ?? []
        var tail = SoundTail(SoundFormat(format))
        tail.hear(bytes[...])
        return UploadEnding.Appended(
            bytes: bytes.count, milliseconds: format.milliseconds(bytes: bytes.count), quietMilliseconds: tail.quietMilliseconds,
            appends: receipt.frames, last: receipt)
    }

    private static func appendSound(
        _ commands: Commands, _ type: SoundType, _ beginning: [UInt8]
    ) async throws -> UploadEnding.Appended {
        var upload = await SoundUpload(commands)
        var hasBegun = false
        do {
            try await commands.api.uploads.upload(to: commands.session.id) {
                hasBegun = true
                try await upload.run(type, beginning: beginning)
            }
        } catch {
            guard hasBegun else { throw error }
            let shown = Self.answer(to: error, commands, appendedBytes: upload.appendedBytes)
            // Whether the answer gets through depends on how much is still to come, so it is said on the stream as well: once the place is
            // free, since whoever reads it may send the sound again.
            if !upload.isRead {
                let message = (shown as? APIError)?.message ?? "The bridge has a fault; its log says more."
                await commands.session.inputAudioFailed(message: message, appendedBytes: upload.appendedBytes)
            }
            throw shown
        }
        guard let last = upload.last else { preconditionFailure("an upload without a byte succeeded") }
        return UploadEnding.Appended(
            bytes: upload.appendedBytes, milliseconds: upload.milliseconds, quietMilliseconds: upload.quietMilliseconds,
            appends: upload.appends, last: last)
    }

    /// With how much was appended, so that nobody repeats the whole of it unawares.
    private static func answer(to error: any Error, _ commands: Commands, appendedBytes: Int) -> any Error {
        guard var known = ErrorTable.knownAnswer(to: error, passesBearer: commands.call.passesBearer) else { return error }
        known.appendedBytes = appendedBytes
        if appendedBytes > 0 { known.retry = .never }
        return known
    }

    static func commit(_ api: BridgeAPI, _ call: APICall) async throws -> Response {
        let commands = try await Commands(api, call)
        try BodyFields(try await call.body.collect()).check(known: [])
        let (receipt, result) = try await commands.perform(ClientEventBody.make(.inputAudioBufferCommit))
        guard case .confirmed(let event, _) = result else { return Commands.accepted(receipt) }
        return .json(
            .object([("item_id", .string(orNull: event.itemID)), ("previous_item_id", .string(orNull: event.previousItemID))]))
    }

    static func clear(_ api: BridgeAPI, _ call: APICall) async throws -> Response {
        let (receipt, result) = try await Commands(api, call).perform(ClientEventBody.make(.inputAudioBufferClear))
        guard case .confirmed = result else { return Commands.accepted(receipt) }
        return .json(["object": "realtime.input_audio.cleared", "cleared": true])
    }
}
