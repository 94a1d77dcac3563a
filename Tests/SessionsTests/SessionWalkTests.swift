import EventLog
import Realtime
import TestSupport
import Testing
import Upstream

@testable import Sessions

/// Random lives of a session: callers, sockets, an upstream that answers, refuses, speaks, stalls and dies, and time. After every step:
/// one terminal per response, nothing of a dead connection in the log, no connection lost or used twice, no wait that nothing ends.
@Suite struct SessionWalkTests {
    @Test(arguments: 0..<120)
    func everyWalkKeepsItsPromises(seed: Int) throws {
        var walk = Walk(seed: UInt64(seed) &* 7_919 &+ 1)
        for _ in 0..<400 {
            try walk.step()
            walk.check()
        }
        walk.end()
    }
}

/// One upstream connection as its server sees it.
private struct Server {
    var unread: [[UInt8]] = []
    var items: Set<String> = []
    /// In progress; one of them in the conversation at most.
    var responses: [(id: String, isOutOfBand: Bool)] = []

    var isResponding: Bool { responses.contains { !$0.isOutOfBand } }
}

private struct Walk {
    var driver: MachineDriver
    var random: SeededRandom
    var servers: [LinkID: Server] = [:]
    var dead: Set<LinkID> = []
    var taken: [CommandID: String] = [:]
    /// Taken back before they were sent: nobody is told.
    var withdrawn: Set<CommandID> = []
    var next = 0
    /// Frames that a dead connection still says; none of them may be logged.
    let stale = #"{"type":"x.stale"}"#

    init(seed: UInt64) {
        random = SeededRandom(seed: seed)
        let profile = UpstreamProfile(
            echoesMetadata: seed % 3 != 0, echoesEventIDs: seed % 3 != 0, maximumSessionAge: nil)
        driver = MachineDriver(
            profile: profile, times: SessionTimes(idle: 120_000, stall: 20_000),
            created: "{\"type\":\"session.created\",\"session\":{\"id\":\"s\",\"expires_at\":\(1_000_000 + 90)}}",
            settings: SessionSettings(onLastViewerGone: seed % 5 == 0 ? .cancel : nil))
        servers[driver.links[0]] = Server()
    }

    mutating func step() throws {
        switch random.below(26) {
        case 0...6: try command()
        case 20...22: ask()
        case 23: interrupt()
        case 24: withdraw()
        case 25: begin()
        case 7...12: deliver()
        case 13: speak()
        case 14: connect()
        case 15: if random.below(4) == 0 { lose() }
        case 16: pass(random.below(9_000))
        case 17: say(stale: true)
        case 18: if random.below(30) == 0 { act { $0.suspend(reason: "x") } } else { pass(10) }
        default: driver.machine.viewersChanged(random.below(2), at: driver.now)
        }
    }

    // MARK: What happens

    private mutating func command() throws {
        next += 1
        let id = "i\(next)"
        let item = driver.machine.projection.conversation.randomElement(using: &random)?.id ?? "none"
        let events = [
            "{\"type\":\"conversation.item.create\",\"item\":{\"id\":\"\(id)\",\"type\":\"message\",\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"x\"}]}}",
            "{\"type\":\"response.create\"}", "{\"type\":\"response.create\",\"response\":{\"conversation\":\"none\"}}",
            "{\"type\":\"response.cancel\"}", "{\"type\":\"input_audio_buffer.append\",\"audio\":\"AAAAAAAA\"}",
            "{\"type\":\"input_audio_buffer.commit\"}", "{\"type\":\"input_audio_buffer.clear\"}",
            "{\"type\":\"conversation.item.delete\",\"item_id\":\"\(item)\"}",
            "{\"type\":\"conversation.item.truncate\",\"item_id\":\"\(item)\",\"audio_end_ms\":0}",
            "{\"type\":\"session.update\",\"session\":{\"instructions\":\"\(next)\"}}", "{\"type\":\"x.unknown\"}",
        ]
        let event = events[random.below(events.count)]
        guard let command = try? driver.take(event, rejectIfActive: true) else { return }
        taken[command] = event
        collect()
    }

