import EventLog
import Realtime
import Testing
import Upstream

@testable import Sessions

/// Connections that are left before their end, idle sessions, and viewers, by the machine alone.
@Suite struct RolloverTests {
    /// A connection of 60 s: its replacement is asked for 15 s before the end, and it is left 5 s before the end at the latest.
    private func driver(
        _ times: SessionTimes = SessionTimes(idle: nil), settings: SessionSettings = SessionSettings()
    ) -> MachineDriver {
        MachineDriver(times: times, created: Self.created(expiring: 1_000_060), settings: settings)
    }

    private static func created(expiring seconds: Int) -> String {
        "{\"type\":\"session.created\",\"session\":{\"id\":\"sess_x\",\"expires_at\":\(seconds)}}"
    }

    private let item =
        #"{"type":"conversation.item.created","previous_item_id":null,"item":{"id":"i1","type":"message","role":"user","content":[{"type":"input_text","text":"Hi"}]}}"#

    @Test func aConnectionIsReplacedBeforeItsEndWithoutALoss() {
        var driver = driver()
        driver.receive(item)
        driver.wait(44_999)
        #expect(driver.opened == 0)
        driver.wait(1)
        #expect(driver.opened == 1)
        #expect(driver.closed == 0)
        driver.open(Self.created(expiring: 1_000_120))
        // The old one is left and the new one is given the conversation.
        #expect(driver.closed == 1)
        driver.receive(item)
        #expect(driver.log.last == "bridge.upstream.switched")
        #expect(driver.switches.last?["reason"]?.string == "expiring")
        #expect(!driver.log.contains("bridge.upstream.disconnected"))
        #expect(driver.machine.nextDeadline == 1_000_101_250)
    }

