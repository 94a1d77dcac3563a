import Foundation
import Realtime
import TestSupport
import Testing

/// Responses with the real binary and curl: who hangs up stops nothing, and what waits for its turn gets it.
struct ResponsesTests {
    private func session(_ curl: Curl) async throws -> String {
        let created = try await curl("POST", "/v1/sessions", json: #"{"session":{"modalities":["text"]}}"#)
        return "/v1/sessions/\(try #require(try created.json()["id"]?.string))"
    }

    private func background(_ curl: Curl, _ path: String, _ json: String) async throws -> Curl.Answer {
        try await curl("POST", path + "/responses", json: json)
    }

    @Test(arguments: ["beta", "ga"])
    func aKilledCurlStopsNothingAndCancelDoes(upstream: String) async throws {
        try await BridgeProcess.run("demo", ["--upstream-dialect", upstream]) { bridge in
            let curl = Curl(base: bridge.address)
            let path = try await session(curl)
            let stream = try CurlStream(bridge.address + path + "/events")
            for isStreamed in [false, true] {
                let child = try ChildProcess(
                    URL(filePath: "/usr/bin/env"),
                    ["curl", "-sN", bridge.address + path + "/responses", "-d", "{\"input\":\"count to 60\",\"stream\":\(isStreamed)}"])
                try await stream.until("response.text.delta")
                child.kill()
                let end = try #require(try await stream.until("response.done").last)
                #expect(try end.json()["response"]?["status"]?.string == "completed")
            }
            try await stream.stop()

            let begun = try await background(curl, path, #"{"input":"count to 1000","background":true}"#)
            let id = try #require(try begun.json()["id"]?.string)
            let cancelled = try await curl("POST", path + "/responses/\(id)/cancel")
            #expect(try cancelled.json()["status"]?.string == "cancelled")
        }
    }

    @Test func whoWaitsForItsTurnAndLeavesIsAnsweredAllTheSame() async throws {
        try await BridgeProcess.run { bridge in
            let curl = Curl(base: bridge.address)
            let path = try await session(curl)
            let begun = try await background(curl, path, #"{"input":"count to 1000","background":true}"#)
            let first = try #require(try begun.json()["id"]?.string)
            let url = bridge.address + path + "/responses"
            // It leaves after a second, long before its turn.
            _ = try await Shell.run("curl", ["-s", "-m", "1", url, "-d", #"{"input":"say I left","if_active":"queue"}"#])
            let queued = try await background(curl, path, #"{"input":"say queued","if_active":"queue","background":true}"#)
            #expect(queued.status == 202)
            #expect(try queued.json()["status"]?.string == "queued")
            let jumped = try await curl("POST", path + "/responses", json: #"{"input":"say jumped","if_active":"interrupt"}"#)
            #expect(try jumped.json()["output_text"]?.string == "jumped")
            let last = try await curl("POST", path + "/responses", json: #"{"input":"say last","if_active":"queue"}"#)
            #expect(try last.json()["output_text"]?.string == "last")
            let responses = try await curl("GET", path + "/responses?limit=100").json()["data"]?.elements ?? []
            #expect(responses.map { $0["output_text"]?.string }.dropFirst() == ["jumped", "I left", "queued", "last"])
            #expect(responses.first?["id"]?.string == first)
            #expect(responses.first?["status"]?.string == "cancelled")
            // Each from its own events, as they came.
            for response in responses {
                let id = try #require(response["id"]?.string)
                let events = try await curl("GET", path + "/responses/\(id)?stream=true")
                #expect(events.text.components(separatedBy: "event: response.created\n").count == 2)
                #expect(events.text.components(separatedBy: "event: response.done\n").count == 2)
            }
        }
    }

    @Test func aKilledBridgeLeavesNoResponseWithoutItsEndAndNoneWaiting() async throws {
        try await BridgeProcess.run { bridge in
            let curl = Curl(base: bridge.address)
            let path = try await session(curl)
            _ = try await background(curl, path, #"{"input":"count to 1000","background":true}"#)
            for number in 0..<3 {
                _ = try await background(curl, path, "{\"input\":\"say \(number)\",\"if_active\":\"queue\",\"background\":true}")
            }
            try await bridge.kill()
            try await bridge.start()
            let responses = try await curl("GET", path + "/responses").json()["data"]?.elements ?? []
            #expect(responses.map { $0["status"]?.string } == ["failed"])
            // What waited was only in memory: the items too.
            #expect(try await curl("GET", path).json()["item_count"]?.int == 2)
            let again = try await curl("POST", path + "/responses", json: #"{"input":"say again","if_active":"queue"}"#)
            #expect(try again.json()["output_text"]?.string == "again")
        }
    }
}
