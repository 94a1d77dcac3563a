import EventLog
import Realtime
import TestSupport
import Testing

@testable import Sessions

/// Plays upstream against a ``Seeding``.
struct SeedingDriver {
    enum End: Equatable {
        case finished(Seeding.Report, session: String?)
        case refused(RealtimeError)
    }

    var seeding: Seeding
    /// `session.update`s sent, as their session objects.
    var updates: [String] = []
    var names: [String] = []
    var updateIDs: [String] = []
    /// Creates that wait for an answer.
    var inFlight: [(item: String, eventID: String)] = []
    var sent: [String] = []
    var most = 0
    var end: End?

    static let created =
        #"{"id":"sess_2","type":"realtime","audio":{"input":{"turn_detection":{"type":"server_vad","threshold":0.5,"create_response":true,"interrupt_response":true}}}}"#

    init(
        _ records: [ItemRecord] = [], inputs: [String: Int] = [:], configuration: String? = nil, created: String = Self.created,
        _ dialect: Dialect = .ga, echoes: Bool = true
    ) throws {
        seeding = Seeding(
            configuration: configuration.map { Array($0.utf8) }, created: try JSON.parse(created),
            plan: RehydrationPlanTests.plan(records, inputs: inputs, dialect), dialect: dialect, echoesEventIDs: echoes, firstEventID: .max)
        act(seeding.start())
    }

    mutating func act(_ outcome: Seeding.Outcome) {
        switch outcome {
        case .going(let messages):
            for message in messages {
                switch message {
                case .event(let event):
                    names.append(event.name)
                    updateIDs.append(event.eventID)
                    let session = (try? JSON.parse(event.frame))?["session"]
                    updates.append(String(decoding: session?.lexeme ?? [], as: UTF8.self))
                case .item(let seed, let eventID):
                    sent.append(seed.itemID)
                    inFlight.append((seed.itemID, eventID))
                }
            }
            most = max(most, inFlight.count)
        case .finished(let report, let session):
            #expect(end == nil)
            end = .finished(report, session: session.map { String(decoding: $0, as: UTF8.self) })
        case .refused(let error):
            #expect(end == nil)
            end = .refused(error)
        }
    }

