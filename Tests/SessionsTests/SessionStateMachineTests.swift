import EventLog
import Realtime
import Testing
import Upstream

@testable import Sessions

/// Plays upstream and callers against the machine, without I/O.
struct MachineDriver {
    var machine: SessionStateMachine
    var log: [String] = []
    var frames: [[UInt8]] = []
    var sent: [ClientEvent] = []
    var unwritten: [Command] = []
    /// Of events that brought a changed record along.
    var recorded: [String] = []
    var answers: [CommandID: [ReplyMatcher.Stage]] = [:]
    var failures: [CommandID: SessionError.Code] = [:]
    /// As often as they were told.
    var failed: [CommandID] = []
    var messages: [String] = []
    var secrets: [String] = []
    var accepted: [CommandID] = []
    /// Links asked for and not yet closed, oldest first.
    var links: [LinkID] = []
    var givenBack: [LinkID] = []
    var opened = 0
    var closed = 0
    var now = 1_000_000_000
    private var next = 1

    static func record(isOneShot: Bool = false) -> SessionRecord {
        SessionRecord(
            id: "rts_test", owner: nil, createdAt: 0, model: "m", dialect: .beta, upstreamName: "u", status: .connecting,
            metadata: Array("{}".utf8), settings: Array("{}".utf8), upstreamDialect: .beta, isOneShot: isOneShot)
    }

    static let first = #"{"type":"session.created","session":{"id":"sess_1","expires_at":99}}"#

    init(
        profile: UpstreamProfile = UpstreamProfile(maximumSessionAge: nil), times: SessionTimes = SessionTimes(),
        created: String = Self.first, settings: SessionSettings = SessionSettings(), isOneShot: Bool = false
    ) {
        machine = SessionStateMachine(new: Self.record(isOneShot: isOneShot), profile: profile, times: times)
        machine.set(settings)
        let (id, actions) = machine.firstLinkOpened(created: Array(created.utf8), openedAt: now, at: now)
        links = [id]
        act(actions)
    }

    @discardableResult
    mutating func take(_ json: String, rejectIfActive: Bool = false) throws -> CommandID {
        let prepared = try CommandBuilder(machine: machine).build(JSON.parse(json), firstID: next, rejectIfActive: rejectIfActive)
        for command in prepared.commands {
            next = command.id + 1
            act(try machine.take(command, at: now))
        }
        return next - 1
    }

    /// - Returns: the command that creates the response; the one that adds the item is before it, the one that takes it out behind it.
    @discardableResult
    mutating func ask(
        _ response: String = #"{"type":"response.create"}"#, after item: String? = nil, _ ifActive: IfActive = .queue
    ) throws -> CommandID {
        let planned = try CommandBuilder(machine: machine).plan(
            JSON.parse(response), after: item.map { try JSON.parse($0) }, ifActive: ifActive, firstID: next)
        act(try machine.take(planned, at: now))
        next += 3
        return planned.id
    }

    mutating func withdraw(_ id: CommandID) -> Bool {
        guard let actions = machine.withdraw(id, because: SessionError(.upstreamUnavailable, "taken back"), at: now) else { return false }
        act(actions)
        return true
    }

    @discardableResult
    mutating func interrupt(played: Int? = nil, item: String? = nil) throws -> (cancel: CommandID?, cut: CommandID?) {
        let id = next
        let cut = played.map { PlannedCut(id: id + 1, playedMilliseconds: $0, itemID: item) }
        let step = try machine.interrupt(id, mark: 7, cutting: cut, at: now)
        next += 2
        act(step.actions)
        return (step.cancel?.id, step.isCutPlanned ? cut?.id : nil)
    }

    /// The socket takes everything that was sent.
    mutating func write() {
        for command in unwritten {
            machine.sending(command.id, on: links.first ?? 0)
            act(machine.written(command.id, on: links.first ?? 0, at: now))
        }
        unwritten = []
    }

    mutating func receive(_ json: String) {
        act(machine.received(Array(json.utf8), on: links.first ?? 0, secrets: secrets, at: now))
    }

    /// The connection in use ends.
    mutating func lose(code: Int? = 1006, reason: String = "gone", isTooLarge: Bool = false) {
        guard !links.isEmpty else { return }
        unwritten = []
        act(machine.linkLost(links.removeFirst(), code: code, reason: reason, isTooLarge: isTooLarge, at: now))
    }

    /// The connection that was asked for last opens.
    mutating func open(_ created: String = #"{"type":"session.created","session":{"id":"sess_2"}}"#) {
        act(machine.linkOpened(links.last ?? 0, created: Array(created.utf8), openedAt: now, at: now))
    }

