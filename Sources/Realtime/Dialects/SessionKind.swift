/// What a session is for.
package enum SessionKind: Sendable, Equatable {
    case realtime
    /// Only turns speech into text: no responses, tools or voice.
    case transcription

    /// What a session object, or the payload of an update, says of itself in either dialect; nil if it says nothing.
    package init?(_ session: JSON?) {
        guard let session else { return nil }
        switch (session["type"]?.string, session["object"]?.string) {
        case ("transcription", _), (_, "realtime.transcription_session"): self = .transcription
        case ("realtime", _), (_, "realtime.session"): self = .realtime
        default: return nil
        }
    }

    var spelling: ObjectSpelling { self == .transcription ? .transcriptionSession : .session }
}
