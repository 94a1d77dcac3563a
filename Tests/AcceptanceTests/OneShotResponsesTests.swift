import Foundation
import Realtime
import TestSupport
import Testing

/// Responses without a session with the real binary and curl, the simulator's record as the witness.
@Suite(.timeLimit(.minutes(3)))
struct OneShotResponsesTests {
    /// A simulator that records, and a bridge in front of it.
    private func run(
        dialect: String = "ga", simulator: [String] = [], bridge arguments: [String] = [],
        _ body: (Curl, BridgeProcess, () throws -> OneShotRecord) async throws -> Void
    ) async throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "one-shots-\(UUID().uuidString).jsonl")
        defer { try? FileManager.default.removeItem(at: file) }
        try await BridgeProcess.run("simulate", ["--dialect", dialect, "--record", file.path] + simulator) { simulator in
            let upstream = ["--upstream-url", simulator.address, "--upstream-dialect", dialect, "--model", "gpt-realtime-2"]
            try await BridgeProcess.run("serve", upstream + arguments, environment: ["OPENAI_API_KEY": "sk-test-0123456789"]) { bridge in
                try await body(Curl(base: bridge.address), bridge) { try OneShotRecord(contentsOf: file) }
            }
        }
    }

    private static func ask(_ word: String) -> String { "{\"input\":\"say \(word)\",\"modalities\":[\"text\"]}" }

    /// Each asks for its own word: who got another's would show it.
    @Test(arguments: ["beta", "ga"])
    func eightAtATimeNobodySharesAConnectionAndEachGetsItsOwn(dialect: String) async throws {
        try await run(dialect: dialect, simulator: ["--delta-delay", "100"]) { curl, _, record in
            let answers = try await Self.eightAtATime(curl, 50)
            #expect(answers.count == 50)
            for (word, answer) in answers { #expect(try answer.json()["output_text"]?.string == word) }
            let seen = try record()
            #expect(seen.faults == [])
            let all = seen.answered.values.flatMap(\.self)
            #expect(Set(all.map(\.asked)) == Set((0..<50).map { "say word \($0)" }) && all.count == 50)
            #expect(all.allSatisfy { $0.asked == "say \($0.said)" })
            // Used again, one caller after the other.
            print("one-shots, eight at a time: 50 on \(seen.answered.count) connections, \(seen.connections) opened")
            #expect(seen.answered.values.contains { $0.count > 1 })
        }
    }

    private static func eightAtATime(_ curl: Curl, _ number: Int) async throws -> [(word: String, answer: Curl.Answer)] {
        try await withThrowingTaskGroup(of: [(String, Curl.Answer)].self) { group in
            for caller in 0..<8 {
                group.addTask {
                    var answers: [(String, Curl.Answer)] = []
                    for number in stride(from: caller, to: number, by: 8) {
                        answers.append(("word \(number)", try await curl("POST", "/v1/responses", json: Self.ask("word \(number)"))))
                    }
                    return answers
                }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
    }

    /// Connections break while they are used, settle, or wait: each caller gets its own words, or is told that nobody knows what became of it.
    @Test func onConnectionsThatBreakNobodyGetsAnothersWordsEither() async throws {
        try await run(simulator: ["--delta-delay", "50", "--drop-every", "2"]) { curl, _, record in
            let answers = try await Self.eightAtATime(curl, 96)
            for (word, answer) in answers {
                let json = try answer.json()
                switch answer.status {
                case 200: #expect(json["output_text"]?.string == word)
                case 502: #expect(json["error"]?["code"]?.string == "upstream_lost")
                default: #expect(answer.status == 503, "\(answer.text)")
                }
            }
            #expect(answers.count { $0.answer.status == 200 } > 48)
            let seen = try record()
            #expect(seen.faults == [])
            let asked = seen.asked
            #expect(Set(asked).count == asked.count, "asked twice")
        }
    }

    @Test func oneAfterTheOtherTheyUseFewConnections() async throws {
        try await run(simulator: ["--delta-delay", "60"]) { curl, _, record in
            for number in 0..<20 {
                let answer = try await curl("POST", "/v1/responses", json: Self.ask("one two three four \(number)"))
                #expect(try answer.json()["output_text"]?.string == "one two three four \(number)")
            }
            var seen = try record()
            var pool: JSON?
            // The pool may be opening another one, of which the two do not tell at the same moment; and the last caller may not have given back.
            try await until {
                seen = try record()
                pool = try await curl("GET", "/v1/upstreams").json()["data"]?[0]?["pool"]
                return pool?["handshakes"]?.int == seen.connections && pool?["leased"]?.int == 0
            }
            #expect(seen.faults == [])
            print("one-shots one after the other: 20 on \(seen.answered.count) connections, \(seen.connections) opened")
            #expect(seen.connections < 10)
            #expect((pool?["returned"]?.int ?? 0) > 10)
        }
    }

    @Test func allFormsOfAnAnswerByCurl() async throws {
        try await run { curl, bridge, record in
            let waiting = try await curl("POST", "/v1/responses", json: Self.ask("hi"))
            #expect(waiting.status == 200 && waiting.headers.lowercased().contains("location: /v1/sessions/rts_"))
            let stream = try await curl("POST", "/v1/responses", json: "{\"input\":\"say hi\",\"stream\":true}")
            #expect(stream.status == 200 && stream.text.contains("event: response.created") && stream.text.contains("event: response.done"))
            let url = bridge.address + "/v1/responses"
            let words = try await Shell.run("curl", ["-sN", url, "-H", "accept: text/plain", "-d", #"{"input":"Say hi"}"#])
            #expect(String(decoding: words, as: UTF8.self) == "hi\n")
            let wav = try await Shell.run("curl", ["-s", url, "-H", "accept: audio/wav", "-d", #"{"input":"Say hi"}"#])
            #expect(wav.starts(with: Array("RIFF".utf8)) && wav.count > 10_000)
            // As it stands in the README: curl's own content type.
            let plain = try await Shell.run("curl", ["-d", #"{"input":"Say hi"}"#, "-s", url])
            #expect(try JSON.parse(plain)["output_text"]?.string == "hi")
            #expect(try await curl("GET", "/v1/sessions").json()["data"]?.elements.isEmpty == true)
            #expect(try record().faults == [])
        }
    }

    @Test func aKilledCurlStopsNothing() async throws {
        try await run(simulator: ["--delta-delay", "10"]) { _, bridge, record in
            let child = try ChildProcess(
                URL(filePath: "/usr/bin/env"),
                ["curl", "-sN", bridge.address + "/v1/responses", "-d", #"{"input":"count to 40","stream":true}"#])
            try await until { try record().asked.count == 1 }
            child.kill()
            try await until { try record().answered.values.flatMap(\.self).count == 1 }
            #expect(try record().answered.values.flatMap(\.self)[0].said.hasSuffix("40."))
        }
    }

    /// Killed while a response runs: the client is cut off, the record of it ends, and the session does not wait for anybody.
    @Test func afterAKillTheOneThatRanHasItsOneTerminal() async throws {
        try await run(simulator: ["--delta-delay", "50"]) { curl, bridge, record in
            let begun = try await curl("POST", "/v1/responses", json: #"{"input":"count to 1000","modalities":["text"],"background":true}"#)
            #expect(begun.status == 202)
            let id = try #require(try begun.json()["id"]?.string)
            let place = try #require(
                begun.headers.split(separator: "\r\n").first { $0.lowercased().hasPrefix("location: ") }.map { $0.dropFirst(10) })
            let stream = try CurlStream(bridge.address + place + "?stream=true")
            try await stream.until("response.text.delta")
            try await bridge.kill()
            try await stream.stop()
            try await bridge.start()
            let response = try await curl("GET", String(place)).json()
            #expect(response["id"]?.string == id && response["status"]?.string == "failed")
            #expect(response["status_details"]?["error"]?["code"]?.string == "upstream_lost")
            // The stream that broke off goes on to its end.
            let rest = try CurlStream(bridge.address + place + "?stream=true", lastEventID: stream.lastEventID)
            let events = try await rest.until("response.done")
            // Deltas that were stored and had not arrived come first, each for the first time.
            #expect(events.dropLast().allSatisfy { $0.type == "response.text.delta" })
            #expect(Set(stream.all.compactMap(\.id)).isDisjoint(with: events.compactMap(\.id)))
            let session = place.split(separator: "/").prefix(3).joined(separator: "/")
            #expect(try await curl("GET", "/" + session).json()["status"]?.string == "closed")
            #expect(try await curl("GET", "/v1/sessions").json()["data"]?.elements.isEmpty == true)
            #expect(try await curl("POST", "/v1/responses", json: Self.ask("again")).json()["output_text"]?.string == "again")
            #expect(try record().faults == [])
        }
    }

    private func until(_ condition: () async throws -> Bool) async throws {
        for _ in 0..<600 {
            if try await condition() { return }
            try await Task.sleep(for: .milliseconds(50))
        }
        throw WaitedTooLong(what: "the record")
    }
}