    @Test func aRunningResponseIsWaitedForAndWhatFollowsIt() throws {
        var driver = driver()
        driver.wait(44_000)
        try driver.take(#"{"type":"response.create"}"#)
        driver.write()
        driver.receive(created("r1", driver.lastToken(of: "response.create")))
        driver.wait(2_000)
        driver.open(Self.created(expiring: 1_000_120))
        #expect(driver.closed == 0)
        driver.receive(done("r1"))
        #expect(driver.closed == 0)
        driver.receive(#"{"type":"rate_limits.updated","rate_limits":[]}"#)
        driver.wait(SessionTimes.settling)
        #expect(driver.closed == 1)
        #expect(driver.log.suffix(2) == ["rate_limits.updated", "bridge.upstream.switched"])
    }

    @Test(arguments: [
        #"{"type":"input_audio_buffer.speech_started","item_id":"v","audio_start_ms":0}"#,
        #"{"type":"conversation.item.created","item":{"id":"f","type":"function_call","call_id":"c1","name":"n","arguments":"{}","status":"completed"}}"#,
    ])
    func aTurnIsWaitedForButNotBeyondTheEnd(begins: String) {
        var driver = driver()
        driver.receive(begins)
        driver.wait(45_000)
        driver.open(Self.created(expiring: 1_000_120))
        driver.wait(9_000)
        #expect(driver.closed == 0)
        driver.wait(1_000)
        #expect(driver.closed == 1)
    }

    /// It is late, and a client that asks at once for the next response would never let go.
    @Test func lateOnWhatFollowsAResponseIsStillHeardAndWhatIsAskedForThenGoesToTheNextConnection() throws {
        var driver = driver()
        try driver.take(#"{"type":"response.create"}"#)
        driver.write()
        driver.receive(created("r1", driver.lastToken(of: "response.create")))
        driver.wait(45_000)
        driver.open(Self.created(expiring: 1_000_120))
        driver.wait(11_000)
        driver.receive(done("r1"))
        #expect(driver.closed == 0)
        let sent = driver.sent.count
        try driver.take(#"{"type":"response.create"}"#)
        #expect(driver.sent.count == sent)
        driver.receive(#"{"type":"rate_limits.updated","rate_limits":[]}"#)
        #expect(driver.machine.nextDeadline == driver.now + SessionTimes.lastWords)
        driver.wait()
        #expect(driver.closed == 1)
        #expect(driver.log.suffix(2) == ["rate_limits.updated", "bridge.upstream.switched"])
        #expect(driver.sent.count == sent + 1)
    }

    @Test func aResponseThatRunsUpToTheEndIsNotCutByTheBridge() throws {
        var driver = driver()
        try driver.take(#"{"type":"response.create"}"#)
        driver.write()
        driver.receive(created("r1", driver.lastToken(of: "response.create")))
        driver.wait(45_000)
        driver.open(Self.created(expiring: 1_000_120))
        driver.wait(14_000)
        #expect(driver.closed == 0)
        // Upstream cuts it, and the connection that is ready takes over at once.
        driver.lose(code: 1001, reason: "over")
        #expect(driver.log.suffix(3) == ["response.done", "bridge.upstream.disconnected", "bridge.upstream.switched"])
        #expect(driver.opened == 1)
    }

    @Test func commandsGoToTheOldConnectionWhileTheNewOneIsMade() throws {
        var driver = driver()
        driver.wait(45_000)
        let clear = try driver.take(#"{"type":"input_audio_buffer.clear"}"#)
        #expect(driver.sent.count == 1)
        driver.open(Self.created(expiring: 1_000_120))
        #expect(driver.closed == 0)
        driver.write()
        driver.receive(#"{"type":"input_audio_buffer.cleared"}"#)
        driver.wait(SessionTimes.settling)
        #expect(driver.closed == 1)
        #expect(driver.answers[clear] == [.confirmed])
    }

    @Test func aReplacementThatCannotBeMadeIsTriedAgainAndTheOldOneServes() throws {
        var driver = driver()
        driver.wait(45_000)
        driver.fail()
        #expect(driver.closed == 0)
        driver.wait()
        #expect(driver.opened == 2)
        try driver.take(#"{"type":"input_audio_buffer.clear"}"#)
        #expect(driver.sent.count == 1)
    }

    @Test func aServerThatSaysNothingAboutItsEndIsLeftByItsKnownAge() {
        var driver = MachineDriver(times: SessionTimes(idle: nil, maximumAge: 100_000), created: #"{"type":"session.created"}"#)
        #expect(driver.machine.nextDeadline == driver.now + 75_000)
        driver.wait()
        #expect(driver.opened == 1)
        var endless = MachineDriver(times: SessionTimes(idle: nil), created: #"{"type":"session.created"}"#)
        #expect(endless.wait() == nil)
    }

    @Test func anotherClockIsNotBelieved() {
        // An end that has passed, or is weeks away.
        for seconds in [5, 1_000_000, 1_000_000 + 30 * 86_400] {
            let driver = MachineDriver(times: SessionTimes(idle: nil), created: Self.created(expiring: seconds))
            #expect(driver.machine.nextDeadline == nil)
        }
    }

    @Test func transcriptsOnTheirWayAreWaitedFor() {
        var driver = driver()
        driver.receive(#"{"type":"session.updated","session":{"input_audio_transcription":{"model":"w"}}}"#)
        driver.receive(#"{"type":"input_audio_buffer.committed","item_id":"u"}"#)
        driver.wait(45_000)
        driver.open(Self.created(expiring: 1_000_120))
        driver.wait(1_000)
        #expect(driver.closed == 0)
        driver.receive(
            #"{"type":"conversation.item.input_audio_transcription.completed","item_id":"u","content_index":0,"transcript":"x"}"#)
        driver.wait(SessionTimes.settling)
        #expect(driver.closed == 1)
    }

    // MARK: Idle sessions

    @Test func anIdleSessionGivesItsConnectionBack() throws {
        var driver = MachineDriver(times: SessionTimes(idle: 5_000))
        driver.wait(4_000)
        driver.receive(item)
        driver.wait(4_999)
        #expect(driver.machine.record.status == .active)
        driver.wait(1)
        #expect(driver.machine.record.status == .suspended)
        #expect(driver.log.last == "bridge.session.suspended")
        #expect(driver.closed == 1)
        #expect(driver.machine.isAtRest)
        #expect(driver.machine.nextDeadline == nil)
        // Woken by the next command.
        try driver.take(#"{"type":"input_audio_buffer.clear"}"#)
        driver.open()
        driver.receive(item)
        #expect(driver.switches.last?["reason"]?.string == "resumed")
    }

    @Test(arguments: ["viewer", "response", "call", "speech", "command"])
    func whoIsBusyIsNotIdle(with what: String) throws {
        var driver = MachineDriver(times: SessionTimes(idle: 5_000, stall: 1_000_000))
        switch what {
        case "viewer": driver.machine.viewersChanged(1, at: driver.now)
        case "response": driver.receive(created("r1", "none"))
        case "call":
            driver.receive(
                #"{"type":"conversation.item.created","item":{"id":"f","type":"function_call","call_id":"c1","name":"n","arguments":"{}","status":"completed"}}"#
            )
        case "speech": driver.receive(#"{"type":"input_audio_buffer.speech_started","item_id":"v","audio_start_ms":0}"#)
        default: try driver.take(#"{"type":"input_audio_buffer.clear"}"#)
        }
        driver.wait(60_000)
        #expect(driver.machine.record.status == .active)
    }

    @Test func aSessionsOwnIdleTimeGoesBeforeTheServers() {
        var driver = MachineDriver(times: SessionTimes(idle: 300_000), settings: SessionSettings(idleTimeout: 2))
        driver.wait(2_000)
        #expect(driver.machine.record.status == .suspended)
    }

    @Test func aCallThatTheConnectionDoesNotHoldKeepsNobodyWaiting() throws {
        var driver = MachineDriver(times: SessionTimes(idle: 5_000))
        driver.receive(
            #"{"type":"conversation.item.created","item":{"id":"f","type":"function_call","call_id":"c1","name":"n","arguments":"{}","status":"completed"}}"#
        )
        driver.lose()
        driver.open()
        let id = driver.sent.last?.eventID ?? ""
        driver.receive("{\"type\":\"error\",\"error\":{\"code\":\"no\",\"message\":\"no\",\"event_id\":\"\(id)\"}}")
        #expect(driver.log.last == "bridge.upstream.switched")
        driver.wait(5_000)
        #expect(driver.machine.record.status == .suspended)
    }

    // MARK: Viewers

    @Test func theLastViewerMayComeBack() {
        var driver = driver(settings: SessionSettings(onLastViewerGone: .close))
        #expect(driver.machine.nextDeadline == 1_000_045_000)
        driver.machine.viewersChanged(1, at: driver.now)
        driver.machine.viewersChanged(0, at: driver.now)
        driver.wait(SessionTimes.viewerGrace - 1)
        driver.machine.viewersChanged(1, at: driver.now)
        driver.wait(SessionTimes.viewerGrace)
        #expect(driver.machine.record.status == .active)
        driver.machine.viewersChanged(0, at: driver.now)
        driver.wait(SessionTimes.viewerGrace)
        #expect(driver.machine.record.status == .closed)
        #expect(driver.machine.record.endReason == "last_viewer_gone")
    }

    @Test func theResponseInProgressIsCancelledOnceWhenNobodyLooksOn() {
        var driver = driver(settings: SessionSettings(onLastViewerGone: .cancel))
        driver.receive(created("r1", "none"))
        driver.machine.viewersChanged(1, at: driver.now)
        driver.machine.viewersChanged(0, at: driver.now)
        driver.wait(SessionTimes.viewerGrace)
        driver.wait(SessionTimes.viewerGrace)
        #expect(driver.sent.map(\.name) == ["response.cancel"])
    }

    @Test func aResponseThatIsAskedForAfterTheViewersLeftIsNotTheirs() {
        var driver = driver(settings: SessionSettings(onLastViewerGone: .cancel))
        driver.machine.viewersChanged(1, at: driver.now)
        driver.machine.viewersChanged(0, at: driver.now)
        driver.wait(SessionTimes.viewerGrace)
        driver.receive(created("r1", "none"))
        driver.wait(1)
        #expect(driver.sent.isEmpty)
    }

    @Test func aCommandThatIsNeverAnsweredDoesNotHoldTheConnectionToItsEnd() throws {
        var driver = driver()
        driver.wait(45_000)
        let clear = try driver.take(#"{"type":"input_audio_buffer.clear"}"#)
        driver.write()
        driver.open(Self.created(expiring: 1_000_120))
        for _ in 0..<20 {
            driver.now += 500
            driver.receive(#"{"type":"input_audio_buffer.speech_started","item_id":"v","audio_start_ms":0}"#)
        }
        #expect(driver.closed == 1)
        // It is asked again.
        #expect(driver.sent.count == 2)
        driver.receive(#"{"type":"input_audio_buffer.cleared"}"#)
        #expect(driver.answers == [clear: [.confirmed]])
    }

    private func created(_ id: String, _ token: String) -> String {
        "{\"type\":\"response.created\",\"response\":{\"id\":\"\(id)\",\"status\":\"in_progress\",\"conversation_id\":\"c\",\"metadata\":{\"realtime_bridge\":\"\(token)\"}}}"
    }

    private func done(_ id: String) -> String {
        "{\"type\":\"response.done\",\"response\":{\"id\":\"\(id)\",\"status\":\"completed\",\"conversation_id\":\"c\"}}"
    }
}
