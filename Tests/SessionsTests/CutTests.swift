import EventLog
import Realtime
import Testing
import Upstream

@testable import Sessions

/// What the present connection cannot be told of items that an earlier one made, by the machine alone.
@Suite struct CutTests {
    private let say = #"{"type":"conversation.item.create","item":{"id":"i1","type":"message","role":"user","content":[]}}"#
    private let added =
        #"{"type":"conversation.item.created","previous_item_id":null,"item":{"id":"i1","type":"message","role":"user","content":[{"type":"input_text","text":"Hi"}]}}"#

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
}
