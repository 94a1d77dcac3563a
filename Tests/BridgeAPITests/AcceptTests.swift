import HTTPServer
import Realtime
import Testing

@testable import BridgeAPI

/// Which of several forms `Accept` wants, and that every answer that depends on it says so.
@Suite struct AcceptTests {
    @Test(
        arguments: [
            (nil, nil), ("", nil), ("*/*", nil), ("image/png", nil),
            ("a/text", "a/text"), ("A/Text; level=1", "a/text"), ("image/png, a/text", "a/text"),
            // Of the same weight: the first one.
            ("a/text, a/json", "a/text"), ("a/json;q=0.5, a/text;q=0.5", "a/json"), ("a/json;q=1.0,a/text", "a/json"),
            // By weight.
            ("a/text;q=0.1, a/json", "a/json"), ("a/text;q=0.1, a/json;q=0.2", "a/json"), ("a/json;level=1;q=0.1, a/text;Q=0.9", "a/text"),
            ("a/text ; q = 0.1 , a/json", "a/json"), ("a/text;q=0.1, a/json, a/text", "a/json"),
            // Nothing, however it is written.
            ("a/text;q=0", nil), ("a/text;q=0.000, a/json;q=0.001", "a/json"), ("a/text;q=-1", nil),
            // Anything, but what is named rather, unless it weighs less.
            ("*/*, a/text", "a/text"), ("a/text;q=0.9, */*;q=0.8", "a/text"), ("a/text;q=0.5, */*", nil), ("a/text, */*;q=0", "a/text"),
            // No weight at all.
            ("a/text;q=much, a/json;q=0.9", "a/text"), ("a/text;q=, a/json;q=0.9", "a/text"), ("a/text;q=7, a/json", "a/text"),
            (",;q=1,, a/json", "a/json"),
        ] as [(String?, String?)])
    func theTypeThatWeighsMostIsWanted(accept: String?, type: String?) throws {
        let head = try APIFixture.head("GET", "/", headers: accept.map { ["accept": $0] } ?? [:])
        #expect(Accept(head).first(of: ["a/json", "a/text"]) == type)
    }

    @Test func severalFieldsAreOneList() throws {
        var headers: HTTPHeaders = ["accept": "a/text;q=0.2"]
        headers.add("accept", "a/json;q=0.3")
        #expect(Accept(try APIFixture.head("GET", "/", headers: headers)).first(of: ["a/json", "a/text"]) == "a/json")
    }

    @Test func theWeightDecidesOnEveryRouteThatHasSeveralForms() async throws {
        try await APIFixture.run { bridge in
            let path = "/v1/sessions/\(try await bridge.newSession())"
            let spoken = try await bridge.send("POST", path + "/responses", #"{"input":"say one"}"#)
            let response = "\(path)/responses/\(spoken.json?["id"]?.string ?? "")"
            let item = "\(path)/items/\(spoken.json?["output"]?[0]?["id"]?.string ?? "")"
            for (method, target, less, more) in [
                ("GET", response, "text/plain", "application/json"), ("GET", response, "text/event-stream", "audio/wav"),
                ("GET", response + "/audio", "audio/wav", "audio/pcm"), ("GET", item + "/audio", "audio/pcm", "audio/wav"),
                ("GET", path + "/transcript", "text/vtt", "text/plain"),
                ("GET", path + "/events?until=response.done", "text/event-stream", "application/x-ndjson"),
                ("POST", path + "/events", "text/event-stream", "application/json"),
                (
                    "GET", "/v1/events?until=response.done&session=\(path.split(separator: "/")[2])", "text/event-stream",
                    "application/x-ndjson"
                ),
                ("POST", path + "/responses", "text/event-stream", "application/json"),
                ("POST", path + "/responses", "text/plain", "text/event-stream"),
                ("POST", "/v1/responses", "audio/wav", "text/plain"),
            ] {
                let answer = try await bridge.send(method, target, headers: ["accept": "\(less);q=0.1, \(more)"])
                #expect(answer.status == 200 && answer.headers["content-type"]?.hasPrefix(more) == true, "\(target): \(answer.headers)")
                #expect(answer.headers.values("vary") == ["accept"], "\(target)")
            }
            // What is refused may be so for its form.
            let refused = try await bridge.send("GET", response + "x", headers: ["accept": "audio/wav"])
            #expect(refused.status == 404 && refused.headers.values("vary") == ["accept"])
            #expect(try await bridge.send("GET", path + "/items").headers.values("vary").isEmpty)
        }
    }
}