    /// A response that may wait for its turn, with an item or without.
    private mutating func ask() {
        next += 1
        let item =
            "{\"type\":\"conversation.item.create\",\"item\":{\"id\":\"p\(next)\",\"type\":\"message\",\"role\":\"user\",\"content\":[]}}"
        let hasItem = random.below(2) == 0
        let ifActive = IfActive.allCases[random.below(3)]
        guard let id = try? driver.ask(after: hasItem ? item : nil, ifActive) else { return }
        taken[id] = "response.create, planned"
        if hasItem { taken[id + 1] = "removal" }
        collect()
    }

    private mutating func interrupt() {
        guard let (cancel, cut) = try? driver.interrupt(played: random.below(3) == 0 ? nil : random.below(3)) else { return }
        if let cancel { taken[cancel] = "cancel" }
        if let cut { taken[cut] = "cut" }
        collect()
    }

    private mutating func withdraw() {
        guard let id = taken.keys.sorted().suffix(12).randomElement(using: &random), taken[id] != "removal", taken[id] != "cut",
            taken[id]?.contains("append") == false
        else { return }
        if driver.withdraw(id) { withdrawn.insert(id) }
        collect()
    }

    /// The server answers a turn that it has found by itself.
    private mutating func begin() {
        guard let id = driver.machine.link.id, driver.machine.link.isOpen, servers[id]?.isResponding == false else { return }
        next += 1
        servers[id]?.responses.append(("s\(next)", false))
        say(
            "{\"type\":\"response.created\",\"response\":{\"id\":\"s\(next)\",\"status\":\"in_progress\",\"conversation_id\":\"c\",\"metadata\":null}}"
        )
    }

    /// Hands what was sent to the server of the connection in use.
    private mutating func collect() {
        guard let id = driver.machine.link.id else { return }
        for event in driver.sent { servers[id, default: Server()].unread.append(event.frame) }
        driver.sent = []
    }

    private mutating func act(_ body: (inout SessionStateMachine) -> [SessionStateMachine.Action]) {
        driver.act(body(&driver.machine))
        forget()
        collect()
    }

    private mutating func forget() {
        for id in servers.keys where !driver.links.contains(id) {
            servers[id] = nil
            dead.insert(id)
        }
    }

