import HTTPServer
import Realtime
import Sessions

/// `POST /v1/sessions/{session}/interrupt`: stop speaking, and forget what nobody heard.
enum InterruptRoute {
    /// A day; no answer is longer.
    private static let longestMilliseconds = 86_400_000

    static func interrupt(_ api: BridgeAPI, _ call: APICall) async throws -> Response {
        let commands = try await Commands(api, call)
        let fields = try BodyFields(try await call.body.collect())
        try fields.check(known: ["played_ms", "item_id"])
        let played = try fields.int("played_ms", in: 0...longestMilliseconds)
        let item = try fields.string("item_id")
        if item != nil, played == nil {
            throw APIError(
                .badRequest, code: "missing_required_parameter", "With 'item_id' say by 'played_ms' how much of it was heard.",
                param: "played_ms")
        }
        let interruption = try await commands.interrupt(playedMilliseconds: played, itemID: item)
        var ended: JSON?
        if let cancel = interruption.cancel {
            do {
                let result = try await commands.result(of: cancel, until: .finished)
                guard case .confirmed(let done, _) = result else { return Commands.accepted(cancel) }
                ended = done.json["response"]
            } catch let error as APIError where error.code == SessionError.Code.cancelNotActive.rawValue {
                // What was asked for was refused in the same moment: there is nothing to stop.
            }
        }
        var truncated = JSONValue.null
        if let cut = interruption.cut, let played {
            let result = try await commands.result(of: cut, until: .confirmed)
            if case .confirmed(let event, _) = result {
                let end = event.json["audio_end_ms"]?.int
                truncated = ItemRoutes.truncated(event, clampedFrom: end.flatMap { $0 < played ? played : nil })
            } else if interruption.cancel == nil {
                return Commands.accepted(cut)
            }
        }
        let response = try await ProducedAnswers(commands: commands).view(of: ended)
        return .json(.object([("object", "realtime.interruption"), ("response", response), ("truncated", truncated)]))
    }
}
