/// What clients see, in the dialect they like, of what upstream says in its own (API.md section 2): pure functions on frames and objects,
/// which keep every byte that need not change.
///
/// In upstream's own dialect a frame is shown unchanged, but for what the bridge itself had put into the request that it answers (its
/// `metadata` pair, its `event_id`). In the other one an event is no, one or two frames. Unknown events and fields pass.
/// From: `LoggedEvent`, the projection's rows. To: streams and answers.
package struct DialectView: Sendable, Hashable {
    /// What the events and objects are spelt in.
    package let upstream: Dialect
    /// What they are to be spelt in.
    package let shown: Dialect

    package init(of upstream: Dialect, in shown: Dialect) {
        self.upstream = upstream
        self.shown = shown
    }

    package var isNative: Bool { upstream == shown }

    /// What the event is in this view; in the order in which it is shown.
    /// - Parameter isOutOfBand: whether the response of that id is not part of the conversation; asked only about responses of events
    ///   that do not say so themselves.
    package func frames(of event: ServerEvent, isOutOfBand: (String) -> Bool = { _ in false }) -> [ViewFrame] {
        guard let name = event.name else { return [unchanged(event)] }
        guard !isNative else { return [Respelling(event, in: nil).frame] }
        // Deltas, which are nearly all there is: only their name differs.
        let other = name.renamed(in: shown)
        guard other == name else { return [renamed(event, to: other)] }
        switch shown {
        case .beta: return betaFrames(of: event, name)
        case .ga: return gaFrames(of: event, name, isOutOfBand: isOutOfBand)
        }
    }

    // MARK: Events

    private func betaFrames(of event: ServerEvent, _ name: ServerEventName) -> [ViewFrame] {
        switch name {
        case .sessionCreated where SessionKind(event.json["session"]) == .transcription:
            return [Respelling(event, in: .beta).named(.transcriptionSessionCreated)]
        case .sessionUpdated where SessionKind(event.json["session"]) == .transcription:
            return [Respelling(event, in: .beta).named(.transcriptionSessionUpdated)]
        case .sessionCreated:
            return [Respelling(event, in: .beta).frame, conversationCreated(event)]
        case .conversationItemAdded:
            return [Respelling(event, in: .beta).named(.conversationItemCreated)]
        case .conversationItemDone:
            return []
        default:
            return [Respelling(event, in: .beta).frame]
        }
    }

    private func gaFrames(of event: ServerEvent, _ name: ServerEventName, isOutOfBand: (String) -> Bool) -> [ViewFrame] {
        switch name {
        case .transcriptionSessionCreated:
            return [Respelling(event, in: .ga).named(.sessionCreated)]
        case .transcriptionSessionUpdated:
            return [Respelling(event, in: .ga).named(.sessionUpdated)]
        case .conversationItemCreated:
            let added = Respelling(event, in: .ga).named(.conversationItemAdded)
            // What is being produced is done when its response says so.
            guard event.json["item"]?["status"]?.string != "in_progress" else { return [added] }
            return [added, itemDone(event)]
        case .responseOutputItemDone:
            let done = Respelling(event, in: .ga).frame
            if let response = event.responseID, isOutOfBand(response) { return [done] }
            return [itemDone(event), done]
        default:
            return [Respelling(event, in: .ga).frame]
        }
    }

    /// The end of an item, which beta tells only within its response, or not at all.
    private func itemDone(_ event: ServerEvent) -> ViewFrame {
        var respelling = Respelling(event, in: .ga)
        respelling.markSynthesized(eventIDSuffix: "item_done", without: ["response_id", "output_index"])
        return respelling.named(.conversationItemDone, isOfResponse: false)
    }

    /// beta tells of the conversation at once; what ga calls it is only known with the first response, so the id is made from the session's.
    private func conversationCreated(_ event: ServerEvent) -> ViewFrame {
        let session = event.json["session"]?["id"]?.string ?? ""
        let name = ServerEventName.conversationCreated.rawValue
        let id = "conv_" + (session.hasPrefix("sess_") ? session.dropFirst("sess_".count) : session[...])
        var members: [(String, JSONValue)] = [("type", .string(name))]
        if let eventID = event.eventID, !eventID.isEmpty { members.append(("event_id", .string("\(eventID)_conversation"))) }
        members += [
            ("conversation", ["id": .string(id), "object": "realtime.conversation"]), ("bridge", ["synthesized": true]),
        ]
        return ViewFrame(type: name, responseID: nil, bytes: JSONValue.object(members).bytes)
    }

    private func unchanged(_ event: ServerEvent) -> ViewFrame {
        ViewFrame(type: event.type, responseID: event.responseID, bytes: event.frame)
    }

    /// - Parameter name: of an event that is otherwise the same.
    private func renamed(_ event: ServerEvent, to name: ServerEventName) -> ViewFrame {
        guard let type = event.json["type"] else { return unchanged(event) }
        let new = name.rawValue.utf8
        var bytes: [UInt8] = []
        bytes.reserveCapacity(event.frame.count + new.count)
        bytes += event.frame[..<(type.range.lowerBound + 1)]
        bytes += new
        bytes += event.frame[(type.range.upperBound - 1)...]
        return ViewFrame(type: name.rawValue, responseID: event.responseID, bytes: bytes)
    }

    // MARK: Objects

    /// A stored response object for clients.
    package func response(_ object: [UInt8]) -> [UInt8] {
        spliced(object) { response, splice in
            CorrelationToken.remove(from: response, with: &splice)
            if !isNative { Self.respell(response: response, in: shown, with: &splice) }
        }
    }

    /// A stored conversation item for clients.
    package func item(_ object: [UInt8]) -> [UInt8] {
        isNative ? object : spliced(object) { ItemSpelling.respell($0, in: shown, with: &$1) }
    }

    /// A session's effective configuration for clients.
    /// - Parameter kind: of the session, where the object says nothing.
    package func session(_ object: [UInt8], of kind: SessionKind = .realtime) -> [UInt8] {
        guard !isNative else { return object }
        return spliced(object) { session, splice in
            _ = (SessionKind(session) ?? kind).spelling.respell(session, in: shown, with: &splice)
        }
    }

    /// What an error of upstream's names, as the caller spells it: `session.audio.output.voice`, `session.voice`.
    package func parameter(_ path: String) -> String {
        guard !isNative else { return path }
        for (prefix, spelling) in [("session.", ObjectSpelling.session), ("response.", .responseParameters)] where path.hasPrefix(prefix) {
            return prefix + spelling.path(String(path.dropFirst(prefix.count)), in: shown)
        }
        return path
    }

    /// The same in the words of an error, which name it again.
    package func message(_ message: String, naming path: String) -> String {
        let own = parameter(path)
        return own == path ? message : message.replacing("'\(path)'", with: "'\(own)'")
    }

    private func spliced(_ object: [UInt8], _ edit: (JSON, inout JSONSplice) -> Void) -> [UInt8] {
        // As lenient as the event was that it came in.
        guard let json = try? JSON.parse(object, maximumDepth: 256, refusingDuplicates: false) else { return object }
        var splice = JSONSplice(json)
        edit(json, &splice)
        return splice.bytes
    }

    static func respell(response: JSON, in dialect: Dialect, with splice: inout JSONSplice) {
        _ = ObjectSpelling.response.respell(response, in: dialect, with: &splice)
        for item in response["output"]?.elements ?? [] { ItemSpelling.respell(item, in: dialect, with: &splice) }
    }
}
