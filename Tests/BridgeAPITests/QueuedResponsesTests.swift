import EventLog
import HTTPServer
import Realtime
import Sessions
import TestSupport
import Testing
import Upstream

@testable import BridgeAPI

/// `if_active`: responses one after the other, as callers see them.
@Suite struct QueuedResponsesTests {
    private static func text(_ dialect: Dialect) -> String {
        dialect == .ga ? #""output_modalities":["text"]"# : #""modalities":["text"]"#
    }

    /// Begun in the background and long enough for all that follows.
    private func busy(_ bridge: APIFixture, _ id: String, dialect: Dialect = .beta) async throws -> String {
        let begun = try await bridge.send(
            "POST", "/v1/sessions/\(id)/responses", "{\"input\":\"count to 1000\",\(Self.text(dialect)),\"background\":true}")
        try #require(begun.status == 202, "\(begun.text)")
        return try #require(begun.json?["id"]?.string)
    }

    private func words(_ bridge: APIFixture, _ id: String) async throws -> [String] {
        let items = try await bridge.send("GET", "/v1/sessions/\(id)/items?limit=100").json?["data"]?.elements ?? []
        return items.map { $0["content"]?[0]?["text"]?.string ?? "" }
    }

    @Test(arguments: [(Dialect.beta, Dialect.beta), (.ga, .ga), (.ga, .beta), (.beta, .ga)])
    func eachIsAnsweredInItsTurnAndItsWordsStandRightBefore(upstream: Dialect, shown: Dialect) async throws {
        try await APIFixture.run(dialect: upstream, deltaDelay: .milliseconds(10)) { bridge in
            let id = try await bridge.newSession("{\"dialect\":\"\(shown.rawValue)\"}")
            let first = try await busy(bridge, id, dialect: shown)
            let answers = try await withThrowingTaskGroup(of: (Int, APIAnswer).self) { group in
                for number in 0..<4 {
                    group.addTask {
                        let answer = try await bridge.send(
                            "POST", "/v1/sessions/\(id)/responses",
                            "{\"input\":\"say number \(number)\",\(Self.text(shown)),\"if_active\":\"queue\"}")
                        return (number, answer)
                    }
                    // In this order.
                    try await bridge.waitUntil(id, queued: number + 1)
                }
                #expect(try await bridge.send("POST", "/v1/sessions/\(id)/responses/\(first)/cancel").status == 200)
                return try await group.reduce(into: [(Int, APIAnswer)]()) { $0.append($1) }
            }
            for (number, answer) in answers {
                #expect(answer.status == 200, "\(answer.text)")
                #expect(answer.json?["output_text"]?.string == "number \(number)")
            }
            let said = try await words(bridge, id).suffix(8)
            #expect(Array(said) == (0..<4).flatMap { ["say number \($0)", "number \($0)"] })
        }
    }

