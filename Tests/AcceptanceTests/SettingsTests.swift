import Configuration
import Foundation
import Realtime
import Sessions
import Testing
import Upstream
import Webhooks

@testable import RealtimeBridge

/// Settings without a process: what they become, and what is said of those that cannot be used.
struct SettingsTests {
    /// A folder of its own with the files of one test.
    private struct Files: ~Copyable {
        let folder = FileManager.default.temporaryDirectory.appending(path: "realtime-bridge-settings-\(UUID().uuidString)")

        init() throws { try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true) }
        deinit { try? FileManager.default.removeItem(at: folder) }

        func write(_ text: String, _ name: String) throws -> String {
            let file = folder.appending(path: name)
            try Data(text.utf8).write(to: file)
            return file.path
        }

        /// A certificate and its key, and the key of another one.
        func makeCertificates() throws {
            for name in ["tls", "tls-other"] {
                let process = Process()
                process.executableURL = URL(filePath: "/usr/bin/env")
                process.currentDirectoryURL = folder
                process.arguments =
                    ["openssl", "req", "-x509", "-subj", "/CN=x", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
                    + ["-keyout", "\(name).key", "-out", "\(name).pem"]
                process.standardError = FileHandle.nullDevice
                try process.run()
                process.waitUntilExit()
                try #require(process.terminationStatus == 0)
            }
        }
    }

    private static func settings(
        _ file: String? = nil, flags: [String: ConfigContent] = [:], environment: [String: String] = [:]
    ) async throws -> Settings {
        let files = try Files()
        if file?.contains("FOLDER/tls") == true { try files.makeCertificates() }
        let path = try file.map { try files.write($0.replacing("FOLDER", with: files.folder.path), "settings.json") }
        _ = try files.write("key-of-file\n", "key")
        _ = try files.write("\n", "empty")
        let reader = try await SettingsReader(
            flags: flags, environment: ["HOME": "/nowhere"].merging(environment) { $1 }, file: path, known: ServeOptions.names)
        return try Settings(reader, dataFolder: "bridge")
    }

    private static func refusal(
        _ file: String? = nil, flags: [String: ConfigContent] = [:], environment: [String: String] = [:]
    ) async -> String {
        do {
            _ = try await settings(file, flags: flags, environment: environment)
            return "accepted"
        } catch {
            return "\(error)"
        }
    }

    @Test func withoutAnySettingThereIsOpenAI() async throws {
        let settings = try await Self.settings(environment: ["OPENAI_API_KEY": "sk"])
        #expect(settings.upstreams.map(\.name) == ["default"])
        #expect(settings.upstreams[0].url == "wss://api.openai.com/v1/realtime")
        #expect(settings.upstreams[0].apiKey == "sk")
        #expect(settings.upstreams[0].takesCallersCredential)
        #expect(settings.upstreams[0].profile == UpstreamProfile())
        #expect((settings.pool.minimum, settings.pool.maximum) == (0, 8))
        #expect(settings.limits.idleTimeout == .seconds(300))
        #expect(settings.limits.stallTimeout == .seconds(60))
        #expect(settings.limits.replayTokenLimit == 24_000)
        #expect(settings.limits.rolloverWait == .seconds(60))
    }

    @Test func flagsDescribeTheDefaultUpstream() async throws {
        let settings = try await Self.settings(flags: [
            "upstream-preset": .string("azure"), "upstream-url": .string("wss://r.openai.azure.com"), "model": .string("d"),
            "max-session-age": .int(20), "pool-min": .int(2), "pool-max": .int(3), "idle-timeout": .int(0), "stall-timeout": .int(5),
            "replay-token-limit": .int(100), "rollover-wait": .int(0),
        ])
        let upstream = settings.upstreams[0]
        #expect(upstream.url == "wss://r.openai.azure.com/openai/v1/realtime")
        #expect(upstream.authorization == .header("api-key"))
        #expect(upstream.profile.maximumSessionAge == .seconds(20))
        #expect((settings.pool.minimum, settings.pool.maximum) == (2, 3))
        #expect(settings.limits.idleTimeout == nil)
        #expect(settings.limits.stallTimeout == .seconds(5))
        #expect(settings.limits.replayTokenLimit == 100)
        #expect(settings.limits.rolloverWait == .zero)
    }

