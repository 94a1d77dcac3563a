import Realtime

/// The two `session.update`s around a seeding: the caller's configuration with automatic responses off, and what puts them back.
struct SeedingUpdates {
    let name: ClientEventName
    /// Nil if there is nothing to configure.
    let first: [UInt8]?
    /// Nil if turn detection was left alone.
    let last: [UInt8]?

    /// - Parameter silencing: items follow, so the server must not answer them.
    init(configuration: [UInt8]?, created: JSON, dialect: Dialect, silencing: Bool) {
        let asked = configuration.flatMap { try? JSON.parse($0, maximumDepth: 256) }
        // A transcription session answers nothing, and its turn detection does not know the two members.
        let isTranscription =
            (asked?["type"] ?? created["type"])?.string == "transcription" || created["object"]?.string == "realtime.transcription_session"
        name = isTranscription && dialect == .beta ? .transcriptionSessionUpdate : .sessionUpdate
        // The servers of the newer spelling refuse an update without it.
        let type: [(String, JSONValue)] =
            dialect == .ga ? [("type", .string((asked?["type"] ?? created["type"])?.string ?? "realtime"))] : []
        let named = configuration.map {
            if dialect == .beta { return SessionUpdate.without(type: $0) }
            return asked?["type"] == nil && !type.isEmpty ? SessionConfiguration.merge($0, with: JSONValue.object(type).bytes) : $0
        }

        guard silencing, !isTranscription, let detection = TurnDetection(asked: asked, created: created), detection.answersByItself else {
            first = named
            last = nil
            return
        }
        let silent = detection.session(type, createsResponses: false, interruptsResponses: false)
        first = named.map { SessionConfiguration.merge($0, with: silent) } ?? silent
        last = detection.session(type, createsResponses: detection.createsResponses, interruptsResponses: detection.interruptsResponses)
    }
}

/// The turn detection a session is to have, and where its spelling has it.
private struct TurnDetection {
    private let object: JSON
    /// In `audio.input`; else at the top, where the beta spelling and some servers of the newer one have it.
    private let isNested: Bool
    let createsResponses: Bool
    let interruptsResponses: Bool

    /// Nil if it is off or unknown.
    init?(asked: JSON?, created: JSON) {
        let sources = [asked, created].compactMap { $0 }
        let found = sources.lazy.compactMap { session -> (object: JSON, isNested: Bool)? in
            if let nested = session["audio"]?["input"]?["turn_detection"] { return (nested, true) }
            return session["turn_detection"].map { ($0, false) }
        }
        guard let first = found.first, first.object.kind == .object else { return nil }
        object = first.object
        isNested = first.isNested
        // What the caller left unsaid is as the server has it, unless that is another kind of detection.
        let others = found.map(\.object).filter { $0["type"]?.string == first.object["type"]?.string || first.object["type"] == nil }
        createsResponses = others.compactMap { $0["create_response"]?.bool }.first ?? true
        interruptsResponses = others.compactMap { $0["interrupt_response"]?.bool }.first ?? true
    }

    var answersByItself: Bool { createsResponses || interruptsResponses }

    /// A session object with it, and nothing else but the given members.
    func session(_ members: [(String, JSONValue)], createsResponses: Bool, interruptsResponses: Bool) -> [UInt8] {
        var own = object.members.filter { $0.name != "create_response" && $0.name != "interrupt_response" }.map {
            ($0.name, JSONValue($0.value))
        }
        own += [("create_response", .bool(createsResponses)), ("interrupt_response", .bool(interruptsResponses))]
        let detection: [(String, JSONValue)] = [("turn_detection", .object(own))]
        return JSONValue.object(members + (isNested ? [("audio", .object([("input", .object(detection))]))] : detection)).bytes
    }
}
