import EventLog
import HTTPServer
import Realtime
import Sessions

/// `/v1/sessions/{session}/transcript`.
enum TranscriptRoutes {
    static func get(_ api: BridgeAPI, _ call: APICall) async throws -> Response {
        let commands = try await Commands(api, call)
        let id = commands.session.id
        guard let stored = try await api.log.storedSession(id) else {
            throw SessionError(.sessionNotFound, "there is no session '\(id)'")
        }
        let transcript = Transcript(
            of: stored.items, speech: try await api.log.speech(of: id), output: await commands.session.outputFormat)
        switch call.accept.first(of: ["application/json", "text/plain", "text/vtt"]) {
        case "text/plain"?: return text(TranscriptView.text(transcript), type: "text/plain; charset=utf-8")
        case "text/vtt"?: return text(TranscriptView.webVTT(transcript), type: "text/vtt; charset=utf-8")
        default: return .json(TranscriptView.json(transcript, session: id))
        }
    }

    private static func text(_ text: String, type: String) -> Response {
        Response(status: 200, headers: ["content-type": type, "cache-control": "no-store"], body: .bytes(Array(text.utf8)))
    }
}
