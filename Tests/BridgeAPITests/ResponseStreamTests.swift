import EventLog
import HTTPServer
import Realtime
import Testing

@testable import BridgeAPI

/// `GET …/responses/{response}?stream=true`: the events of one response, whenever it is asked.
@Suite struct ResponseStreamTests {
    private func ids(_ text: String) -> [String] {
        text.split(separator: "\n\n").filter { $0.contains("\ndata:") }.compactMap { frame in
            frame.split(separator: "\n").first { $0.hasPrefix("id: ") }.map { String($0.dropFirst(4)) }
        }
    }

    @Test(arguments: [(Dialect.beta, Dialect.beta), (.ga, .ga), (.ga, .beta), (.beta, .ga)])
    func itsEventsCanBeReadAgainFromAnyOfThem(upstream: Dialect, shown: Dialect) async throws {
        try await APIFixture.run(dialect: upstream) { bridge in
            let id = try await bridge.newSession("{\"dialect\":\"\(shown.rawValue)\"}")
            let path = "/v1/sessions/\(id)/responses"
            let text = shown == .ga ? #""output_modalities":["text"]"# : #""modalities":["text"]"#
            let streamed = try await bridge.send("POST", path, "{\"input\":\"say one two three\",\(text),\"stream\":true}")
            let response = try #require(
                try await bridge.send("GET", path).json?["data"]?[0]?["id"]?.string)
            // Others before and behind it are not shown.
            _ = try await bridge.send("POST", path, "{\"input\":\"say four\",\(text)}")
            let whole = try await bridge.send("GET", "\(path)/\(response)?stream=true")
            #expect(whole.status == 200)
            #expect(whole.headers["content-type"] == "text/event-stream")
            #expect(ids(whole.text) == ids(streamed.text))
            #expect(whole.events.first == "response.created")
            #expect(whole.events.last == "response.done")
            #expect(whole.events.contains(shown == .ga ? "response.output_text.delta" : "response.text.delta"))
            #expect(!whole.text.contains("realtime_bridge"))
            let all = ids(whole.text)
            for (index, last) in all.enumerated().dropLast() {
                for resumed in [
                    try await bridge.send("GET", "\(path)/\(response)?stream=true&after=\(last)"),
                    try await bridge.send("GET", "\(path)/\(response)?stream=true", headers: ["last-event-id": last]),
                    try await bridge.send(
                        "GET", "\(path)/\(response)", headers: ["last-event-id": last, "accept": "text/event-stream"]),
                ] {
                    #expect(ids(resumed.text) == Array(all[(index + 1)...]))
                }
            }
            let beyond = try await bridge.send("GET", "/v1/sessions/\(id)").json?["last_event_id"]?.string ?? ""
            for end in [all[all.count - 1], beyond] {
                #expect(try await bridge.send("GET", "\(path)/\(response)?stream=true&after=\(end)").status == 204)
                #expect(try await bridge.send("GET", "\(path)/\(response)?stream=true", headers: ["last-event-id": end]).status == 204)
            }
            // From before its beginning it is shown whole; an id that was never one is said to be.
            let early = try await bridge.send("GET", "\(path)/\(response)?stream=true&after=1.1")
            #expect(ids(early.text) == all)
            let unknown = try await bridge.send("GET", "\(path)/\(response)?stream=true&after=nonsense")
            #expect(unknown.events.first == "bridge.gap")
            #expect(unknown.events.last == "response.done")
            #expect(bridge.api.streams.registry.gauges.open == 0)
        }
    }

    @Test func aRunningOneIsFollowedToItsEnd() async throws {
        try await APIFixture.run(deltaDelay: .milliseconds(5)) { bridge in
            let id = try await bridge.newSession()
            let path = "/v1/sessions/\(id)/responses"
            let begun = try await bridge.send("POST", path, #"{"input":"count to 1000","modalities":["text"],"background":true}"#)
            let response = try #require(begun.json?["id"]?.string)
            async let first = bridge.send("GET", "\(path)/\(response)?stream=true")
            async let second = bridge.send("GET", "\(path)/\(response)", headers: ["accept": "text/event-stream"])
            _ = try await bridge.send(
                "GET", "/v1/sessions/\(id)/events?types=*text.delta&wait=20", headers: ["accept": "application/json"])
            #expect(try await bridge.send("POST", "\(path)/\(response)/cancel").status == 200)
            for answer in [try await first, try await second] {
                #expect(answer.events.first == "response.created")
                #expect(answer.events.last == "response.done")
                #expect(answer.text.contains(#""status":"cancelled""#))
            }
        }
    }

    @Test func whatIsOlderThanWhatIsKeptIsGone() async throws {
        var storage = EventLogConfiguration(storage: .memory)
        storage.retainedBytesPerSession = 4_000
        try await APIFixture.run(storage: storage) { bridge in
            let id = try await bridge.newSession()
            let path = "/v1/sessions/\(id)/responses"
            let first = try await bridge.send("POST", path, #"{"input":"say one","modalities":["text"]}"#).json?["id"]?.string ?? ""
            let last = try await bridge.send("POST", path, #"{"input":"count to 50","modalities":["text"]}"#).json?["id"]?.string ?? ""
            try await bridge.log.applyRetention()
            let gone = try await bridge.send("GET", "\(path)/\(first)?stream=true")
            #expect(gone.status == 410)
            #expect(gone.code == "events_expired")
            #expect(try await bridge.send("GET", "\(path)/\(first)").json?["output_text"]?.string == "one")
            // Of this one the beginning is.
            let rest = try await bridge.send("GET", "\(path)/\(last)?stream=true")
            #expect(rest.events.first == "bridge.gap")
            #expect(rest.events.last == "response.done")
        }
    }

    @Test func oneThatFailedIsReadAsItEnded() async throws {
        try await APIFixture.run { bridge in
            let id = try await bridge.newSession()
            let path = "/v1/sessions/\(id)/responses"
            // Waited for it is an error; once its stream has begun, the stream says so.
            let streamed = try await bridge.send("POST", path, #"{"input":"fail with server_error","stream":true}"#)
            #expect(streamed.status == 200)
            #expect(streamed.text.contains(#""status":"failed""#))
            let background = try await bridge.send("POST", path, #"{"input":"fail with server_error","background":true}"#)
            let response = try #require(background.json?["id"]?.string)
            let events = try await bridge.send("GET", "\(path)/\(response)?stream=true")
            #expect(events.events.last == "response.done")
            let read = try await bridge.send("GET", "\(path)/\(response)")
            #expect(read.status == 200)
            #expect(read.json?["status"]?.string == "failed")
            let queued = try await bridge.send("POST", path, #"{"input":"fail with server_error","if_active":"queue"}"#)
            #expect(queued.status == 502)
        }
    }
}
