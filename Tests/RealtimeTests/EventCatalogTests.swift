import Foundation
import TestSupport
import Testing

@testable import Realtime

/// The catalog against the protocol's, where that is there.
@Suite struct EventCatalogTests {
    @Test func theServersEventsOfTheSourceDocumentsAreCatalogued() throws {
        let file = PythonTool.root.appending(path: "Tests/Fixtures/seed-server-events.txt")
        let names = try String(contentsOf: file, encoding: .utf8).split(separator: "\n").filter { !$0.hasPrefix("#") }.map(String.init)
        #expect(names.count == 28)
        #expect(EventCatalog.all.filter { $0.isInSourceDocuments && $0.direction == .server }.map(\.name).sorted() == names.sorted())
    }

    @Test func aNameIsFoundByItsDirectionOnly() {
        #expect(EventCatalog.event("session.update", .client)?.name == "session.update")
        #expect(EventCatalog.event("session.update", .server) == nil)
        #expect(EventCatalog.event("vendor.event", .server) == nil)
        #expect(Set(EventCatalog.all.map(\.name)).count == EventCatalog.all.count)
    }

    @Test func itIsTheProtocols() throws {
        guard let file = Payload.referenceFolder?.deletingLastPathComponent().appending(path: "catalog.json"),
            let bytes = try? Data(contentsOf: file)
        else { return Payload.leaveOut("no catalog of the protocol found beside the reference") }
        let entries = try #require(try JSON.parse(Array(bytes))["events"]?.elements).filter { entry in
            entry["dialects"]?.elements.contains { $0.string.flatMap(Dialect.init) != nil } == true
        }
        #expect(entries.count == EventCatalog.all.count)
        for entry in entries {
            let name = try #require(entry["name"]?.string)
            let event = try #require(EventCatalog.event(name, entry["direction"]?.string == "client" ? .client : .server), "\(name)")
            #expect(event.dialects == Set(entry["dialects"]?.elements.compactMap { $0.string.flatMap(Dialect.init) } ?? []), "\(name)")
            #expect(event.isInSourceDocuments == entry["in_seed"]?.bool, "\(name)")
            for dialect in Dialect.allCases {
                guard let counterpart = entry["counterpart"]?[dialect.rawValue] else { continue }
                let expected = Self.passing[name] ?? Self.names(counterpart)
                #expect(event.counterparts(in: dialect) == expected, "\(name) in \(dialect)")
            }
        }
    }

    /// Where the two differ on purpose: some servers of the newer dialect do send it, and it is shown as it came.
    private static let passing = ["conversation.created": ["conversation.created"]]

    /// `a (+ b)`, `a (of some kind)`, or null.
    private static func names(_ counterpart: JSON) -> [String] {
        (counterpart.string ?? "").split { " ()+,".contains($0) }.map(String.init).filter {
            EventCatalog.event($0, .server) != nil || EventCatalog.event($0, .client) != nil
        }
    }
}
