import EventLog
import Realtime
import Testing
import Upstream

@testable import Sessions

/// Stopping an answer and cutting it at what was heard, by the machine alone.
@Suite struct InterruptionTests {
    /// A running response that has produced 100 ms.
    private func speaking(_ item: String = "a1", in response: String = "r1") throws -> MachineDriver {
        var driver = MachineDriver()
        try driver.speak(item, in: response)
        return driver
    }

    private func cuts(_ driver: MachineDriver) -> [String] {
        driver.sent.filter { $0.name == "conversation.item.truncate" }.compactMap { try? JSON.parse($0.frame) }.map {
            "\($0["item_id"]?.string ?? "") \($0["audio_end_ms"]?.int ?? -1)"
        }
    }

    @Test func theCutFollowsTheEndOfTheResponseAndGoesBeforeTheNext() throws {
        var driver = try speaking()
        let behind = try driver.ask()
        let (cancel, cut) = try driver.interrupt(played: 60)
        #expect(driver.names.last == "response.cancel")
        driver.end("r1", "cancelled")
        #expect(driver.names.suffix(2) == ["conversation.item.truncate", "response.create"])
        #expect(cuts(driver) == ["a1 60"])
        #expect(driver.answers[cancel ?? -1] == [.finished])
        driver.receive(#"{"type":"conversation.item.truncated","item_id":"a1","content_index":0,"audio_end_ms":60}"#)
        #expect(driver.answers[cut ?? -1] == [.confirmed])
        driver.begin("r2")
        #expect(driver.answers[behind] == [.confirmed])
    }

    /// What is played against 100 ms produced, how the response ends, and where it is cut.
    @Test(
        arguments: [
            (0, "cancelled", 0), (60, "cancelled", 60), (100, "cancelled", 100), (500, "cancelled", 100), (60, "completed", 60),
            (100, "completed", nil), (500, "completed", nil), (500, "incomplete", 100), (60, "failed", 60),
        ] as [(Int, String, Int?)])
    func itIsCutAtWhatWasHeard(played: Int, status: String, expected: Int?) throws {
        var driver = try speaking()
        let cut = try driver.interrupt(played: played).cut
        driver.end("r1", status)
        #expect(cuts(driver) == (expected.map { ["a1 \($0)"] } ?? []))
        #expect(driver.accepted == (expected == nil ? [cut ?? -1] : []))
    }

    @Test func aSecondOneChangesNothing() throws {
        var driver = try speaking()
        try driver.interrupt(played: 60)
        let (cancel, cut) = try driver.interrupt(played: 60)
        driver.end("r1", "cancelled")
        #expect(driver.answers[cancel ?? -1] == [.finished])
        #expect(driver.accepted == [cut ?? -1])
        driver.receive(#"{"type":"conversation.item.truncated","item_id":"a1","content_index":0,"audio_end_ms":60}"#)
        for played in [60, 80, 500] {
            let third = try driver.interrupt(played: played)
            #expect(third.cancel == nil && third.cut == nil)
        }
        #expect(cuts(driver) == ["a1 60"])
        #expect(driver.names.count { $0 == "response.cancel" } == 2)
    }

    @Test func aCancelThatComesTooLateIsNoError() throws {
        var driver = try speaking()
        let cancel = try driver.interrupt().cancel
        driver.end("r1")
        driver.refuse(code: "response_cancel_not_active")
        #expect(driver.answers[cancel ?? -1] == [.finished])
        #expect(driver.failures.isEmpty)
    }

    @Test func withoutAResponseTheLastAnswerIsCutWithinItsLength() throws {
        var driver = MachineDriver()
        #expect(try driver.interrupt(played: 10).cut == nil)
        #expect(driver.sent.isEmpty)
        for (item, response) in [("a1", "r1"), ("a2", "r2")] {
            try driver.speak(item, in: response)
            driver.end(response)
        }
        #expect(try driver.interrupt(played: 100).cut == nil)
        #expect(try driver.interrupt().cut == nil)
        #expect(try driver.interrupt(played: 40).cut != nil)
        driver.receive(#"{"type":"conversation.item.truncated","item_id":"a2","content_index":0,"audio_end_ms":40}"#)
        #expect(try driver.interrupt(played: 30, item: "a1").cut != nil)
        #expect(cuts(driver) == ["a2 40", "a1 30"])
        #expect(throws: SessionError.self) { try driver.machine.refuseCut(of: "none") }
    }

    @Test func aResponseThatWasOnlyAskedForIsStoppedToo() throws {
        var driver = MachineDriver()
        let asked = try driver.ask()
        let (cancel, cut) = try driver.interrupt(played: 10)
        #expect(driver.names == ["response.create", "response.cancel"])
        driver.begin("r1")
        driver.end("r1", "cancelled")
        #expect(driver.answers[asked] == [.confirmed, .finished])
        #expect(driver.answers[cancel ?? -1] == [.finished])
        #expect(driver.accepted == [cut ?? -1])
    }

    @Test func aRefusedOneLeavesNothingToStopAndTheLastAnswerToCut() throws {
        var driver = try speaking()
        driver.end("r1")
        try driver.ask()
        let (cancel, cut) = try driver.interrupt(played: 10)
        let creation = driver.creations.last?.eventID ?? ""
        driver.receive("{\"type\":\"error\",\"error\":{\"code\":\"no\",\"message\":\"no\",\"event_id\":\"\(creation)\"}}")
        driver.refuse(code: "response_cancel_not_active")
        guard case .refused? = driver.answers[cancel ?? -1]?.first else { return #expect(Bool(false), "not refused") }
        #expect(cuts(driver) == ["a1 10"])
        driver.receive(#"{"type":"conversation.item.truncated","item_id":"a1","content_index":0,"audio_end_ms":10}"#)
        #expect(driver.answers[cut ?? -1] == [.confirmed])
    }

    @Test func aLostConnectionEndsTheResponseAndTheCutIsTheBridges() throws {
        var driver = try speaking()
        let (cancel, cut) = try driver.interrupt(played: 60)
        driver.write()
        driver.lose()
        #expect(driver.answers[cancel ?? -1] == [.finished])
        driver.open()
        driver.receive(#"{"type":"conversation.item.created","previous_item_id":null,"item":{"id":"a1"}}"#)
        #expect(driver.answers[cut ?? -1] == [.confirmed])
        #expect(driver.machine.projection.items["a1"]?.truncatedAtMilliseconds == 60)
    }

    @Test func closingAnswersBoth() throws {
        var driver = MachineDriver()
        try driver.ask()
        let (cancel, cut) = try driver.interrupt(played: 60)
        driver.act(driver.machine.close(reason: "deleted", at: 1))
        #expect(driver.failures[cancel ?? -1] == .sessionClosed)
        #expect(driver.failures[cut ?? -1] == .sessionClosed)
        #expect(throws: SessionError.self) { try driver.interrupt(played: 60) }
    }
}

extension MachineDriver {
    /// A response of the server's begins and produces 100 ms of an item.
    fileprivate mutating func speak(_ item: String, in response: String) throws {
        begin(response, token: nil)
        receive("{\"type\":\"response.output_item.added\",\"response_id\":\"\(response)\",\"item\":{\"id\":\"\(item)\"}}")
        receive(
            "{\"type\":\"conversation.item.created\",\"item\":{\"id\":\"\(item)\",\"type\":\"message\",\"role\":\"assistant\",\"status\":\"in_progress\",\"content\":[]}}"
        )
        let audio = String(repeating: "AAAA", count: 1_600)
        receive("{\"type\":\"response.audio.delta\",\"response_id\":\"\(response)\",\"item_id\":\"\(item)\",\"delta\":\"\(audio)\"}")
    }
}
