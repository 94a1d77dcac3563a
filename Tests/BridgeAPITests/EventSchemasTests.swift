import Foundation
import Realtime
import TestSupport
import Testing

@testable import BridgeAPI

/// The catalog of events, the schemas of `openapi.json` and the tables of `Events.md` tell of the same events.
@Suite struct EventSchemasTests {
    private let schemas: JSON
    private let names: [String]

    init() throws {
        schemas = try #require(try JSON.parse(OpenAPIDocument.bytes)["components"]?["schemas"])
        names = schemas.members.map(\.name)
    }

    // MARK: openapi.json

    @Test(arguments: Dialect.allCases)
    func everyEventHasOneSchemaPerDialectAndNothingElseLooksLikeOne(dialect: Dialect) {
        let catalogued = EventCatalog.all.filter { $0.dialects.contains(dialect) }.map { "\(dialect).\($0.name)" }
        // Shapes are named in capitals: `beta.Session`.
        let documented = names.filter { $0.hasPrefix("\(dialect).") && $0.dropFirst(dialect.rawValue.count + 1).first?.isLowercase == true }
        #expect(documented.sorted() == catalogued.sorted())
    }

    @Test(arguments: Dialect.allCases, [("ClientEvent", EventCatalog.Direction.client), ("ServerEvent", .server)])
    func aUnionListsTheEventsOfItsDialectAndDirection(dialect: Dialect, union: (name: String, direction: EventCatalog.Direction)) throws {
        let catalogued = EventCatalog.all.filter { $0.direction == union.direction && $0.dialects.contains(dialect) }
        let listed = references(of: try #require(schemas["\(dialect).\(union.name)"]))
        #expect(listed.sorted() == catalogued.map { "\(dialect).\($0.name)" }.sorted())
    }

    @Test(arguments: Dialect.allCases)
    func anEventsSchemaRequiresItsName(dialect: Dialect) throws {
        for event in EventCatalog.all where event.dialects.contains(dialect) {
            let schema = try #require(schemas["\(dialect).\(event.name)"])
            #expect(schema["properties"]?["type"]?["const"]?.string == event.name)
            let required = schema["required"]?.elements.compactMap(\.string) ?? []
            #expect(required.contains("type"))
            // The one server event without an id is that of telephone keys.
            let hasID = event.direction == .server && event.name != ServerEventName.inputAudioBufferDtmfEventReceived.rawValue
            #expect(required.contains("event_id") == hasID, "\(dialect) \(event.name)")
        }
    }

    @Test func whatAStreamShowsIsOneOfTheUnions() throws {
        let streamed = references(of: try #require(schemas["StreamedEvent"]))
        #expect(streamed == ["beta.ServerEvent", "ga.ServerEvent", "BridgeEvent", "UnknownEvent"])
        let bridges = references(of: try #require(schemas["BridgeEvent"]))
        #expect(bridges.sorted() == names.filter { $0.hasPrefix("bridge.") }.sorted())
    }

    /// Every event that the bridge makes has the members its schema requires, and none that it does not know.
    @Test func theBridgesOwnEventsAreAsTheirSchemasSay() throws {
        let frames = [
            BridgeEvent.connected(upstream: "u", sessionID: nil, generation: 1),
            BridgeEvent.disconnected(code: nil, reason: "lost", willRetry: true),
            BridgeEvent.switched(
                reason: "lost", generation: 2, stateRestored: false, itemsReplayed: 1, itemsLost: [("a", "empty")],
                itemsAltered: [("b", "audio_as_text")]),
            BridgeEvent.suspended(reason: "idle"), BridgeEvent.suspended(reason: "bridge_restarted", inputAudioLostMilliseconds: 20),
            BridgeEvent.closed(reason: "closed"), BridgeEvent.inputAudioFailed(message: "odd", appendedBytes: 2),
            BridgeEvent.toolStarted(callID: "c", name: "f", webhookID: "msg_1", attempt: 1),
            BridgeEvent.toolCompleted(callID: "c", name: "f", webhookID: "msg_1", attempt: 2, status: 200, durationMilliseconds: 5),
            BridgeEvent.toolFailed(callID: "c", name: "f", webhookID: "msg_1", attempt: 1, error: "e", willRetry: true),
            BridgeEvent.malformed([0x7b]), BridgeEvent.gap(why: "retention", firstAvailable: "1.5", session: "rts_1"),
        ]
        var seen: Set<String> = []
        for frame in frames {
            let event = try JSON.parse(frame)
            let type = try #require(event["type"]?.string)
            let schema = try #require(schemas[type], "\(type)")
            let members = Set(event.members.map(\.name))
            let required = Set(schema["required"]?.elements.compactMap(\.string) ?? [])
            let known = Set(schema["properties"]?.members.map(\.name) ?? [])
            #expect(members.isSuperset(of: required) && members.isSubset(of: known), "\(type): \(members)")
            seen.insert(type)
        }
        #expect(seen == Set(names.filter { $0.hasPrefix("bridge.") }))
    }

    /// A generator of payloads has to know no more than these words of JSON Schema.
    @Test func theSchemasOfEventsAreWrittenInFewWords() throws {
        let words: Set<String> = [
            "type", "properties", "required", "items", "enum", "const", "anyOf", "$ref", "additionalProperties", "minimum", "maximum",
            "minItems", "maxLength", "description", "examples", "default",
        ]
        var waiting = Dialect.allCases.flatMap { ["\($0).ClientEvent", "\($0).ServerEvent"] } + ["StreamedEvent"]
        var seen = Set(waiting)
        while let name = waiting.popLast() {
            var inside = [try #require(schemas[name], "\(name) does not exist")]
            while let schema = inside.popLast() {
                guard schema.kind == .object else { continue }
                #expect(Set(schema.members.map(\.name)).isSubset(of: words), "\(name)")
                if let reference = Self.name(schema["$ref"]), seen.insert(reference).inserted { waiting.append(reference) }
                inside += (schema["properties"]?.members ?? []).map(\.value) + (schema["anyOf"]?.elements ?? [])
                inside += [schema["items"], schema["additionalProperties"]].compactMap(\.self)
            }
        }
    }

    /// The payloads that were written for this project, against the contract.
    @Test func theFixturesAreAsTheSchemasSay() async throws {
        let examples = try String(contentsOf: PythonTool.root.appending(path: "Tests/Fixtures/examples.jsonl"), encoding: .utf8)
        let lines = try examples.split(separator: "\n").filter {
            try JSON.parse(String($0))["dialect"]?.string.flatMap(Dialect.init) != nil
        }
        #expect(lines.count > 300)
        let outcome = try await PythonTool.withFile(holding: Array(lines.joined(separator: "\n").utf8)) {
            try await PythonTool("validate_frames.py")(PythonTool.root.appending(path: "openapi.json").path, $0.path)
        }
        if let outcome { #expect(outcome.status == 0, "\(outcome.text)\(outcome.errors)") }
    }

    // MARK: Events.md

    @Test func theFirstTablesAreOfTheEventsOfTheSourceDocuments() throws {
        let sections = try EventTables()
        for (direction, heading) in [(EventCatalog.Direction.client, "What a client sends"), (.server, "What a client receives")] {
            let rows = try sections.rows(of: "The events of the source documents", heading)
            let source = EventCatalog.all.filter { $0.isInSourceDocuments && $0.direction == direction }
            #expect(rows.map(\.event).sorted() == source.map(\.name).sorted())
            #expect(rows.count == (direction == .client ? 9 : 28))
            for row in rows {
                let event = try #require(EventCatalog.event(row.event, direction), "\(row.event)")
                #expect(event.dialects.contains(.beta))
                #expect(row.names(in: 1) == event.counterparts(in: .ga), "\(row.event)")
            }
        }
    }

    /// What a ga upstream's event is in a beta stream is what the table says that the frame is made from.
    @Test func aFrameIsMadeFromWhatBecomesIt() throws {
        for row in try EventTables().rows(of: "The events of the source documents", "What a client receives") {
            let source = try #require(row.names(in: 2).first.flatMap { EventCatalog.event($0, .server) }, "\(row.event)")
            #expect(source.dialects.contains(.ga))
            // The bridge makes it beside the session's.
            guard row.event != ServerEventName.conversationCreated.rawValue else { continue }
            #expect(source.counterparts(in: .beta) == [row.event])
        }
    }

    @Test func theOtherTablesAreOfTheOtherEvents() throws {
        let sections = try EventTables()
        for (direction, heading) in [(EventCatalog.Direction.client, "What a client sends"), (.server, "What a client receives")] {
            let rows = try sections.rows(of: "The other events", heading)
            let others = EventCatalog.all.filter { !$0.isInSourceDocuments && $0.direction == direction }
            #expect(rows.map(\.event).sorted() == others.map(\.name).sorted())
            for row in rows {
                let event = try #require(EventCatalog.event(row.event, direction), "\(row.event)")
                if direction == .server { #expect(row.names(in: 1) == event.counterparts(in: .beta), "\(row.event)") }
                #expect(row.names(in: direction == .server ? 2 : 1) == event.counterparts(in: .ga), "\(row.event)")
            }
        }
    }

    @Test func aRouteThatTheTablesNameExists() throws {
        let routes = Set(RouteTable.routes.map { "\($0.method.rawValue) \($0.pattern)" })
        let sections = try EventTables()
        for part in ["The events of the source documents", "The other events"] {
            for row in try sections.rows(of: part, "What a client sends") {
                let named = row.names(in: 2).filter { $0.contains(" ") }.map {
                    String($0.replacing("…", with: "/v1/sessions/{session}").prefix { $0 != "?" })
                }
                #expect(!named.isEmpty && routes.isSuperset(of: named), "\(row.event): \(named)")
            }
        }
    }

    // MARK: Reading

    private func references(of union: JSON) -> [String] {
        (union["anyOf"]?.elements ?? []).compactMap { Self.name($0["$ref"]) }
    }

    private static func name(_ reference: JSON?) -> String? {
        reference?.string.map { String($0.split(separator: "/").last ?? "") }
    }
}

/// The tables of `Events.md` whose first column has the events' names.
private struct EventTables {
    struct Row {
        let event: String
        let cells: [Substring]

        /// What stands in backticks in a cell; nothing for a dash.
        func names(in column: Int) -> [String] {
            guard cells.indices.contains(column) else { return [] }
            return cells[column].split(separator: "`", omittingEmptySubsequences: false).enumerated().filter { $0.offset % 2 == 1 }.map {
                String($0.element)
            }
        }
    }

    private var rows: [String: [Row]] = [:]

    init() throws {
        let file = PythonTool.root.appending(path: "Sources/RealtimeBridge/Documentation.docc/Events.md")
        var part = "", section = ""
        var isOfEvents = false
        for line in try String(contentsOf: file, encoding: .utf8).split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix("## ") { (part, section) = (String(line.dropFirst(3)), "") }
            if line.hasPrefix("### ") { section = String(line.dropFirst(4)) }
            guard line.hasPrefix("| ") else {
                isOfEvents = false
                continue
            }
            if line.hasPrefix("| event |") { isOfEvents = true }
            let row = Row(event: "", cells: line.dropFirst().split(separator: "|", omittingEmptySubsequences: false))
            guard isOfEvents, let event = row.names(in: 0).first else { continue }
            rows["\(part)/\(section)", default: []].append(Row(event: event, cells: row.cells))
        }
    }

    func rows(of part: String, _ section: String) throws -> [Row] {
        try #require(rows["\(part)/\(section)"], "there is no table under '\(part)', '\(section)'")
    }
}