    @Test func fileHasManyUpstreams() async throws {
        let file = """
            {"default-upstream":"azure","max-session-age":50,"upstreams":{
              "local":{"url":"ws://127.0.0.1:9/{model}","model":"m","dialect":"beta","models":["m1","m2"],"authorization":"query:api_key",
                "api_key_file":"FOLDER/key","headers":{"X-Room":"1"},"pass_through":true,"max_session_age":0,"echoes_metadata":false,
                "echoes_event_ids":false,"supports_out_of_band":false,"awaited_event":"ready","heartbeats":["ping"],"input_rate":16000,
                "output_rate":22050,"proxy":"http://proxy:3128","ca":"FOLDER/tls.pem","certificate":"FOLDER/tls.pem","key":"FOLDER/tls.key"},
              "azure":{"preset":"azure","url":"wss://r.openai.azure.com","api_key_env":"AZURE_KEY","model_query":"deployment","proxy":"none"}}}
            """
        let settings = try await Self.settings(
            file, environment: ["AZURE_KEY": "a", "HTTPS_PROXY": "http://other:1", "OPENAI_API_KEY": "sk"])
        #expect(settings.upstreams.map(\.name) == ["azure", "local"])
        let (azure, local) = (settings.upstreams[0], settings.upstreams[1])
        #expect(azure.apiKey == "a")
        #expect(azure.takesCallersCredential)
        #expect(azure.modelPlace == .query("deployment"))
        #expect(azure.profile.maximumSessionAge == .seconds(50))
        #expect(azure.proxy == nil)
        #expect(local.apiKey == "key-of-file")
        #expect(local.dialect == .beta)
        #expect(local.models == ["m1", "m2"])
        #expect(local.authorization == .query("api_key"))
        #expect(local.headers.map { "\($0.name)=\($0.value)" } == ["X-Room=1"])
        #expect(local.takesCallersCredential)
        #expect(local.proxy == UpstreamProxy(host: "proxy", port: 3128))
        #expect(local.tls.keyFile?.hasSuffix("/tls.key") == true)
        #expect(local.tls.caSetting == "upstreams.local.ca")
        let profile = UpstreamProfile(
            echoesMetadata: false, echoesEventIDs: false, supportsOutOfBand: false, awaitedEvent: "ready", heartbeats: ["ping"],
            inputRate: 16_000, outputRate: 22_050, maximumSessionAge: nil)
        #expect(local.profile == profile)
    }

    @Test func flagsUpstreamIsThereBesideTheFilesWhereItIsTheDefaultOrDescribed() async throws {
        let file = #"{"upstreams":{"local":{"url":"ws://127.0.0.1:9"}}}"#
        #expect(try await Self.settings(file).upstreams.map(\.name) == ["default", "local"])
        let chosen: [String: ConfigContent] = ["default-upstream": .string("local")]
        #expect(try await Self.settings(file, flags: chosen).upstreams.map(\.name) == ["local"])
        let described = chosen.merging(["upstream-preset": .string("openai")]) { $1 }
        #expect(try await Self.settings(file, flags: described).upstreams.map(\.name) == ["local", "default"])
    }

    @Test func onlyTheDefaultTakesCallersCredentialsUnasked() async throws {
        let file = #"{"upstreams":{"a":{"url":"ws://a"},"b":{"url":"ws://b","pass_through":true}}}"#
        #expect(try await Self.settings(file).upstreams.map(\.takesCallersCredential) == [true, false, true])
        let refused = #"{"default-upstream":"a","upstreams":{"a":{"url":"ws://a","pass_through":false}}}"#
        #expect(try await Self.settings(refused).upstreams.map(\.takesCallersCredential) == [false])
    }

