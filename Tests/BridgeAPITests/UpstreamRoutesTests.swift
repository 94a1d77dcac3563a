import HTTPServer
import Realtime
import Sessions
import TestSupport
import Testing
import Upstream

@testable import BridgeAPI

@Suite struct UpstreamRoutesTests {
    private static let second = UpstreamConfiguration(
        name: "second", url: "wss://second.test/v1?api_key=secret", dialect: .ga, tls: UpstreamTLS(), defaultModel: nil,
        models: ["model-a", "model-b"], apiKey: "second-key")

    private static var status: UpstreamPoolStatus {
        var status = UpstreamPoolStatus(name: "second")
        (status.warm, status.leased, status.opening, status.waiting) = (1, 2, 3, 4)
        (status.hits, status.misses, status.handshakes, status.handshakeFailures) = (5, 6, 7, 8)
        (status.settling, status.returned) = (13, 14)
        status.handshakeMilliseconds = .init(last: 9, p50: 10, p99: 11)
        (status.consecutiveFailures, status.lastFailure) = (12, "upstream did not answer")
        status.backOffUntilMilliseconds = 1_795_363_200_001
        status.circuit = .halfOpen
        return status
    }

    @Test func upstreamsAreListedWithHowTheyDo() async throws {
        try await APIFixture.run(connector: ScriptedUpstream(), others: [Self.second], pool: [Self.status]) { bridge in
            let answer = try await bridge.send("GET", "/v1/upstreams")
            #expect(answer.status == 200)
            let list = try #require(answer.json?["data"]?.elements)
            #expect(list.map { $0["name"]?.string } == ["u", "second"])
            #expect(list.map { $0["default"]?.bool } == [true, false])
            #expect(list.map { $0["pass_through"]?.bool } == [true, false])
            #expect(list[0]["model"]?.string == "gpt-realtime-2")
            #expect(list[0]["pool"]?["circuit"]?.string == "closed")
            #expect(list[0]["pool"]?["handshake_ms"]?.isNull == true)
            #expect(list[1]["url"]?.string == "wss://second.test/v1")
            #expect(list[1]["models"]?.elements.map(\.string) == ["model-a", "model-b"])
            let pool = try #require(list[1]["pool"])
            let counts = [
                "warm", "leased", "opening", "waiting", "hits", "misses", "handshakes", "handshake_failures", "settling", "returned",
            ]
            #expect(counts.map { pool[$0]?.int } == [1, 2, 3, 4, 5, 6, 7, 8, 13, 14])
            #expect(["last", "p50", "p99"].map { pool["handshake_ms"]?[$0]?.int } == [9, 10, 11])
            #expect(pool["consecutive_failures"]?.int == 12)
            #expect(pool["last_failure"]?.string == "upstream did not answer")
            #expect(pool["back_off_until"]?.int == 1_795_363_201)
            #expect(pool["circuit"]?.string == "half_open")
            for secret in ["secret", "second-key", "server-key"] { #expect(!answer.text.contains(secret)) }
        }
    }

    @Test func theyStandOnTheMetricsPageToo() async throws {
        try await APIFixture.run(connector: ScriptedUpstream(), others: [Self.second], pool: [Self.status]) { bridge in
            let page = try await bridge.send("GET", "/metrics").text
            for line in [
                #"upstream_connections{upstream="second",state="warm"} 1"#, #"upstream_connections{upstream="second",state="leased"} 2"#,
                #"upstream_connections{upstream="second",state="opening"} 3"#, #"upstream_waiting{upstream="second"} 4"#,
                #"upstream_pool_hits_total{upstream="second"} 5"#, #"upstream_pool_misses_total{upstream="second"} 6"#,
                #"upstream_handshakes_total{upstream="second"} 7"#, #"upstream_handshake_failures_total{upstream="second"} 8"#,
                #"upstream_handshake_milliseconds{upstream="second",quantile="0.5"} 10"#,
                #"upstream_handshake_milliseconds{upstream="second",quantile="0.99"} 11"#,
                #"upstream_consecutive_failures{upstream="second"} 12"#, #"upstream_backing_off{upstream="second"} 1"#,
                #"upstream_circuit_open{upstream="second"} 1"#, #"upstream_connections{upstream="second",state="settling"} 13"#,
                #"upstream_pool_returned_total{upstream="second"} 14"#,
            ] { #expect(page.contains("\nrealtime_bridge_\(line)\n"), "\(line)") }
        }
    }

    @Test func withKeysOnlyAdminsSeeThem() async throws {
        try await APIFixture.run(
            connector: ScriptedUpstream(),
            configure: { configuration in
                try configuration.keys.add(variable: "alice=alice-key")
                try configuration.keys.add(file: "root:\(Digest.hex(Digest.sha256("root-key".utf8))):admin")
            }
        ) { bridge in
            func asked(_ key: String) async throws -> APIAnswer {
                try await bridge.send("GET", "/v1/upstreams", headers: ["authorization": "Bearer \(key)"])
            }
            #expect(try await asked("root-key").status == 200)
            let refused = try await asked("alice-key")
            #expect(refused.status == 403)
            #expect(refused.code == "admin_scope_required")
            #expect(refused.error?["message"]?.string?.contains("name:sha256:admin") == true)
            #expect(try await bridge.send("GET", "/v1/upstreams").status == 401)
        }
    }

    @Test(arguments: [("127.0.0.1", 200), ("::1", 200), ("127.8.8.8", 200), (nil, 200), ("192.0.2.7", 403), ("2001:db8::1", 403)])
    func withoutKeysOnlyTheMachineItselfSeesThem(address: String?, status: Int) async throws {
        try await APIFixture.run(connector: ScriptedUpstream()) { bridge in
            let listener = address == nil ? ListenAddress.unix(path: "/s") : .tcp(host: "0.0.0.0", port: 8080)
            let head = try #require(
                RequestHead(
                    method: "GET", target: "/v1/upstreams", headers: ["host": "localhost:8080"], remoteAddress: address, listener: listener)
            )
            #expect(await bridge.api.respond(to: Request(head: head, body: RequestBody([]))).status == status)
        }
    }

    @Test func sessionsAreRoutedByUpstreamOrModel() async throws {
        let upstream = ScriptedUpstream([.session("s1"), .session("s2"), .session("s3")])
        try await APIFixture.run(connector: upstream, others: [Self.second]) { bridge in
            for (body, name) in [(#"{"model":"model-b"}"#, "second"), (#"{"upstream":"second"}"#, "second"), ("{}", "u")] {
                let id = try await bridge.newSession(body)
                #expect(try await bridge.send("GET", "/v1/sessions/\(id)").json?["upstream"]?["name"]?.string == name)
                #expect(upstream.connectedEndpoints.last?.name == name)
            }
            let refused = try await bridge.send("POST", "/v1/sessions", #"{"upstream":"third"}"#)
            #expect(refused.status == 400)
            #expect(refused.error?["message"]?.string == "there is no upstream 'third'; there is 'u', 'second'")
        }
    }

    @Test func aCallersCredentialGoesOnlyWhereItMay() async throws {
        let upstream = ScriptedUpstream([.session("s1"), .session("s2")])
        try await APIFixture.run(connector: upstream, others: [Self.second]) { bridge in
            let bearer: HTTPHeaders = ["authorization": "Bearer sk-caller"]
            _ = try await bridge.newSession(headers: bearer)
            _ = try await bridge.newSession(#"{"model":"model-a"}"#, headers: bearer)
            let sent = upstream.connectedEndpoints.map { endpoint in endpoint.headers.first { $0.name == "Authorization" }?.value }
            #expect(sent == ["Bearer sk-caller", "Bearer second-key"])
            // What a caller's own key has opened is nobody else's.
            #expect(upstream.connectedEndpoints.map(\.sharesConnections) == [false, true])
        }
    }
}
