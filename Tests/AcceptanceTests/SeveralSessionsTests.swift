import Foundation
import Realtime
import TestSupport
import Testing

/// Several sessions on one stream, and function calls, through the real program and curl, across a `kill -9`.
struct SeveralSessionsTests {
    private static let sessions = 6

    private struct Wrapped {
        let id: String
        let session: String
        let event: String

        init?(_ event: CurlStream.Event) throws {
            let json = try event.json()
            guard let id = event.id, let session = json["session_id"]?.string, let inner = json["event"] else { return nil }
            self.id = id
            self.session = session
            self.event = String(decoding: inner.lexeme, as: UTF8.self)
        }
    }

    /// All of a session's events, read from its own stream's pages.
    private static func log(_ curl: Curl, _ session: String) async throws -> [String] {
        var events: [String] = []
        var cursor = ""
        while true {
            let page = try await curl(
                "GET", "/v1/sessions/\(session)/events?limit=100\(cursor)", headers: ["accept: application/json"]
            ).json()
            events += (page["data"]?.elements ?? []).compactMap { $0["event"].map { String(decoding: $0.lexeme, as: UTF8.self) } }
            guard page["has_more"]?.bool == true, let last = page["last_id"]?.string else { return events }
            cursor = "&after=\(last)"
        }
    }

    @Test func aStreamOverSeveralGoesOnAfterKillsExactlyOnceInEach() async throws {
        try await BridgeProcess.run("demo") { bridge in
            let curl = Curl(base: bridge.address)
            var ids: [String] = []
            for _ in 0..<Self.sessions {
                let made = try await curl("POST", "/v1/sessions", json: #"{"session":{"modalities":["text"]}}"#)
                ids.append(try #require(try made.json()["id"]?.string))
            }
            let path = bridge.address + "/v1/events?" + ids.map { "session=\($0)" }.joined(separator: "&")
            var seen: [Wrapped] = []
            for round in 0..<3 {
                for id in ids {
                    let started = try await curl(
                        "POST", "/v1/sessions/\(id)/responses", json: #"{"input":"Count to 300","background":true}"#)
                    #expect(started.status == 202, "\(started.text)")
                }
                // Cut in the middle, by hand and by killing the bridge.
                for isLast in [false, true] {
                    let stream = try CurlStream(path, lastEventID: seen.last?.id)
                    for _ in 0..<200 {
                        if let wrapped = try Wrapped(try await stream.next()) { seen.append(wrapped) }
                    }
                    if isLast {
                        try await bridge.kill()
                        try await bridge.start()
                    }
                    try await stream.stop()
                }
                #expect(Set(seen.map(\.session)).count == Self.sessions, "round \(round)")
            }
            for id in ids { #expect(try await curl("DELETE", "/v1/sessions/\(id)?keep=true").status == 200) }
            let rest = try CurlStream(path, lastEventID: seen.last?.id)
            while let event = try? await rest.next(within: .seconds(20)) {
                if let wrapped = try Wrapped(event) { seen.append(wrapped) }
                if seen.count(where: { $0.event.contains("bridge.session.closed") }) == Self.sessions { break }
            }
            for id in ids {
                #expect(try await Self.log(curl, id) == seen.filter { $0.session == id }.map(\.event))
            }
            let over = try await curl(
                "GET", String(path.dropFirst(bridge.address.count)), headers: ["last-event-id: \(seen.last?.id ?? "")"])
            #expect(over.status == 204)
        }
    }

    @Test(arguments: ["ga", "beta"])
    func aCallWaitsForItsOutputAcrossAKill(upstream: String) async throws {
        try await BridgeProcess.run("demo", ["--upstream-dialect", upstream]) { bridge in
            let curl = Curl(base: bridge.address)
            let tools = ["get_weather", "get_time"].map { #"{"type":"function","name":"\#($0)","parameters":{"type":"object"}}"# }
            let made = try await curl(
                "POST", "/v1/sessions", json: "{\"session\":{\"modalities\":[\"text\"],\"tools\":[\(tools.joined(separator: ","))]}}")
            let path = "/v1/sessions/\(try #require(try made.json()["id"]?.string))"
            let asked = try await curl("POST", path + "/responses", json: #"{"input":"get weather and get time"}"#)
            #expect(asked.status == 200, "\(asked.text)")
            try await bridge.kill()
            try await bridge.start()
            let list = try await curl("GET", path + "/function_calls?status=pending")
            let calls = (try list.json()["data"]?.elements ?? []).compactMap { $0["call_id"]?.string }
            try #require(calls.count == 2, "\(list.text)")
            let first = try await curl("POST", path + "/function_calls/\(calls[0])/output", json: #"{"output":"rain"}"#)
            #expect(first.status == 201, "\(first.text)")
            #expect(try first.json()["waits_for"]?.elements.map(\.string) == [calls[1]])
            // What was promised goes with the process, and the next output keeps it.
            try await bridge.kill()
            try await bridge.start()
            let second = try await curl("POST", path + "/function_calls/\(calls[1])/output", json: #"{"output":"noon"}"#)
            #expect(second.status == 201, "\(second.text)")
            let response = try #require(try second.json()["response"]?["id"]?.string, "\(second.text)")
            let stream = try CurlStream(bridge.address + path + "/events?response_id=\(response)&until=response.done")
            #expect(try await stream.until("response.done").last?.data.contains(#""status":"completed""#) == true)
            let again = try await curl("POST", path + "/function_calls/\(calls[0])/output", json: #"{"output":"sun"}"#)
            #expect(again.status == 409)
        }
    }
}
