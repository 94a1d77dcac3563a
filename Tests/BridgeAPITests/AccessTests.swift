import HTTPServer
import Realtime
import TestSupport
import Testing

@testable import BridgeAPI

/// Who is let in: keys, Host, Origin, CORS.
@Suite struct AccessTests {
    struct KeyCase: Sendable, CustomTestStringConvertible {
        let authorization: String?
        let status: Int
        let code: String?
        var testDescription: String { authorization ?? "none" }
    }

    @Test(arguments: [
        KeyCase(authorization: nil, status: 401, code: "missing_api_key"),
        KeyCase(authorization: "Bearer right", status: 200, code: nil),
        KeyCase(authorization: "bearer  right", status: 200, code: nil),
        KeyCase(authorization: "Bearer wrong", status: 401, code: "invalid_api_key"),
        KeyCase(authorization: "Bearer righ", status: 401, code: "invalid_api_key"),
        KeyCase(authorization: "Bearer ", status: 401, code: "invalid_authorization"),
        KeyCase(authorization: "Bearer a b", status: 401, code: "invalid_authorization"),
        KeyCase(authorization: "Basic cmlnaHQ=", status: 401, code: "invalid_authorization"),
        KeyCase(authorization: "right", status: 401, code: "invalid_authorization"),
    ])
    func keysAreAskedFor(_ row: KeyCase) async throws {
        try await APIFixture.run(connector: ScriptedUpstream(), configure: { try $0.keys.add(variable: "right") }) {
            (bridge: APIFixture) async throws in
            let headers: HTTPHeaders = row.authorization.map { ["authorization": $0] } ?? [:]
            let answer = try await bridge.send("GET", "/v1/sessions", headers: headers)
            #expect(answer.status == row.status)
            #expect(answer.code == row.code)
            #expect((answer.headers["www-authenticate"] != nil) == (row.status == 401))
            #expect(!answer.text.contains("wrong"))
        }
    }

