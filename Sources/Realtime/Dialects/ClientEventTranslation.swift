/// A client event as upstream is to be sent it: in upstream's dialect, whatever the caller's was.
///
/// Only what is present is translated, an explicit null included, and the values keep their spelling. What upstream's dialect has no
/// counterpart for is left out, since the caller cannot know what upstream speaks; unknown events and fields pass.
/// From: the routes' handlers. To: `Session.submit`.
package struct ClientEventTranslation: Sendable {
    package let event: JSON
    package let leftOut: [LeftOutField]

    /// - Parameters:
    ///   - event: an object with a string `type`, spelt as the view shows events; what is not is left for others to refuse.
    ///   - view: of the session, for this caller.
    package init(_ event: JSON, from view: DialectView) {
        guard !view.isNative, let name = event["type"]?.string.flatMap(ClientEventName.init), let made = Self.made(event, name, view) else {
            self.event = event
            leftOut = []
            return
        }
        self.event = JSON.parse(written: made.splice.bytes)
        leftOut = made.leftOut.map { LeftOutField(param: $0, upstream: view.upstream) }
    }

    private struct Making {
        var splice: JSONSplice
        var leftOut: [String] = []
    }

    private static func made(_ event: JSON, _ name: ClientEventName, _ view: DialectView) -> Making? {
        var making = Making(splice: JSONSplice(event))
        let dialect = view.upstream
        switch name {
        case .sessionUpdate, .transcriptionSessionUpdate:
            guard let session = event["session"], session.kind == .object else { return nil }
            let kind = name == .transcriptionSessionUpdate ? .transcription : SessionKind(session) ?? .realtime
            let isOwnEvent = dialect == .beta && kind == .transcription
            let sent: ClientEventName = isOwnEvent ? .transcriptionSessionUpdate : .sessionUpdate
            if sent != name { making.splice.set("type", of: event, to: JSONValue.string(sent.rawValue).bytes) }
            respell(session, by: kind.spelling, at: "session", in: dialect, &making)
        case .conversationItemCreate:
            guard let item = event["item"] else { return nil }
            ItemSpelling.respell(item, in: dialect, with: &making.splice)
        case .responseCreate:
            guard let response = event["response"], response.kind == .object else { return nil }
            respell(response, by: .responseParameters, at: "response", in: dialect, &making)
            for item in response["input"]?.elements ?? [] { ItemSpelling.respell(item, in: dialect, with: &making.splice) }
        case .conversationItemDelete, .conversationItemRetrieve, .conversationItemTruncate, .inputAudioBufferAppend,
            .inputAudioBufferClear, .inputAudioBufferCommit, .outputAudioBufferClear, .responseCancel:
            return nil
        }
        return making
    }

    private static func respell(
        _ object: JSON, by spelling: ObjectSpelling, at place: String, in dialect: Dialect, _ making: inout Making
    ) {
        making.leftOut += spelling.respell(object, in: dialect, with: &making.splice).map { "\(place).\($0)" }
        if dialect == .beta { leaveOutServersTools(object, at: place, &making) }
    }

    /// Tools of MCP servers cannot be declared in beta, nor chosen.
    private static func leaveOutServersTools(_ object: JSON, at place: String, _ making: inout Making) {
        if let tools = object["tools"] {
            let others = tools.elements.filter { $0["type"]?.string != "mcp" }
            if others.count < tools.elements.count {
                making.leftOut += tools.elements.indices.filter { tools.elements[$0]["type"]?.string == "mcp" }.map {
                    "\(place).tools[\($0)]"
                }
                making.splice.replace(tools, with: JSONValue.array(others.map { JSONValue($0) }).bytes)
            }
        }
        if object["tool_choice"]?["type"]?.string == "mcp" {
            making.leftOut.append("\(place).tool_choice")
            making.splice.remove("tool_choice", from: object)
        }
    }
}

/// A field of a request that upstream was not sent, since its dialect has no counterpart.
package struct LeftOutField: Sendable, Equatable {
    /// As the caller spelt it, from the client event on: `session.temperature`.
    package let param: String
    package let upstream: Dialect

    /// - Parameter name: of the field, where the request has it.
    package func message(naming name: String) -> String {
        "The upstream server speaks \(upstream.rawValue), which has no counterpart for '\(name)'; it was left out."
    }
}