    @Test func proxyIsTheEnvironments() async throws {
        let environment = ["HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "inside.test"]
        let file = #"{"upstreams":{"in":{"url":"wss://inside.test/v1"},"out":{"url":"wss://outside.test/v1"}}}"#
        let proxies = try await Self.settings(file, environment: environment).upstreams.map { $0.proxy?.description }
        #expect(proxies == ["proxy:3128", nil, "proxy:3128"])
    }

    struct Refused: Sendable, CustomTestStringConvertible {
        let upstream: String
        let says: [String]
        var testDescription: String { upstream }
        init(_ upstream: String, _ says: String...) { (self.upstream, self.says) = (upstream, says) }
    }

    @Test(arguments: [
        Refused("{}", "upstreams.u.url", "is missing"),
        Refused(#"{"url":"https://h"}"#, "upstreams.u.url", "ws:// or wss://"),
        Refused(#"{"url":"ws://user:pass@h"}"#, "upstreams.u.url", "user information"),
        Refused(#"{"url":"ws://h/{model}"}"#, "upstreams.u.model", "{model}"),
        Refused(#"{"url":5}"#, "upstreams.u.url", "must be text"),
        Refused(#"{"preset":"nobody"}"#, "upstreams.u.preset", "openai, azure", "'nobody'"),
        Refused(#"{"preset":"lokalai"}"#, "upstreams.u.preset", "did you mean 'localai'?"),
        Refused(#"{"url":"ws://h/{modell}","model":"m"}"#, "upstreams.u.url", "{model}", "replaced"),
        Refused(#"{"url":"ws://h","dialcet":"ga"}"#, "upstreams.u.dialcet", "did you mean 'dialect'?"),
        Refused(#"{"url":"ws://h","ca":"FOLDER/tls.key"}"#, "upstreams.u.ca", "cannot be read as PEM certificates"),
        Refused(#"{"url":"ws://h","certificate":"FOLDER/tls.key"}"#, "upstreams.u.certificate", "chain of PEM certificates"),
        Refused(#"{"url":"ws://h","certificate":"FOLDER/tls.pem"}"#, "upstreams.u.certificate", "client key"),
        Refused(#"{"url":"ws://h","certificate":"FOLDER/tls.pem","key":"FOLDER/tls-other.key"}"#, "upstreams.u.key", "does not belong"),
        Refused(#"{"preset":"azure"}"#, "upstreams.u.url", "wss://HOST"),
        Refused(#"{"preset":"azure","url":"wss://h/openai/v1/realtime?api-version=1"}"#, "upstreams.u.url", "azure-preview"),
        Refused(#"{"url":"ws://h","dialect":"gamma"}"#, "upstreams.u.dialect", "ga", "not 'gamma'"),
        Refused(#"{"url":"ws://h","api_key":"sk-0123456789"}"#, "upstreams.u.api_key", "api_key_env", "api_key_file"),
        Refused(#"{"url":"ws://h","api_key_env":"UNSET"}"#, "upstreams.u.api_key_env", "UNSET"),
        Refused(#"{"url":"ws://h","api_key_file":"FOLDER/absent"}"#, "upstreams.u.api_key_file", "absent", "cannot be read"),
        Refused(#"{"url":"ws://h","api_key_file":"FOLDER/empty"}"#, "upstreams.u.api_key_file", "empty"),
        Refused(#"{"url":"ws://h","api_key_file":"FOLDER/key","api_key_env":"SET"}"#, "upstreams.u.api_key_file", "leave one out"),
        Refused(#"{"url":"ws://h","authorization":"cookie"}"#, "upstreams.u.authorization", "header:NAME"),
        Refused(#"{"url":"ws://h","authorization":"header:"}"#, "upstreams.u.authorization", "header:NAME"),
        Refused(#"{"url":"ws://h","headers":{"Authorization":"Bearer sk"}}"#, "upstreams.u.headers.Authorization", "api_key_env"),
        Refused(#"{"preset":"azure","url":"wss://h","headers":{"API-Key":"sk"}}"#, "upstreams.u.headers.API-Key", "api_key_env"),
        Refused(#"{"url":"ws://h","headers":{"Host":"x"}}"#, "upstream 'u'", "header Host"),
        Refused(#"{"url":"ws://h","api_key_env":"BROKEN"}"#, "upstream 'u'", "line break after the key"),
        Refused(#"{"url":"ws://h","headers":"x"}"#, "upstreams.u.headers", "must be an object"),
        Refused(#"{"url":"ws://h","headers":{"X-A":1}}"#, "upstreams.u.headers.X-A", "must be text"),
        Refused(#"{"url":"ws://h","ca":"FOLDER/absent"}"#, "upstreams.u.ca", "absent"),
        Refused(#"{"url":"ws://h","key":"FOLDER/key"}"#, "upstreams.u.key", "certificate"),
        Refused(#"{"url":"ws://h","proxy":"socks5://p"}"#, "upstreams.u.proxy", "SOCKS"),
        Refused(#"{"url":"ws://h","input_rate":7}"#, "upstreams.u.input_rate", "8000"),
        Refused(#"{"url":"ws://h","max_session_age":-1}"#, "upstreams.u.max_session_age", "0"),
        Refused(#"{"url":"ws://h","models":"m"}"#, "upstreams.u.models", "list"),
        Refused(#"{"url":"ws://h","api-key-env":"SET"}"#, "upstreams.u.api-key-env", "did you mean 'api_key_env'"),
        Refused(#"{"url":"ws://h","colour":"red"}"#, "upstreams.u.colour", "no setting"),
        Refused("5", "upstreams.u", "must be an object"),
    ])
    func unusableUpstreamIsNamedWithWhatToChange(_ refused: Refused) async {
        let said = await Self.refusal(
            #"{"upstreams":{"u":\#(refused.upstream)}}"#, environment: ["SET": "x", "BROKEN": "sk-0123456789\nx"])
        for word in refused.says { #expect(said.contains(word), "\(said)") }
        #expect(!said.contains("0123456789"))
    }

    @Test func upstreamsThatCannotBeToldApartAreRefused() async {
        #expect(await Self.refusal(#"{"upstreams":{"default":{"url":"ws://h"}}}"#).contains("another name"))
        #expect(await Self.refusal(#"{"upstreams":{"a b":{"url":"ws://h"}}}"#).contains("hyphens"))
        #expect(await Self.refusal(#"{"upstreams":5}"#).contains("the setting upstreams in"))
        #expect(await Self.refusal(#"{"default_upstream":"a"}"#).contains("did you mean 'default-upstream'"))
        let both = #"{"upstreams":{"a":{"url":"ws://h","models":["m"]},"b":{"url":"ws://h","models":["m"]}}}"#
        #expect(await Self.refusal(both).contains("upstreams.a.models and upstreams.b.models both list 'm'"))
        #expect(await Self.refusal(flags: ["default-upstream": .string("x")]).contains("no upstream has this name"))
        #expect(await Self.refusal(#"{"log-lvel":"info"}"#).contains("did you mean 'log-level'"))
    }

    @Test func unusableFlagsAreNamed() async {
        let cases: [(String, ConfigContent, String)] = [
            ("upstream-url", .string("http://h"), "the setting upstream-url"),
            ("upstream-preset", .string("x"), "the setting upstream-preset"),
            ("upstream-ca", .string("/absent"), "the setting upstream-ca"), ("pool-max", .int(-1), "the setting pool-max"),
            ("idle-timeout", .int(86_401), "the setting idle-timeout"), ("stall-timeout", .int(0), "the setting stall-timeout"),
            ("replay-token-limit", .int(0), "the setting replay-token-limit"), ("rollover-wait", .int(-1), "the setting rollover-wait"),
            ("max-session-age", .int(-1), "the setting max-session-age"),
        ]
        for (name, content, says) in cases {
            let said = await Self.refusal(flags: [name: content])
            #expect(said.contains(says), "\(said)")
        }
        let crossed = await Self.refusal(flags: ["pool-min": .int(3), "pool-max": .int(2)])
        #expect(crossed.contains("pool-min") && crossed.contains("pool-max"))
        #expect(await Self.refusal(environment: ["HTTPS_PROXY": "socks5://h"]).contains("HTTPS_PROXY"))
    }

    @Test func webhooksNeedAListAndASecret() async throws {
        let secret = ["REALTIME_BRIDGE_WEBHOOK_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]
        #expect(try await Self.settings(environment: secret).webhooks == nil)
        #expect(try await Self.settings(environment: secret).unknownVariables == [])
        let flags: [String: ConfigContent] = [
            "webhook-allow": .stringArray(["https://h.example.com/a", "http://localhost:9090"]),
            "webhook-allow-address": .stringArray(["10.1.0.0/16", "fd00::1"]), "webhook-timeout": .int(3),
        ]
        let webhooks = try #require(try await Self.settings(flags: flags, environment: secret).webhooks)
        #expect(webhooks.attemptTime == .seconds(3))
        #expect(throws: Never.self) { try webhooks.rules.check("https://h.example.com/a/b") }
        let listed = secret.merging(["REALTIME_BRIDGE_WEBHOOK_ALLOW": "https://a.example.com,https://b.example.com/x"]) { $1 }
        let rules = try #require(try await Self.settings(environment: listed).webhooks).rules
        #expect(throws: Never.self) { try rules.check("https://b.example.com/x") }

        let cases: [(String, ConfigContent, String)] = [
            ("webhook-allow", .stringArray(["http://h.example.com"]), "the setting webhook-allow: the entry 'http://h.example.com'"),
            ("webhook-allow-address", .stringArray(["10.1.0.0/99"]), "the setting webhook-allow-address: '10.1.0.0/99'"),
            ("webhook-ca", .string("/absent"), "the setting webhook-ca"), ("webhook-timeout", .int(0), "the setting webhook-timeout"),
        ]
        for (name, content, says) in cases {
            let said = await Self.refusal(flags: flags.merging([name: content]) { $1 }, environment: secret)
            #expect(said.contains(says), "\(said)")
        }
        #expect(await Self.refusal(flags: flags).contains("REALTIME_BRIDGE_WEBHOOK_SECRET"))
        let bad = await Self.refusal(flags: flags, environment: ["REALTIME_BRIDGE_WEBHOOK_SECRET": "whsec_c2hvcnQ="])
        #expect(bad.contains("openssl rand") && !bad.contains("c2hvcnQ"), "\(bad)")
    }

    @Test func unknownVariablesAreNamed() async throws {
        let environment = [
            "REALTIME_BRIDGE_LOG_LEVEL": "info", "REALTIME_BRIDGE_API_KEYS": "k", "REALTIME_BRIDGE_UPSTREAMS_LOCAL_MODEL": "m",
            "REALTIME_BRIDGE_LOG_FROMAT": "json", "REALTIME_BRIDGE_COLOUR": "red",
        ]
        let unknown = try await Self.settings(environment: environment).unknownVariables
        #expect(unknown == ["REALTIME_BRIDGE_COLOUR", "REALTIME_BRIDGE_LOG_FROMAT (did you mean REALTIME_BRIDGE_LOG_FORMAT?)"])
    }

    @Test func whatIsNearIsSuggested() {
        let names = ["log-level", "log-format", "key", "ca"]
        #expect(Suggestion.name(for: "log_level", among: names) == "log-level")
        #expect(Suggestion.name(for: "loglevel", among: names) == "log-level")
        #expect(Suggestion.name(for: "kez", among: names) == "key")
        #expect(Suggestion.name(for: "cb", among: names) == nil)
        #expect(Suggestion.name(for: "colour", among: names) == nil)
    }

    @Test func serversOwnCredentialMustBeThere() async {
        let server: [String: ConfigContent] = ["credentials": .string("server")]
        #expect(await Self.refusal(flags: server).contains("OPENAI_API_KEY"))
        #expect(await Self.refusal(flags: server, environment: ["OPENAI_API_KEY": "k"]) == "accepted")
        let file = #"{"default-upstream":"u","upstreams":{"u":{"url":"ws://h"}}}"#
        #expect(await Self.refusal(file, flags: server).contains("api_key_env"))
    }

    /// What the README gives to be copied.
    @Test func readmesFilesAreAccepted() async throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let readme = try String(contentsOf: root.appending(path: "README.md"), encoding: .utf8)
        let blocks = readme.matches(of: /```json\n((?s).*?)```/).map { String($0.1) }.filter { $0.contains("upstreams") }
        #expect(blocks.count == 2)
        let keys = ["AZURE_OPENAI_API_KEY": "a", "OPENAI_API_KEY": "o", "INSIDE_KEY": "i"]
        for block in blocks {
            let said = await Self.refusal(block, environment: keys)
            #expect(said == "accepted", "\(said): \(block)")
        }
    }

    @Test func readmeHasEverySetting() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let readme = try String(contentsOf: root.appending(path: "README.md"), encoding: .utf8)
        for name in ServeOptions.names where !name.contains(".") { #expect(readme.contains("| `--\(name)` |"), "\(name)") }
        for name in UpstreamReader.names where name != "api_key" {
            #expect(readme.contains("`\(name.replacing(".*", with: ""))`"), "\(name)")
        }
        for preset in UpstreamPreset.all { #expect(readme.contains("`\(preset.name)`"), "\(preset.name)") }
    }
}
