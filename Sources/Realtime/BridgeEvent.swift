/// Events of the bridge's own, which stand in the log among upstream's (API.md section 5).
package enum BridgeEvent {
    package static func connected(upstream: String, sessionID: String?, generation: Int) -> [UInt8] {
        JSONValue.object([
            ("type", "bridge.upstream.connected"), ("upstream", .string(upstream)), ("session_id", .string(orNull: sessionID)),
            ("generation", .int(generation)),
        ]).bytes
    }

    package static func disconnected(code: Int?, reason: String, willRetry: Bool) -> [UInt8] {
        JSONValue.object([
            ("type", "bridge.upstream.disconnected"), ("code", .int(orNull: code)), ("reason", .string(reason)),
            ("will_retry", .bool(willRetry)),
        ]).bytes
    }

    package static let switchedType = "bridge.upstream.switched"

    /// - Parameters:
    ///   - itemsLost: items of the history that the new upstream conversation does not hold, and why.
    ///   - itemsAltered: items that it holds, but not as they were, and how.
    ///   - inputAudioLostMilliseconds: of audio that was appended and not committed, how much the new connection could not be given.
    package static func switched(
        reason: String, generation: Int, stateRestored: Bool, itemsReplayed: Int, itemsLost: [(id: String, why: String)],
        itemsAltered: [(id: String, how: String)], inputAudioLostMilliseconds: Int = 0
    ) -> [UInt8] {
        JSONValue.object([
            ("type", .string(switchedType)), ("reason", .string(reason)), ("generation", .int(generation)),
            ("state_restored", .bool(stateRestored)), ("items_replayed", .int(itemsReplayed)),
            ("items_lost", .array(itemsLost.map { ["id": .string($0.id), "why": .string($0.why)] })),
            ("items_altered", .array(itemsAltered.map { ["id": .string($0.id), "how": .string($0.how)] })),
            ("input_audio_lost_ms", .int(inputAudioLostMilliseconds)),
        ]).bytes
    }

    /// - Parameter inputAudioLostMilliseconds: of audio that was appended and not committed, how much is gone with the process.
    package static func suspended(reason: String, inputAudioLostMilliseconds: Int = 0) -> [UInt8] {
        let lost: [(String, JSONValue)] =
            inputAudioLostMilliseconds > 0 ? [("input_audio_lost_ms", .int(inputAudioLostMilliseconds))] : []
        return JSONValue.object([("type", "bridge.session.suspended"), ("reason", .string(reason))] + lost).bytes
    }

    package static let closedType = "bridge.session.closed"

    package static func closed(reason: String) -> [UInt8] {
        JSONValue.object([("type", .string(closedType)), ("reason", .string(reason))]).bytes
    }

    package static func inputAudioFailed(message: String, appendedBytes: Int) -> [UInt8] {
        JSONValue.object([
            ("type", "bridge.input_audio.failed"), ("message", .string(message)), ("appended_bytes", .int(appendedBytes)),
        ]).bytes
    }

    /// A webhook is called for a function call, for the `attempt`th time since the process began to.
    /// - Parameter webhookID: the `webhook-id`, the same for all attempts.
    package static func toolStarted(callID: String, name: String, webhookID: String, attempt: Int) -> [UInt8] {
        JSONValue.object([("type", "bridge.tool.started")] + tool(callID, name, webhookID, attempt)).bytes
    }

    /// It has answered with the call's output, which is given to upstream next.
    package static func toolCompleted(
        callID: String, name: String, webhookID: String, attempt: Int, status: Int, durationMilliseconds: Int
    ) -> [UInt8] {
        JSONValue.object(
            [("type", "bridge.tool.completed")] + tool(callID, name, webhookID, attempt) + [
                ("status", .int(status)), ("duration_ms", .int(durationMilliseconds)),
            ]
        ).bytes
    }

    /// - Parameter willRetry: false: the output is an error that the model can read.
    package static func toolFailed(
        callID: String, name: String, webhookID: String, attempt: Int, error: String, willRetry: Bool
    ) -> [UInt8] {
        JSONValue.object(
            [("type", "bridge.tool.failed")] + tool(callID, name, webhookID, attempt) + [
                ("error", .string(error)), ("will_retry", .bool(willRetry)),
            ]
        ).bytes
    }

    private static func tool(_ callID: String, _ name: String, _ webhookID: String, _ attempt: Int) -> [(String, JSONValue)] {
        [("call_id", .string(callID)), ("name", .string(name)), ("webhook_id", .string(webhookID)), ("attempt", .int(attempt))]
    }

    /// A frame that is no event. Up to 4 KiB of it are kept as text, with what is not UTF-8 replaced.
    package static func malformed(_ frame: [UInt8]) -> [UInt8] {
        JSONValue.object([
            ("type", "bridge.upstream.malformed"), ("bytes", .int(frame.count)),
            ("text", .string(String(decoding: frame.prefix(4_096), as: UTF8.self))),
        ]).bytes
    }

    package static let gapType = "bridge.gap"

    /// Stands in a stream, without an id, where events that once had ids can no longer be given.
    package static func gap(why: String, firstAvailable: String, session: String) -> [UInt8] {
        JSONValue.object([
            ("type", .string(gapType)), ("why", .string(why)), ("first_available_id", .string(firstAvailable)),
            ("snapshot", .string("/v1/sessions/\(session)")),
        ]).bytes
    }

    /// A cut of an item's audio that the present upstream connection could not be told of, since the item is text there.
    /// - Parameters:
    ///   - audioEndMilliseconds: from the beginning of the item's audio; what comes later was not heard.
    ///   - eventID: an id of the bridge's own for the event.
    package static func itemTruncated(itemID: String, contentIndex: Int, audioEndMilliseconds: Int, eventID: String) -> [UInt8] {
        JSONValue.object([
            ("type", .string(ServerEventName.conversationItemTruncated.rawValue)), ("event_id", .string(eventID)),
            ("item_id", .string(itemID)), ("content_index", .int(contentIndex)), ("audio_end_ms", .int(audioEndMilliseconds)),
            ("bridge", ["synthesized": true]),
        ]).bytes
    }

    /// The deletion of an item that the present upstream connection does not hold.
    package static func itemDeleted(itemID: String, eventID: String) -> [UInt8] {
        JSONValue.object([
            ("type", .string(ServerEventName.conversationItemDeleted.rawValue)), ("event_id", .string(eventID)),
            ("item_id", .string(itemID)), ("bridge", ["synthesized": true]),
        ]).bytes
    }

    /// The terminal of a response whose upstream connection is gone: what was known of it, as `failed` with `upstream_lost`.
    /// - Parameters:
    ///   - response: the response object as upstream last spelt it.
    ///   - eventID: an id of the bridge's own for the event.
    package static func responseLost(response: JSON, eventID: String, message: String) -> [UInt8] {
        let error: JSONValue = ["type": "server_error", "code": "upstream_lost", "message": .string(message)]
        var splice = JSONSplice(response)
        splice.set("status", of: response, to: JSONValue.string("failed").bytes)
        splice.set("status_details", of: response, to: JSONValue.object([("type", "failed"), ("error", error)]).bytes)
        splice.set("usage", of: response, to: Array("null".utf8))
        return JSONValue.object([
            ("type", "response.done"), ("event_id", .string(eventID)), ("response", .raw(splice.bytes)),
            ("bridge", ["synthesized": true]),
        ]).bytes
    }
}
