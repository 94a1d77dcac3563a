import EventLog
import Realtime
import Testing
import Upstream

@testable import Sessions

/// A session that is made for one response: what it takes, when it ends, and whether its connection may be somebody else's afterwards.
@Suite struct OneShotTests {
    private static let ask = #"{"type":"response.create","response":{"conversation":"none","input":[]}}"#

    private func driver(_ profile: UpstreamProfile = UpstreamProfile(maximumSessionAge: nil)) -> MachineDriver {
        MachineDriver(profile: profile, isOneShot: true)
    }

    /// Upstream begins the response that was asked for last.
    private func begin(_ driver: inout MachineDriver, conversation: String = "null") {
        driver.write()
        driver.receive(
            #"{"type":"response.created","response":{"id":"resp_1","status":"in_progress","conversation_id":\#(conversation),"#
                + "\"metadata\":{\"realtime_bridge\":\"\(driver.lastToken)\"}}}")
    }

    private func finish(_ driver: inout MachineDriver, status: String = "completed", conversation: String = "null") {
        driver.receive(#"{"type":"response.done","response":{"id":"resp_1","status":"\#(status)","conversation_id":\#(conversation)}}"#)
        driver.end()
    }

    @Test func itEndsWithItsResponseAndItsConnectionIsGivenBack() throws {
        var driver = driver()
        let id = try driver.ask(Self.ask)
        driver.end()
        begin(&driver)
        driver.end()
        #expect(driver.machine.record.status == .active)
        finish(&driver)
        #expect(driver.givenBack == [1] && driver.closed == 0)
        #expect(driver.answers[id] == [.confirmed, .finished])
        #expect(driver.log.suffix(2) == ["response.done", "bridge.session.closed"])
        #expect(driver.machine.record.status == .closed && driver.machine.record.endReason == "one_shot")
        #expect(driver.machine.record.endedAt == driver.now / 1_000)
        // Nothing is read any more.
        driver.receive(#"{"type":"error","error":{"message":"late"}}"#)
        #expect(driver.log.last == "bridge.session.closed")
    }

    @Test(
        arguments: [
            #"{"type":"conversation.item.create","item":{"type":"message","role":"user","content":[]}}"#,
            #"{"type":"session.update","session":{"instructions":"x"}}"#, #"{"type":"input_audio_buffer.append","audio":"AAAAAAAA"}"#,
            #"{"type":"input_audio_buffer.clear"}"#, #"{"type":"vendor.own"}"#,
        ])
    func whatElseWentOverTheConnectionClosesIt(event: String) throws {
        var driver = driver()
        try driver.take(event)
        driver.write()
        switch driver.sent.last?.name {
        case "session.update": driver.receive(#"{"type":"session.updated","session":{}}"#)
        case "input_audio_buffer.clear": driver.receive(#"{"type":"input_audio_buffer.cleared"}"#)
        case "conversation.item.create":
            driver.receive("{\"type\":\"conversation.item.created\",\"item\":{\"id\":\"\(driver.lastItem)\",\"type\":\"message\"}}")
        default: break
        }
        try driver.ask(Self.ask)
        begin(&driver)
        finish(&driver)
        #expect(driver.machine.record.status == .closed)
        #expect(driver.givenBack.isEmpty && driver.closed == 1)
    }

    @Test(
        arguments: [
            #""tools":[{"type":"function","name":"f"}],"tool_choice":"auto""#, #""tool_choice":{"type":"function","name":"f"}"#,
            #""tools":[],"prompt":null,"instructions":"x","temperature":0.8,"modalities":["text"]"#,
        ])
    func whatADayToDayResponseAsksForLeavesNothing(asked: String) throws {
        var driver = driver()
        try driver.ask("{\"type\":\"response.create\",\"response\":{\"conversation\":\"none\",\(asked)}}")
        begin(&driver)
        finish(&driver)
        #expect(driver.givenBack == [1] && driver.closed == 0)
    }

    /// What a server does for these may go on when the response has ended.
    @Test(
        arguments: [
            #""tools":[{"type":"mcp","server_label":"s","server_url":"https://a"}]"#,
            #""tools":[{"type":"function","name":"f"},{"type":"mcp"}]"#,
            #""tools":[{"name":"f"}]"#, #""tools":"mcp""#, #""prompt":{"id":"pmpt_1"}"#, #""prompt":"pmpt_1""#,
            #""tool_choice":{"type":"mcp","server_label":"s"}"#, #""vendors_own":1"#,
            #""input":[{"type":"mcp_approval_response","approval_request_id":"a","approve":true}]"#,
        ])
    func oneThatMayHaveMoreDoneForItClosesIt(asked: String) throws {
        var driver = driver()
        try driver.ask("{\"type\":\"response.create\",\"response\":{\"conversation\":\"none\",\(asked)}}")
        begin(&driver)
        finish(&driver)
        #expect(driver.machine.record.status == .closed)
        #expect(driver.givenBack.isEmpty && driver.closed == 1)
    }

    @Test func whatAResponseConsistsOfLeavesNothing() throws {
        var driver = driver(UpstreamProfile(heartbeats: ["ping"], maximumSessionAge: nil))
        driver.receive(#"{"type":"conversation.created","conversation":{"id":"conv_1"}}"#)
        try driver.ask(Self.ask)
        begin(&driver)
        for event in [
            #"{"type":"response.output_item.added","response_id":"resp_1","item":{"id":"i","type":"message"}}"#,
            #"{"type":"response.content_part.added","response_id":"resp_1","item_id":"i","part":{"type":"text"}}"#,
            #"{"type":"ping"}"#, #"{"type":"response.text.delta","response_id":"resp_1","item_id":"i","delta":"a"}"#,
            #"{"type":"rate_limits.updated","rate_limits":[]}"#,
            #"{"type":"response.output_item.done","response_id":"resp_1","item":{"id":"i","type":"message"}}"#,
            #"{"type":"response.output_item.added","response_id":"resp_1","item":{"id":"j","type":"function_call","call_id":"c"}}"#,
        ] { driver.receive(event) }
        finish(&driver)
        #expect(driver.givenBack == [1] && driver.closed == 0)
    }

    @Test(
        arguments: [
            #"{"type":"mcp_list_tools.in_progress","item_id":"m"}"#, #"{"type":"mcp_list_tools.completed","item_id":"m"}"#,
            #"{"type":"response.mcp_call.in_progress","response_id":"resp_1","item_id":"m"}"#,
            #"{"type":"response.mcp_call_arguments.delta","response_id":"resp_1","item_id":"m","delta":"{"}"#,
            #"{"type":"response.output_item.added","response_id":"resp_1","item":{"id":"m","type":"mcp_call"}}"#,
            #"{"type":"response.output_item.added","response_id":"resp_1"}"#,
            #"{"type":"conversation.item.deleted","item_id":"m"}"#, #"{"type":"conversation.item.done","item":{"id":"m"}}"#,
            #"{"type":"response.text.delta","response_id":"resp_0","delta":"of the one before"}"#,
            #"{"type":"response.text.delta","delta":"whose"}"#, #"{"type":"error","error":{"message":"no"}}"#,
            #"{"type":"session.updated","session":{}}"#, #"{"type":"response.vendors_own","response_id":"resp_1"}"#,
            #"{"type":"vendor.own"}"#,
            "no event",
        ])
    func aServerThatSaysMoreThanItsResponseIsLeft(event: String) throws {
        for isEarly in [false, true] {
            var driver = driver()
            if isEarly { driver.receive(event) }
            try driver.ask(Self.ask)
            begin(&driver)
            if !isEarly { driver.receive(event) }
            finish(&driver)
            #expect(driver.machine.record.status == .closed)
            #expect(driver.givenBack.isEmpty && driver.closed == 1)
        }
    }

    @Test func aResponseThatEndsWithACallOfAServersToolIsLeft() throws {
        var driver = driver()
        try driver.ask(Self.ask)
        begin(&driver)
        driver.receive(
            #"{"type":"response.done","response":{"id":"resp_1","status":"completed","conversation_id":null,"output":[{"type":"mcp_call"}]}}"#
        )
        driver.end()
        #expect(driver.givenBack.isEmpty && driver.closed == 1)
    }

    @Test(arguments: ["failed", "cancelled", "unheard_of"])
    func aResponseThatDidNotEndWellClosesIt(status: String) throws {
        var driver = driver()
        try driver.ask(Self.ask)
        begin(&driver)
        finish(&driver, status: status)
        #expect(driver.machine.record.status == .closed)
        #expect(driver.givenBack.isEmpty && driver.closed == 1)
    }

    @Test func aServerThatPutItIntoTheConversationIsLeft() throws {
        var driver = driver()
        try driver.ask(Self.ask)
        begin(&driver, conversation: #""conv_1""#)
        finish(&driver, conversation: #""conv_1""#)
        #expect(driver.givenBack.isEmpty && driver.closed == 1)
    }

    @Test func aServerThatMadeAnItemIsLeft() throws {
        var driver = driver()
        try driver.ask(Self.ask)
        begin(&driver)
        driver.receive(#"{"type":"conversation.item.created","item":{"id":"item_1","type":"message","role":"assistant"}}"#)
        finish(&driver)
        #expect(driver.givenBack.isEmpty && driver.closed == 1)
    }

    @Test func aServerWithoutResponsesOutOfBandIsAskedInItsConversationAndLeft() throws {
        var driver = driver(UpstreamProfile(supportsOutOfBand: false, maximumSessionAge: nil))
        let item = #"{"type":"conversation.item.create","item":{"id":"item_1","type":"message","role":"user","content":[]}}"#
        let id = try driver.ask(after: item)
        driver.end()
        driver.write()
        driver.receive(#"{"type":"conversation.item.created","item":{"id":"item_1","type":"message","role":"user"}}"#)
        driver.end()
        #expect(driver.sent.map(\.name) == ["conversation.item.create", "response.create"])
        #expect(driver.sent.allSatisfy { !String(decoding: $0.frame, as: UTF8.self).contains("none") })
        begin(&driver, conversation: #""conv_1""#)
        finish(&driver, conversation: #""conv_1""#)
        #expect(driver.answers[id] == [.confirmed, .finished])
        #expect(driver.machine.record.status == .closed)
        #expect(driver.givenBack.isEmpty && driver.closed == 1)
    }

    @Test func onceItIsAskedOnlyItsCancelIsTaken() throws {
        var driver = driver()
        try driver.ask(Self.ask)
        begin(&driver)
        for event in [
            Self.ask, #"{"type":"response.create"}"#, #"{"type":"session.update","session":{}}"#, #"{"type":"vendor.own"}"#,
            #"{"type":"conversation.item.create","item":{"type":"message","role":"user","content":[]}}"#,
            #"{"type":"input_audio_buffer.append","audio":"AAAAAAAA"}"#, #"{"type":"input_audio_buffer.commit"}"#,
        ] {
            do {
                try driver.take(event)
                Issue.record("took \(event)")
            } catch let error as SessionError {
                #expect(error.code == .sessionIsOneShot)
            }
        }
        #expect(driver.sent.count == 1)
        let cancel = try driver.take(#"{"type":"response.cancel","response_id":"resp_1"}"#)
        driver.write()
        finish(&driver, status: "cancelled")
        #expect(driver.answers[cancel] == [.finished])
        // What the cancel comes to there may still be told.
        #expect(driver.givenBack.isEmpty && driver.closed == 1)
    }

    @Test func aCancelThatCameTooLateKeepsTheConnectionFromOthers() throws {
        var driver = driver()
        try driver.ask(Self.ask)
        begin(&driver)
        try driver.take(#"{"type":"response.cancel","response_id":"resp_1"}"#)
        finish(&driver)
        #expect(driver.givenBack.isEmpty && driver.closed == 1)
    }

    @Test func oneThatIsRefusedEndsIt() throws {
        var driver = driver()
        let id = try driver.ask(Self.ask)
        driver.write()
        driver.receive(
            "{\"type\":\"error\",\"error\":{\"code\":\"invalid_value\",\"message\":\"no\",\"event_id\":\"\(driver.sent[0].eventID)\"}}")
        driver.end()
        #expect(driver.answers[id]?.count == 1)
        #expect(driver.machine.record.status == .closed)
        #expect(driver.givenBack.isEmpty && driver.closed == 1)
    }

    /// The pool's connection had ended, and nothing was written to it.
    @Test func aConnectionThatIsLostBeforeItWasAskedIsReplaced() throws {
        var driver = driver()
        let id = try driver.ask(Self.ask)
        driver.lose()
        driver.end()
        #expect(driver.opened == 1 && driver.machine.record.status == .recovering)
        driver.open()
        driver.end()
        #expect(driver.sent.map(\.name) == ["response.create", "response.create"])
        begin(&driver)
        finish(&driver)
        #expect(driver.answers[id] == [.confirmed, .finished])
        #expect(driver.givenBack.count == 1 && driver.closed == 0)
    }

    @Test func oneThatIsLostOnceItWasWrittenIsNeverAskedAgain() throws {
        var driver = driver()
        let id = try driver.ask(Self.ask)
        driver.write()
        driver.lose()
        driver.end()
        #expect(driver.failures[id] == .upstreamLost)
        #expect(driver.opened == 0 && driver.machine.record.status == .closed)
        #expect(String(decoding: driver.frames[driver.frames.count - 2], as: UTF8.self).contains(#""will_retry":false"#))
        #expect(driver.sent.count == 1)
    }

    @Test func oneThatIsLostWhileItRunsGetsItsOneTerminal() throws {
        var driver = driver()
        let id = try driver.ask(Self.ask)
        begin(&driver)
        driver.lose()
        driver.end()
        #expect(driver.answers[id] == [.confirmed, .finished])
        #expect(driver.log.suffix(3) == ["response.done", "bridge.upstream.disconnected", "bridge.session.closed"])
        #expect(driver.opened == 0 && driver.givenBack.isEmpty)
    }

    @Test func aSilentServerEndsIt() throws {
        var driver = driver()
        try driver.ask(Self.ask)
        begin(&driver)
        driver.wait(60_000)
        driver.end()
        #expect(driver.machine.record.status == .closed)
        #expect(driver.closed == 1 && driver.givenBack.isEmpty && driver.opened == 0)
        #expect(driver.log.count { $0 == "response.done" } == 1)
    }

    @Test func oneForWhichNoConnectionIsToBeHadEnds() throws {
        var driver = driver()
        let id = try driver.ask(Self.ask)
        driver.lose()
        for _ in 0..<20 where driver.machine.record.status != .closed {
            driver.fail()
            driver.end()
            driver.wait()
            driver.end()
        }
        // It was on its way to a socket once.
        #expect(driver.failures[id] == .upstreamLost)
        #expect(driver.log.last == "bridge.session.closed" && !driver.log.contains("bridge.session.suspended"))
    }

    @Test func oneThatIsRefusedForGoodHasAnEndToBeDeletedAfter() throws {
        var driver = driver()
        try driver.ask(Self.ask)
        driver.lose(code: 3000)
        driver.end()
        #expect(driver.machine.record.status == .failed && driver.machine.record.endedAt == driver.now / 1_000)
    }

    @Test func theBridgesStopEndsItWithTheResponsesTerminal() throws {
        var driver = driver()
        let id = try driver.ask(Self.ask)
        begin(&driver)
        driver.act(driver.machine.endOneShot(reason: "bridge_stopped", at: driver.now))
        #expect(driver.answers[id] == [.confirmed, .finished])
        #expect(driver.log.suffix(2) == ["response.done", "bridge.session.closed"])
        #expect(driver.machine.record.endReason == "bridge_stopped")
        #expect(driver.givenBack.isEmpty && driver.closed == 1)
    }

    @Test func anOrdinarySessionsConnectionIsNobodyElses() throws {
        var driver = MachineDriver()
        try driver.ask(Self.ask)
        begin(&driver)
        finish(&driver)
        #expect(driver.machine.record.status == .active && driver.givenBack.isEmpty)
        driver.act(driver.machine.close(reason: "closed", at: 0))
        #expect(driver.givenBack.isEmpty && driver.closed == 1)
    }
}

extension MachineDriver {
    /// What the session does after everything.
    fileprivate mutating func end() {
        act(machine.endIfOneShotIsOver(at: now))
    }

    fileprivate var lastItem: String {
        let event = try? JSON.parse(sent.last?.frame ?? [])
        return event?["item"]?["id"]?.string ?? "none"
    }
}