    mutating func fail(_ code: SessionError.Code = .upstreamUnavailable, retryAfter: Int? = nil, isFinal: Bool = false) {
        guard let id = links.popLast() else { return }
        act(machine.linkFailed(id, SessionError(code, "no", retryAfterMilliseconds: retryAfter), isFinal: isFinal, at: now))
    }

    /// Time passes up to the next deadline and the machine is told.
    @discardableResult
    mutating func wait() -> Int? {
        guard let deadline = machine.nextDeadline else { return nil }
        now = max(now, deadline)
        act(machine.tick(at: now))
        return deadline
    }

    mutating func wait(_ milliseconds: Int) {
        now += milliseconds
        act(machine.tick(at: now))
    }

    mutating func suspend() { act(machine.suspend(reason: "idle")) }

    mutating func act(_ actions: [SessionStateMachine.Action]) {
        for action in actions {
            switch action {
            case .openLink(let id):
                opened += 1
                links.append(id)
            case .closeLink(let id):
                closed += 1
                links.removeAll { $0 == id }
            case .giveBackLink(let id):
                givenBack.append(id)
                links.removeAll { $0 == id }
            case .send(_, .command(let command)):
                sent.append(command.event)
                unwritten.append(command)
            case .send(_, .seed(.event(let event))): sent.append(event)
            case .send(_, .seed(.item(let seed, let eventID))):
                sent.append(Seeding.event(creating: seed.item(input: nil)?.bytes ?? [], eventID: eventID))
            case .accept(let commands): accepted += commands
            case .append(let append):
                #expect(append.seq == log.count + 1)
                log.append(append.event?.type ?? "?")
                if append.record != nil { recorded.append(log[log.count - 1]) }
                frames.append(append.frame)
                for answer in append.answers { answers[answer.command, default: []].append(answer.stage) }
            case .fail(let commands, let error):
                for command in commands { failures[command] = error.code }
                failed += commands
                messages.append(error.message)
            }
        }
    }

    var lastToken: String {
        let event = try? JSON.parse(sent.last?.frame ?? [])
        return event?["response"].flatMap(CorrelationToken.read) ?? "none"
    }
}

@Suite struct SessionStateMachineTests {
    private let say = #"{"type":"conversation.item.create","item":{"id":"i1","type":"message","role":"user","content":[]}}"#

    private func created(_ id: String, token: String?, outOfBand: Bool = false) -> String {
        let metadata = token.map { "{\"realtime_bridge\":\"\($0)\"}" } ?? "null"
        let conversation = outOfBand ? "null" : "\"conv_1\""
        return
            "{\"type\":\"response.created\",\"response\":{\"id\":\"\(id)\",\"status\":\"in_progress\",\"conversation_id\":\(conversation),\"metadata\":\(metadata)}}"
    }

    private func done(_ id: String, _ status: String = "completed") -> String {
        "{\"type\":\"response.done\",\"response\":{\"id\":\"\(id)\",\"status\":\"\(status)\",\"conversation_id\":\"conv_1\",\"usage\":{\"total_tokens\":3}}}"
    }

    @Test func theFirstEventIsSessionCreated() {
        let driver = MachineDriver()
        #expect(driver.log == ["session.created", "bridge.upstream.connected"])
        #expect(driver.machine.record.status == .active)
        #expect(driver.machine.record.upstreamSessionID == "sess_1")
        #expect(driver.machine.record.upstreamExpiresAt == 99)
    }

