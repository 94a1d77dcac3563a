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
            // The other kind is what a session is unless it says so.
            if isTranscription, configuration["type"] == nil { session = with(type: "transcription", session) }
        }
        let event = JSONValue.object([("type", .string(name.rawValue)), ("session", .raw(session))])
        return JSON.parse(written: event.bytes)
    }

    /// A configuration that was confirmed in one dialect, as an upstream of another one is to be given it.
    static func translated(_ configuration: [UInt8]?, of kind: SessionKind, from spoken: Dialect, to upstream: Dialect) -> [UInt8]? {
        guard let configuration, spoken != upstream else { return configuration }
        let session = JSON.parse(written: configuration)
        let event = event(session, of: kind, spelledIn: spoken)
        let translation = ClientEventTranslation(event, from: DialectView(of: upstream, in: spoken))
        return translation.event["session"].map { Array($0.lexeme) }
    }

    private static func without(type session: [UInt8]) -> [UInt8] {
        let json = JSON.parse(written: session)
        var splice = JSONSplice(json)
        splice.remove("type", from: json)
        return splice.bytes
    }

    private static func with(type: String, _ session: [UInt8]) -> [UInt8] {
        let json = JSON.parse(written: session)
        var splice = JSONSplice(json)
        splice.set("type", of: json, to: JSONValue.string(type).bytes)
        return splice.bytes
    }
}
