import Realtime
import TestSupport
import Testing

/// A session whose upstream played a trace, over and closed, at a bridge that still runs: the real program, with a loopback socket between
/// it and the server.
struct PlayedTrace: Sendable {
    let trace: Trace
    let record: TraceRecord
    /// What the bridge answered to the client's events, in order.
    let receipts: [JSON]
    /// What readers in both dialects were shown while it was played.
    let live: [Dialect: [EventFrame]]
    private let http: HTTPClient
    private let path: String

    /// A client that does not speak as its upstream does: what it posts, event by event, and what of that is to reach the server where it
    /// is not the event of the server's own trace.
    struct Client: Sendable {
        let dialect: Dialect
        let events: [JSON]
        var expected: [Int: JSON] = [:]
    }

    /// Plays the trace on a server and a bridge of their own, and hands over what there is to read afterwards.
    /// - Parameter client: nil for one that speaks as upstream does and says what the trace's client says.
    static func run(
        _ trace: Trace, client: Client? = nil, within limit: Duration = patience,
        _ body: @escaping @Sendable (PlayedTrace) async throws -> Void
    ) async throws {
        let record = TraceRecord()
        try await ScriptedServer.run(
            within: limit,
            script: { peer in
                var player = TracePlayer(trace, record, isNative: client == nil, expected: client?.expected ?? [:])
                do {
                    try await player.play(on: &peer)
                } catch {
                    Issue.record("\(trace.testDescription), the server: \(error)")
                    throw error
                }
            },
            client: { server in
                let flags = [
                    "--upstream-url", server.url, "--upstream-dialect", trace.dialect.rawValue, "--data-dir", ":memory:", "--pool-max", "0",
                ]
                try await BridgeProcess.run("serve", flags, environment: ["OPENAI_API_KEY": "sk-any"]) { bridge in
                    let http = HTTPClient(address: bridge.address)
                    let created = try await http("POST", "/v1/sessions", json: "{}")
                    try #require(created.status == 201, "\(created.text)")
                    let path = "/v1/sessions/\(try #require(try created.json()["id"]?.string))"
                    try await body(play(trace, record, client, bridge.address, http, path))
                }
            })
    }

    private static func play(
        _ trace: Trace, _ record: TraceRecord, _ client: Client?, _ address: String, _ http: HTTPClient, _ path: String
    ) async throws -> PlayedTrace {
        var readers: [Dialect: CurlStream] = [:]
        for dialect in Dialect.allCases { readers[dialect] = try CurlStream("\(address)\(path)/events?dialect=\(dialect.rawValue)") }
        let own = try #require(readers[trace.dialect])
        var events = client?.events ?? trace.clientEvents.map(\.payload)
        var receipts: [JSON] = []
        for (index, event) in trace.events.enumerated() {
            switch event.sender {
            case .server:
                // One frame each in upstream's own dialect, and some of the bridge's in between.
                while try await own.next(within: .seconds(10)).type.hasPrefix("bridge.") {}
            case .client:
                let answer = Answer(to: event, after: trace.events[(index + 1)...])
                let posted = String(decoding: record.inBridgesIDs(events.removeFirst().source), as: UTF8.self)
                let receipt = try await http(
                    "POST", "\(path)/events?dialect=\((client?.dialect ?? trace.dialect).rawValue)", json: posted,
                    headers: answer.headers, seconds: 10)
                #expect(receipt.status == answer.status, "\(posted): \(receipt.text)")
                receipts.append(try JSON.parse(record.inTracesIDs(receipt.body)))
            }
        }
        let closed = try await http("DELETE", "\(path)?keep=true", seconds: 10)
        try #require(closed.status == 200, "\(closed.text)")
        var live: [Dialect: [EventFrame]] = [:]
        for (dialect, reader) in readers {
            if dialect == trace.dialect || reader.all.last?.type != BridgeEvent.closedType {
                while try await reader.next(within: .seconds(10)).type != BridgeEvent.closedType {}
            }
            live[dialect] = reader.all.map {
                EventFrame(id: $0.id ?? "", type: $0.type, data: String(decoding: record.inTracesIDs(Array($0.data.utf8)), as: UTF8.self))
            }
        }
        return PlayedTrace(trace: trace, record: record, receipts: receipts, live: live, http: http, path: path)
    }

    /// What the bridge says to an event of the client's.
    private struct Answer {
        var status = 202
        var headers: [String: String] = [:]

