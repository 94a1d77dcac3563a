import EventLog
import Realtime
import Testing
import Upstream

@testable import Sessions

/// What losing upstream does to a session, by the machine alone.
@Suite struct LossTests {
    private let say = #"{"type":"conversation.item.create","item":{"id":"i1","type":"message","role":"user","content":[]}}"#
    private let added =
        #"{"type":"conversation.item.created","previous_item_id":null,"item":{"id":"i1","type":"message","role":"user","content":[{"type":"input_text","text":"Hi"}]}}"#

    private func created(_ id: String, token: String) -> String {
        "{\"type\":\"response.created\",\"response\":{\"id\":\"\(id)\",\"status\":\"in_progress\",\"conversation_id\":\"c\",\"metadata\":{\"realtime_bridge\":\"\(token)\"}}}"
    }

    private func types(_ driver: MachineDriver, from: Int) -> [String] { Array(driver.log.dropFirst(from)) }

    @Test func everyResponseEndsOnceWhoWaitsIsAnsweredOrAskedAgain() throws {
        var driver = MachineDriver()
        let item = try driver.take(say)
        let response = try driver.take(#"{"type":"response.create"}"#)
        let raw = try driver.take(#"{"type":"x.unknown"}"#)
        driver.write()
        driver.receive(created("r1", token: driver.lastToken(of: "response.create")))
        let second = try driver.take(#"{"type":"response.create","response":{"conversation":"none"}}"#)
        driver.write()
        driver.lose()
        #expect(driver.log.suffix(2) == ["response.done", "bridge.upstream.disconnected"])
        #expect(driver.answers[response] == [.confirmed, .finished])
        // Written, and nobody knows whether it was begun.
        #expect(driver.failures == [second: .upstreamLost])
        #expect(driver.machine.record.status == .recovering)
        let length = driver.log.count
        driver.open()
        #expect(types(driver, from: length) == ["bridge.upstream.switched"])
        #expect(driver.sent.last?.name == "conversation.item.create")
        driver.receive(added)
        #expect(driver.answers[item] == [.confirmed])
        #expect(driver.failures[raw] == nil)
        #expect(driver.machine.record.status == .active)
    }

    @Test func theFirstAttemptIsAtOnceAndLaterOnesAreNot() {
        var driver = MachineDriver()
        driver.wait(10_000)
        driver.lose()
        #expect(driver.opened == 1)
        driver.fail()
        #expect(driver.opened == 1)
        let first = driver.machine.nextDeadline.map { $0 - driver.now } ?? -1
        #expect((125...250).contains(first))
        driver.wait()
        #expect(driver.opened == 2)
        driver.fail()
        let second = driver.machine.nextDeadline.map { $0 - driver.now } ?? -1
        #expect((250...500).contains(second))
    }

    @Test(arguments: [(3_000, 3_000), (60_000, 10_000)])
    func aConnectionThatFallsSilentWhileItIsGivenTheConversationIsLeft(stall: Int, wait: Int) throws {
        var driver = MachineDriver(times: SessionTimes(idle: nil, stall: stall, seeding: 10_000))
        driver.receive(added)
        driver.lose()
        driver.open()
        let began = driver.now
        #expect(driver.wait() == began + wait)
        #expect(driver.closed == 1)
        driver.wait()
        driver.open()
        driver.receive(added)
        #expect(driver.switches.last?["items_replayed"]?.int == 1)
    }

    @Test func upstreamThatStaysAwaySuspendsTheSessionAndAnswersWhoWaits() throws {
        var driver = MachineDriver()
        driver.wait(Reconnection.stableMilliseconds)
        driver.lose()
        let item = try driver.take(say)
        for _ in 0..<20 where driver.machine.record.status == .recovering {
            driver.fail()
            driver.wait()
        }
        #expect(driver.machine.record.status == .suspended)
        #expect(driver.log.last == "bridge.session.suspended")
        #expect(driver.failures == [item: .upstreamUnavailable])
        #expect(driver.opened == Reconnection.attemptsAfterLoss)
        #expect(driver.machine.nextDeadline == nil)
        // The next command tries again.
        try driver.take(say)
        #expect(driver.opened == Reconnection.attemptsAfterLoss + 1)
    }

    @Test func aWakeThatMeetsAnOpenCircuitIsToldWhenToComeBack() throws {
        var driver = MachineDriver()
        driver.suspend()
        let item = try driver.take(say)
        driver.fail(retryAfter: 4_000)
        #expect(driver.failures == [item: .upstreamUnavailable])
        #expect(driver.machine.record.status == .suspended)
    }

    @Test func whileTheCircuitIsOpenNobodyWaitsForNothing() throws {
        var driver = MachineDriver()
        let asked = try driver.take(#"{"type":"input_audio_buffer.clear"}"#)
        driver.write()
        driver.lose()
        let waiting = try driver.take(say)
        driver.fail(retryAfter: 9_000)
        #expect(driver.failures == [waiting: .upstreamUnavailable])
        do {
            try driver.take(say)
            Issue.record("a command was taken while upstream is down")
        } catch let error as SessionError {
            #expect(error.retryAfterMilliseconds == 9_000)
        }
        // What upstream was asked before is asked again when it is back.
        driver.wait()
        driver.open()
        driver.receive(#"{"type":"input_audio_buffer.cleared"}"#)
        #expect(driver.answers == [asked: [.confirmed]])
        try driver.take(say)
    }

    @Test(
        arguments: [
            (3000, nil), (4000, nil), (4004, nil), (1008, "invalid_api_key"), (nil, "insufficient_quota"),
            (1011, "billing_hard_limit_reached"),
        ] as [(Int?, String?)])
    func whatNoRetryCanHelpFailsTheSession(code: Int?, error: String?) throws {
        var driver = MachineDriver()
        let item = try driver.take(say)
        driver.write()
        if let error { driver.receive("{\"type\":\"error\",\"error\":{\"code\":\"\(error)\",\"message\":\"the words of upstream\"}}") }
        driver.lose(code: code, reason: "the words of upstream")
        #expect(driver.machine.record.status == .failed)
        #expect(driver.log.suffix(2) == ["bridge.upstream.disconnected", "bridge.session.closed"])
        #expect(driver.failures == [item: .upstreamLost])
        #expect(driver.messages.allSatisfy { $0.contains("the words of upstream") })
        #expect(driver.opened == 0)
        #expect(throws: SessionError.self) { try driver.take(say) }
    }

    @Test(arguments: [(1001, nil), (nil, "session_expired")] as [(Int?, String?)])
    func anExpiredConnectionIsReplacedAtOnce(code: Int?, error: String?) {
        var driver = MachineDriver()
        if let error { driver.receive("{\"type\":\"error\",\"error\":{\"code\":\"\(error)\",\"message\":\"over\"}}") }
        driver.lose(code: code)
        #expect(driver.opened == 1)
        driver.open()
        #expect(driver.switches.last?["reason"]?.string == "expired")
    }

    @Test func aRefusalWhileWakingAnswersAndLeavesTheSession() throws {
        var driver = MachineDriver()
        driver.suspend()
        let item = try driver.take(say)
        driver.fail(.upstreamUnauthorized, isFinal: true)
        #expect(driver.failures == [item: .upstreamUnauthorized])
        #expect(driver.machine.record.status == .suspended)
    }

    @Test func theConversationAndTheConfigurationAreGivenToTheNextConnection() throws {
        var driver = MachineDriver()
        try driver.take(#"{"type":"session.update","session":{"voice":"ash","turn_detection":null}}"#)
        driver.receive(#"{"type":"session.updated","session":{"voice":"ash","turn_detection":null,"id":"sess_1"}}"#)
        driver.receive(added)
        driver.suspend()
        #expect(driver.closed == 1)
        let length = driver.log.count
        let item = try driver.take(say.replacing("i1", with: "i2"))
        #expect(driver.opened == 1)
        driver.open()
        let restored = try JSON.parse(driver.sent.last?.frame ?? [])
        #expect(restored["session"].map { String(decoding: $0.lexeme, as: UTF8.self) } == #"{"voice":"ash","turn_detection":null}"#)
        driver.receive(#"{"type":"session.updated","session":{"voice":"ash","id":"sess_2"}}"#)
        #expect(try JSON.parse(driver.sent.last?.frame ?? [])["item"]?["id"]?.string == "i1")
        // Commands queue, and what upstream says until then is not logged.
        #expect(driver.log.count == length)
        driver.receive(added)
        #expect(types(driver, from: length) == ["bridge.upstream.switched"])
        #expect(driver.switches.last?["items_replayed"]?.int == 1)
        #expect(driver.switches.last?["state_restored"]?.bool == true)
        #expect(driver.sent.last?.name == "conversation.item.create")
        driver.receive(#"{"type":"conversation.item.created","previous_item_id":"i1","item":{"id":"i2"}}"#)
        #expect(driver.answers[item] == [.confirmed])
        #expect(driver.machine.record.generation == 2)
        #expect(driver.machine.projection.conversation.map(\.id) == ["i1", "i2"])
        #expect(driver.machine.record.configuration.map { String(decoding: $0, as: UTF8.self) } == #"{"voice":"ash","id":"sess_2"}"#)
    }

    @Test func aConversationThatIsNotTakenInTimeIsTriedOnAnotherConnection() throws {
        var driver = MachineDriver()
        driver.receive(added)
        driver.suspend()
        let item = try driver.take(say.replacing("i1", with: "i2"))
        for attempt in 1...Reconnection.attemptsToWake {
            driver.open()
            #expect(driver.opened == attempt)
            driver.wait()
            driver.wait()
        }
        #expect(driver.failures == [item: .upstreamUnavailable])
        #expect(driver.machine.record.status == .suspended)
    }

    @Test func aSilentUpstreamCountsAsLost() throws {
        var driver = MachineDriver(times: SessionTimes(idle: nil, stall: 3_000))
        let item = try driver.take(say)
        driver.write()
        driver.wait(2_999)
        #expect(driver.closed == 0)
        driver.wait(1)
        #expect(driver.closed == 1)
        #expect(driver.log.last == "bridge.upstream.disconnected")
        driver.open()
        driver.receive(added)
        #expect(driver.answers[item] == [.confirmed])
        // Nothing is owed now, so silence is nothing.
        #expect(driver.machine.nextDeadline == nil)
    }

    @Test func whatNeverAnswersIsNotSentForEver() throws {
        var driver = MachineDriver(times: SessionTimes(idle: nil, stall: 3_000))
        let item = try driver.take(say)
        for _ in 0..<3 {
            driver.write()
            driver.wait(6_000)
            driver.open()
        }
        #expect(driver.failures == [item: .upstreamLost])
        #expect(driver.sent.count == 3)
    }

    @Test func framesOfAConnectionThatIsGoneAreNotApplied() {
        var driver = MachineDriver()
        let old = driver.links[0]
        driver.lose()
        let length = driver.log.count
        driver.act(driver.machine.received(Array(added.utf8), on: old, at: driver.now))
        driver.act(driver.machine.linkLost(old, code: 1006, reason: "", at: driver.now))
        driver.act(driver.machine.linkOpened(old, created: Array(added.utf8), openedAt: 0, at: driver.now))
        #expect(driver.log.count == length)
        // One that opens too late is closed.
        #expect(driver.closed == 1)
    }

    // MARK: What a review found

    @Test(arguments: [1011, 1001])
    func anUpstreamThatBreaksAsSoonAsItIsOpenIsNotAskedInACircle(code: Int) {
        var driver = MachineDriver()
        for _ in 0..<20 where !driver.machine.record.status.isOver {
            driver.open()
            driver.lose(code: code)
            if driver.links.isEmpty { driver.wait() }
        }
        #expect(driver.machine.record.status == .suspended)
        #expect(driver.opened <= Reconnection.attemptsAfterLoss)
    }

    @Test(arguments: [
        (UpstreamError.Code.refusedAtHandshake(status: 404), false), (.refusedAtHandshake(status: 302), false),
        (.refusedAtHandshake(status: 401), true), (.refused(closeCode: nil, errorType: nil, errorCode: nil), false),
        (.refused(closeCode: 1008, errorType: nil, errorCode: nil), false),
        (.refused(closeCode: 3000, errorType: nil, errorCode: nil), true),
        (.refused(closeCode: nil, errorType: nil, errorCode: "insufficient_quota"), true), (.badUpgrade, false), (.tlsFailed, false),
    ])
    func onlyTheServersWordOnKeyModelAndQuotaIsFinal(code: UpstreamError.Code, isFinal: Bool) {
        #expect(LossPolicy.isFinal(code) == isFinal)
        var driver = MachineDriver()
        driver.lose()
        driver.fail(.upstreamRefused, isFinal: LossPolicy.isFinal(code))
        #expect(driver.machine.record.status == (isFinal ? .failed : .recovering))
    }

    @Test func theLateEndOfAnItemThatWasGivenAgainIsNotTheConversations() {
        var driver = MachineDriver()
        spoken(&driver)
        driver.receive(added.replacing("null", with: #""a""#))
        driver.lose()
        driver.open()
        let text = #"{"type":"message","role":"assistant","content":[{"type":"output_text","text":"one two three four"}]}"#
        driver.receive("{\"type\":\"conversation.item.added\",\"item\":{\"id\":\"a\"}}")
        driver.receive("{\"type\":\"conversation.item.done\",\"item\":{\"id\":\"a\",\(text.dropFirst())}")
        driver.receive("{\"type\":\"conversation.item.added\",\"item\":{\"id\":\"i1\"}}")
        let length = driver.log.count
        driver.receive("{\"type\":\"conversation.item.done\",\"item\":{\"id\":\"i1\",\(text.dropFirst())}")
        #expect(driver.log.count == length)
        #expect(driver.machine.projection.items["i1"].map { String(decoding: $0.json, as: UTF8.self) }?.contains("Hi") == true)
        // One that is the conversation's own is logged, also of an item that was given again.
        driver.receive("{\"type\":\"conversation.item.done\",\"item\":{\"id\":\"i1\"}}")
        #expect(driver.log.count == length + 1)
    }

    @Test func aCutOfASuspendedSessionIsCarriedOutWithoutUpstream() throws {
        var driver = MachineDriver()
        spoken(&driver)
        driver.suspend()
        let cut = try driver.take(#"{"type":"conversation.item.truncate","item_id":"a","audio_end_ms":500}"#)
        #expect(driver.answers[cut] == [.confirmed])
        #expect(driver.opened == 0)
        // A later cut cannot bring back what was cut before.
        try driver.take(#"{"type":"conversation.item.truncate","item_id":"a","audio_end_ms":900}"#)
        #expect(driver.machine.projection.items["a"]?.truncatedAtMilliseconds == 500)
    }

    @Test func whatTheSocketWasBeingHandedMayHaveArrived() throws {
        var driver = MachineDriver()
        let response = try driver.take(#"{"type":"response.create"}"#)
        driver.machine.sending(response, on: driver.links[0])
        driver.lose()
        #expect(driver.failures == [response: .upstreamLost])
    }

    @Test func anExpiryThatIsSaidWithoutACloseIsOne() {
        var driver = MachineDriver()
        driver.receive(#"{"type":"error","error":{"code":"session_expired","message":"over"}}"#)
        driver.receive(#"{"type":"rate_limits.updated"}"#)
        driver.wait(999)
        #expect(driver.closed == 0)
        driver.wait(1)
        #expect(driver.closed == 1)
        driver.open()
        #expect(driver.switches.last?["reason"]?.string == "expired")
    }

    @Test func whatWasNeverSentIsNotLost() throws {
        var driver = MachineDriver()
        driver.receive(added)
        driver.suspend()
        let item = try driver.take(say.replacing("i1", with: "i2"))
        for _ in 0..<Reconnection.attemptsToWake {
            driver.open()
            driver.lose()
            if driver.links.isEmpty { driver.wait() }
        }
        #expect(driver.failures == [item: .upstreamUnavailable])
    }

    @Test func audioOutlastsAnUpstreamThatStaysAway() throws {
        var driver = MachineDriver()
        driver.receive(#"{"type":"session.updated","session":{"turn_detection":null}}"#)
        try driver.take(append(UInt8(ascii: "a")))
        driver.write()
        driver.lose()
        // Taken at once: it waits for the next connection.
        let second = try driver.take(append(UInt8(ascii: "b")))
        #expect(driver.accepted == [second])
        for _ in 0..<20 where driver.machine.record.status == .recovering {
            driver.fail()
            driver.wait()
        }
        #expect(driver.machine.record.status == .suspended)
        let sent = driver.sent.count
        let third = try driver.take(append(UInt8(ascii: "c")))
        #expect(driver.accepted.contains(third))
        driver.open()
        #expect(audio(Array(driver.sent.dropFirst(sent))) == ["ab", "c"])
        #expect(driver.failures.isEmpty)
    }

    @Test func aCutThatNoConnectionCanBeToldIsNotForgotten() throws {
        var driver = MachineDriver()
        spoken(&driver)
        driver.lose()
        driver.open()
        driver.receive(#"{"type":"conversation.item.created","item":{"id":"a"}}"#)
        try driver.take(#"{"type":"conversation.item.truncate","item_id":"a","audio_end_ms":500}"#)
        let response = try driver.take(#"{"type":"response.create"}"#)
        for _ in 0..<40 where driver.machine.record.status == .active {
            driver.fail()
            driver.wait()
        }
        #expect(driver.failures == [response: .upstreamUnavailable])
        #expect(driver.machine.record.status == .suspended)
        #expect(driver.links.isEmpty)
    }

    @Test func anAnswerIsNotAskedForWithoutTheTurnItIsTo() throws {
        var driver = MachineDriver()
        driver.receive(#"{"type":"session.updated","session":{"turn_detection":null}}"#)
        // More than is kept.
        for _ in 0..<400 { try driver.take(append(UInt8(ascii: "x"))) }
        let commit = try driver.take(#"{"type":"input_audio_buffer.commit"}"#)
        driver.write()
        let response = try driver.take(#"{"type":"response.create"}"#)
        driver.lose()
        #expect(driver.failures == [commit: .upstreamLost, response: .upstreamLost])
        driver.open()
        #expect(driver.switches.last?["input_audio_lost_ms"]?.int == 10_000)
    }

    // MARK: Audio

    private func append(_ byte: UInt8, samples: Int = 2_400) -> String {
        let audio = String(decoding: Base64.encoded([UInt8](repeating: byte, count: samples * 2)[...]), as: UTF8.self)
        return "{\"type\":\"input_audio_buffer.append\",\"audio\":\"\(audio)\"}"
    }

    private func audio(_ events: [ClientEvent]) -> [String] {
        events.map { event in
            guard let text = (try? JSON.parse(event.frame))?["audio"]?.string else { return event.name }
            let bytes = Base64.decoded(Array(text.utf8)[...]) ?? []
            // Runs of one byte, as letters with their length in 100 ms.
            var runs = ""
            for start in stride(from: 0, to: bytes.count, by: 4_800) { runs += String(UnicodeScalar(bytes[start])) }
            return runs
        }
    }

    @Test func uncommittedAudioIsGivenToTheNextConnectionAroundTheCommitsOnTheirWay() throws {
        var driver = MachineDriver()
        driver.receive(#"{"type":"session.updated","session":{"turn_detection":null}}"#)
        try driver.take(append(UInt8(ascii: "a")))
        let first = try driver.take(#"{"type":"input_audio_buffer.commit"}"#)
        driver.write()
        driver.receive(#"{"type":"input_audio_buffer.committed","item_id":"u1"}"#)
        #expect(driver.machine.inputs["u1"] == 4_800)
        try driver.take(append(UInt8(ascii: "b")))
        let second = try driver.take(#"{"type":"input_audio_buffer.commit"}"#)
        driver.write()
        let third = try driver.take(append(UInt8(ascii: "c")))
        driver.lose()
        #expect(driver.accepted == [third])
        let sent = driver.sent.count
        let fourth = try driver.take(append(UInt8(ascii: "d")))
        driver.open()
        #expect(audio(Array(driver.sent.dropFirst(sent))) == ["b", "input_audio_buffer.commit", "c", "d"])
        driver.receive(#"{"type":"input_audio_buffer.committed","item_id":"u2"}"#)
        #expect(driver.answers == [first: [.confirmed], second: [.confirmed]])
        #expect(driver.machine.inputs["u2"] == 4_800)
        // Lost again at once: what was given but not taken is given again, once.
        driver.write()
        let before = driver.sent.count
        driver.lose()
        if driver.links.isEmpty { driver.wait() }
        driver.open()
        #expect(audio(Array(driver.sent.dropFirst(before))) == ["cd"])
        #expect(fourth > third)
    }

    @Test func anItemThatVoiceDetectionCommittedKeepsItsAudio() throws {
        var driver = MachineDriver()
        driver.receive(#"{"type":"session.updated","session":{"turn_detection":{"type":"server_vad"}}}"#)
        for letter in "sspppss".utf8 { try driver.take(append(letter)) }
        driver.write()
        driver.receive(#"{"type":"input_audio_buffer.speech_started","item_id":"v","audio_start_ms":200}"#)
        driver.receive(#"{"type":"input_audio_buffer.speech_stopped","item_id":"v","audio_end_ms":500}"#)
        driver.receive(#"{"type":"input_audio_buffer.committed","item_id":"v"}"#)
        #expect(driver.machine.inputs["v"] == 3 * 4_800)
        let sent = driver.sent.count
        driver.lose()
        driver.open()
        // Only the silence after it.
        #expect(audio(Array(driver.sent.dropFirst(sent))) == ["ss"])
    }

    @Test(arguments: [true, false])
    func aSpokenTurnThatUpstreamDidNotBeginToAnswerIsAnsweredByTheNextOne(answers: Bool) throws {
        var driver = MachineDriver()
        driver.receive(
            "{\"type\":\"session.updated\",\"session\":{\"turn_detection\":{\"type\":\"server_vad\",\"create_response\":\(answers)}}}")
        driver.receive(#"{"type":"input_audio_buffer.committed","item_id":"v"}"#)
        driver.lose()
        driver.open(
            "{\"type\":\"session.created\",\"session\":{\"turn_detection\":{\"type\":\"server_vad\",\"create_response\":\(answers)}}}")
        #expect(driver.sent.map(\.name) == (answers ? ["response.create"] : []))
        // Once: what was begun gets its terminal instead.
        driver.receive(created("r1", token: "none"))
        driver.lose()
        if driver.links.isEmpty { driver.wait() }
        driver.open()
        #expect(driver.sent.count == (answers ? 1 : 0))
    }

    /// In ga an item is added, then done. The switch is over with the first; the second, which shows the item as it was made again (sound as
    /// text), is no news.
    @Test func whatIsSaidLastAboutSeededItemsIsNotLogged() {
        var driver = MachineDriver()
        spoken(&driver)
        driver.lose()
        driver.open()
        let text = #""item":{"id":"a","type":"message","role":"assistant","content":[{"type":"output_text","text":"one two three four"}]}"#
        driver.receive("{\"type\":\"conversation.item.added\",\(text)}")
        let length = driver.log.count
        #expect(driver.log.last == "bridge.upstream.switched")
        driver.receive("{\"type\":\"conversation.item.done\",\(text)}")
        #expect(driver.log.count == length)
        let kept = driver.machine.projection.items["a"].map { String(decoding: $0.json, as: UTF8.self) }
        #expect(kept?.contains("transcript") == true)
        // Of other items it is.
        driver.receive(#"{"type":"conversation.item.done","item":{"id":"b","type":"message","role":"user","content":[]}}"#)
        #expect(driver.log.last == "conversation.item.done")
    }

    // MARK: What the next connection cannot be told

    private func spoken(_ driver: inout MachineDriver) {
        driver.receive(#"{"type":"response.output_item.added","response_id":"r","item":{"id":"a"}}"#)
        driver.receive(
            #"{"type":"conversation.item.created","item":{"id":"a","type":"message","role":"assistant","content":[{"type":"audio","transcript":"one two three four"}]}}"#
        )
        let audio = String(repeating: "AAAA", count: 16_000)
        driver.receive("{\"type\":\"response.audio.delta\",\"item_id\":\"a\",\"delta\":\"\(audio)\"}")
    }

    /// The old connection made the sound; the new one, which is being given its words, cannot be asked to cut it.
    @Test func aCutThatIsAskedForDuringASwitchIsCarriedOut() throws {
        var driver = MachineDriver()
        spoken(&driver)
        driver.lose()
        driver.open()
        let cut = try driver.take(#"{"type":"conversation.item.truncate","item_id":"a","audio_end_ms":500}"#)
        #expect(driver.answers[cut] == [.confirmed])
        let opened = driver.opened
        driver.receive(#"{"type":"conversation.item.created","item":{"id":"a"}}"#)
        #expect(driver.opened == opened + 1)
        driver.open()
        driver.wait(SessionTimes.lastWords)
        #expect(try JSON.parse(driver.sent.last?.frame ?? [])["item"]?["content"]?[0]?["text"]?.string == "one two")
        driver.receive(#"{"type":"conversation.item.created","item":{"id":"a"}}"#)
        #expect(driver.switches.last?["reason"]?.string == "item_truncated")
    }

    /// One thing at a time is asked there; what waits when the connection is lost meets another one.
    @Test func aCutThatWaitedForItsTurnIsCarriedOutByTheNextConnection() throws {
        var driver = MachineDriver(profile: UpstreamProfile(echoesEventIDs: false, maximumSessionAge: nil))
        spoken(&driver)
        let item = try driver.take(say)
        let cut = try driver.take(#"{"type":"conversation.item.truncate","item_id":"a","audio_end_ms":500}"#)
        #expect(driver.sent.count == 1)
        driver.lose()
        driver.open()
        driver.receive(#"{"type":"conversation.item.created","item":{"id":"a"}}"#)
        driver.receive(added)
        #expect(driver.answers[item] == [.confirmed])
        #expect(driver.answers[cut] == [.confirmed])
        #expect(!driver.sent.contains { $0.name == "conversation.item.truncate" })
    }

    @Test func aCutOfWhatAnEarlierConnectionSaidIsCarriedOutByAnotherOne() throws {
        var driver = MachineDriver()
        spoken(&driver)
        driver.lose()
        driver.open()
        driver.receive(#"{"type":"conversation.item.created","item":{"id":"a"}}"#)
        #expect(driver.switches.last?["items_altered"]?.elements.count == 1)
        let sent = driver.sent.count
        let cut = try driver.take(#"{"type":"conversation.item.truncate","item_id":"a","audio_end_ms":500}"#)
        #expect(driver.answers[cut] == [.confirmed])
        let response = try driver.take(#"{"type":"response.create"}"#)
        // It builds on the cut, which this connection does not know.
        #expect(driver.sent.count == sent)
        driver.open(#"{"type":"session.created","session":{"id":"sess_3"}}"#)
        driver.wait(SessionTimes.lastWords)
        let seed = try JSON.parse(driver.sent.last?.frame ?? [])
        #expect(seed["item"]?["content"]?[0]?["text"]?.string == "one two")
        driver.receive(#"{"type":"conversation.item.created","item":{"id":"a"}}"#)
        #expect(driver.switches.last?["reason"]?.string == "item_truncated")
        #expect(driver.sent.last?.name == "response.create")
        #expect(driver.failures[response] == nil)
    }

    @Test func anItemThatCouldNotBeCarriedCanBeDeleted() throws {
        var driver = MachineDriver()
        driver.receive(#"{"type":"conversation.item.created","item":{"id":"m","type":"mcp_list_tools"}}"#)
        driver.lose()
        driver.open()
        #expect(driver.switches.last?["items_lost"]?[0]?["id"]?.string == "m")
        #expect(driver.switches.last?["state_restored"]?.bool == false)
        let deletion = try driver.take(#"{"type":"conversation.item.delete","item_id":"m"}"#)
        #expect(driver.answers[deletion] == [.confirmed])
        #expect(driver.machine.projection.itemCount == 0)
    }

    // MARK: Servers with other ways

    @Test func aServerThatDoesNotSayWhatItsErrorsAnswerIsAskedOneThingAtATime() throws {
        var driver = MachineDriver(profile: UpstreamProfile(echoesMetadata: false, echoesEventIDs: false, maximumSessionAge: nil))
        let first = try driver.take(say)
        let second = try driver.take(#"{"type":"response.create"}"#)
        #expect(driver.sent.count == 1)
        driver.receive(#"{"type":"error","error":{"message":"no"}}"#)
        guard case .refused? = driver.answers[first]?.first else { return #expect(Bool(false), "not refused") }
        #expect(driver.sent.count == 2)
        driver.receive(#"{"type":"response.created","response":{"id":"r1","status":"in_progress","conversation_id":"c"}}"#)
        driver.receive(#"{"type":"response.done","response":{"id":"r1","status":"completed","conversation_id":"c"}}"#)
        #expect(driver.answers[second] == [.confirmed, .finished])
    }

    @Test func heartbeatsAreNotLogged() {
        var driver = MachineDriver(profile: UpstreamProfile(heartbeats: ["ping"], maximumSessionAge: nil))
        let length = driver.log.count
        driver.receive(#"{"type":"ping"}"#)
        #expect(driver.log.count == length)
    }
}

extension SessionRecord.Status {
    fileprivate var isOver: Bool { self == .suspended || hasEnded }
}

extension MachineDriver {
    /// The bodies of all `bridge.upstream.switched`.
    var switches: [JSON] {
        zip(log, frames).filter { $0.0 == "bridge.upstream.switched" }.compactMap { try? JSON.parse($0.1) }
    }

    func lastToken(of name: String) -> String {
        let event = sent.last { $0.name == name }.flatMap { try? JSON.parse($0.frame) }
        return event?["response"].flatMap(CorrelationToken.read) ?? "none"
    }
}
