import Foundation
import TestSupport
import Testing

@testable import Realtime

/// The payloads of `examples.jsonl`, and of the protocol's reference where that is there, in the other dialect.
@Suite struct DialectConformanceTests {
    /// Events that are shown under a name which the dialect does not have, since it has none for them.
    private static let foreign: Set<String> = [
        "input_audio_buffer.timeout_triggered", "input_audio_buffer.dtmf_event_received",
    ]
    /// Names that only the published ga descriptions still have: nobody sends them, and what they hold is beta's.
    static let ofNobody: Set<String> = ["transcription_session.update", "transcription_session.updated", "conversation.item.created"]
    /// Events that are not shown, and why.
    private static let unshown = ["conversation.item.done": "beta tells of an item once"]

    /// What schemas say against payloads that are right, and why they are.
    private static let exceptions: [String: String] = [
        "beta transcription_session.updated: session: 'id' is a required property":
            "the ga description lists the event, without an id; nobody sends it",
        "beta transcription_session.created: session/input_audio_transcription: None is not of type 'object'":
            "ga servers say null of what is switched off; the published beta schema has it of the other session only",
        "beta transcription_session.updated: session/input_audio_transcription/language: None is not of type 'string'": "as above",
        "beta transcription_session.updated: session/input_audio_transcription/prompt: None is not of type 'string'": "as above",
        "ga conversation.item.create: previous_item_id: None is not of type 'string'":
            "null appends, says the beta description's own example; a caller's explicit null is kept",
    ]

    private static func problems(of payloads: [Payload], by schemas: URL) async throws -> [String] {
        try await (SchemaCheck.problems(of: frames(payloads), by: schemas) ?? []).filter { exceptions[$0] == nil }
    }

    private static func translated(_ payloads: [Payload]) throws -> [(payload: Payload, translated: Translated)] {
        try payloads.map { ($0, try Translated($0.bytes, in: $0.dialect, $0.direction)) }
    }

    private static func frames(_ payloads: [Payload]) throws -> [(Dialect, [UInt8])] {
        try translated(payloads).flatMap { row in
            row.translated.frames.filter { !foreign.contains($0["type"]?.string ?? "") }.map { (row.payload.dialect.other, $0.source) }
        }
    }

    @Test func theExamplesAreThere() {
        #expect(Payload.examples.count == 349)
        if Payload.referenceFolder == nil {
            Payload.leaveOut("no reference of the protocol found; REALTIME_REFERENCE names its folder")
        } else {
            #expect(Payload.reference.count == 192)
        }
    }

    @Test func everyPayloadHasAFrameOrIsKnownToHaveNone() throws {
        for (payload, translated) in try Self.translated(Payload.examples + Payload.reference) {
            let isUnshown = payload.dialect == .ga && Self.unshown[translated.name] != nil
            #expect(translated.frames.isEmpty == isUnshown, "\(payload)")
            if Self.foreign.contains(translated.name) { #expect(translated.frames.map(\.source) == [payload.bytes], "\(payload)") }
        }
    }

    @Test func everyValueStandsWhereTheTablesSay() throws {
        for (payload, translated) in try Self.translated(Payload.examples + Payload.reference) where !translated.names.isEmpty {
            let faults = translated.faults()
            #expect(faults == [], "\(payload)")
        }
    }

    @Test func thereAndBackEverythingThatBothHaveIsAsItWas() throws {
        for (payload, translated) in try Self.translated(Payload.examples + Payload.reference)
        where !(payload.dialect == .ga && Self.ofNobody.contains(translated.name)) {
            let faults = try translated.faultsThereAndBack()
            #expect(faults == [], "\(payload)")
        }
    }

    @Test func theExamplesAreInTheOtherDialectWhatTheContractSays() async throws {
        let problems = try await Self.problems(of: Payload.examples, by: PythonTool.root.appending(path: "openapi.json"))
        #expect(problems == [])
    }

    @Test func theReferencesPayloadsAreInTheOtherDialectWhatTheContractSays() async throws {
        let problems = try await Self.problems(of: Payload.reference, by: PythonTool.root.appending(path: "openapi.json"))
        #expect(problems == [])
    }

    @Test func allAreInTheOtherDialectWhatTheReferenceSays() async throws {
        guard let folder = Payload.referenceFolder else { return }
        let problems = try await Self.problems(of: Payload.examples + Payload.reference, by: folder)
        #expect(problems == [])
    }
}
