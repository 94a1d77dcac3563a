import EventLog
import HTTPServer
import Realtime

/// Everything a request for events may say, from its query and headers (API.md section 5).
struct StreamRequest: Sendable, Equatable {
    /// How the events are sent; `Accept` decides.
    enum Format: Sendable, Equatable {
        case eventStream
        case lines
        case page
    }

    enum Cursor: Sendable, Equatable {
        case beginning
        case now
        case after(FrameID)
        /// Something that was never an id of the bridge's: a gap, then the beginning.
        case unknown
    }

    var format: Format
    var cursor = Cursor.beginning
    /// What ``cursor`` was read from; for streams over several sessions, whose cursors are not ``FrameID``s.
    var cursorText: String?
    /// The cursor says where an earlier stream of the same request stopped, so 204 may tell the client that all is done.
    var isReconnect = false
    var filter = EventFilter()
    /// The stream ends after the first event of such a type, and of the response asked for, if one is.
    var until: TypePatterns?
    /// Leaves `event:` out, so that a plain `onmessage` sees all.
    var envelopeMessage = false
    var heartbeat = Duration.seconds(15)
    /// What a client waits before it reconnects.
    var retryMilliseconds = 1_000
    /// Of a page; 1 to 100.
    var limit = 20
    /// How long an empty page waits for its first event.
    var wait = Duration.zero

    init(format: Format) {
        self.format = format
    }

    /// One response's events, after a position and up to its `response.done`, which is called so in both dialects.
    static func response(_ id: String, after position: EventPosition) -> StreamRequest {
        var request = StreamRequest(format: .eventStream)
        request.only(id, from: position)
        return request
    }

    /// Shows one response's events, up to its `response.done`.
    /// - Parameter start: right before the response; a cursor that stands earlier is moved here.
    mutating func only(_ id: String, from start: EventPosition) {
        filter.responseID = Array(id.utf8)
        until = TypePatterns(ServerEventName.responseDone.rawValue)
        switch cursor {
        case .after(let given) where given.position.epoch != start.epoch || given.position.seq > start.seq: break
        case .unknown: break
        default: cursor = .after(FrameID(start))
        }
    }

    // MARK: Parsing

    /// The query names that are read here, over all formats.
    static let queryNames: Set<String> = [
        "last_event_id", "after", "from", "types", "exclude", "response_id", "until", "envelope", "heartbeat", "limit", "wait",
    ]

    /// Reads what of the query is in ``queryNames``; other names are the route table's to refuse.
    ///
    /// A `Last-Event-ID` that is not empty beats the query's cursor, since an EventSource repeats its first URL at every reconnect.
    /// - Throws: ``StreamRequestError`` naming the parameter; the caller has to change it.
    init(format: Format, query: [(name: String, value: String)], headers: HTTPHeaders) throws(StreamRequestError) {
        self.init(format: format)
        var values: [String: String] = [:]
        for (name, value) in query where Self.queryNames.contains(name) {
            guard values.updateValue(value, forKey: name) == nil else { throw StreamRequestError(name, "is given twice") }
            guard Self.applies(name, to: format) else { throw StreamRequestError(name, "does not apply to the answer's type") }
        }
        try readCursor(values, lastEventID: headers["last-event-id"])
        filter.types = try Self.patterns("types", values)
        filter.exclude = try Self.patterns("exclude", values)
        until = try Self.patterns("until", values)
        if let id = values["response_id"] {
            guard !id.isEmpty else { throw StreamRequestError("response_id", "is empty") }
            filter.responseID = Array(id.utf8)
        }
        if let envelope = values["envelope"] {
            guard envelope == "message" else { throw StreamRequestError("envelope", "must be message") }
            envelopeMessage = true
        }
        if let seconds = try Self.integer("heartbeat", 5...60, values) { heartbeat = .seconds(seconds) }
        if let limit = try Self.integer("limit", 1...100, values) { self.limit = limit }
        if let seconds = try Self.integer("wait", 0...60, values) { wait = .seconds(seconds) }
    }

    private static func applies(_ name: String, to format: Format) -> Bool {
        switch name {
        case "limit", "wait": format == .page
        case "until", "heartbeat": format != .page
        case "envelope": format == .eventStream
        default: true
        }
    }

    private mutating func readCursor(_ values: [String: String], lastEventID: String?) throws(StreamRequestError) {
        if values["after"] != nil, values["last_event_id"] != nil {
            throw StreamRequestError("after", "and last_event_id say the same; give one")
        }
        switch values["from"] {
        case nil, "start": break
        case "now": cursor = .now
        default: throw StreamRequestError("from", "must be start or now")
        }
        let reconnectsAfter = [lastEventID, values["last_event_id"]].lazy.compactMap { $0 }.first { !$0.isEmpty }
        isReconnect = reconnectsAfter != nil
        guard let text = reconnectsAfter ?? values["after"], !text.isEmpty else { return }
        cursor = FrameID(text).map(Cursor.after) ?? .unknown
        cursorText = text
    }

    private static func patterns(_ name: String, _ values: [String: String]) throws(StreamRequestError) -> TypePatterns? {
        guard let list = values[name] else { return nil }
        guard let patterns = TypePatterns(list) else {
            throw StreamRequestError(
                name, "must be up to \(TypePatterns.limit) event names with commas, with at most one star in each")
        }
        return patterns
    }

    private static func integer(
        _ name: String, _ range: ClosedRange<Int>, _ values: [String: String]
    ) throws(StreamRequestError) -> Int? {
        guard let text = values[name] else { return nil }
        guard let number = Int(text), range.contains(number) else {
            throw StreamRequestError(name, "must be a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }
}

/// A query parameter that cannot be used; 400.
struct StreamRequestError: Error, Equatable, CustomStringConvertible {
    let parameter: String
    let problem: String

    init(_ parameter: String, _ problem: String) {
        self.parameter = parameter
        self.problem = problem
    }

    /// Fit for the caller.
    var description: String { "The query parameter \(parameter) \(problem)." }
}
