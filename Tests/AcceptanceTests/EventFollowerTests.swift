import Realtime
import Testing

/// The reader of long runs: what it resumes, and what it does not let pass.
struct EventFollowerTests {
    /// The simulator speaks ga.
    @Test(arguments: ["ga", "beta"])
    func aStreamThatIsCutGoesOnWhereItWas(dialect: String) async throws {
        try await BridgeProcess.run("demo") { bridge in
            let client = HTTPClient(address: bridge.address)
            let created = try await client("POST", "/v1/sessions", json: #"{"session":{"modalities":["text"],"turn_detection":null}}"#)
            let path = "/v1/sessions/\(try #require(try created.json()["id"]?.string))"
            let follower = EventFollower(port: client.port, path: path + "/events?dialect=\(dialect)", isDense: dialect == "ga")
            for number in 1...3 {
                let before = follower.last
                async let answer = client("POST", path + "/responses", json: #"{"input":"count to 20"}"#)
                _ = try await follower.event(after: before, "response.created") { $0.type == "response.created" }
                follower.cut()
                #expect(try await answer.status == 200, "response \(number)")
            }
            let every = try await client("GET", path).json()["last_event_id"]?.string?.split(separator: ".").last.flatMap { Int($0) }
            let last = try #require(every)
            _ = try await follower.event("the last event") { $0.number == last }
            try await follower.stop()
            #expect(follower.faults == [])
            // A cut that came after the last event needs no return.
            #expect((3...4).contains(follower.connections))
            #expect(follower.counts["response.done"] == 3)
            // In beta the end of an item is no frame, and the session's beginning is two.
            let untold = dialect == "ga" ? 0 : 6 - 1
            #expect(follower.counts.values.reduce(0, +) == last - untold)
        }
    }

    @Test(arguments: [
        ("id: 1.1\nevent: a\ndata: {}\n\nid: 1.3\nevent: a\ndata: {}\n\n", "1.3 after 1.1"),
        ("id: 1.1\nevent: a\ndata: {}\n\nid: 1.1\nevent: a\ndata: {}\n\n", "1.1 after 1.1"),
        ("id: 2.1\nevent: a\ndata: {}\n\nid: 1.2\nevent: a\ndata: {}\n\n", "1.2 after 2.1"),
        ("id: 1.1\nevent: a\ndata: {}\n\nid: 1.x\nevent: b\ndata: {}\n\n", "the id 1.x of b after 1.1"),
        ("id: 1.1\nevent: a\ndata: {}\n\nid: 1.2-1\nevent: b\ndata: {}\n\nid: 1.3\nevent: a\ndata: {}\n\n", "1.3 after 1.2-1"),
        ("id: 1.1\nevent: a\ndata: {}\n\nid: 1.5\n\n", "the stream stands at 1.5, not at 1.1"),
        ("id: 1.1\nevent: a\ndata: {}\n\nevent: bridge.gap\ndata: {\"from\":2}\n\n", #"a gap after 1.1: {"from":2}"#),
    ])
    func whatAClientShouldNeverSeeIsSeen(stream: String, fault: String) async throws {
        try await StaticSite.run("retry: 60000\n\n" + stream) { port in
            let follower = EventFollower(port: port, path: "/")
            _ = try await follower.event("a first event") { $0.type == "a" }
            try await follower.stop()
            #expect(follower.faults == [fault])
        }
    }
}