    @Test func oneThatInterruptsStopsTheOneThatRuns() async throws {
        try await APIFixture.run(deltaDelay: .milliseconds(20)) { bridge in
            let id = try await bridge.newSession()
            let first = try await busy(bridge, id)
            let answer = try await bridge.send(
                "POST", "/v1/sessions/\(id)/responses", #"{"input":"say stop","modalities":["text"],"if_active":"interrupt"}"#)
            #expect(answer.status == 200)
            #expect(answer.json?["output_text"]?.string == "stop")
            #expect(try await bridge.send("GET", "/v1/sessions/\(id)/responses/\(first)").json?["status"]?.string == "cancelled")
        }
    }

    @Test func sixteenWaitInTheBackgroundAndTheSeventeenthIsTooMany() async throws {
        try await APIFixture.run(deltaDelay: .milliseconds(20)) { bridge in
            let id = try await bridge.newSession()
            let first = try await busy(bridge, id)
            let body = #"{"input":"say x","modalities":["text"],"if_active":"queue","background":true}"#
            for _ in 0..<16 {
                let queued = try await bridge.send("POST", "/v1/sessions/\(id)/responses", body)
                #expect(queued.status == 202)
                #expect(queued.json?["status"]?.string == "queued")
                #expect(queued.json?["event_id"]?.string?.hasPrefix("event_") == true)
                #expect(queued.json?["item_id"]?.string?.hasPrefix("item_") == true)
            }
            let full = try await bridge.send("POST", "/v1/sessions/\(id)/responses", body)
            #expect(full.status == 429)
            #expect(full.code == "response_queue_full")
            #expect(full.headers["x-should-retry"] == "true")
            #expect(full.headers["retry-after"] != nil)
            // Nobody gets past them.
            let rejected = try await bridge.send("POST", "/v1/sessions/\(id)/responses", "{}")
            #expect(rejected.code == "conversation_already_has_active_response")
            _ = try await bridge.send("POST", "/v1/sessions/\(id)/responses/\(first)/cancel")
            let last = try await bridge.send(
                "POST", "/v1/sessions/\(id)/responses", #"{"input":"say last","modalities":["text"],"if_active":"queue"}"#)
            #expect(last.json?["output_text"]?.string == "last")
            let responses = try await bridge.send("GET", "/v1/sessions/\(id)/responses?limit=100").json?["data"]?.elements ?? []
            #expect(responses.count == 18)
            #expect(responses.dropFirst().allSatisfy { $0["status"]?.string == "completed" })
        }
    }

    @Test func closingTheSessionAnswersAllThatWait() async throws {
        try await APIFixture.run(deltaDelay: .milliseconds(20)) { bridge in
            let id = try await bridge.newSession()
            _ = try await busy(bridge, id)
            try await withThrowingTaskGroup(of: APIAnswer.self) { group in
                for number in 0..<16 {
                    let more = [#""stream":true"#, #""background":false"#][number % 2]
                    group.addTask {
                        try await bridge.send(
                            "POST", "/v1/sessions/\(id)/responses", "{\"input\":\"say x\",\"if_active\":\"queue\",\(more)}")
                    }
                }
                try await bridge.waitUntil(id, queued: 16)
                _ = try await bridge.send("DELETE", "/v1/sessions/\(id)?keep=true")
                for try await answer in group {
                    #expect(answer.status == 410, "\(answer.text)")
                    #expect(answer.code == "session_closed")
                }
            }
        }
    }

    @Test func whoseTimeIsOverIsTakenBackAndLeavesNothingBehind() async throws {
        try await APIFixture.run(deltaDelay: .milliseconds(20)) { bridge in
            let id = try await bridge.newSession()
            let first = try await busy(bridge, id)
            let late = try await bridge.send(
                "POST", "/v1/sessions/\(id)/responses", #"{"input":"say x","if_active":"queue"}"#, headers: ["prefer": "wait=0"])
            #expect(late.status == 503)
            #expect(late.code == "response_queue_timeout")
            #expect(late.headers["x-should-retry"] == "true")
            let receipt = try await bridge.send(
                "POST", "/v1/sessions/\(id)/responses", #"{"input":"say y","modalities":["text"],"if_active":"queue"}"#,
                headers: ["prefer": "respond-async, wait=0"])
            #expect(receipt.status == 202)
            #expect(receipt.json?["status"]?.string == "queued")
            let now = try await bridge.send(
                "POST", "/v1/sessions/\(id)/responses", #"{"input":"say z","modalities":["text"],"if_active":"queue"}"#,
                headers: ["prefer": "respond-async"])
            #expect(now.json?["status"]?.string == "queued")
            let background = try await bridge.send(
                "POST", "/v1/sessions/\(id)/responses", #"{"input":"say w","modalities":["text"],"if_active":"queue","background":true}"#,
                headers: ["prefer": "wait=0"])
            #expect(background.status == 202 && background.json?["status"]?.string == "queued")
            _ = try await bridge.send("POST", "/v1/sessions/\(id)/responses/\(first)/cancel")
            let last = try await bridge.send(
                "POST", "/v1/sessions/\(id)/responses", #"{"input":"say last","modalities":["text"],"if_active":"queue"}"#)
            #expect(last.status == 200)
            #expect(try await words(bridge, id).suffix(8) == ["say y", "y", "say z", "z", "say w", "w", "say last", "last"])
            #expect(try await !words(bridge, id).contains("say x"))
        }
    }

    @Test func oneWhoseClientLeftStillRuns() async throws {
        try await APIFixture.run(deltaDelay: .milliseconds(10)) { bridge in
            let id = try await bridge.newSession()
            let first = try await busy(bridge, id)
            let client = Task {
                try await bridge.send(
                    "POST", "/v1/sessions/\(id)/responses", #"{"input":"say hello","modalities":["text"],"if_active":"queue"}"#)
            }
            try await bridge.waitUntil(id, queued: 1)
            client.cancel()
            _ = try? await client.value
            _ = try await bridge.send("POST", "/v1/sessions/\(id)/responses/\(first)/cancel")
            let last = try await bridge.send(
                "POST", "/v1/sessions/\(id)/responses", #"{"input":"say last","modalities":["text"],"if_active":"queue"}"#)
            #expect(last.status == 200)
            #expect(try await words(bridge, id).suffix(4) == ["say hello", "hello", "say last", "last"])
        }
    }

    @Test func aQueuedOneIsStreamedFromItsBeginning() async throws {
        try await APIFixture.run(deltaDelay: .milliseconds(10)) { bridge in
            let id = try await bridge.newSession()
            let first = try await busy(bridge, id)
            async let streamed = bridge.send(
                "POST", "/v1/sessions/\(id)/responses", #"{"input":"say a b","modalities":["text"],"if_active":"queue","stream":true}"#)
            try await bridge.waitUntil(id, queued: 1)
            _ = try await bridge.send("POST", "/v1/sessions/\(id)/responses/\(first)/cancel")
            let events = try await streamed.events
            #expect(events.first == "response.created")
            #expect(events.last == "response.done")
        }
    }

    @Test(arguments: [Dialect.beta, .ga])
    func aRefusedOneInTheQueueTakesItsItemBackAndTheNextGoesOn(dialect: Dialect) async throws {
        try await APIFixture.run(dialect: dialect, deltaDelay: .milliseconds(10)) { bridge in
            let id = try await bridge.newSession()
            let first = try await busy(bridge, id, dialect: dialect)
            async let refused = bridge.send(
                "POST", "/v1/sessions/\(id)/responses", #"{"input":"say no","max_output_tokens":"many","if_active":"queue"}"#)
            try await bridge.waitUntil(id, queued: 1)
            async let next = bridge.send(
                "POST", "/v1/sessions/\(id)/responses", "{\"input\":\"say yes\",\(Self.text(dialect)),\"if_active\":\"queue\"}")
            try await bridge.waitUntil(id, queued: 2)
            _ = try await bridge.send("POST", "/v1/sessions/\(id)/responses/\(first)/cancel")
            #expect(try await refused.status == 400)
            #expect(try await refused.error?["message"]?.string?.contains("deleted again") == true)
            #expect(try await next.json?["output_text"]?.string == "yes")
            #expect(try await words(bridge, id).suffix(2) == ["say yes", "yes"])
        }
    }

    @Test func upstreamsOwnResponseIsWaitedForAndTheConnectionMayBeLostMeanwhile() async throws {
        let upstream = ScriptedUpstream([.session(), .session("sess_2")])
        try await APIFixture.run(connector: upstream) { bridge in
            let id = try await bridge.newSession()
            let connection = try await upstream.nextConnection()
            let path = "/v1/sessions/\(id)/responses"
            async let first = bridge.send("POST", path, #"{"if_active":"queue"}"#)
            let created = try await connection.nextSent()
            async let second = bridge.send("POST", path, #"{"if_active":"queue","metadata":{"k":"2"}}"#)
            try await bridge.waitUntil(id, queued: 1)
            async let third = bridge.send("POST", path, #"{"if_active":"queue","metadata":{"k":"3"}}"#)
            try await bridge.waitUntil(id, queued: 2)
            // Voice detection was faster.
            connection.push(Self.created("r_vad", metadata: "null"))
            connection.push(try Self.refusal(of: created))
            connection.push(Self.done("r_vad", "cancelled"))
            let again = try JSON.parse(try await connection.nextSent())
            #expect(again["type"]?.string == "response.create")
            connection.push(Self.created("r1", metadata: String(decoding: again["response"]?["metadata"]?.lexeme ?? [], as: UTF8.self)))
            connection.push(Self.done("r1", "completed"))
            #expect(try await first.status == 200)
            _ = try await connection.nextSent()
            // Written and not begun.
            connection.end(UpstreamEnd(.lost))
            let lost = try await second
            #expect(lost.status == 502)
            #expect(lost.code == "upstream_lost")
            let next = try await upstream.nextConnection()
            let creation = try JSON.parse(try await next.nextSent())
            #expect(creation["response"]?["metadata"]?["k"]?.string == "3")
            next.push(Self.created("r3", metadata: String(decoding: creation["response"]?["metadata"]?.lexeme ?? [], as: UTF8.self)))
            next.push(Self.done("r3", "completed"))
            #expect(try await third.status == 200)
        }
    }

    private static func created(_ id: String, metadata: String) -> String {
        "{\"type\":\"response.created\",\"response\":{\"id\":\"\(id)\",\"object\":\"realtime.response\",\"status\":\"in_progress\",\"conversation_id\":\"c\",\"output\":[],\"metadata\":\(metadata)}}"
    }

    private static func done(_ id: String, _ status: String) -> String {
        "{\"type\":\"response.done\",\"response\":{\"id\":\"\(id)\",\"object\":\"realtime.response\",\"status\":\"\(status)\",\"conversation_id\":\"c\",\"output\":[]}}"
    }

    private static func refusal(of frame: String) throws -> String {
        "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"code\":\"conversation_already_has_active_response\",\"message\":\"no\",\"event_id\":\"\(try JSON.parse(frame)["event_id"]?.string ?? "")\"}}"
    }

    /// 600 ms of a tone and 800 ms of silence: what voice detection takes for a turn.
    private static let turn: String = {
        let tone = (0..<14_400).flatMap { $0 / 25 % 2 == 0 ? [0x40, 0x1F] as [UInt8] : [0xC0, 0xE0] }
        return String(decoding: Base64.encoded((tone + [UInt8](repeating: 0, count: 38_400))[...]), as: UTF8.self)
    }()

    /// The server answers what it hears by itself, in the middle of the queue.
    @Test(arguments: [Dialect.beta, .ga], IfActive.allCases)
    func voiceDetectionSlipsInAndEveryResponseHasItsOneEnd(dialect: Dialect, ifActive: IfActive) async throws {
        try await APIFixture.run(dialect: dialect, deltaDelay: .milliseconds(1)) { bridge in
            let detection = #"{"type":"server_vad","interrupt_response":false}"#
            let id = try await bridge.newSession(
                dialect == .beta
                    ? "{\"session\":{\"modalities\":[\"text\"],\"turn_detection\":\(detection)}}"
                    : "{\"session\":{\"type\":\"realtime\",\"output_modalities\":[\"text\"],\"audio\":{\"input\":{\"turn_detection\":\(detection)}}}}"
            )
            let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
                for number in 0..<12 {
                    group.addTask {
                        try await bridge.send(
                            "POST", "/v1/sessions/\(id)/responses",
                            "{\"input\":\"say \(number)\",\"if_active\":\"\(ifActive.rawValue)\"}"
                        ).status
                    }
                    guard number.isMultiple(of: 4) else { continue }
                    group.addTask {
                        try await bridge.send("POST", "/v1/sessions/\(id)/input_audio", "{\"audio\":\"\(Self.turn)\"}").status
                    }
                }
                return try await group.reduce(into: [Int]()) { $0.append($1) }
            }
            let expected: Set<Int> = ifActive == .reject ? [200, 202, 409] : [200, 202]
            #expect(Set(statuses).isSubset(of: expected), "\(statuses)")
            _ = try await bridge.send("POST", "/v1/sessions/\(id)/responses", #"{"input":"say last","if_active":"queue"}"#)
            let page = try await bridge.send(
                "GET", "/v1/sessions/\(id)/events?types=response.created,response.done&limit=100", headers: ["accept": "application/json"])
            let events = (page.json?["data"]?.elements ?? []).compactMap { $0["event"] }
            var open: [String] = []
            for event in events {
                let response = event["response"]?["id"]?.string ?? ""
                if event["type"]?.string == "response.created" { open.append(response) }
                if event["type"]?.string == "response.done" { #expect(open.removeLast() == response) }
                // One at a time.
                #expect(open.count <= 1)
            }
            #expect(open.isEmpty)
            // None without its words: what was refused took them with it.
            let said = try await words(bridge, id).count { $0.hasPrefix("say ") }
            #expect(said == statuses.count { $0 == 200 } + 1)
        }
    }

    @Test(arguments: [Dialect.beta, .ga])
    func responsesOutOfBandRunSideBySideAndNeverWait(dialect: Dialect) async throws {
        try await APIFixture.run(dialect: dialect, deltaDelay: .milliseconds(5)) { bridge in
            let id = try await bridge.newSession()
            _ = try await busy(bridge, id, dialect: dialect)
            try await withThrowingTaskGroup(of: (Int, APIAnswer).self) { group in
                for number in 0..<10 {
                    let ifActive = ["reject", "queue", "interrupt"][number % 3]
                    group.addTask {
                        let answer = try await bridge.send(
                            "POST", "/v1/sessions/\(id)/responses",
                            "{\"conversation\":\"none\",\"input\":\"say number \(number)\",\(Self.text(dialect)),\"metadata\":{\"n\":\"\(number)\"},\"if_active\":\"\(ifActive)\"}"
                        )
                        return (number, answer)
                    }
                }
                for try await (number, answer) in group {
                    #expect(answer.status == 200, "\(answer.text)")
                    #expect(answer.json?["output_text"]?.string == "number \(number)")
                    #expect(answer.json?["metadata"]?["n"]?.string == "\(number)")
                    #expect(answer.json?["metadata"]?.members.count == 1)
                }
            }
            // The conversation has not heard of them, and its own response still runs.
            let session = try await bridge.send("GET", "/v1/sessions/\(id)").json
            #expect(session?["item_count"]?.int == 2)
            #expect(session?["active_response_id"]?.string != nil)
        }
    }
}

extension APIFixture {
    /// Until so many responses wait for their turn.
    func waitUntil(_ id: String, queued count: Int) async throws {
        let session = try await directory.session(id, for: Caller(owner: nil, seesAll: true))
        let end = ContinuousClock.now + .seconds(20)
        while await session.queuedResponses != count {
            guard ContinuousClock.now < end else { throw WaitedTooLong(what: "\(count) responses in the queue") }
            await Task.yield()
        }
    }
}

extension APIAnswer {
    /// The names of a stream's events.
    var events: [String] {
        text.split(separator: "\n").compactMap { $0.hasPrefix("event: ") ? String($0.dropFirst(7)) : nil }
    }
}
