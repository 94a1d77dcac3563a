import HTTPServer
import Realtime
import Sessions

/// `/v1/sessions/{session}/input_audio`.
enum InputAudioRoutes {
    static func append(_ api: BridgeAPI, _ call: APICall) async throws -> Response {
        let commands = try await Commands(api, call)
        let fields = try BodyFields(try await call.body.collect())
        try fields.check(known: ["audio"])
        let audio = try fields.required("audio", fields["audio"])
        guard audio.kind == .string else { throw BodyFields.wrong("audio", "a base64 string") }
        let format = await commands.session.inputFormat
        let receipt = try await commands.submit(ClientEventBody.make(.inputAudioBufferAppend, [("audio", JSONValue(audio))]))
        _ = try await commands.result(of: receipt, until: .written)
        // Some encoders escape the slashes of base64; only then is a copy made of what may be megabytes.
        let spelt = audio.lexeme.dropFirst().dropLast()
        let bytes = Base64.decodedCount(spelt.contains(UInt8(ascii: "\\")) ? Array((audio.string ?? "").utf8)[...] : spelt)
        return .json(
            .object([("bytes", .int(bytes)), ("duration_ms", .int(format.milliseconds(bytes: bytes))), ("appends", .int(receipt.frames))]),
            status: 202)
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
