import Realtime
import Webhooks

/// Which of a session's tools have a webhook, by the tools' names: the bridge's own member `x-webhook` of a tool, which upstream never sees.
struct ToolWebhooks: Sendable, Equatable {
    static let member = "x-webhook"
    /// As many as OpenAI's servers take tools; they are stored with each change of the session.
    static let maximumCount = 128
    /// OpenAI's servers take no longer one.
    private static let maximumNameCharacters = 64

    private var urls: [(name: String, url: String)] = []

    init() {}

    /// - Parameter json: as it was stored.
    init(json: [UInt8]?) {
        guard let json, let stored = try? JSON.parse(json) else { return }
        urls = stored.members.compactMap { member in member.value.string.map { (member.name, $0) } }
    }

    var isEmpty: Bool { urls.isEmpty }

    func url(ofTool name: String) -> String? { urls.first { $0.name == name }?.url }

    /// An object of URLs; nil without any.
    var json: [UInt8]? { isEmpty ? nil : JSONValue.object(urls.map { ($0.name, .string($0.url)) }).bytes }

    static func == (a: ToolWebhooks, b: ToolWebhooks) -> Bool { a.json == b.json }
}

extension ToolWebhooks {
    /// Takes the webhooks out of a client event, by a splice: all else keeps its bytes.
    /// - Parameter rules: nil: none is allowed.
    /// - Returns: the event as upstream may see it, and the webhooks of its `session.tools`; nil if it names no tools, so that what there
    ///   was stays.
    ///
    /// None goes upstream: what looks like a webhook in any other place, such as one of a single response, whose calls may come when it is
    /// long over, is refused.
    /// - Throws: `.invalidValue`, naming the place; then nothing was sent.
    static func taken(
        from event: JSON, under rules: WebhookRules?
    ) throws(SessionError) -> (event: JSON, webhooks: ToolWebhooks?) {
        guard let tools = event["session"]?["tools"], isUpdate(event) else {
            try refuse(in: event)
            return (event, nil)
        }
        var webhooks = ToolWebhooks()
        var splice = JSONSplice(event)
        var isSpliced = false
        for (index, tool) in tools.elements.enumerated() {
            guard let value = tool[member] else { continue }
            splice.remove(member, from: tool)
            isSpliced = true
            if value.isNull { continue }
            let place = "session.tools[\(index)].\(member)"
            guard tool["type"]?.string == "function", let name = tool["name"]?.string, !name.isEmpty else {
                throw SessionError(.invalidValue, "only a tool of type 'function' that has a name can have a webhook", param: place)
            }
            guard name.count <= maximumNameCharacters else {
                throw SessionError(
                    .invalidValue, "the name of a tool that has a webhook is longer than \(maximumNameCharacters) characters", param: place)
            }
            guard webhooks.urls.count < maximumCount else {
                throw SessionError(.invalidValue, "more than \(maximumCount) tools have a webhook", param: place)
            }
            guard webhooks.url(ofTool: name) == nil else {
                throw SessionError(.invalidValue, "two tools of the name '\(name.prefix(64))' have a webhook", param: place)
            }
            webhooks.urls.append((name, try checked(value, of: name, at: place, under: rules)))
        }
        let bare = isSpliced ? JSON.parse(written: splice.bytes) : event
        try refuse(in: bare)
        return (bare, webhooks)
    }

    private static func checked(
        _ value: JSON, of name: String, at place: String, under rules: WebhookRules?
    ) throws(SessionError) -> String {
        guard let url = value.string else { throw SessionError(.invalidValue, "'\(place)' must be a URL, a string", param: place) }
        guard let rules, !rules.isEmpty else {
            throw SessionError(
                .invalidValue, "this bridge calls no webhooks: list the URLs that it may call in the setting --webhook-allow", param: place)
        }
        do throws(WebhookRefusal) {
            _ = try rules.check(url)
        } catch {
            throw SessionError(.invalidValue, "the URL in '\(place)' \(error.message)", param: place)
        }
        return url
    }

    private static func isUpdate(_ event: JSON) -> Bool {
        switch event["type"]?.string.flatMap({ ClientEventName(rawValue: $0) }) {
        case .sessionUpdate, .transcriptionSessionUpdate: true
        default: false
        }
    }

    private static func refuse(in event: JSON) throws(SessionError) {
        for (name, value) in event.members {
            guard let place = isMember(name) ? name : value.kind != .string && mayName(value.lexeme) ? place(in: value, at: name) : nil
            else { continue }
            throw SessionError(
                .invalidValue, "only a tool of the session can have a webhook: give it as '\(member)' of a function in session.tools",
                param: String(place.suffix(maximumPlaceCharacters)))
        }
    }

    private static let maximumPlaceCharacters = 256

    /// Where the first one is.
    private static func place(in value: JSON, at path: String) -> String? {
        for (name, value) in value.members {
            let path = "\(path).\(name)"
            if let found = isMember(name) ? path : place(in: value, at: path) { return found }
        }
        for (index, value) in value.elements.enumerated() {
            if let found = place(in: value, at: "\(path)[\(index)]") { return found }
        }
        return nil
    }

    private static func isMember(_ name: String) -> Bool { name.lowercased() == member }

    /// Whether a name in this text may be the member's; few texts have to be looked at closely. Escapes may spell any letter.
    private static func mayName(_ text: ArraySlice<UInt8>) -> Bool {
        text.withUnsafeBufferPointer { bytes in
            let word = Array("webhook".utf8)
            for (index, byte) in bytes.enumerated() {
                switch byte {
                case UInt8(ascii: "\\"):
                    if index + 1 < bytes.count, bytes[index + 1] == UInt8(ascii: "u") { return true }
                case UInt8(ascii: "w"), UInt8(ascii: "W"):
                    if bytes[index...].prefix(word.count).lazy.map({ $0 | 0x20 }).elementsEqual(word) { return true }
                default: continue
                }
            }
            return false
        }
    }
}
