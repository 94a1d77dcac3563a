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

    /// The largest would end the next connection as well.
    @Test func aMessageThatIsTooLargeForUpstreamIsRefusedAndTheOthersGoOn() throws {
        var driver = MachineDriver()
        let small = try driver.take(#"{"type":"conversation.item.create","item":{"id":"a","type":"message","role":"user","content":[]}}"#)
        let text = String(repeating: "x", count: 400_000)
        let large = try driver.take(
            #"{"type":"conversation.item.create","item":{"id":"b","type":"message","role":"user","content":[{"type":"input_text","text":"\#(text)"}]}}"#
        )
        driver.write()
        driver.lose(code: 1009, isTooLarge: true)
        #expect(driver.failures == [large: .refusedByUpstream])
        #expect(driver.messages.last?.contains("close code 1009") == true)
        driver.open()
        #expect(driver.sent.last?.eventID == driver.sent.first?.eventID)
        driver.receive(#"{"type":"conversation.item.created","item":{"id":"a","type":"message","role":"user"}}"#)
        #expect(driver.answers[small] == [.confirmed])
    }

    /// Audio that is too large is nobody's command, and the commit behind it not to blame.
    @Test func ofSmallMessagesNoneWasTooLarge() throws {
        var driver = MachineDriver()
        let small = try driver.take(#"{"type":"conversation.item.create","item":{"id":"a","type":"message","role":"user","content":[]}}"#)
        driver.write()
        driver.lose(code: 1009, isTooLarge: true)
        driver.open()
        driver.receive(#"{"type":"conversation.item.created","item":{"id":"a","type":"message","role":"user"}}"#)
        #expect(driver.failures.isEmpty && driver.answers[small] == [.confirmed])
    }

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
