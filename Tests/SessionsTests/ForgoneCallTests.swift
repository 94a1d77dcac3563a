import EventLog
import Realtime
import Testing
import Webhooks

@testable import Sessions

/// Which pending calls keep a connection: those that somebody answers.
@Suite struct ForgoneCallTests {
    private static func played(_ status: String, call: String = "c", tool: String = "f") -> MachineDriver {
        var driver = MachineDriver(times: SessionTimes(idle: 60_000), created: #"{"type":"session.created"}"#)
        driver.machine.webhooks = ToolWebhooks(json: Array(#"{"f":"https://h.example.com/"}"#.utf8))
        let place = #""response_id":"r","output_index":0"#
        let item =
            #"{"id":"i","type":"function_call","status":"completed","call_id":"\#(call)","name":"\#(tool)","arguments":"{}"}"#
        driver.receive(#"{"type":"response.created","response":{"id":"r","status":"in_progress","output":[]}}"#)
        driver.receive(#"{"type":"response.output_item.added",\#(place),"item":\#(item)}"#)
        driver.receive(#"{"type":"conversation.item.created","item":\#(item)}"#)
        driver.receive(#"{"type":"response.output_item.done",\#(place),"item":\#(item)}"#)
        driver.receive(#"{"type":"response.done","response":{"id":"r","status":"\#(status)","output":[]}}"#)
        return driver
    }

    @Test(arguments: ["cancelled", "incomplete", "failed"])
    func aCallThatNoWebhookIsCalledForKeepsNoConnection(status: String) {
        let driver = Self.played(status)
        #expect(driver.machine.projection.pendingCalls == ["c"])
        #expect(driver.machine.nextDeadline == driver.now + 60_000)
    }

    /// Whoever makes ids that OpenAI would not take takes them itself.
    @Test func aCallIsMadeHoweverLongItsID() {
        let long = "chatcmpl-tool-" + String(repeating: "0", count: 32)
        var driver = Self.played("completed", call: long)
        #expect(driver.machine.beginWebhooks().map(\.callID) == [long])
    }

    /// A webhook's answer may come after a client's output was given, and deleted.
    @Test func aCallThatWasGivenAnOutputOnceWantsNoneFromItsWebhook() {
        var driver = Self.played("completed")
        #expect(driver.machine.isOpen(call: "c"))
        let output = #"{"id":"o","type":"function_call_output","call_id":"c","output":"1"}"#
        driver.receive(#"{"type":"conversation.item.created","item":\#(output)}"#)
        driver.receive(#"{"type":"conversation.item.deleted","item_id":"o"}"#)
        #expect(driver.machine.projection.pendingCalls == ["c"])
        #expect(!driver.machine.isOpen(call: "c"))
    }

    @Test func aClientsCallKeepsIt() {
        #expect(Self.played("cancelled", tool: "g").machine.nextDeadline == nil)
    }

    @Test func aCallIsKeptForUntilItsOutputIsRefused() {
        var driver = Self.played("completed")
        #expect(driver.machine.nextDeadline == nil)
        #expect(driver.machine.beginWebhooks().map(\.callID) == ["c"])
        #expect(driver.machine.nextDeadline == nil)
        driver.machine.webhookRuns.ended("c", .refused)
        #expect(driver.machine.nextDeadline == driver.now + 60_000)
    }
}
