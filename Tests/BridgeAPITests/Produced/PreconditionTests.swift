import HTTPServer
import Realtime
import TestSupport
import Testing

@testable import BridgeAPI

/// `If-Match` and `If-None-Match` of audio (RFC 9110, section 13).
@Suite struct PreconditionTests {
    private static let tag = "\"wav-10\""

    @Test(
        arguments: [
            (nil, nil, .holds),
            (nil, tag, .notModified), (nil, "W/" + tag, .notModified), (nil, "*", .notModified), (nil, "\"x\"", .holds),
            (nil, "\"x\", W/\"y,z\",\(tag)", .notModified), (nil, "\"x,\(tag)\"", .holds), (nil, "wav-10", .holds), (nil, "", .holds),
            (nil, "\"wav-10", .holds), (nil, "x*", .holds),
            (tag, nil, .holds), ("*", nil, .holds), ("\"x\",\(tag)", nil, .holds), ("\"x\"", nil, .failed), ("W/" + tag, nil, .failed),
            ("", nil, .failed),
            // The first of the two is the first that is looked at.
            ("\"x\"", tag, .failed), (tag, tag, .notModified), (tag, "\"x\"", .holds),
        ] as [(String?, String?, Precondition)])
    func whatTheFieldsSayOfATag(match: String?, noneMatch: String?, outcome: Precondition) throws {
        var headers: HTTPHeaders = [:]
        if let match { headers.add("if-match", match) }
        if let noneMatch { headers.add("if-none-match", noneMatch) }
        for method in ["GET", "HEAD"] {
            #expect(Precondition(try APIFixture.head(method, "/", headers: headers), tag: Self.tag) == outcome)
        }
        #expect(Precondition(try APIFixture.head("POST", "/", headers: headers), tag: Self.tag) == .holds)
    }

    @Test(
        arguments: [("*", nil, .holds), (tag, nil, .failed), (nil, "*", .holds), (nil, tag, .holds)]
            as [(String?, String?, Precondition)])
    func whatIsStillProducedHasNoTag(match: String?, noneMatch: String?, outcome: Precondition) throws {
        var headers: HTTPHeaders = [:]
        if let match { headers.add("if-match", match) }
        if let noneMatch { headers.add("if-none-match", noneMatch) }
        #expect(Precondition(try APIFixture.head("GET", "/", headers: headers), tag: nil) == outcome)
    }

    @Test(arguments: ["audio/wav", "audio/pcm"], ["GET", "HEAD"])
    func audioThatTheClientHasIsNotSentAgain(accept: String, method: String) async throws {
        try await APIFixture.run { bridge in
            let path = "/v1/sessions/\(try await bridge.newSession())"
            let spoken = try await bridge.send("POST", path + "/responses", #"{"input":"say one two three"}"#)
            let response = "\(path)/responses/\(spoken.json?["id"]?.string ?? "")"
            let item = "\(path)/items/\(spoken.json?["output"]?[0]?["id"]?.string ?? "")"
            for target in [response, response + "/audio", item + "/audio"] {
                func get(_ fields: HTTPHeaders = [:]) async throws -> APIAnswer {
                    var headers = fields
                    headers.add("accept", accept)
                    return try await bridge.send(method, target, headers: headers)
                }
                let whole = try await get()
                let tag = try #require(whole.headers["etag"])
                let known = try await get(["if-none-match": tag, "range": "bytes=0-3"])
                #expect(known.status == 304 && known.headers["content-type"] == nil)
                #expect(known.headers["etag"] == tag && known.headers.values("vary").first == "accept")
                #expect(known.headers["cache-control"] == whole.headers["cache-control"])
                #expect(try await get(["if-none-match": "\"other\""]).status == 200)
                let other = try await get(["if-match": "\"other\"", "range": "bytes=0-3"])
                #expect(other.status == 412 && other.code == "precondition_failed" && other.headers["etag"] == tag)
                #expect(other.error?["param"]?.string == "if-match")
                #expect(try await get(["if-match": tag, "range": "bytes=0-3"]).status == (method == "GET" ? 206 : 200))
            }
            // Once it is cut it is something else.
            let before = try await bridge.send(method, item + "/audio", headers: ["accept": accept]).headers["etag"] ?? ""
            #expect(try await bridge.send("POST", item + "/truncate", #"{"audio_end_ms":50}"#).status == 200)
            #expect(try await bridge.send(method, item + "/audio", headers: ["accept": accept, "if-none-match": before]).status == 200)
            #expect(try await bridge.send(method, item + "/audio", headers: ["accept": accept, "if-match": before]).status == 412)
            #expect(bridge.api.streams.registry.gauges.open == 0)
        }
    }

    @Test func whatTheCallerSaidHasATagToo() async throws {
        try await APIFixture.run { bridge in
            let path = "/v1/sessions/\(try await bridge.newSession(#"{"session":{"turn_detection":null}}"#))"
            let base64 = String(repeating: "A", count: 6_400)
            _ = try await bridge.send("POST", path + "/input_audio", "{\"audio\":\"\(base64)\"}")
            let committed = try await bridge.send("POST", path + "/input_audio/commit")
            // Upstream tells of the item after it has confirmed the commit.
            _ = try await bridge.send("GET", path + "/events?until=conversation.item.created")
            let place = "\(path)/items/\(committed.json?["item_id"]?.string ?? "")/audio"
            let tag = try #require(try await bridge.send("GET", place).headers["etag"])
            #expect(try await bridge.send("GET", place, headers: ["if-none-match": tag]).status == 304)
            #expect(try await bridge.send("GET", place, headers: ["if-match": "\"other\""]).status == 412)
            #expect(bridge.api.bodies.used == 0 && bridge.api.streams.registry.gauges.open == 0)
        }
    }
}
