/// One frame for a Realtime server. Its payload is what the caller wrote, spliced, never re-encoded.
package struct ClientEvent: Sendable, Equatable {
    package let name: String
    /// The bridge's own; comes back only in `error.error.event_id`.
    package let eventID: String
    package let frame: [UInt8]

    /// An event of the bridge's own making.
    /// - Parameter members: all but `type` and `event_id`.
    package init(_ name: ClientEventName, eventID: String, _ members: [(String, JSONValue)] = []) {
        self.name = name.rawValue
        self.eventID = eventID
        self.frame = JSONValue.object([("type", .string(name.rawValue)), ("event_id", .string(eventID))] + members).bytes
    }

    /// A caller's raw event with the bridge's id in the place of its own.
    /// - Parameter json: an object with a string `type`.
    package init(name: String, eventID: String, splicing json: JSON) {
        self.name = name
        self.eventID = eventID
        var splice = JSONSplice(json)
        splice.set("event_id", of: json, to: JSONValue.string(eventID).bytes)
        self.frame = splice.bytes
    }

    /// A frame that was spliced together elsewhere.
    package init(name: String, eventID: String, frame: [UInt8]) {
        self.name = name
        self.eventID = eventID
        self.frame = frame
    }

    package static func == (a: ClientEvent, b: ClientEvent) -> Bool {
        a.frame == b.frame
    }
}