        /// - Parameter later: what follows in the trace.
        init(to event: Trace.Event, after later: ArraySlice<Trace.Event>) {
            let isRefused = later.contains {
                $0.type == "error" && event.payload["event_id"] != nil
                    && $0.payload["error"]?["event_id"]?.string == event.payload["event_id"]?.string
            }
            if event.isRefusedByTheBridge {
                status = 409
            } else if isRefused {
                status = 404
            } else if later.contains(where: { Self.confirmations[event.type]?.contains($0.type) ?? false }) {
                status = event.type == "conversation.item.create" ? 201 : 200
            } else {
                // The trace ends before the server's answer, or there is none.
                headers["prefer"] = "respond-async"
            }
        }

        private static let confirmations: [String: [String]] = [
            "session.update": ["session.updated"],
            "transcription_session.update": ["transcription_session.updated"],
            "conversation.item.create": ["conversation.item.created", "conversation.item.added"],
            "conversation.item.delete": ["conversation.item.deleted"],
            "conversation.item.retrieve": ["conversation.item.retrieved"],
            "conversation.item.truncate": ["conversation.item.truncated"],
            "input_audio_buffer.commit": ["input_audio_buffer.committed"],
            "input_audio_buffer.clear": ["input_audio_buffer.cleared"],
            "response.create": ["response.created"],
            "response.cancel": ["response.done"],
        ]
    }

    // MARK: Reading

    /// The events as an EventSource is given them.
    /// - Parameters:
    ///   - cursor: the last id that the client has.
    ///   - query: beside the dialect, `types=error`.
    /// - Returns: the body in the trace's ids; nil if there is nothing more, which is 204.
    func stream(_ dialect: Dialect, after cursor: String? = nil, _ query: String = "") async throws -> [UInt8]? {
        var headers = ["accept": "text/event-stream"]
        if let cursor { headers["last-event-id"] = cursor }
        let answer = try await get(dialect, query, headers)
        if answer.status == 204 { return nil }
        try #require(answer.status == 200, "\(answer.text)")
        return record.inTracesIDs(answer.body)
    }

    /// The same as frames; none if the answer is 204.
    func frames(_ dialect: Dialect, after cursor: String? = nil, _ query: String = "") async throws -> [EventFrame] {
        EventFrame.list(try await stream(dialect, after: cursor, query) ?? [])
    }

    /// The events as lines of JSON.
    func lines(_ dialect: Dialect) async throws -> [Entry] {
        let answer = try await get(dialect, "", ["accept": "application/x-ndjson"])
        return try record.inTracesIDs(answer.body).split(separator: UInt8(ascii: "\n")).map { try Entry(try JSON.parse(Array($0))) }
    }

    /// The events as pages, one after the other.
    func pages(_ dialect: Dialect, limit: Int, _ query: String = "") async throws -> [[Entry]] {
        var pages: [[Entry]] = []
        var after = ""
        while true {
            let answer = try await get(dialect, "limit=\(limit)\(after)\(query.isEmpty ? "" : "&" + query)", ["accept": "application/json"])
            let page = try JSON.parse(record.inTracesIDs(answer.body))
            let entries = try #require(page["data"]).elements
            pages.append(try entries.map { try Entry($0) })
            #expect(page["first_id"]?.string == entries.first?["id"]?.string)
            guard page["has_more"]?.bool == true else { return pages }
            after = "&after=\(try #require(page["last_id"]?.string))"
        }
    }

    private func get(_ dialect: Dialect, _ query: String, _ headers: [String: String]) async throws -> HTTPClient.Answer {
        try await http(
            "GET", "\(path)/events?dialect=\(dialect.rawValue)\(query.isEmpty ? "" : "&" + query)", headers: headers, seconds: 10)
    }

    /// An event of a page or line, whose name is only in itself.
    struct Entry: Equatable, Sendable {
        let id: String
        let event: String

        fileprivate init(_ entry: JSON) throws {
            id = try #require(entry["id"]?.string)
            event = String(decoding: try #require(entry["event"]).lexeme, as: UTF8.self)
            _ = try #require(entry["created_at"]?.int)
        }

        init(_ frame: EventFrame) {
            id = frame.id
            event = frame.data
        }
    }
}

/// An event as a client is shown it.
struct EventFrame: Equatable, Sendable {
    let id: String
    let type: String
    let data: String

    /// The events of a stream's body.
    static func list(_ stream: [UInt8]) -> [EventFrame] {
        var parser = EventStreamParser()
        return parser.add(stream).compactMap { frame in
            frame.data.map { EventFrame(id: frame.id ?? "", type: frame.type, data: $0) }
        }
    }
}