    @Test func whatIsNobodysNeedsNoKey() async throws {
        try await APIFixture.run(connector: ScriptedUpstream(), configure: { try $0.keys.add(variable: "right") }) {
            (bridge: APIFixture) async throws in
            for path in ["/livez", "/readyz", "/openapi.json", "/"] { #expect(try await bridge.send("GET", path).status == 200, "\(path)") }
            #expect(try await bridge.send("GET", "/metrics").status == 401)
            #expect(try await bridge.send("GET", "/nothing").status == 404)
            let answer = try await bridge.send("GET", "/v1/sessions?key=right")
            #expect(answer.status == 401)
            let inQuery = try await bridge.send("GET", "/v1/sessions?key=right", headers: ["authorization": "Bearer right"])
            #expect(inQuery.code == "key_in_query")
            #expect(!inQuery.text.contains("right"))
        }
    }

    @Test func passThroughNeedsTheCallersKey() async throws {
        try await APIFixture.run(connector: ScriptedUpstream(), configure: { $0.credentials = .passThrough }) {
            (bridge: APIFixture) async throws in
            #expect(try await bridge.send("GET", "/v1/sessions").status == 401)
            #expect(try await bridge.send("GET", "/v1/sessions", headers: ["authorization": "Bearer any"]).status == 200)
        }
    }

    struct HostCase: Sendable, CustomTestStringConvertible {
        let host: String?
        let isAllowed: Bool
        var testDescription: String { host ?? "none" }
    }

    private static let withoutKeys = [
        HostCase(host: "localhost:8080", isAllowed: true), HostCase(host: "LOCALHOST", isAllowed: true),
        HostCase(host: "127.0.0.1", isAllowed: true), HostCase(host: "[::1]:8080", isAllowed: true),
        HostCase(host: "bridge.lan", isAllowed: true), HostCase(host: "named.example:443", isAllowed: true),
        HostCase(host: "evil.example", isAllowed: false), HostCase(host: "localhost.evil.example", isAllowed: false),
        HostCase(host: "127.0.0.1.evil.example", isAllowed: false), HostCase(host: "", isAllowed: false),
        HostCase(host: nil, isAllowed: false),
    ]

    @Test(arguments: withoutKeys)
    func withoutKeysTheHostMustBeKnown(_ row: HostCase) async throws {
        try await APIFixture.run(
            connector: ScriptedUpstream(),
            configure: { configuration in
                configuration.allowedHosts = ["named.example"]
                configuration.listen = [.tcp(host: "bridge.lan", port: 8080)]
            }
        ) { (bridge: APIFixture) async throws in
            let answer = try await bridge.send("GET", "/v1/sessions", host: row.host)
            #expect(answer.status == (row.isAllowed ? 200 : 403))
            if !row.isAllowed { #expect(answer.code == "host_not_allowed") }
            #expect(try await bridge.send("GET", "/livez", host: row.host).status == 200)
            #expect(try await bridge.send("GET", "/v1/sessions", host: row.host, listener: .unix(path: "/s")).status == 200)
        }
    }

    @Test func withKeysTheHostIsCheckedOnlyIfOneIsNamed() async throws {
        let key: HTTPHeaders = ["authorization": "Bearer right"]
        try await APIFixture.run(connector: ScriptedUpstream(), configure: { try $0.keys.add(variable: "right") }) {
            (bridge: APIFixture) async throws in
            #expect(try await bridge.send("GET", "/v1/sessions", headers: key, host: "any.example").status == 200)
        }
        try await APIFixture.run(
            connector: ScriptedUpstream(),
            configure: { configuration in
                try configuration.keys.add(variable: "right")
                configuration.allowedHosts = ["named.example"]
            }
        ) { (bridge: APIFixture) async throws in
            #expect(try await bridge.send("GET", "/v1/sessions", headers: key, host: "named.example").status == 200)
            #expect(try await bridge.send("GET", "/v1/sessions", headers: key, host: "localhost").status == 403)
        }
    }

    struct OriginCase: Sendable, CustomTestStringConvertible {
        let headers: HTTPHeaders
        let isAllowed: Bool
        var isCORS = false
        var testDescription: String { "\(headers.fields.map { "\($0.name): \($0.value)" })" }
    }

    private static let origins = [
        OriginCase(headers: [:], isAllowed: true),
        OriginCase(headers: ["origin": "http://localhost:8080"], isAllowed: true),
        OriginCase(headers: ["origin": "https://localhost:8080"], isAllowed: true),
        OriginCase(headers: ["origin": "https://app.example"], isAllowed: true, isCORS: true),
        OriginCase(headers: ["origin": "https://APP.example"], isAllowed: true, isCORS: true),
        OriginCase(headers: ["origin": "http://app.example"], isAllowed: false),
        OriginCase(headers: ["origin": "https://app.example.evil"], isAllowed: false),
        OriginCase(headers: ["origin": "http://localhost:3000"], isAllowed: false),
        OriginCase(headers: ["origin": "http://evil.example"], isAllowed: false),
        OriginCase(headers: ["origin": "null"], isAllowed: false),
        OriginCase(headers: ["origin": ""], isAllowed: false),
        OriginCase(headers: ["sec-fetch-site": "cross-site"], isAllowed: false),
        OriginCase(headers: ["sec-fetch-site": "same-origin"], isAllowed: true),
        OriginCase(headers: ["sec-fetch-site": "none"], isAllowed: true),
        OriginCase(headers: ["origin": "https://app.example", "sec-fetch-site": "cross-site"], isAllowed: true, isCORS: true),
    ]

    @Test(arguments: origins)
    func originsOfOtherSitesAreRefused(_ row: OriginCase) async throws {
        try await APIFixture.run(connector: ScriptedUpstream(), configure: { $0.corsOrigins = ["https://app.example"] }) {
            (bridge: APIFixture) async throws in
            let answer = try await bridge.send("GET", "/v1/sessions", headers: row.headers)
            #expect(answer.status == (row.isAllowed ? 200 : 403))
            #expect((answer.headers["access-control-allow-origin"] != nil) == row.isCORS)
            #expect(answer.headers["vary"] == "origin")
            // Errors too, or a page could not read why.
            let missing = try await bridge.send("GET", "/v1/sessions/none", headers: row.headers)
            #expect((missing.headers["access-control-allow-origin"] != nil) == row.isCORS)
            #expect(
                missing.headers["access-control-expose-headers"]
                    == (row.isCORS
                        ? "location, retry-after, x-request-id, idempotent-replayed, accept-ranges, content-range, etag" : nil))
        }
    }

    @Test func preflightComesBeforeTheKey() async throws {
        try await APIFixture.run(
            connector: ScriptedUpstream(),
            configure: { configuration in
                try configuration.keys.add(variable: "right")
                configuration.corsOrigins = ["https://app.example"]
            }
        ) { (bridge: APIFixture) async throws in
            let preflight = try await bridge.send(
                "OPTIONS", "/v1/sessions", headers: ["origin": "https://app.example", "access-control-request-method": "POST"])
            #expect(preflight.status == 204)
            #expect(preflight.headers["access-control-allow-origin"] == "https://app.example")
            #expect(preflight.headers["access-control-allow-methods"] == "POST, GET, HEAD, OPTIONS")
            #expect(preflight.headers["access-control-allow-headers"]?.contains("last-event-id") == true)
            let foreign = try await bridge.send(
                "OPTIONS", "/v1/sessions", headers: ["origin": "https://evil.example", "access-control-request-method": "POST"])
            #expect(foreign.status == 403)
            let plain = try await bridge.send("OPTIONS", "/v1/sessions")
            #expect(plain.status == 204)
            #expect(plain.headers["allow"] == "POST, GET, HEAD, OPTIONS")
            #expect(try await bridge.send("OPTIONS", "*").status == 204)
            #expect(try await bridge.send("OPTIONS", "/nothing").status == 404)
        }
    }

    struct KeyFileCase: Sendable, CustomTestStringConvertible {
        let text: String
        let problem: String
        var testDescription: String { problem }
    }

    private static let digest = String(repeating: "0a", count: 32)

    @Test(arguments: [
        KeyFileCase(text: "name", problem: "line 1 is not name:sha256:scopes"),
        KeyFileCase(text: "# keys\n\nname:abc:", problem: "the digest on line 3 is not 64 hexadecimal digits"),
        KeyFileCase(text: "name:\(digest):root", problem: "line 1 names an unknown scope; there is 'admin'"),
        KeyFileCase(text: ":\(digest):", problem: "the name of line 1 is not 1 to 64 visible ASCII characters"),
        KeyFileCase(text: "a:\(digest):\na:\(digest):", problem: "the name of line 2 is given twice"),
    ])
    func keyFilesAreReadStrictly(_ row: KeyFileCase) throws {
        var keys = BridgeKeys()
        #expect(throws: BridgeKeysError(row.problem)) { try keys.add(file: row.text) }
    }

    @Test func keysAreReadFromFileAndVariable() throws {
        var keys = BridgeKeys()
        try keys.add(file: "# comment\nroot:\(Digest.hex(Digest.sha256("root-key".utf8)).uppercased()):admin\r\nplain:\(Self.digest)\n")
        try keys.add(variable: " bare-key , carol=carol-key,c2FtcGxl==")
        #expect(keys.key(presented: "root-key")?.scopes == [.admin])
        #expect(keys.key(presented: "bare-key")?.name == String(Digest.hex(Digest.sha256("bare-key".utf8)).prefix(12)))
        #expect(keys.key(presented: "carol-key")?.name == "carol")
        #expect(keys.key(presented: "c2FtcGxl==") != nil)
        #expect(keys.key(presented: "carol=carol-key") == nil)
        #expect(keys.key(presented: "") == nil)
    }

    /// FIPS 180-4's and RFC 4231's own examples.
    @Test func digestsAreRight() {
        #expect(Digest.hex(Digest.sha256("abc".utf8)) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        let mac = Digest.hmacSHA256("what do ya want for nothing?".utf8, key: Array("Jefe".utf8))
        #expect(Digest.hex(mac) == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
    }
}
