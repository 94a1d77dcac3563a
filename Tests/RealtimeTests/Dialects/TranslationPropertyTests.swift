import Foundation
import TestSupport
import Testing

@testable import Realtime

/// Generated payloads of every event: what holds for each of them in the other dialect. A failure says the seed that it can be had
/// again with.
@Suite struct TranslationPropertyTests {
    struct Kind: Sendable, CustomStringConvertible {
        let event: EventCatalog.Event
        let dialect: Dialect
        var description: String { "\(dialect) \(event.name)" }

        var isOfNobody: Bool { dialect == .ga && DialectConformanceTests.ofNobody.contains(event.name) }

        func payloads(_ count: Int) -> [(seed: UInt64, text: String)] {
            (0..<UInt64(count)).map { seed in
                var generator = PayloadGenerator(seed: seed)
                return (seed, generator.payload(event.name, in: dialect))
            }
        }
    }

    static let kinds = EventCatalog.all.flatMap { event in
        Dialect.allCases.filter(event.dialects.contains).map { Kind(event: event, dialect: $0) }
    }
    .filter { !$0.isOfNobody }
    /// Of each kind; more in the long runs.
    static let count = ProcessInfo.processInfo.environment["REALTIME_BRIDGE_SOAK"] == "1" ? 2_000 : 40

    @Test func theGeneratorKeepsToTheSchemas() throws {
        for kind in Self.kinds {
            let schema = try #require(EventSchema.event(kind.event.name, in: kind.dialect))
            for (seed, text) in kind.payloads(4) { #expect(schema.fault(in: try JSON.parse(text)) == nil, "\(kind) \(seed) \(text)") }
        }
    }

    /// It is JSON without a name twice, what the other dialect's schema wants, has every value where the tables say, as it was spelt, and
    /// tells a caller just what is missing.
    @Test(arguments: kinds)
    func aTranslationIsWhatTheTablesSay(kind: Kind) throws {
        try check(kind) { translated in
            guard !translated.names.isEmpty else { return translated.frames.isEmpty ? [] : ["there must be no frame"] }
            let names = translated.frames.compactMap { $0["type"]?.string }
            let faults = zip(names, translated.frames).compactMap { name, frame in
                EventSchema.event(name, in: kind.dialect.other)?.fault(in: frame)
            }
            return translated.faults() + faults
        }
    }

    @Test(arguments: kinds)
    func thereAndBackEverythingThatBothHaveIsAsItWas(kind: Kind) throws {
        try check(kind) { try $0.faultsThereAndBack() }
    }

    /// Stops at the first payload that fails.
    private func check(_ kind: Kind, _ faults: (Translated) throws -> [String]) throws {
        for (seed, text) in kind.payloads(Self.count) {
            let translated = try Translated(Array(text.utf8), in: kind.dialect, kind.event.direction)
            let found = try faults(translated)
            let became = translated.frames.map { String(decoding: $0.source, as: UTF8.self) }
            guard found.isEmpty else {
                Issue.record("seed \(seed): \(found)\n\(text)\n\(became)")
                return
            }
        }
    }

    @Test(arguments: kinds)
    func inItsOwnDialectNothingChanges(kind: Kind) throws {
        let view = DialectView(of: kind.dialect, in: kind.dialect)
        for (seed, text) in kind.payloads(10) {
            let json = try JSON.parse(text)
            switch kind.event.direction {
            case .server:
                #expect(view.texts(text) == [text], "\(kind) \(seed)")
            case .client:
                let translation = ClientEventTranslation(json, from: view)
                #expect(translation.event.source == json.source && translation.leftOut == [], "\(kind) \(seed)")
            }
        }
    }

    /// A server that is taken for one of the other dialect, or mixes them: what is spelt as it shall be stays.
    @Test(arguments: kinds)
    func whatIsSpeltAsItShallBeStays(kind: Kind) throws {
        for (seed, text) in kind.payloads(Self.count) {
            let json = try JSON.parse(text)
            switch kind.event.direction {
            case .server:
                // beta takes either form of a tool's choice; ga's retrieved messages have the short names.
                if Self.hasTwoForms(json) || kind.event.name == "conversation.item.retrieved" { continue }
                let frames = try #require(kind.dialect.foreignView.texts(text))
                #expect(frames.contains(text) || Self.isRetold(kind), "\(kind) \(seed) \(text)\n\(frames)")
            case .client:
                // Nor can beta upstreams be given the tools of servers.
                if Self.hasTwoForms(json) || kind.dialect == .beta && Self.hasServersTools(json) { continue }
                let translation = ClientEventTranslation(json, from: kind.dialect.foreignView.reversed)
                #expect(
                    translation.event.source == json.source && translation.leftOut == [], "\(kind) \(seed) \(text)\n\(translation.text)")
            }
        }
    }

    /// Another name for the whole, or none, whoever sends it.
    private static func isRetold(_ kind: Kind) -> Bool {
        kind.event.counterparts(in: kind.dialect) != [kind.event.name]
    }

    private static func hasServersTools(_ json: JSON) -> Bool {
        ((json["session"] ?? json["response"])?["tools"]?.elements ?? []).contains { $0["type"]?.string == "mcp" }
    }

    private static func hasTwoForms(_ json: JSON) -> Bool {
        let object = json["session"] ?? json["response"]
        return object?["tool_choice"]?.kind == .object || object?["max_output_tokens"] != nil
    }
}

extension DialectView {
    fileprivate var reversed: DialectView { DialectView(of: shown, in: upstream) }
}
