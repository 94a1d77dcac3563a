/// One event on its way into a view: the edits that make a frame of the view from it.
struct Respelling {
    private let event: ServerEvent
    private var splice: JSONSplice
    private var isEdited = false

    /// - Parameter dialect: what the frame is to be spelt in; nil for upstream's own, where only what is the bridge's is taken out.
    init(_ event: ServerEvent, in dialect: Dialect?) {
        self.event = event
        splice = JSONSplice(event.json)
        takeOutWhatIsTheBridges(dialect)
        if let dialect { respell(in: dialect) }
    }

    /// The event under its own name.
    var frame: ViewFrame {
        ViewFrame(type: event.type, responseID: event.responseID, bytes: isEdited ? splice.bytes : event.frame)
    }

    /// The event under another name.
    /// - Parameter isOfResponse: false if the frame does not name the event's response.
    func named(_ name: ServerEventName, isOfResponse: Bool = true) -> ViewFrame {
        var splice = splice
        splice.set("type", of: event.json, to: JSONValue.string(name.rawValue).bytes)
        return ViewFrame(type: name.rawValue, responseID: isOfResponse ? event.responseID : nil, bytes: splice.bytes)
    }

    /// Makes it a frame that upstream has not sent: with an id of its own, and said to be the bridge's.
    mutating func markSynthesized(eventIDSuffix: String, without names: [String]) {
        isEdited = true
        for name in names { splice.remove(name, from: event.json) }
        if let id = event.json["event_id"], let text = id.string {
            splice.replace(id, with: JSONValue.string("\(text)_\(eventIDSuffix)").bytes)
        }
        splice.set("bridge", of: event.json, to: JSONValue.object([("synthesized", true)]).bytes)
    }

    private mutating func takeOutWhatIsTheBridges(_ dialect: Dialect?) {
        switch event.name {
        case .responseCreated, .responseDone:
            guard let response = event.json["response"], response["metadata"]?[CorrelationToken.key] != nil else { return }
            CorrelationToken.remove(from: response, with: &splice)
            isEdited = true
        case .error:
            guard let error = event.json["error"] else { return }
            if let id = error["event_id"], let callers = id.string.flatMap(BridgeEventID.callers) {
                splice.replace(id, with: JSONValue.string(callers).bytes)
                isEdited = true
            }
        default: return
        }
    }

    private mutating func respell(in dialect: Dialect) {
        isEdited = true
        switch event.name {
        case .sessionCreated, .sessionUpdated:
            guard let session = event.json["session"] else { return }
            _ = (SessionKind(session) ?? .realtime).spelling.respell(session, in: dialect, with: &splice)
        case .transcriptionSessionCreated, .transcriptionSessionUpdated:
            guard let session = event.json["session"] else { return }
            _ = ObjectSpelling.transcriptionSession.respell(session, in: dialect, with: &splice)
        case .conversationItemCreated, .conversationItemAdded, .conversationItemDone, .conversationItemRetrieved, .responseOutputItemAdded,
            .responseOutputItemDone:
            guard let item = event.json["item"] else { return }
            ItemSpelling.respell(item, in: dialect, with: &splice)
        case .responseContentPartAdded, .responseContentPartDone:
            // Both dialects have `text` and `audio` here; servers that say otherwise in ga are understood.
            guard dialect == .beta, let part = event.json["part"] else { return }
            ItemSpelling.respell(part: part, in: dialect, with: &splice)
        case .responseCreated, .responseDone:
            guard let response = event.json["response"] else { return }
            DialectView.respell(response: response, in: dialect, with: &splice)
        case .error:
            guard let error = event.json["error"], let param = error["param"], let path = param.string else { return }
            let view = DialectView(of: dialect == .beta ? .ga : .beta, in: dialect)
            let own = view.parameter(path)
            guard own != path else { return }
            splice.replace(param, with: JSONValue.string(own).bytes)
            guard let message = error["message"], let words = message.string else { return }
            let ownWords = view.message(words, naming: path)
            if ownWords != words { splice.replace(message, with: JSONValue.string(ownWords).bytes) }
        default:
            isEdited = false
        }
    }
}
