import EventLog
import Realtime
import Testing

@testable import Sessions
@testable import Simulator

/// The simulator judges what is sent by the protocol's rules: what it takes in both dialects, servers should take.
@Suite struct SeedingAgainstSimulatorTests {
    private static let records = [
        RehydrationPlanTests.record("sys", #"{"type":"message","role":"system","content":[{"type":"input_text","text":"be kind"}]}"#),
        RehydrationPlanTests.record("text", #"{"type":"message","role":"user","content":[{"type":"input_text","text":"hi"}]}"#),
        RehydrationPlanTests.record("said", #"{"type":"message","role":"assistant","content":[{"type":"audio","transcript":"hello"}]}"#),
        RehydrationPlanTests.record(
            "cut", #"{"type":"message","role":"assistant","content":[{"type":"output_audio","transcript":"one two three four"}]}"#,
            producedMilliseconds: 1_000, cutAt: 500),
        RehydrationPlanTests.record("audio", #"{"type":"message","role":"user","content":[{"type":"input_audio","transcript":"a word"}]}"#),
        RehydrationPlanTests.record("words", #"{"type":"message","role":"user","content":[{"type":"input_audio","transcript":"b"}]}"#),
        RehydrationPlanTests.record("call", #"{"type":"function_call","name":"f","call_id":"c1","arguments":"{}"}"#),
        RehydrationPlanTests.record("output", #"{"type":"function_call_output","call_id":"c1","output":"1"}"#),
        RehydrationPlanTests.record("mcp", #"{"type":"mcp_list_tools","server_label":"s","tools":[]}"#),
        RehydrationPlanTests.record("pending", #"{"type":"function_call","name":"f","call_id":"c2","arguments":"{}"}"#),
    ]

    @Test(arguments: Dialect.allCases)
    func aConversationIsTakenAndTurnDetectionStandsAsItDid(dialect: Dialect) throws {
        var machine = ConversationMachine(.init(dialect: dialect, kind: .conversation, model: "m", openedAt: 0))
        var frames = Self.frames(machine.open())
        let created = try #require(frames.first?.json["session"])
        let asked = dialect == .ga ? #"{"type":"realtime","instructions":"Be brief."}"# : #"{"instructions":"Be brief."}"#
        let plan = RehydrationPlanTests.plan(Self.records, inputs: ["audio": 4], dialect)
        var seeding = Seeding(
            configuration: Array(asked.utf8), created: created, plan: plan, dialect: dialect, echoesEventIDs: true, firstEventID: 1)

        var outcome = seeding.start()
        var result: (Seeding.Report, [UInt8]?)?
        var events: [ClientEvent] = []
        while result == nil {
            if case .finished(let report, let session) = outcome { result = (report, session) }
            if case .going(let messages) = outcome { events += try messages.map { try Self.event($0, &seeding) } }
            if frames.isEmpty, result == nil {
                try #require(!events.isEmpty, "seeding waits for nothing")
                frames = Self.frames(machine.receive(events.removeFirst().frame, now: .zero))
            }
            if !frames.isEmpty { outcome = seeding.received(frames.removeFirst()) } else { outcome = .going([]) }
        }

        let report = try #require(result?.0)
        #expect(report.lost == [ItemNote(id: "mcp", why: "not_replayable")])
        let altered = [("said", "audio_as_text"), ("cut", "cut_where_heard"), ("words", "audio_as_transcript")]
        #expect(report.altered == altered.map(ItemNote.init))
        #expect(report.replayed == Self.records.count - 1)
        #expect(machine.conversation.items.map(\.id) == Self.records.map(\.id).filter { $0 != "mcp" })
        #expect(machine.settings.turnDetection == .standard)
        #expect(machine.settings.instructions == "Be brief.")
        let session = try JSON.parse(try #require(result?.1))
        let detection = session["turn_detection"] ?? session["audio"]?["input"]?["turn_detection"]
        #expect(detection?["create_response"]?.bool == true)
    }

    private static func frames(_ actions: [ConversationMachine.Action]) -> [ServerEvent] {
        actions.compactMap { if case .send(let frame) = $0 { ServerEvent(frame) } else { nil } }
    }

    private static func event(_ message: Seeding.Message, _ seeding: inout Seeding) throws -> ClientEvent {
        switch message {
        case .event(let event): return event
        case .item(let seed, let eventID):
            let item = try #require(seed.item(input: seed.usesInput ? .audio([1, 0, 2, 0], format: "pcm16/24000") : nil))
            seeding.sent(itemID: seed.itemID, alteration: item.alteration)
            return Seeding.event(creating: item.bytes, eventID: eventID)
        }
    }
}