    /// The socket takes what was sent, and the server answers the oldest frame.
    private mutating func deliver() {
        driver.write()
        collect()
        guard let id = driver.machine.link.id, var server = servers[id], !server.unread.isEmpty else { return }
        let frame = server.unread.removeFirst()
        servers[id] = server
        guard let event = try? JSON.parse(frame), let type = event["type"]?.string else { return }
        if random.below(12) == 0 {
            let eventID = event["event_id"]?.string ?? "none"
            return say("{\"type\":\"error\",\"error\":{\"code\":\"no\",\"message\":\"no\",\"event_id\":\"\(eventID)\"}}")
        }
        switch type {
        case "conversation.item.create":
            guard let item = event["item"] else { return }
            say("{\"type\":\"conversation.item.created\",\"item\":\(String(decoding: item.lexeme, as: UTF8.self))}")
        case "conversation.item.delete": say("{\"type\":\"conversation.item.deleted\",\"item_id\":\"\(event["item_id"]?.string ?? "")\"}")
        case "conversation.item.truncate":
            say("{\"type\":\"conversation.item.truncated\",\"item_id\":\"\(event["item_id"]?.string ?? "")\",\"audio_end_ms\":0}")
        case "session.update": say(#"{"type":"session.updated","session":{"turn_detection":{"type":"server_vad"}}}"#)
        case "input_audio_buffer.commit":
            next += 1
            say("{\"type\":\"input_audio_buffer.committed\",\"item_id\":\"u\(next)\"}")
        case "input_audio_buffer.clear": say(#"{"type":"input_audio_buffer.cleared"}"#)
        case "response.cancel":
            guard let response = server.responses.first(where: { !$0.isOutOfBand }), random.below(4) > 0 else {
                return refuse(event, code: "response_cancel_not_active")
            }
            finish(response.id, "cancelled")
        case "response.create":
            if event["response"]?["conversation"]?.string != "none", server.isResponding {
                return refuse(event, code: "conversation_already_has_active_response")
            }
            next += 1
            let metadata = event["response"]?["metadata"].map { String(decoding: $0.lexeme, as: UTF8.self) } ?? "null"
            let isOutOfBand = event["response"]?["conversation"]?.string == "none"
            servers[id]?.responses.append(("r\(next)", isOutOfBand))
            say(
                "{\"type\":\"response.created\",\"response\":{\"id\":\"r\(next)\",\"status\":\"in_progress\",\"conversation_id\":\(isOutOfBand ? "null" : "\"c\""),\"metadata\":\(metadata)}}"
            )
        default: break
        }
    }

    private mutating func refuse(_ event: JSON, code: String) {
        let id = driver.machine.profile.echoesEventIDs ? "\"\(event["event_id"]?.string ?? "none")\"" : "null"
        say("{\"type\":\"error\",\"error\":{\"code\":\"\(code)\",\"message\":\"no\",\"event_id\":\(id)}}")
    }

    private mutating func finish(_ response: String, _ status: String) {
        guard let id = driver.machine.link.id, let index = servers[id]?.responses.firstIndex(where: { $0.id == response }),
            let isOutOfBand = servers[id]?.responses.remove(at: index).isOutOfBand
        else { return }
        say(
            "{\"type\":\"response.done\",\"response\":{\"id\":\"\(response)\",\"status\":\"\(status)\",\"conversation_id\":\(isOutOfBand ? "null" : "\"c\"")}}"
        )
    }

    /// The server goes on by itself.
    private mutating func speak() {
        guard let id = driver.machine.link.id, driver.machine.link.isOpen, let server = servers[id] else { return }
        next += 1
        if let response = server.responses.randomElement(using: &random)?.id {
            if random.below(2) == 0 { return finish(response, "completed") }
            say("{\"type\":\"response.output_item.added\",\"response_id\":\"\(response)\",\"item\":{\"id\":\"a\(next)\"}}")
            say(
                "{\"type\":\"conversation.item.created\",\"item\":{\"id\":\"a\(next)\",\"type\":\"message\",\"role\":\"assistant\",\"status\":\"completed\",\"content\":[{\"type\":\"audio\",\"transcript\":\"a b\"}]}}"
            )
            say("{\"type\":\"response.audio.delta\",\"item_id\":\"a\(next)\",\"delta\":\"AAAAAAAA\"}")
        } else {
            say("{\"type\":\"input_audio_buffer.speech_started\",\"item_id\":\"v\(next)\",\"audio_start_ms\":0}")
            if random.below(3) == 0 { return }
            say("{\"type\":\"input_audio_buffer.speech_stopped\",\"item_id\":\"v\(next)\",\"audio_end_ms\":0}")
            say("{\"type\":\"input_audio_buffer.committed\",\"item_id\":\"v\(next)\"}")
        }
    }

    private mutating func say(_ json: String) {
        guard let id = driver.machine.link.id else { return }
        act { [now = driver.now] in $0.received(Array(json.utf8), on: id, at: now) }
    }

    private mutating func say(stale: Bool) {
        guard let id = dead.randomElement(using: &random) else { return }
        act { [now = driver.now, stale = self.stale] in $0.received(Array(stale.utf8), on: id, at: now) }
        if random.below(2) == 0 { act { [now = driver.now] in $0.linkLost(id, code: 1001, reason: "again", at: now) } }
        if random.below(2) == 0 { act { [now = driver.now] in $0.linkFailed(id, SessionError(.upstreamUnavailable, ""), at: now) } }
    }

    /// The server takes or refuses the connection that is being made, if there is one.
    private mutating func connect() {
        guard let id = driver.links.last, id == driver.machine.successor?.id || isOpening(id) else { return }
        if random.below(4) == 0 {
            driver.links.removeAll { $0 == id }
            return act { [now = driver.now] in $0.linkFailed(id, SessionError(.upstreamUnavailable, "no"), at: now) }
        }
        let created = "{\"type\":\"session.created\",\"session\":{\"id\":\"s\",\"expires_at\":\(driver.now / 1_000 + 90)}}"
        servers[id] = Server()
        act { [now = driver.now] in $0.linkOpened(id, created: Array(created.utf8), openedAt: now, at: now) }
    }

    private func isOpening(_ id: LinkID) -> Bool {
        if case .opening(id) = driver.machine.link { true } else { false }
    }

    private mutating func lose() {
        guard let id = driver.links.randomElement(using: &random), servers[id] != nil else { return }
        let code = [nil, 1001, 1006, 1011][random.below(4)]
        driver.unwritten = []
        driver.links.removeAll { $0 == id }
        act { [now = driver.now] in $0.linkLost(id, code: code, reason: "lost", at: now) }
    }

    private mutating func pass(_ milliseconds: Int) {
        driver.now += milliseconds
        act { [now = driver.now] in $0.tick(at: now) }
        // What was due is done, or the owner's timer would run hot.
        #expect((driver.machine.nextDeadline ?? .max) > driver.now)
    }

    // MARK: What must hold

    func check() {
        let machine = driver.machine
        #expect(!driver.log.contains("x.stale"))
        // Every connection asked for is in use, about to be, or gone; none is in two hands.
        let used = [machine.link.id, machine.successor?.id].compactMap { $0 }
        #expect(Set(used).count == used.count)
        #expect(Set(driver.links) == Set(used))
        #expect(driver.links.count == Set(driver.links).count)
        #expect(machine.responses.waiting.count <= ResponseQueue.maximumWaiting + 6)
        // Somebody ends every wait: upstream's answer in time, or a connection attempt's, which has a limit of its own.
        let isWaited = !machine.unanswered.isEmpty || !machine.responses.isEmpty || !machine.projection.responsesInProgress.isEmpty
        let attempt = machine.successor.map { if case .opening = $0.state { true } else { false } } ?? false
        let isBounded = machine.nextDeadline.map { $0 <= driver.now + machine.times.stall } ?? false
        #expect(!isWaited || isBounded || isOpening(machine.link.id ?? 0) || attempt)
    }

    private func settlements(_ command: CommandID) -> Int {
        let isResponse = taken[command]?.contains("response.create") == true
        let ends = (driver.answers[command] ?? []).count { $0 != .confirmed || !isResponse }
        return ends + driver.failed.count { $0 == command } + driver.accepted.count { $0 == command }
    }

    /// Nobody is forgotten, and every response has its one end.
    mutating func end() {
        let isFine = !driver.machine.link.isEnded
        act { $0.close(reason: "over", at: 1) }
        check()
        if isFine { #expect(driver.links.isEmpty) }
        var created: [String: Int] = [:]
        for (type, frame) in zip(driver.log, driver.frames) {
            guard let id = (try? JSON.parse(frame))?["response"]?["id"]?.string else { continue }
            if type == "response.created" { created[id] = 0 }
            if type == "response.done" { created[id]? += 1 }
        }
        for (id, ends) in created { #expect(ends == 1, "\(id) ended \(ends) times") }
        for (command, event) in taken {
            // What upstream never acknowledges is answered when the socket has taken it.
            let isAcknowledged = !event.contains("append") && !event.contains("x.unknown")
            if withdrawn.contains(command) {
                #expect(settlements(command) == 0, "\(event) was taken back and answered")
                continue
            }
            #expect(settlements(command) == 1 || (!isAcknowledged && settlements(command) == 0), "\(event)")
        }
    }
}