    @Test func theRecordIsLoggedWithTheEventsThatChangeItAndNoOthers() {
        var driver = MachineDriver()
        driver.receive(#"{"type":"response.text.delta","delta":"a"}"#)
        driver.receive(#"{"type":"session.updated","session":{"id":"sess_1","voice":"ash"}}"#)
        driver.receive(#"{"type":"response.text.delta","delta":"b"}"#)
        driver.receive(created("r1", token: nil))
        driver.receive(done("r1"))
        driver.lose(code: 1006, reason: "")
        #expect(driver.recorded == ["session.created", "session.updated", "response.done", "bridge.upstream.disconnected"])
    }

    @Test(arguments: ["conversation.item.created", "conversation.item.added"])
    func anItemIsConfirmedByItsIdInEitherSpelling(name: String) throws {
        var driver = MachineDriver()
        let first = try driver.take(say)
        let second = try driver.take(say.replacing("i1", with: "i2"))
        driver.receive("{\"type\":\"\(name)\",\"item\":{\"id\":\"i2\"}}")
        #expect(driver.answers == [second: [.confirmed]])
        driver.receive("{\"type\":\"\(name)\",\"item\":{\"id\":\"i1\"}}")
        #expect(driver.answers[first] == [.confirmed])
    }

    @Test func anErrorSettlesExactlyTheCommandItNames() throws {
        var driver = MachineDriver()
        let first = try driver.take(say)
        let second = try driver.take(#"{"type":"input_audio_buffer.commit"}"#)
        let id = driver.sent[1].eventID
        driver.receive(
            "{\"type\":\"error\",\"error\":{\"message\":\"empty\",\"code\":\"input_audio_buffer_commit_empty\",\"event_id\":\"\(id)\"}}")
        guard case .refused(let error)? = driver.answers[second]?.first else { return #expect(Bool(false), "not refused") }
        #expect(error.code == "input_audio_buffer_commit_empty")
        #expect(driver.answers[first] == nil)
        // One that names nobody answers nobody.
        driver.receive(#"{"type":"error","error":{"message":"?","event_id":null}}"#)
        #expect(driver.answers[first] == nil)
    }

    @Test(arguments: ["speech_stopped", "timeout_triggered"])
    func aCommitOfVoiceActivityDetectionAnswersNobodysCommit(told: String) throws {
        var driver = MachineDriver()
        let commit = try driver.take(#"{"type":"input_audio_buffer.commit"}"#)
        driver.receive(#"{"type":"input_audio_buffer.\#(told)","item_id":"vad"}"#)
        driver.receive(#"{"type":"input_audio_buffer.committed","item_id":"vad"}"#)
        #expect(driver.answers[commit] == nil)
        driver.receive(#"{"type":"input_audio_buffer.committed","item_id":"mine"}"#)
        #expect(driver.answers[commit] == [.confirmed])
    }

    @Test func aResponseIsToldByItsTokenFromTheServersOwn() throws {
        var driver = MachineDriver()
        let mine = try driver.take(#"{"type":"response.create"}"#)
        let token = driver.lastToken
        driver.receive(created("vad", token: nil))
        driver.receive(done("vad"))
        #expect(driver.answers[mine] == nil)
        driver.receive(created("r1", token: token))
        #expect(driver.answers[mine] == [.confirmed])
        driver.receive(done("r1"))
        #expect(driver.answers[mine] == [.confirmed, .finished])
        #expect(driver.machine.record.usage.totalTokens == 6)
    }

    @Test func aSecondResponseIsRefusedBeforeAnythingIsSent() throws {
        var driver = MachineDriver()
        try driver.take(#"{"type":"response.create"}"#, rejectIfActive: true)
        #expect(throws: SessionError.self) { try driver.take(#"{"type":"response.create"}"#, rejectIfActive: true) }
        driver.receive(created("r1", token: driver.lastToken))
        #expect(throws: SessionError.self) { try driver.take(#"{"type":"response.create"}"#, rejectIfActive: true) }
        #expect(driver.sent.count == 1)
        // Out of band runs beside it.
        try driver.take(#"{"type":"response.create","response":{"conversation":"none"}}"#, rejectIfActive: true)
        driver.receive(done("r1"))
        try driver.take(#"{"type":"response.create"}"#, rejectIfActive: true)
        #expect(driver.sent.count == 3)
    }

    @Test func aCancelIsAnsweredByTheResponsesEndAlsoWhenUpstreamFindsItTooLate() throws {
        var driver = MachineDriver()
        try driver.take(#"{"type":"response.create"}"#)
        driver.receive(created("r1", token: driver.lastToken))
        let cancel = try driver.take(#"{"type":"response.cancel","response_id":"r1"}"#)
        let id = driver.sent.last?.eventID ?? ""
        driver.receive(
            "{\"type\":\"error\",\"error\":{\"message\":\"late\",\"code\":\"response_cancel_not_active\",\"event_id\":\"\(id)\"}}")
        #expect(driver.answers[cancel] == nil)
        driver.receive(done("r1"))
        #expect(driver.answers[cancel] == [.finished])
        #expect(throws: SessionError.self) { try driver.take(#"{"type":"response.cancel","response_id":"r1"}"#) }
        #expect(throws: SessionError.self) { try driver.take(#"{"type":"response.cancel"}"#) }
    }

    @Test func duplicateItemsAndSecondAnswersAreRefused() throws {
        var driver = MachineDriver()
        try driver.take(say)
        #expect(throws: SessionError.self) { try driver.take(say) }
        driver.receive(#"{"type":"conversation.item.created","item":{"id":"i1"}}"#)
        driver.receive(#"{"type":"conversation.item.deleted","item_id":"i1"}"#)
        #expect(throws: SessionError.self) { try driver.take(say) }
        let output = #"{"type":"conversation.item.create","item":{"type":"function_call_output","call_id":"c1","output":"1"}}"#
        try driver.take(output)
        #expect(throws: SessionError.self) { try driver.take(output) }
        #expect(driver.sent.count == 2)
    }

    @Test func sixtyFourCommandsWaitAndNoMore() throws {
        var driver = MachineDriver()
        for _ in 0..<64 { try driver.take(#"{"type":"input_audio_buffer.clear"}"#) }
        #expect(throws: SessionError.self) { try driver.take(#"{"type":"input_audio_buffer.clear"}"#) }
        // What upstream never acknowledges does not count.
        try driver.take(#"{"type":"input_audio_buffer.append","audio":"AAAA"}"#.replacing("AAAA", with: "AAAAAAAA"))
    }

    @Test func aClosedSessionRefusesCommands() throws {
        var driver = MachineDriver()
        let item = try driver.take(say)
        driver.act(driver.machine.close(reason: "deleted", at: 7))
        #expect(driver.log.last == "bridge.session.closed")
        #expect(driver.failures == [item: .sessionClosed])
        #expect(throws: SessionError.self) { try driver.take(say) }
        driver.receive(#"{"type":"response.text.delta"}"#)
        #expect(driver.log.last == "bridge.session.closed")
    }

    @Test func whatIsNoEventIsLoggedAsMalformed() {
        var driver = MachineDriver()
        for frame in ["[1]", "nonsense", #"{"no":"type"}"#, #"{"type":5}"#] { driver.receive(frame) }
        #expect(driver.log.suffix(4).allSatisfy { $0 == "bridge.upstream.malformed" })
    }

    @Test func keysThatUpstreamEchoesAreMaskedInTheLog() throws {
        var driver = MachineDriver()
        driver.receive(
            #"{"type":"error","error":{"code":"invalid_api_key","message":"Incorrect API key provided: sk-proj-abcdef0123456789."}}"#)
        let frame = String(decoding: try #require(driver.frames.last), as: UTF8.self)
        #expect(frame.contains("Incorrect API key provided"))
        #expect(!frame.contains("abcdef0123456789"))
    }

    /// Keys that are not shaped like OpenAI's are known by their value.
    @Test func knownCredentialsAreMaskedWhereverUpstreamSaysThem() throws {
        var driver = MachineDriver()
        driver.secrets = ["mykey-SECRETSECRET123"]
        driver.receive(#"{"type":"error","error":{"message":"no such key mykey-SECRETSECRET123"}}"#)
        driver.receive("no event, but mykey-SECRETSECRET123")
        for frame in driver.frames.suffix(2) { #expect(!String(decoding: frame, as: UTF8.self).contains("SECRETSECRET")) }
    }

    @Test func theBridgesOwnNamesAreNotUpstreamsToUse() {
        var driver = MachineDriver()
        driver.receive(#"{"type":"bridge.session.closed","reason":"not true"}"#)
        #expect(driver.log.last == "bridge.upstream.malformed")
    }

    @Test func aFrameWithANameTwiceIsPassedOn() {
        var driver = MachineDriver()
        driver.receive(#"{"type":"response.done","type":"x","response":{"id":"r"}}"#)
        #expect(driver.log.last == "response.done")
    }

    @Test func onlyWhatWasSaidRightBeforeACloseExplainsIt() throws {
        var driver = MachineDriver()
        driver.receive(#"{"type":"error","error":{"message":"an old complaint"}}"#)
        driver.receive(#"{"type":"input_audio_buffer.cleared"}"#)
        try driver.take(say)
        driver.write()
        driver.lose(code: nil)
        for _ in 0..<Reconnection.attemptsAfterLoss {
            driver.fail()
            driver.wait()
        }
        #expect(!driver.messages.isEmpty)
        #expect(driver.messages.allSatisfy { !$0.contains("an old complaint") })
        var other = MachineDriver()
        try other.take(#"{"type":"response.create"}"#)
        other.write()
        other.receive(#"{"type":"error","error":{"message":"quota is used up"}}"#)
        other.lose(code: 1011, reason: "")
        #expect(other.messages.contains { $0.contains("quota is used up") })
    }

    @Test(arguments: ["0", "-1", "9223372036854775807", "1e99"])
    func aRateThatNoSoundHasCountsAsTheUsualOne(rate: String) throws {
        var driver = MachineDriver()
        driver.receive(
            "{\"type\":\"session.updated\",\"session\":{\"audio\":{\"input\":{\"format\":{\"type\":\"audio/pcm\",\"rate\":\(rate)}}}}}")
        #expect(AudioFormat.input(of: driver.machine.record, UpstreamProfile()).milliseconds(bytes: 48_000) == 1_000)
    }

    @Test func base64MayHaveItsSlashesEscaped() throws {
        var driver = MachineDriver()
        try driver.take(#"{"type":"input_audio_buffer.append","audio":"AA\/\/AAAA"}"#)
        #expect(try JSON.parse(driver.sent.last?.frame ?? [])["audio"]?.string == "AA//AAAA")
    }

    @Test(arguments: [
        (#"{"a":1}"#, #"{"b":2}"#, #"{"a":1,"b":2}"#),
        (
            #"{"turn_detection":{"type":"server_vad","threshold":0.5}}"#, #"{"turn_detection":{"type":"semantic_vad"}}"#,
            #"{"turn_detection":{"type":"semantic_vad"}}"#
        ),
        (
            #"{"audio":{"input":{"format":1,"turn_detection":2},"output":{"voice":"a"}}}"#, #"{"audio":{"input":{"turn_detection":null}}}"#,
            #"{"audio":{"input":{"format":1,"turn_detection":null},"output":{"voice":"a"}}}"#
        ),
    ])
    func configurationsAddUp(old: String, new: String, sum: String) {
        let merged = SessionConfiguration.merge(Array(old.utf8), with: Array(new.utf8))
        #expect(String(decoding: merged, as: UTF8.self) == sum)
    }

    @Test(arguments: [
        #"{}"#, #"{"type":5}"#, #"[]"#, #"{"type":"session.update"}"#, #"{"type":"session.update","session":5}"#,
        #"{"type":"conversation.item.create"}"#, #"{"type":"conversation.item.create","item":{"id":5}}"#,
        #"{"type":"conversation.item.create","item":{"id":"123456789012345678901234567890123"}}"#,
        #"{"type":"conversation.item.delete"}"#, #"{"type":"conversation.item.truncate","item_id":"i"}"#,
        #"{"type":"conversation.item.truncate","item_id":"i","audio_end_ms":-1}"#, #"{"type":"input_audio_buffer.append"}"#,
        #"{"type":"input_audio_buffer.append","audio":"A"}"#, #"{"type":"input_audio_buffer.append","audio":""}"#,
        #"{"type":"input_audio_buffer.append","audio":"AAAA"}"#, #"{"type":"response.create","response":5}"#,
        #"{"type":"response.create","response":{"metadata":5}}"#, #"{"type":"response.cancel","response_id":"r"}"#,
        #"{"type":"x","event_id":5}"#,
    ])
    func badEventsAreRefusedBeforeAnythingIsSent(event: String) {
        var driver = MachineDriver()
        #expect(throws: SessionError.self) { try driver.take(event) }
        #expect(driver.sent.isEmpty)
    }

    @Test func largeAppendsAreSplitAtWholeSamples() throws {
        var driver = MachineDriver()
        // 600,000 bytes are 800,000 characters.
        let audio = String(repeating: "AAAA", count: 200_000)
        try driver.take("{\"type\":\"input_audio_buffer.append\",\"audio\":\"\(audio)\",\"event_id\":\"mine\"}")
        #expect(driver.sent.count == 3)
        let pieces = try driver.sent.map { try #require(JSON.parse($0.frame)["audio"]?.string) }
        #expect(pieces.joined() == audio)
        for piece in pieces { #expect(Base64.decodedCount(Array(piece.utf8)[...]) <= 256 << 10) }
        for event in driver.sent { #expect(BridgeEventID.callers(in: event.eventID) == "mine") }
        #expect(Set(driver.sent.map(\.eventID)).count == 3)
    }

    @Test func truncationBeyondTheAudioIsClamped() throws {
        var driver = MachineDriver()
        driver.receive(#"{"type":"response.output_item.added","response_id":"r","item":{"id":"a"}}"#)
        driver.receive(#"{"type":"conversation.item.created","item":{"id":"a"}}"#)
        // 4,800 bytes of 24 kHz 16-bit audio are 100 ms.
        let audio = String(repeating: "AAAA", count: 1_600)
        driver.receive("{\"type\":\"response.audio.delta\",\"item_id\":\"a\",\"delta\":\"\(audio)\"}")
        try driver.take(#"{"type":"conversation.item.truncate","item_id":"a","audio_end_ms":500}"#)
        #expect(try JSON.parse(driver.sent.last?.frame ?? [])["audio_end_ms"]?.int == 100)
        try driver.take(#"{"type":"conversation.item.truncate","item_id":"a","audio_end_ms":60,"content_index":0}"#)
        #expect(try JSON.parse(driver.sent.last?.frame ?? [])["audio_end_ms"]?.int == 60)
    }
}
