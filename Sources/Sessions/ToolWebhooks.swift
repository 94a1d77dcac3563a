import Realtime
import Webhooks

/// Which of a session's tools have a webhook, by the tools' names: the bridge's own member `x-webhook` of a tool, which upstream never sees.
struct ToolWebhooks: Sendable, Equatable {
    static let member = "x-webhook"
    /// As many as OpenAI's servers take tools; they are stored with each change of the session.
    static let maximumCount = 128

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
    /// - Throws: `.invalidValue`, naming the place; then nothing was sent.
    static func taken(
        from event: JSON, under rules: WebhookRules?
    ) throws(SessionError) -> (event: JSON, webhooks: ToolWebhooks?) {
        try refuse(in: event["response"]?["tools"])
        guard let tools = event["session"]?["tools"] else { return (event, nil) }
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
            guard webhooks.urls.count < maximumCount else {
                throw SessionError(.invalidValue, "more than \(maximumCount) tools have a webhook", param: place)
            }
            guard webhooks.url(ofTool: name) == nil else {
                throw SessionError(.invalidValue, "two tools of the name '\(name.prefix(64))' have a webhook", param: place)
            }
            webhooks.urls.append((name, try checked(value, of: name, at: place, under: rules)))
        }
        return (isSpliced ? JSON.parse(written: splice.bytes) : event, webhooks)
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

    /// A response's own tools are upstream's for that response only, and its calls may come when it is long over.
    private static func refuse(in tools: JSON?) throws(SessionError) {
        guard let index = tools?.elements.firstIndex(where: { $0[member] != nil }) else { return }
        throw SessionError(
            .invalidValue, "only tools of the session can have a webhook, not those of one response: give it in session.tools",
            param: "response.tools[\(index)].\(member)")
    }
}
