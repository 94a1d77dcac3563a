import EventLog
import Realtime
import Testing
import Upstream

@testable import Sessions

/// Responses that wait for their turn, by the machine alone.
@Suite struct ResponseQueueTests {
    private func item(_ id: String) -> String {
        "{\"type\":\"conversation.item.create\",\"item\":{\"id\":\"\(id)\",\"type\":\"message\",\"role\":\"user\",\"content\":[]}}"
    }

    @Test func eachIsAskedForWhenTheOneBeforeHasEndedInTheOrderTheyCame() throws {
        var driver = MachineDriver()
        let all = try (0..<4).map { _ in try driver.ask() }
        for (index, id) in all.enumerated() {
            #expect(driver.creations.count == index + 1)
            #expect(driver.answers[id] == nil)
            driver.write()
            driver.begin("r\(index)")
            #expect(driver.answers[id] == [.confirmed])
            driver.receive(#"{"type":"response.text.delta","delta":"x"}"#)
            #expect(driver.creations.count == index + 1)
            driver.end("r\(index)")
            #expect(driver.answers[id] == [.confirmed, .finished])
        }
        #expect(driver.creations.count == 4)
        #expect(driver.machine.responses.isEmpty)
    }

    @Test func theServersOwnResponseWakesTheNextAsWell() throws {
        var driver = MachineDriver()
        driver.begin("vad", token: nil)
        let id = try driver.ask()
        #expect(driver.creations.isEmpty)
        driver.end("vad")
        #expect(driver.creations.count == 1)
        driver.begin("r1")
        #expect(driver.answers[id] == [.confirmed])
    }

    @Test func itsItemIsAddedWhenItsTurnHasComeAndNothingOfTheQueueGoesBetween() throws {
        var driver = MachineDriver()
        try driver.ask()
        driver.begin("r1")
        let asked = try driver.ask(after: item("i1"))
        try driver.ask(after: item("i2"), .interrupt)
        #expect(driver.names == ["response.create", "response.cancel"])
        driver.end("r1", "cancelled")
        #expect(driver.names.suffix(1) == ["conversation.item.create"])
        // One that interrupts and comes now does not part the two.
        let late = try driver.ask(.interrupt)
        driver.receive(#"{"type":"conversation.item.created","item":{"id":"i2"}}"#)
        #expect(driver.names.suffix(2) == ["conversation.item.create", "response.create"])
        driver.begin("r2")
        // Somebody waits who interrupts.
        #expect(driver.names.last == "response.cancel")
        driver.end("r2", "cancelled")
        driver.begin("r3")
        #expect(driver.answers[late] == [.confirmed])
        driver.end("r3")
        driver.receive(#"{"type":"conversation.item.created","item":{"id":"i1"}}"#)
        driver.begin("r4")
        #expect(driver.answers[asked] == [.confirmed])
        #expect(driver.accepted.contains(asked + 1))
    }

    @Test func oneThatInterruptsCancelsOnceAndGoesBeforeThoseThatQueue() throws {
        var driver = MachineDriver()
        try driver.ask()
        driver.begin("r1")
        let queued = try driver.ask(.queue)
        let first = try driver.ask(.interrupt)
        driver.receive(#"{"type":"response.text.delta","delta":"x"}"#)
        #expect(driver.names == ["response.create", "response.cancel"])
        // Too late, which is no error.
        driver.receive(
            "{\"type\":\"error\",\"error\":{\"code\":\"response_cancel_not_active\",\"message\":\"late\",\"event_id\":\"\(driver.sent[1].eventID)\"}}"
        )
        driver.end("r1")
        driver.begin("r2")
        #expect(driver.answers[first] == [.confirmed])
        driver.end("r2")
        driver.begin("r3")
        #expect(driver.answers[queued] == [.confirmed])
    }

    @Test(arguments: [IfActive.queue, .interrupt]) func aResponseOfTheServersThatWasFasterPutsItFirstAgain(ifActive: IfActive) throws {
        var driver = MachineDriver()
        try driver.ask()
        driver.begin("r1")
        let asked = try driver.ask(after: item("i1"), ifActive)
        let behind = try driver.ask()
        driver.end("r1")
        driver.receive(#"{"type":"conversation.item.created","item":{"id":"i1"}}"#)
        let length = driver.log.count
        driver.begin("vad", token: nil)
        driver.refuse(code: "conversation_already_has_active_response")
        #expect(driver.log.count == length + 2)
        #expect(driver.answers[asked] == nil)
        // The server's own is stopped for one that interrupts.
        #expect((driver.names.last == "response.cancel") == (ifActive == .interrupt))
        driver.end("vad")
        // Its item is there already.
        #expect(driver.names.last == "response.create")
        #expect(driver.names.count { $0 == "conversation.item.create" } == 1)
        driver.begin("r2")
        #expect(driver.answers[asked] == [.confirmed])
        driver.end("r2")
        driver.begin("r3")
        #expect(driver.answers[behind] == [.confirmed])
    }

    @Test func aRefusalForAResponseThatNobodyKnowsOfIsTriedAgainAFewTimes() throws {
        var driver = MachineDriver()
        let asked = try driver.ask()
        let behind = try driver.ask()
        for round in 1...3 {
            #expect(driver.creations.count == round)
            driver.refuse(code: "conversation_already_has_active_response")
            #expect(driver.answers[asked] == nil)
            let deadline = driver.machine.nextDeadline ?? .max
            #expect(deadline == driver.now + 1_000)
            driver.wait()
        }
        driver.refuse(code: "conversation_already_has_active_response")
        guard case .refused? = driver.answers[asked]?.last else { return #expect(Bool(false), "not refused") }
        #expect(driver.creations.count == 5)
        driver.begin("r1")
        #expect(driver.answers[behind] == [.confirmed])
    }

    @Test func aRefusedOneTakesItsItemWithItBeforeTheNextGoes() throws {
        var driver = MachineDriver()
        let asked = try driver.ask(after: item("i1"))
        try driver.ask()
        driver.receive(#"{"type":"conversation.item.created","item":{"id":"i1"}}"#)
        driver.refuse(code: "invalid_value")
        guard case .refused? = driver.answers[asked]?.first else { return #expect(Bool(false), "not refused") }
        #expect(driver.names.suffix(2) == ["conversation.item.delete", "response.create"])
        driver.receive(#"{"type":"conversation.item.deleted","item_id":"i1"}"#)
        #expect(driver.answers[asked + 1] == [.confirmed])
    }

    @Test func oneWhoseItemIsRefusedIsNotAskedFor() throws {
        var driver = MachineDriver()
        let asked = try driver.ask(after: item("i1"))
        let behind = try driver.ask()
        driver.refuse(code: "invalid_value")
        guard case .refused? = driver.answers[asked]?.first else { return #expect(Bool(false), "not refused") }
        #expect(driver.accepted == [asked + 1])
        #expect(driver.creations.count == 1)
        driver.begin("r1")
        #expect(driver.answers[behind] == [.confirmed])
    }

    @Test func sixteenWaitAndNoMore() throws {
        var driver = MachineDriver()
        for _ in 0..<17 { try driver.ask() }
        do {
            try driver.ask()
            Issue.record("a seventeenth waits")
        } catch let error as SessionError {
            #expect(error.code == .responseQueueFull)
        }
        // Beside the conversation there is no queue, and who does not wait does not get past it.
        try driver.ask(#"{"type":"response.create","response":{"conversation":"none"}}"#)
        #expect(driver.creations.count == 2)
        driver.begin("r1", number: 0)
        #expect(throws: SessionError.self) { try driver.ask(.reject) }
        driver.end("r1")
        #expect(throws: SessionError.self) { try driver.ask(.reject) }
        try driver.ask()
        #expect(throws: SessionError.self) { try driver.ask() }
    }

    @Test func closingAnswersAllOfAFullQueue() throws {
        var driver = MachineDriver()
        let all = try (0..<17).map { index in try driver.ask(after: item("i\(index)"), index.isMultiple(of: 2) ? .queue : .interrupt) }
        driver.act(driver.machine.close(reason: "deleted", at: 1))
        for id in all { #expect(driver.failures[id] == .sessionClosed) }
        #expect(Set(all.map { $0 + 1 }).isSubset(of: driver.accepted))
        #expect(driver.machine.responses.isEmpty)
    }

    @Test func whatWasWrittenWhenTheConnectionIsLostIsLostAndTheRestGoesOnTheNext() throws {
        var driver = MachineDriver()
        let running = try driver.ask()
        driver.write()
        driver.begin("r1")
        let next = try driver.ask(after: item("i1"))
        let last = try driver.ask()
        driver.lose()
        #expect(driver.answers[running] == [.confirmed, .finished])
        driver.sent = []
        driver.open()
        #expect(driver.names == ["conversation.item.create"])
        driver.write()
        driver.receive(#"{"type":"conversation.item.created","previous_item_id":null,"item":{"id":"i1"}}"#)
        driver.write()
        driver.lose()
        // Written and not begun: it may have been.
        #expect(driver.failures == [next: .upstreamLost])
        driver.sent = []
        driver.open()
        driver.receive(#"{"type":"conversation.item.created","previous_item_id":null,"item":{"id":"i1"}}"#)
        #expect(driver.creations.count == 1)
        driver.begin("r2")
        #expect(driver.answers[last] == [.confirmed])
        // The item stays: a response may come of it.
        #expect(driver.accepted.contains(next + 1))
    }

    @Test func anItemThatWasOnItsWayIsAddedOnTheNextConnection() throws {
        var driver = MachineDriver()
        let asked = try driver.ask(after: item("i1"))
        driver.write()
        driver.lose()
        driver.sent = []
        driver.open()
        #expect(driver.names == ["conversation.item.create"])
        driver.receive(#"{"type":"conversation.item.created","item":{"id":"i1"}}"#)
        driver.begin("r1")
        #expect(driver.answers[asked] == [.confirmed])
    }

    @Test func upstreamThatStaysAwayAnswersAllThatWait() throws {
        var driver = MachineDriver()
        driver.wait(Reconnection.stableMilliseconds)
        try driver.ask()
        driver.begin("r1")
        let all = try (0..<3).map { index in try driver.ask(after: item("i\(index)")) }
        driver.lose()
        for _ in 0..<20 where driver.machine.record.status == .recovering {
            driver.fail()
            driver.wait()
        }
        for id in all { #expect(driver.failures[id] == .upstreamUnavailable) }
        #expect(driver.machine.isAtRest)
    }

    @Test func aSuspendedSessionIsWoken() throws {
        var driver = MachineDriver()
        driver.suspend()
        let asked = try driver.ask(after: item("i1"))
        #expect(driver.opened == 1)
        driver.open()
        driver.receive(#"{"type":"conversation.item.created","item":{"id":"i1"}}"#)
        driver.begin("r1")
        #expect(driver.answers[asked] == [.confirmed])
    }

    @Test func aCreationThatIsNeverAnsweredHoldsUpNobodyForLong() throws {
        var driver = MachineDriver()
        try driver.ask()
        let behind = try driver.ask()
        driver.receive(#"{"type":"rate_limits.updated"}"#)
        let deadline = driver.machine.nextDeadline ?? .max
        #expect(deadline == driver.now + SessionStateMachine.responsePatience)
        driver.wait()
        #expect(driver.creations.count == 2)
        driver.begin("r2")
        #expect(driver.answers[behind] == [.confirmed])
    }

    @Test func anItemThatIsNeverAnsweredHoldsUpNobodyForLong() throws {
        var driver = MachineDriver()
        let asked = try driver.ask(after: item("i1"))
        let behind = try driver.ask()
        driver.receive(#"{"type":"rate_limits.updated"}"#)
        driver.wait()
        #expect(driver.failures == [asked: .upstreamTimeout])
        #expect(driver.names == ["conversation.item.create", "conversation.item.delete", "response.create"])
        driver.begin("r1")
        #expect(driver.answers[behind] == [.confirmed])
    }

    /// A caller's time is over at each step of its response.
    @Test(arguments: ["waiting", "adding", "added and refused", "asked", "asked without a connection"])
    func whoseCallerGivesUpIsTakenBackUnlessItWasAskedFor(step: String) throws {
        var driver = MachineDriver()
        if step == "waiting" {
            try driver.ask()
            driver.begin("r1")
        }
        if step == "asked without a connection" { driver.suspend() }
        let asked = try driver.ask(after: step == "asked without a connection" ? nil : item("i1"))
        let behind = try driver.ask()
        if step.hasPrefix("added") || step == "asked" {
            driver.receive(#"{"type":"conversation.item.created","item":{"id":"i1"}}"#)
        }
        if step.hasPrefix("added") {
            driver.begin("vad", token: nil)
            driver.refuse(code: "conversation_already_has_active_response")
        }
        let sent = driver.sent.count
        #expect(driver.withdraw(asked) == (step != "asked"))
        #expect(driver.withdraw(asked) == false)
        switch step {
        case "waiting":
            #expect(driver.sent.count == sent)
            #expect(driver.accepted == [asked + 1])
            driver.end("r1")
        case "adding":
            #expect(driver.names.suffix(2) == ["conversation.item.delete", "response.create"])
        case "added and refused":
            #expect(driver.names.last == "conversation.item.delete")
            driver.end("vad")
        case "asked":
            driver.begin("r2")
            driver.end("r2")
        default:
            driver.open()
        }
        driver.begin("r3")
        #expect(driver.answers[behind] == [.confirmed])
        #expect(driver.answers[asked]?.last == (step == "asked" ? .finished : nil))
    }

    @Test func oneThatDoesNotWaitAndWasOvertakenWhileItsItemWasAddedIsRefused() throws {
        var driver = MachineDriver()
        let asked = try driver.ask(after: item("i1"), .reject)
        driver.begin("vad", token: nil)
        driver.receive(#"{"type":"conversation.item.created","item":{"id":"i1"}}"#)
        #expect(driver.failures == [asked: .responseActive])
        #expect(driver.names == ["conversation.item.create", "conversation.item.delete"])
    }

    /// Its errors do not say what they answer, so a late cancel's must not be taken for the next response's.
    @Test func aLateCancelRefusesNothingElseOnAServerThatNamesNothing() throws {
        var driver = MachineDriver(profile: UpstreamProfile(echoesEventIDs: false, maximumSessionAge: nil))
        try driver.ask()
        driver.begin("r1")
        let asked = try driver.ask(.interrupt)
        driver.end("r1")
        driver.receive(#"{"type":"error","error":{"code":"response_cancel_not_active","message":"no","event_id":null}}"#)
        #expect(driver.answers[asked] == nil)
        driver.begin("r2")
        #expect(driver.answers[asked] == [.confirmed])
    }
}

extension MachineDriver {
    var names: [String] { sent.map(\.name) }
    var creations: [ClientEvent] { sent.filter { $0.name == "response.create" } }

    @discardableResult
    mutating func ask(_ ifActive: IfActive) throws -> CommandID { try ask(after: nil, ifActive) }

    /// Upstream begins the response that it was asked for last, or one of its own.
    mutating func begin(_ id: String, number: Int? = nil) {
        let event = try? JSON.parse((number.map { creations[$0] } ?? creations.last)?.frame ?? [])
        begin(id, token: event?["response"].flatMap(CorrelationToken.read))
    }

    mutating func begin(_ id: String, token: String?) {
        let metadata = token.map { "{\"realtime_bridge\":\"\($0)\"}" } ?? "null"
        receive(
            "{\"type\":\"response.created\",\"response\":{\"id\":\"\(id)\",\"status\":\"in_progress\",\"conversation_id\":\"c\",\"metadata\":\(metadata)}}"
        )
    }

    mutating func end(_ id: String, _ status: String = "completed") {
        receive("{\"type\":\"response.done\",\"response\":{\"id\":\"\(id)\",\"status\":\"\(status)\",\"conversation_id\":\"c\"}}")
    }

    /// Upstream refuses what it was sent last.
    mutating func refuse(code: String) {
        receive(
            "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"code\":\"\(code)\",\"message\":\"no\",\"event_id\":\"\(sent.last?.eventID ?? "")\"}}"
        )
    }
}
