import Realtime
import Sessions

/// Refuses speech of a response that would have none, before it is asked for: it would be paid, and the answer 404.
enum SpeechRefusal {
    /// What the response itself says.
    /// - Parameter event: its `response.create`.
    /// - Throws: 400 `form_not_available`.
    static func check(_ form: ProducedForm?, _ event: JSON) throws(APIError) {
        guard case .speech = form, let name = event["response"].flatMap(OutputModalities.silencing) else { return }
        throw refusal("'\(name)' asks for text alone. Add \"audio\" to it, or accept 'text/plain'.", param: name)
    }

    /// What the session says, where the response does not say it. Of a request that was begun before the session may have said otherwise.
    /// - Parameter event: the response's `response.create`; nil if there is nothing of the caller's in it.
    /// - Throws: 400 `form_not_available`.
    static func check(_ form: ProducedForm?, _ event: JSON?, _ commands: Commands) async throws {
        guard case .speech = form, commands.call.once?.isRepetition != true, await commands.session.isSilent else { return }
        let (name, value) = commands.view.shown == .ga ? ("output_modalities", #"["audio"]"#) : ("modalities", #"["text","audio"]"#)
        guard let event else {
            throw refusal("The session's '\(name)' is text alone. Make it \(value) by PATCH, or accept 'text/plain'.", param: "accept")
        }
        let response = event["response"]
        guard response?["output_modalities"] == nil, response?["modalities"] == nil else { return }
        throw refusal(
            "The session's '\(name)' is text alone. Send \"\(name)\":\(value) here or by PATCH of the session, or accept 'text/plain'.",
            param: "accept")
    }

    private static func refusal(_ words: String, param: String) -> APIError {
        APIError(.badRequest, code: "form_not_available", "'Accept' asks for speech, and there would be none: \(words)", param: param)
    }
}
