/// One frame from a Realtime server: its bytes as they came, and the few fields the bridge reads.
///
/// From: `UpstreamConnection.next`. To: `SessionStateMachine`, then `EventLog`, which stores and re-emits ``frame`` unchanged.
package struct ServerEvent: Sendable {
    package let json: JSON
    /// The event's name as spelt.
    package let type: String
    /// The event's name if it is one of the protocol's; nil for vendors' own and future ones.
    package let name: ServerEventName?

    package var frame: [UInt8] { json.source }
    package var eventID: String? { json["event_id"]?.string }
    /// `response_id`, or the id of the `response` object.
    package var responseID: String? { json["response_id"]?.string ?? json["response"]?["id"]?.string }
    /// `item_id`, or the id of the `item` object.
    package var itemID: String? { json["item_id"]?.string ?? json["item"]?["id"]?.string }
    package var previousItemID: String? { json["previous_item_id"]?.string }

    /// Upstream frames nest deeper than the bridge lets its own callers go (tool schemas echoed back), but not without end.
    private static let maximumDepth = 256

    /// Upstream's members may come twice, of which the first is read: the frame is passed on as it is.
    ///
    /// Fails for a frame that is not a JSON object with a string `type`; such a frame is logged as `bridge.upstream.malformed`.
    package init?(_ frame: [UInt8]) {
        guard let json = try? JSON.parse(frame, maximumDepth: Self.maximumDepth, refusingDuplicates: false) else { return nil }
        self.init(json)
    }

    package init?(_ json: JSON) {
        guard let type = json["type"]?.string else { return nil }
        self.json = json
        self.type = type
        self.name = ServerEventName(rawValue: type)
    }
}

/// The `error` object of an `error` event or of a failed response.
package struct RealtimeError: Sendable, Equatable {
    package var type: String?
    package var code: String?
    package var message: String
    package var param: String?
    /// The client event it answers; nil if upstream does not say.
    package var eventID: String?

    package init(type: String?, code: String?, message: String, param: String? = nil, eventID: String? = nil) {
        self.type = type
        self.code = code
        self.message = message
        self.param = param
        self.eventID = eventID
    }

    /// Reads what is there: servers leave fields out, send null, or (vLLM) a bare string.
    package init(_ json: JSON?) {
        type = json?["type"]?.string
        code = json?["code"]?.string
        message = json?["message"]?.string ?? json?.string ?? "the upstream server gave no message"
        param = json?["param"]?.string
        eventID = json?["event_id"]?.string
    }
}