    mutating func receive(_ json: String) throws {
        act(seeding.received(try #require(ServerEvent(Array(json.utf8)))))
    }

    mutating func updated(_ session: String = "{}") throws {
        try receive("{\"type\":\"session.updated\",\"session\":\(session)}")
    }

    mutating func confirm(_ item: String, as name: String = "conversation.item.added") throws {
        inFlight.removeAll { $0.item == item }
        try receive("{\"type\":\"\(name)\",\"item\":{\"id\":\"\(item)\"}}")
    }

    mutating func refuse(eventID: String?, code: String? = "item_bad", type: String = "invalid_request_error") throws {
        inFlight.removeAll { $0.eventID == eventID }
        let id = eventID.map { "\"\($0)\"" } ?? "null"
        let code = code.map { "\"\($0)\"" } ?? "null"
        try receive(
            "{\"type\":\"error\",\"error\":{\"type\":\"\(type)\",\"code\":\(code),\"message\":\"no\",\"event_id\":\(id)}}")
    }

    mutating func refuse(item: String, code: String? = "item_bad") throws {
        try refuse(eventID: try #require(inFlight.first { $0.item == item }).eventID, code: code)
    }

    var report: Seeding.Report? { if case .finished(let report, _) = end { report } else { nil } }
}

@Suite struct SeedingTests {
    private static func said(_ id: String) -> ItemRecord {
        RehydrationPlanTests.record(
            id, "{\"id\":\"\(id)\",\"type\":\"message\",\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"x\"}]}")
    }

    private static func spoken(_ id: String, transcript: String = "null") -> ItemRecord {
        RehydrationPlanTests.record(
            id,
            "{\"id\":\"\(id)\",\"type\":\"message\",\"role\":\"user\",\"content\":[{\"type\":\"input_audio\",\"transcript\":\(transcript)}]}"
        )
    }

    private static func call(_ id: String) -> ItemRecord {
        RehydrationPlanTests.record(
            id, "{\"id\":\"\(id)\",\"type\":\"function_call\",\"name\":\"f\",\"call_id\":\"call_\(id)\",\"arguments\":\"{}\"}")
    }

    private static func output(_ id: String, of call: String) -> ItemRecord {
        RehydrationPlanTests.record(
            id, "{\"id\":\"\(id)\",\"type\":\"function_call_output\",\"call_id\":\"call_\(call)\",\"output\":\"1\"}")
    }

    private static func report(_ replayed: Int, lost: [(String, String)] = [], altered: [(String, String)] = []) -> Seeding.Report {
        Seeding.Report(replayed: replayed, lost: lost.map(ItemNote.init), altered: altered.map(ItemNote.init))
    }

    // MARK: Configuration

    @Test func withNothingToGiveItIsFinishedAtOnce() throws {
        let driver = try SeedingDriver()
        #expect(driver.end == .finished(Self.report(0), session: SeedingDriver.created))
    }

    @Test func aConfigurationAloneIsSentAsItIs() throws {
        let asked = #"{"type":"realtime","instructions":"Be  brief"}"#
        var driver = try SeedingDriver(configuration: asked)
        #expect(driver.updates == [asked])
        #expect(driver.updateIDs == [BridgeEventID.make(random: .max, callers: nil)])
        try driver.receive(#"{"type":"rate_limits.updated"}"#)
        #expect(driver.end == nil)
        try driver.updated(#"{"n":1.0}"#)
        #expect(driver.end == .finished(Self.report(0), session: #"{"n":1.0}"#))
    }

    @Test func aConfigurationWithoutATypeGetsTheOneThatIsRequired() throws {
        #expect(try SeedingDriver(configuration: #"{"voice":"ash"}"#).updates == [#"{"voice":"ash","type":"realtime"}"#])
        #expect(try SeedingDriver(configuration: #"{"voice":"ash"}"#, created: "{}", .beta).updates == [#"{"voice":"ash"}"#])
    }

    @Test func anItemThatWasLostBeforeIsReported() throws {
        let driver = try SeedingDriver([Self.output("o", of: "c")])
        #expect(driver.updates == [])
        #expect(driver.end == .finished(Self.report(0, lost: [("o", "call_not_carried")]), session: SeedingDriver.created))
    }

    struct Silencing: Sendable, CustomTestStringConvertible {
        let name: String
        var asked: String?
        var created = SeedingDriver.created
        var dialect = Dialect.ga
        let first: String?
        let last: String?
        var testDescription: String { name }
    }

    static let silencings = [
        Silencing(
            name: "the server's own turn detection",
            first:
                #"{"type":"realtime","audio":{"input":{"turn_detection":{"type":"server_vad","threshold":0.5,"create_response":false,"interrupt_response":false}}}}"#,
            last:
                #"{"type":"realtime","audio":{"input":{"turn_detection":{"type":"server_vad","threshold":0.5,"create_response":true,"interrupt_response":true}}}}"#
        ),
        Silencing(
            name: "the caller's goes before, and what it leaves unsaid is the server's",
            asked:
                #"{"type":"realtime","audio":{"input":{"turn_detection":{"type":"server_vad","interrupt_response":false},"format":{"type":"audio/pcmu"}}},"instructions":"x"}"#,
            first:
                #"{"type":"realtime","audio":{"input":{"turn_detection":{"type":"server_vad","interrupt_response":false,"create_response":false},"format":{"type":"audio/pcmu"}}},"instructions":"x"}"#,
            last:
                #"{"type":"realtime","audio":{"input":{"turn_detection":{"type":"server_vad","create_response":true,"interrupt_response":false}}}}"#
        ),
        Silencing(
            name: "of another kind nothing is left unsaid but the defaults",
            asked: #"{"type":"realtime","audio":{"input":{"turn_detection":{"type":"semantic_vad"}}}}"#,
            created: #"{"audio":{"input":{"turn_detection":{"type":"server_vad","create_response":false,"interrupt_response":false}}}}"#,
            first:
                #"{"type":"realtime","audio":{"input":{"turn_detection":{"type":"semantic_vad","create_response":false,"interrupt_response":false}}}}"#,
            last:
                #"{"type":"realtime","audio":{"input":{"turn_detection":{"type":"semantic_vad","create_response":true,"interrupt_response":true}}}}"#
        ),
        Silencing(
            name: "turned off by the caller", asked: #"{"type":"realtime","audio":{"input":{"turn_detection":null}}}"#,
            first: #"{"type":"realtime","audio":{"input":{"turn_detection":null}}}"#, last: nil),
        Silencing(name: "none", created: #"{"type":"realtime","audio":{"input":{"turn_detection":null}}}"#, first: nil, last: nil),
        Silencing(
            name: "silent already",
            created: #"{"audio":{"input":{"turn_detection":{"type":"server_vad","create_response":false,"interrupt_response":false}}}}"#,
            first: nil, last: nil),
        Silencing(
            name: "beta spelling", asked: #"{"voice":"ash"}"#, created: #"{"turn_detection":{"type":"server_vad"}}"#, dialect: .beta,
            first: #"{"voice":"ash","turn_detection":{"type":"server_vad","create_response":false,"interrupt_response":false}}"#,
            last: #"{"turn_detection":{"type":"server_vad","create_response":true,"interrupt_response":true}}"#),
        Silencing(
            name: "a server of the newer spelling that has it at the top", created: #"{"turn_detection":{"type":"server_vad"}}"#,
            first: #"{"type":"realtime","turn_detection":{"type":"server_vad","create_response":false,"interrupt_response":false}}"#,
            last: #"{"type":"realtime","turn_detection":{"type":"server_vad","create_response":true,"interrupt_response":true}}"#),
        Silencing(
            name: "a transcription session answers nothing", asked: #"{"type":"transcription","include":[]}"#,
            created: #"{"type":"transcription","audio":{"input":{"turn_detection":{"type":"server_vad"}}}}"#,
            first: #"{"type":"transcription","include":[]}"#, last: nil),
    ]

    @Test(arguments: silencings)
    func automaticResponsesAreOffWhileItemsAreOnTheirWay(row: Silencing) throws {
        var driver = try SeedingDriver([Self.said("a")], configuration: row.asked, created: row.created, row.dialect)
        #expect(driver.updates == (row.first.map { [$0] } ?? []))
        if row.first != nil {
            #expect(driver.sent == [])
            try driver.updated()
        }
        #expect(driver.sent == ["a"])
        try driver.confirm("a")
        #expect(driver.updates == [row.first, row.last].compactMap { $0 })
        if row.last != nil {
            #expect(driver.end == nil)
            try driver.updated(#"{"last":1}"#)
        }
        #expect(driver.report == Self.report(1))
    }

    @Test func aBetaTranscriptionSessionHasItsOwnUpdate() throws {
        var driver = try SeedingDriver(
            configuration: #"{"include":[]}"#,
            created: #"{"object":"realtime.transcription_session","turn_detection":{"type":"server_vad"}}"#, .beta)
        #expect(driver.names == ["transcription_session.update"])
        try driver.receive(#"{"type":"transcription_session.updated","session":{"a":1}}"#)
        #expect(driver.end == .finished(Self.report(0), session: #"{"a":1}"#))
    }

    @Test(arguments: [true, false])
    func aRefusedConfigurationIsSaidInUpstreamsWords(echoes: Bool) throws {
        var driver = try SeedingDriver(configuration: #"{"type":"realtime","voice":"x"}"#, echoes: echoes)
        try driver.refuse(eventID: "someone_elses")
        #expect(driver.end == nil)
        let id = echoes ? driver.updateIDs[0] : nil
        try driver.refuse(eventID: id, code: "invalid_value")
        let error = RealtimeError(type: "invalid_request_error", code: "invalid_value", message: "no", eventID: id)
        #expect(driver.end == .refused(error))
        try driver.updated()
    }

    @Test func anErrorWithAnEmptyEventIDNamesNoEvent() throws {
        var driver = try SeedingDriver(configuration: #"{"type":"realtime"}"#, echoes: false)
        try driver.refuse(eventID: "")
        #expect(driver.end != nil)
        driver = try SeedingDriver([Self.said("a")], created: "{}", echoes: false)
        try driver.refuse(eventID: "")
        #expect(driver.report == Self.report(0, lost: [("a", "item_bad")]))
    }

    /// The close that follows leads to another attempt; a refusal would have ended the session's work.
    @Test(
        arguments: [
            (true, "server_error", nil), (true, "invalid_request_error", "session_expired"), (true, "invalid_request_error", "other"),
            (false, "server_error", nil), (false, "server_error", "internal_error"), (false, "invalid_request_error", "session_expired"),
        ] as [(Bool, String, String?)])
    func anErrorThatIsNoAnswerDoesNotRefuseTheConfiguration(echoes: Bool, type: String, code: String?) throws {
        var driver = try SeedingDriver([Self.said("a")], configuration: #"{"type":"realtime"}"#, echoes: echoes)
        try driver.refuse(eventID: nil, code: code, type: type)
        #expect(driver.end == nil)
        try driver.updated()
        try driver.confirm("a")
        try driver.refuse(eventID: nil, code: code, type: type)
        #expect(driver.end == nil)
        try driver.updated()
        #expect(driver.report == Self.report(1))
    }

    @Test func turnDetectionThatIsNotPutBackMakesTheConnectionUseless() throws {
        var driver = try SeedingDriver([Self.said("a")])
        try driver.updated()
        try driver.confirm("a")
        try driver.refuse(eventID: driver.updateIDs[1])
        #expect(driver.report == nil)
        #expect(driver.end != nil)
    }

    // MARK: Items

    @Test(arguments: ["conversation.item.added", "conversation.item.created"])
    func eachItemIsConfirmedInEitherSpellingAndOnce(name: String) throws {
        var driver = try SeedingDriver([Self.said("a"), Self.said("b")], created: "{}")
        #expect(driver.sent == ["a", "b"])
        try driver.confirm("b", as: name)
        try driver.confirm("b", as: name)
        try driver.receive(#"{"type":"conversation.item.done","item":{"id":"a"}}"#)
        #expect(driver.end == nil)
        try driver.confirm("a", as: name)
        #expect(driver.report == Self.report(2))
    }

    @Test func soManyAreInFlightAndNoMore() throws {
        var driver = try SeedingDriver((0..<40).map { Self.said("i\($0)") }, created: "{}")
        #expect(driver.sent.count == 16)
        try driver.confirm("i3")
        #expect(driver.sent.count == 17)
    }

    @Test func withoutEchoedIDsItemsGoOneAtATimeAndAnErrorMeansTheOneInFlight() throws {
        var driver = try SeedingDriver([Self.said("a"), Self.said("b"), Self.said("c")], created: "{}", echoes: false)
        #expect(driver.sent == ["a"])
        try driver.refuse(eventID: nil, code: nil)
        #expect(driver.sent == ["a", "b"])
        try driver.confirm("b")
        try driver.confirm("c")
        #expect(driver.report == Self.report(2, lost: [("a", "refused")]))
    }

    @Test func anErrorThatNamesNothingMeansTheOnlyItemOnItsWay() throws {
        var driver = try SeedingDriver([Self.said("a"), Self.said("b")], created: "{}")
        try driver.confirm("a")
        try driver.refuse(eventID: nil, code: "session_expired")
        #expect(driver.end == nil)
        try driver.refuse(eventID: nil, code: "string_above_max_length")
        #expect(driver.report == Self.report(1, lost: [("b", "string_above_max_length")]))
    }

    /// Three items are on their way when upstream refuses one without saying which.
    @Test(arguments: [
        ("a is passed over by b's confirmation", ["error", "b", "c"], [("a", "item_bad")]),
        ("a was not meant", ["error", "a", "b", "c"], []),
        ("a and b were meant", ["error", "error", "c"], [("a", "item_bad"), ("b", "item_bad")]),
        ("a was not meant, so b was not either", ["error", "error", "a", "b", "c"], []),
        ("all were meant", ["error", "error", "error"], [("a", "item_bad"), ("b", "item_bad"), ("c", "item_bad")]),
        ("b is the oldest then", ["a", "error", "c"], [("b", "item_bad")]),
        ("b by its name", ["error", "refuse b", "c"], [("b", "named"), ("a", "item_bad")]),
        ("b could not be made, nor c", ["error", "missing b", "missing c"], [("b", "x"), ("c", "x"), ("a", "item_bad")]),
    ])
    func anErrorThatNamesNothingMeansTheFirstThatIsNotAnswered(
        name: String, events: [String], lost: [(String, String)]
    ) throws {
        var driver = try SeedingDriver([Self.said("a"), Self.said("b"), Self.said("c")], created: "{}")
        for event in events {
            #expect(driver.end == nil, "\(name)")
            let words = event.split(separator: " ").map(String.init)
            switch words[0] {
            case "error": try driver.refuse(eventID: nil)
            case "refuse": try driver.refuse(item: words[1], code: "named")
            case "missing": driver.act(driver.seeding.inputMissing(itemID: words[1]))
            default: try driver.confirm(words[0])
            }
        }
        let expected = lost.map { ($0.0, $0.1 == "x" ? "not_replayable" : $0.1) }
        #expect(driver.report == Self.report(3 - lost.count, lost: expected), "\(name)")
    }

    @Test func anOutputWhoseCallWasRefusedIsNotSent() throws {
        var driver = try SeedingDriver([Self.call("a"), Self.output("b", of: "a"), Self.said("c")], created: "{}", echoes: false)
        try driver.refuse(item: "a")
        #expect(driver.sent == ["a", "c"])
        try driver.confirm("c")
        #expect(driver.report == Self.report(1, lost: [("a", "item_bad"), ("b", "call_not_carried")]))
    }

    @Test func anOutputThatWasOnItsWayWhenItsCallWasRefusedSaysSo() throws {
        var driver = try SeedingDriver([Self.call("a"), Self.output("b", of: "a")], created: "{}")
        try driver.refuse(item: "a")
        try driver.refuse(item: "b", code: "invalid_tool_call_id")
        #expect(driver.report == Self.report(0, lost: [("a", "item_bad"), ("b", "call_not_carried")]))
    }

    // MARK: Input

    @Test func anItemThatCouldNotBeMadeIsLostAndTheNextOneGoes() throws {
        var driver = try SeedingDriver([Self.spoken("a"), Self.said("b")], inputs: ["a": 4], created: "{}", echoes: false)
        driver.inFlight = []
        driver.act(driver.seeding.inputMissing(itemID: "a"))
        #expect(driver.sent == ["a", "b"])
        driver.act(driver.seeding.inputMissing(itemID: "a"))
        try driver.confirm("b")
        #expect(driver.report == Self.report(1, lost: [("a", "audio_not_kept")]))
    }

    @Test func whatTheSenderHadToAlterIsReportedIfItIsConfirmed() throws {
        let records = [Self.spoken("a", transcript: "\"x\""), Self.spoken("b", transcript: "\"y\""), Self.spoken("c", transcript: "\"z\"")]
        var driver = try SeedingDriver(records, inputs: ["a": 4, "b": 4], created: "{}")
        driver.seeding.sent(itemID: "a", alteration: "audio_as_transcript")
        driver.seeding.sent(itemID: "b", alteration: "audio_as_transcript")
        try driver.confirm("a")
        try driver.refuse(item: "b")
        try driver.confirm("c")
        let altered = [("a", "audio_as_transcript"), ("c", "audio_as_transcript")]
        #expect(driver.report == Self.report(2, lost: [("b", "item_bad")], altered: altered))
    }

    @Test func aCreateIsTheItemAndTheBridgesEventID() {
        let event = Seeding.event(creating: Array(#"{"id":"a"}"#.utf8), eventID: "e")
        #expect(String(decoding: event.frame, as: UTF8.self) == #"{"type":"conversation.item.create","event_id":"e","item":{"id":"a"}}"#)
    }

    // MARK: Random walks

    /// What happened in it, so that it is known that the walks went everywhere.
    private struct Coverage {
        var finished = 0, refused = 0, refusedItems = 0, missing = 0, orphans = 0, silenced = 0
    }

    @Test func everyWalkEndsWithEachItemConfirmedOrNotedOnce() throws {
        var coverage = Coverage()
        for seed in 0..<500 as Range<UInt64> { try walk(seed, &coverage) }
        #expect(coverage.finished > 300)
        #expect(coverage.refused > 10)
        #expect(coverage.refusedItems > 300)
        #expect(coverage.missing > 100)
        #expect(coverage.orphans > 50)
        #expect(coverage.silenced > 100)
    }

    private func walk(_ seed: UInt64, _ coverage: inout Coverage) throws {
        var dice = SeededRandom(seed: seed)
        let echoes = !dice.once(in: 3)
        let records = Self.conversation(dice.roll(0...60), &dice)
        let inputs = Dictionary(records.filter { _ in dice.once(in: 2) }.map { ($0.id, 10) }) { a, _ in a }
        var driver = try SeedingDriver(
            records, inputs: inputs, configuration: dice.once(in: 2) ? #"{"type":"realtime"}"# : nil,
            created: dice.once(in: 2) ? "{}" : SeedingDriver.created, dice.once(in: 2) ? .ga : .beta, echoes: echoes)
        var answeredUpdates = 0
        var confirmed: [String] = []
        var steps = 0
        while driver.end == nil {
            steps += 1
            try #require(steps < 2_000, "seed \(seed) does not end")
            #expect(driver.inFlight.count <= (echoes ? 16 : 1))
            if answeredUpdates < driver.updates.count {
                #expect(driver.inFlight.isEmpty, "nothing is in flight beside an update, seed \(seed)")
                if dice.once(in: 4) { try Self.unrelated(&driver, &dice) }
                answeredUpdates += 1
                if dice.once(in: 20) {
                    try driver.refuse(eventID: !echoes && dice.once(in: 2) ? nil : driver.updateIDs.last)
                } else {
                    try driver.updated()
                }
                continue
            }
            try #require(!driver.inFlight.isEmpty, "seed \(seed) waits for nothing")
            let item = driver.inFlight[dice.roll(0...driver.inFlight.count - 1)]
            switch dice.roll(1...12) {
            case 1...6:
                confirmed.append(item.item)
                try driver.confirm(item.item, as: dice.once(in: 2) ? "conversation.item.added" : "conversation.item.created")
            case 7:
                coverage.refusedItems += 1
                if dice.once(in: echoes ? 4 : 2) {
                    // Not said which: the one whose turn it is.
                    driver.inFlight.removeFirst()
                    try driver.refuse(eventID: nil)
                } else {
                    try driver.refuse(item: item.item)
                }
            case 8:
                coverage.missing += 1
                driver.inFlight.removeAll { $0.item == item.item }
                driver.act(driver.seeding.inputMissing(itemID: item.item))
            case 9: driver.seeding.sent(itemID: item.item, alteration: dice.once(in: 2) ? "audio_as_transcript" : nil)
            default: try Self.unrelated(&driver, &dice)
            }
        }
        try Self.check(driver, records, confirmed: confirmed, seed, &coverage)
    }

    private static func check(
        _ driver: SeedingDriver, _ records: [ItemRecord], confirmed: [String], _ seed: UInt64, _ coverage: inout Coverage
    ) throws {
        if case .refused = driver.end { coverage.refused += 1 }
        guard let report = driver.report else { return }
        coverage.finished += 1
        coverage.orphans += report.lost.count { $0.why == "call_not_carried" }
        #expect(report.replayed == confirmed.count)
        #expect((confirmed + report.lost.map(\.id)).sorted() == records.map(\.id).sorted(), "seed \(seed)")
        #expect(report.altered.allSatisfy { confirmed.contains($0.id) })
        #expect(Set(report.altered.map(\.id)).count == report.altered.count)
        // In the order of the conversation, each once.
        let order = Dictionary(uniqueKeysWithValues: records.enumerated().map { ($1.id, $0) })
        let places = driver.sent.compactMap { order[$0] }
        #expect(places == places.sorted() && Set(places).count == places.count)
        let silencing = driver.updates.filter { $0.contains("\"create_response\":false") }
        coverage.silenced += silencing.count
        if !silencing.isEmpty {
            #expect(driver.updates.count == 2)
            #expect(driver.updates.first == silencing.first)
            #expect(driver.updates.last?.contains("\"create_response\":true") == true)
        }
    }

    private static func conversation(_ count: Int, _ dice: inout SeededRandom) -> [ItemRecord] {
        var calls: [String] = []
        return (0..<count).map { number in
            let id = "i\(number)"
            switch dice.roll(1...6) {
            case 1: return spoken(id, transcript: dice.once(in: 2) ? "\"t\"" : "null")
            case 2:
                calls.append(id)
                return call(id)
            case 3: return output(id, of: calls.randomElement(using: &dice) ?? "none")
            default: return said(id)
            }
        }
    }

    private static func unrelated(_ driver: inout SeedingDriver, _ dice: inout SeededRandom) throws {
        let events = [
            #"{"type":"conversation.created","conversation":{"id":"c"}}"#, #"{"type":"rate_limits.updated"}"#,
            #"{"type":"conversation.item.added","item":{"id":"someone_elses"}}"#, #"{"type":"conversation.item.created"}"#,
            #"{"type":"conversation.item.done","item":{"id":"i1"}}"#, #"{"type":"ping"}"#,
            #"{"type":"error","error":{"code":"x","message":"m","event_id":"event_other"}}"#,
            #"{"type":"response.created","response":{"id":"r"}}"#,
        ]
        try driver.receive(try #require(events.randomElement(using: &dice)))
    }
}
