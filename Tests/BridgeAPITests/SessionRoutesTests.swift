import HTTPServer
import Realtime
import Sessions
import TestSupport
import Testing
import Upstream

@testable import BridgeAPI

@Suite struct SessionRoutesTests {
    @Test func aSessionIsCreatedReadChangedListedAndDeleted() async throws {
        try await APIFixture.run { bridge in
            let created = try await bridge.send(
                "POST", "/v1/sessions", #"{"session":{"instructions":"Be brief."},"metadata":{"user":"u1"}}"#)
            #expect(created.status == 201)
            let id = try #require(created.json?["id"]?.string)
            #expect(created.headers["location"] == "/v1/sessions/\(id)")
            #expect(created.json?["object"]?.string == "realtime.session")
            #expect(created.json?["status"]?.string == "active")
            #expect(created.json?["session"]?["instructions"]?.string == "Be brief.")
            #expect(created.json?["upstream"]?["generation"]?.int == 1)

            let read = try await bridge.send("GET", "/v1/sessions/\(id)")
            #expect(read.status == 200)
            #expect(read.json?["metadata"]?["user"]?.string == "u1")
            #expect(read.json?["item_count"]?.int == 0)
            let members = [
                "id", "object", "status", "created_at", "expires_at", "model", "dialect", "session", "upstream", "active_response_id",
            ]
            #expect(read.json?.members.map(\.name) == members + ["last_event_id", "item_count", "usage", "metadata"])

            let changed = try await bridge.send("PATCH", "/v1/sessions/\(id)", #"{"session":{"instructions":"Be long."}}"#)
            #expect(changed.status == 200)
            #expect(changed.json?["session"]?["instructions"]?.string == "Be long.")
            let renamed = try await bridge.send("PATCH", "/v1/sessions/\(id)", #"{"metadata":{"user":"u2"}}"#)
            #expect(renamed.json?["metadata"]?["user"]?.string == "u2")

            #expect(try await bridge.send("GET", "/v1/sessions?metadata.user=u2").json?["data"]?.elements.count == 1)
            #expect(try await bridge.send("GET", "/v1/sessions?metadata.user=u1").json?["data"]?.elements.isEmpty == true)
            #expect(try await bridge.send("GET", "/v1/sessions?status=closed,failed").json?["data"]?.elements.isEmpty == true)

            let deleted = try await bridge.send("DELETE", "/v1/sessions/\(id)")
            #expect(deleted.status == 200)
            #expect(deleted.json?["deleted"]?.bool == true)
            #expect(try await bridge.send("GET", "/v1/sessions/\(id)").code == "session_not_found")
        }
    }

    @Test func aSessionsOwnSettingsAreEchoedWhereSet() async throws {
        try await APIFixture.run { bridge in
            let created = try await bridge.send(
                "POST", "/v1/sessions", #"{"idle_timeout":60,"max_duration":3600,"on_last_viewer_gone":"cancel"}"#)
            let id = try #require(created.json?["id"]?.string, "\(created.text)")
            let begin = try #require(created.json?["created_at"]?.int)
            let read = try await bridge.send("GET", "/v1/sessions/\(id)")
            for view in [created, read] {
                #expect(view.json?["idle_timeout"]?.int == 60)
                #expect(view.json?["max_duration"]?.int == 3_600)
                #expect(view.json?["on_last_viewer_gone"]?.string == "cancel")
                #expect(view.json?["expires_at"]?.int == begin + 3_600)
            }
            // What is not given stays; null is the server's own again.
            let changed = try await bridge.send("PATCH", "/v1/sessions/\(id)", #"{"max_duration":7200,"idle_timeout":null}"#)
            #expect(changed.status == 200)
            #expect(changed.json?["idle_timeout"] == nil)
            #expect(changed.json?["expires_at"]?.int == begin + 7_200)
            let listed = try await bridge.send("GET", "/v1/sessions").json?["data"]?[0]
            #expect(listed?["max_duration"]?.int == 7_200)
            #expect(listed?["on_last_viewer_gone"]?.string == "cancel")
        }
    }

    @Test func settingsAreKeptBesideAnUpdateThatUpstreamRefuses() async throws {
        try await APIFixture.run { bridge in
            let id = try await bridge.newSession()
            let refused = try await bridge.send(
                "PATCH", "/v1/sessions/\(id)", #"{"session":{"modalities":["smell"]},"idle_timeout":9,"metadata":{"user":"u1"}}"#)
            #expect(refused.status == 400)
            let read = try await bridge.send("GET", "/v1/sessions/\(id)").json
            #expect(read?["idle_timeout"]?.int == 9)
            #expect(read?["metadata"]?["user"]?.string == "u1")
        }
    }

    @Test func aSessionBeginsWithAnothersHistory() async throws {
        try await APIFixture.run { bridge in
            let first = try await bridge.newSession()
            for text in ["one", "two", "three"] {
                let added = try await bridge.send(
                    "POST", "/v1/sessions/\(first)/items",
                    #"{"item":{"id":"item_\#(text)","type":"message","role":"user","content":[{"type":"input_text","text":"\#(text)"}]}}"#)
                #expect(added.status == 201, "\(added.text)")
            }
            func items(_ body: String) async throws -> [String?]? {
                let id = try await bridge.newSession(body)
                return try await bridge.send("GET", "/v1/sessions/\(id)/items").json?["data"]?.elements.map { $0["id"]?.string }
            }
            #expect(try await items(#"{"from":"\#(first)"}"#) == ["item_one", "item_two", "item_three"])
            #expect(try await items(#"{"from":"\#(first)","up_to":"item_two"}"#) == ["item_one", "item_two"])
        }
    }

    @Test func anothersHistoryIsNotThere() async throws {
        try await APIFixture.run(configure: { configuration in
            try configuration.keys.add(variable: "alice=alice-key,bob=bob-key")
        }) { bridge in
            let id = try await bridge.newSession(headers: ["authorization": "Bearer alice-key"])
            let refused = try await bridge.send(
                "POST", "/v1/sessions", #"{"from":"\#(id)"}"#, headers: ["authorization": "Bearer bob-key"])
            #expect(refused.status == 404)
        }
    }

    @Test func aKeptSessionStaysReadableAndTakesNoCommands() async throws {
        try await APIFixture.run { bridge in
            let id = try await bridge.newSession()
            #expect(try await bridge.send("DELETE", "/v1/sessions/\(id)?keep=true").status == 200)
            #expect(try await bridge.send("GET", "/v1/sessions/\(id)").json?["status"]?.string == "closed")
            let refused = try await bridge.send("POST", "/v1/sessions/\(id)/items", #"{"text":"hi"}"#)
            #expect(refused.status == 410)
            #expect(refused.code == "session_closed")
        }
    }

    @Test func aListIsReadPageByPage() async throws {
        try await APIFixture.run { bridge in
            var ids: [String] = []
            for _ in 0..<3 { ids.append(try await bridge.newSession()) }
            let first = try await bridge.send("GET", "/v1/sessions?limit=2&order=asc")
            #expect(first.json?["object"]?.string == "list")
            #expect(first.json?["data"]?.elements.map { $0["id"]?.string } == [ids[0], ids[1]])
            #expect(first.json?["has_more"]?.bool == true)
            #expect(first.json?["last_id"]?.string == ids[1])
            let second = try await bridge.send("GET", "/v1/sessions?limit=2&order=asc&after=\(ids[1])")
            #expect(second.json?["data"]?.elements.map { $0["id"]?.string } == [ids[2]])
            #expect(second.json?["has_more"]?.bool == false)
        }
    }

    @Test func anUpstreamThatCannotBeReachedLeavesNoSession() async throws {
        try await APIFixture.run(connector: ScriptedUpstream()) { bridge in
            let refused = try await bridge.send("POST", "/v1/sessions")
            #expect(refused.status == 503)
            #expect(refused.code == "upstream_unavailable")
            #expect(refused.headers["x-should-retry"] == "true")
            #expect(try await bridge.send("GET", "/v1/sessions").json?["data"]?.elements.isEmpty == true)
        }
    }

    @Test func sessionsBelongToTheirCallers() async throws {
        try await APIFixture.run(configure: { configuration in
            try configuration.keys.add(variable: "alice=alice-key,bob=bob-key")
            try configuration.keys.add(file: "root:\(Digest.hex(Digest.sha256("root-key".utf8))):admin")
        }) { bridge in
            let id = try await bridge.newSession(headers: ["authorization": "Bearer alice-key"])
            #expect(try await bridge.send("GET", "/v1/sessions/\(id)", headers: ["authorization": "Bearer alice-key"]).status == 200)
            #expect(try await bridge.send("GET", "/v1/sessions/\(id)", headers: ["authorization": "Bearer root-key"]).status == 200)
            let other = try await bridge.send("GET", "/v1/sessions/\(id)", headers: ["authorization": "Bearer bob-key"])
            #expect(other.status == 404)
            #expect(try await bridge.send("DELETE", "/v1/sessions/\(id)", headers: ["authorization": "Bearer bob-key"]).status == 404)
            let list = try await bridge.send("GET", "/v1/sessions", headers: ["authorization": "Bearer bob-key"])
            #expect(list.json?["data"]?.elements.isEmpty == true)
        }
    }

    @Test func aBearerPassedThroughOwnsItsSessionsAndGoesUpstream() async throws {
        let upstream = ScriptedUpstream([.session(), .session("sess_2")])
        try await APIFixture.run(connector: upstream) { bridge in
            let id = try await bridge.newSession(headers: ["authorization": "Bearer sk-caller"])
            #expect(upstream.connectedEndpoints.last?.headers.first { $0.name == "Authorization" }?.value == "Bearer sk-caller")
            #expect(try await bridge.send("GET", "/v1/sessions/\(id)").status == 404)
            #expect(try await bridge.send("GET", "/v1/sessions/\(id)", headers: ["authorization": "bearer sk-caller"]).status == 200)
            let everybodys = try await bridge.newSession()
            #expect(upstream.connectedEndpoints.last?.headers.first { $0.name == "Authorization" }?.value == "Bearer server-key")
            #expect(
                try await bridge.send("GET", "/v1/sessions/\(everybodys)", headers: ["authorization": "Bearer sk-caller"]).status == 200)
            // The list shows what can be read.
            let callers = try await bridge.send("GET", "/v1/sessions?order=asc", headers: ["authorization": "Bearer sk-caller"])
            #expect(callers.json?["data"]?.elements.map { $0["id"]?.string } == [id, everybodys])
            let nobodys = try await bridge.send("GET", "/v1/sessions")
            #expect(nobodys.json?["data"]?.elements.map { $0["id"]?.string } == [everybodys])
        }
    }

    @Test func whatWasMadeWithoutKeysIsForTheAdminsOnceThereAreKeys() async throws {
        try await APIFixture.run(configure: { configuration in
            try configuration.keys.add(variable: "alice=alice-key")
            try configuration.keys.add(file: "root:\(Digest.hex(Digest.sha256("root-key".utf8))):admin")
        }) { bridge in
            let id = try await bridge.directory.create(NewSession(), by: Caller(owner: nil)).session.id
            let alice: HTTPHeaders = ["authorization": "Bearer alice-key"]
            let root: HTTPHeaders = ["authorization": "Bearer root-key"]
            for path in ["/v1/sessions/\(id)", "/v1/sessions/\(id)/items", "/v1/sessions/\(id)/responses"] {
                let refused = try await bridge.send("GET", path, headers: alice)
                #expect(refused.status == 404, "\(path)")
            }
            #expect(try await bridge.send("DELETE", "/v1/sessions/\(id)", headers: alice).status == 404)
            #expect(try await bridge.send("GET", "/v1/sessions", headers: alice).json?["data"]?.elements.isEmpty == true)
            #expect(try await bridge.send("GET", "/v1/sessions/\(id)", headers: root).status == 200)
            #expect(try await bridge.send("GET", "/v1/sessions", headers: root).json?["data"]?.elements.count == 1)
        }
    }

    @Test func metadataAreKeptWhateverBecomesOfTheSessionUpdate() async throws {
        try await APIFixture.run(connector: ScriptedUpstream([.session()])) { bridge in
            let id = try await bridge.newSession()
            let late = try await bridge.send(
                "PATCH", "/v1/sessions/\(id)", #"{"session":{"instructions":"x"},"metadata":{"user":"u1"}}"#, headers: ["prefer": "wait=0"])
            #expect(late.status == 504)
            #expect(try await bridge.send("GET", "/v1/sessions/\(id)").json?["metadata"]?["user"]?.string == "u1")
        }
    }

    @Test func everybodysSessionNeverTakesUpACallersOwnCredential() async throws {
        let upstream = ScriptedUpstream([.session("sess_1"), .session("sess_2")])
        try await APIFixture.run(connector: upstream) { bridge in
            let id = try await bridge.newSession()
            let connection = try await upstream.nextConnection()
            let sent = try await bridge.send(
                "POST", "/v1/sessions/\(id)/items", #"{"text":"hi"}"#,
                headers: ["authorization": "Bearer sk-caller", "prefer": "respond-async"])
            #expect(sent.status == 202)
            connection.end(UpstreamEnd(.lost))
            _ = try await upstream.nextConnection()
            let credentials = upstream.connectedEndpoints.map { endpoint in endpoint.headers.first { $0.name == "Authorization" }?.value }
            #expect(credentials == ["Bearer server-key", "Bearer server-key"])
        }
    }
}
