package import Realtime

/// The client event that changes a session's configuration, as each dialect has it.
package enum SessionUpdate {
    /// - Parameters:
    ///   - configuration: the `session` object as the caller spelt it. `"type":"transcription"` in it makes a session that only transcribes
    ///     in either dialect; what beta calls such a session is the event's name, so it is taken out there.
    ///   - kind: of the session, where the object says nothing.
    package static func event(_ configuration: JSON, of kind: SessionKind, spelledIn dialect: Dialect) -> JSON {
        let isTranscription = (SessionKind(configuration) ?? kind) == .transcription
        var session = Array(configuration.lexeme)
        var name = ClientEventName.sessionUpdate
        switch dialect {
        case .beta:
            if isTranscription { name = .transcriptionSessionUpdate }
            if SessionKind(configuration) != nil { session = without(type: session) }
        case .ga:
            // The servers of this dialect refuse an update without it.
            if configuration["type"] == nil { session = naming(isTranscription ? .transcription : .realtime, in: configuration) }
        }
        let event = JSONValue.object([("type", .string(name.rawValue)), ("session", .raw(session))])
        return JSON.parse(written: event.bytes)
    }

    /// A configuration that was confirmed in one dialect, as an upstream of another one is to be given it, and what of it cannot be given.
    static func translated(
        _ configuration: [UInt8]?, of kind: SessionKind, from spoken: Dialect, to upstream: Dialect
    ) -> (configuration: [UInt8]?, leftOut: [LeftOutField]) {
        guard let configuration, spoken != upstream else { return (configuration, []) }
        let session = JSON.parse(written: configuration)
        let event = event(session, of: kind, spelledIn: spoken)
        let translation = ClientEventTranslation(event, from: DialectView(of: upstream, in: spoken))
        return (translation.event["session"].map { kind == .transcription ? naming(kind, in: $0) : Array($0.lexeme) }, translation.leftOut)
    }

    /// The object with the kind as its `type`, as the bridge keeps it for either dialect.
    static func naming(_ kind: SessionKind, in configuration: JSON) -> [UInt8] {
        let json = JSON.parse(written: Array(configuration.lexeme))
        var splice = JSONSplice(json)
        splice.set("type", of: json, to: JSONValue.string(kind == .transcription ? "transcription" : "realtime").bytes)
        return splice.bytes
    }

    /// As beta has it, where the event's name says the kind.
    static func without(type session: [UInt8]) -> [UInt8] {
        let json = JSON.parse(written: session)
        var splice = JSONSplice(json)
        splice.remove("type", from: json)
        return splice.bytes
    }
}
