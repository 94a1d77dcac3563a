import Realtime
import Testing
import Upstream

@testable import Sessions

struct UpstreamConfigurationTests {
    struct PresetCase: Sendable, CustomTestStringConvertible {
        let preset: String
        let host: String?
        let url: String
        let headers: [String]
        var testDescription: String { preset }
    }

    private static let cases = [
        PresetCase(preset: "openai", host: nil, url: "wss://api.openai.com/v1/realtime?model=m%2F1", headers: ["Authorization: Bearer k"]),
        PresetCase(
            preset: "azure", host: "wss://r.openai.azure.com", url: "wss://r.openai.azure.com/openai/v1/realtime?model=m%2F1",
            headers: ["api-key: k"]),
        PresetCase(
            preset: "azure-preview", host: "wss://r.openai.azure.com/",
            url: "wss://r.openai.azure.com/openai/realtime?api-version=2025-04-01-preview&deployment=m%2F1",
            headers: ["api-key: k", "OpenAI-Beta: realtime=v1"]),
        PresetCase(preset: "xai", host: nil, url: "wss://api.x.ai/v1/realtime?model=m%2F1", headers: ["Authorization: Bearer k"]),
        PresetCase(
            preset: "qwen", host: "wss://dashscope-intl.aliyuncs.com",
            url: "wss://dashscope-intl.aliyuncs.com/api-ws/v1/realtime?model=m%2F1",
            headers: ["Authorization: Bearer k", "OpenAI-Beta: realtime=v1"]),
        PresetCase(
            preset: "glm", host: nil, url: "wss://open.bigmodel.cn/api/paas/v4/realtime",
            headers: ["Authorization: Bearer k", "OpenAI-Beta: realtime=v1"]),
        PresetCase(
            preset: "stepfun", host: nil, url: "wss://api.stepfun.com/v1/realtime?model=m%2F1",
            headers: ["Authorization: Bearer k", "OpenAI-Beta: realtime=v1"]),
        PresetCase(
            preset: "inworld", host: "wss://api.inworld.ai/session?key=fixed", url: "wss://api.inworld.ai/session?key=fixed",
            headers: ["Authorization: Basic k"]),
        PresetCase(
            preset: "localai", host: "ws://127.0.0.1:8080", url: "ws://127.0.0.1:8080/v1/realtime?model=m%2F1",
            headers: ["Authorization: Bearer k"]),
        PresetCase(
            preset: "speaches", host: "ws://[::1]:8000", url: "ws://[::1]:8000/v1/realtime?model=m%2F1",
            headers: ["Authorization: Bearer k", "OpenAI-Beta: realtime=v1"]),
        PresetCase(
            preset: "litellm", host: "ws://litellm:4000", url: "ws://litellm:4000/v1/realtime?model=m%2F1",
            headers: ["Authorization: Bearer k"]),
    ]

    @Test(arguments: cases)
    func presetMakesAnEndpoint(_ expected: PresetCase) throws {
        let preset = try #require(UpstreamPreset.named(expected.preset))
        let upstream = UpstreamConfiguration(
            name: "u", url: try #require(preset.url(given: expected.host)), dialect: preset.dialect, tls: UpstreamTLS(), defaultModel: nil,
            modelPlace: preset.modelPlace, authorization: preset.authorization, apiKey: "k", profile: preset.profile)
        let endpoint = upstream.endpoint(model: "m/1", bearer: nil)
        #expect(endpoint.url == expected.url)
        #expect(endpoint.headers.map { "\($0.name): \($0.value)" } == expected.headers)
        #expect(endpoint.awaitedEvent == preset.profile.awaitedEvent)
        #expect(throws: Never.self) { try endpoint.check() }
    }

    @Test func everyPresetHasARow() {
        #expect(Set(UpstreamPreset.all.map(\.name)) == Set(Self.cases.map(\.preset)))
    }

    @Test(arguments: UpstreamPreset.all.map(\.name))
    func presetWithoutAHostNeedsOne(_ name: String) throws {
        let preset = try #require(UpstreamPreset.named(name))
        #expect((preset.url(given: nil) == nil) == (preset.origin == nil))
    }

    private static func upstream(
        _ url: String, authorization: UpstreamConfiguration.Authorization = .bearer, key: String? = "server", takesCallers: Bool = false,
        headers: [(name: String, value: String)] = []
    ) -> UpstreamConfiguration {
        UpstreamConfiguration(
            name: "u", url: url, dialect: .ga, tls: UpstreamTLS(), defaultModel: nil, authorization: authorization, apiKey: key,
            takesCallersCredential: takesCallers, headers: headers)
    }

    @Test(arguments: [
        ("ws://h/v1", "ws://h/v1?model=a%20b"),
        ("ws://h/v1?x=1", "ws://h/v1?x=1&model=a%20b"),
        ("ws://h/v1?model=fixed", "ws://h/v1?model=fixed"),
        ("ws://h/v1?intent=transcription", "ws://h/v1?intent=transcription"),
        ("ws://h/v1?call_id=rtc_1", "ws://h/v1?call_id=rtc_1"),
        ("ws://h/{model}/v1", "ws://h/a%20b/v1"),
        ("ws://h/v1?deployment={model}&x=1", "ws://h/v1?deployment=a%20b&x=1"),
    ])
    func modelStandsWhereTheServerWantsIt(url: String, expected: String) {
        #expect(Self.upstream(url).endpoint(model: "a b", bearer: nil).url == expected)
    }

    @Test func everyConnectionHasAnIDOfItsOwn() {
        let upstream = Self.upstream("ws://h/{id}")
        let urls = (0..<2).map { _ in upstream.endpoint(model: nil, bearer: nil).url }
        #expect(urls[0] != urls[1])
        #expect(!urls[0].contains("{"))
    }

    @Test func credentialGoesWhereItIsExpected() {
        func sent(_ authorization: UpstreamConfiguration.Authorization) -> [String] {
            let endpoint = Self.upstream("ws://h/v1", authorization: authorization).endpoint(model: nil, bearer: nil)
            return [endpoint.url] + endpoint.headers.map { "\($0.name): \($0.value)" }
        }
        #expect(sent(.bearer) == ["ws://h/v1", "Authorization: Bearer server"])
        #expect(sent(.basic) == ["ws://h/v1", "Authorization: Basic server"])
        #expect(sent(.header("X-API-Key")) == ["ws://h/v1", "X-API-Key: server"])
        #expect(sent(.query("api_key")) == ["ws://h/v1?api_key=server"])
        #expect(sent(.none) == ["ws://h/v1"])
    }

    @Test func callersCredentialGoesOnlyWhereItMay() {
        func sent(takesCallers: Bool, key: String? = "server") -> [String] {
            Self.upstream("ws://h", key: key, takesCallers: takesCallers).endpoint(model: nil, bearer: "caller").headers.map(\.value)
        }
        #expect(sent(takesCallers: true) == ["Bearer caller"])
        #expect(sent(takesCallers: false) == ["Bearer server"])
        #expect(sent(takesCallers: false, key: nil) == [])
    }

    @Test func operatorsHeadersGoBeforeOurs() {
        var upstream = Self.upstream("ws://h", key: nil, headers: [("openai-beta", "mine"), ("X-Room", "1")])
        upstream.dialect = .beta
        #expect(upstream.endpoint(model: nil, bearer: nil).headers.map(\.value) == ["mine", "1"])
    }

    @Test func printingOneShowsNoSecret() {
        let upstream = Self.upstream(
            "ws://h/v1?key=secret-q", authorization: .query("api_key"), key: "secret-k", headers: [("X-Y", "secret-h")])
        var dumped = ""
        dump(upstream, to: &dumped)
        #expect(!"\(upstream) \(String(reflecting: upstream)) \(dumped)".contains("secret"))
    }
}

struct UpstreamTableTests {
    private let table = UpstreamTable([
        UpstreamConfiguration(name: "one", url: "ws://1", dialect: .ga, tls: UpstreamTLS(), defaultModel: nil, apiKey: nil),
        UpstreamConfiguration(name: "two", url: "ws://2", dialect: .ga, tls: UpstreamTLS(), defaultModel: nil, models: ["m2"], apiKey: nil),
    ])

    @Test(
        arguments: [
            (nil, nil, "one"), (nil, "other", "one"), (nil, "m2", "two"), ("one", "m2", "one"), ("two", nil, "two"),
        ] as [(String?, String?, String)])
    func sessionGoesToTheNamedOneOrItsModelsOrTheDefault(upstream: String?, model: String?, expected: String) throws {
        #expect(try table.route(upstream: upstream, model: model).name == expected)
    }

    @Test func unknownUpstreamIsRefusedWithThoseThereAre() {
        let error = #expect(throws: SessionError.self) { try table.route(upstream: "three", model: nil) }
        #expect(error?.code == .unknownUpstream)
        #expect(error?.param == "upstream")
        #expect(error?.message == "there is no upstream 'three'; there is 'one', 'two'")
    }
}

struct SessionSettingsTests {
    @Test(arguments: [
        SessionSettings(), SessionSettings(idleTimeout: 1), SessionSettings(idleTimeout: 86_400, maxDuration: 5, onLastViewerGone: .close),
    ])
    func settingsAreReadBackAsTheyWereStored(_ settings: SessionSettings) {
        #expect(SessionSettings(json: settings.json) == settings)
    }

    @Test func whatCannotBeReadIsNotSet() {
        #expect(SessionSettings(json: Array("nonsense".utf8)) == SessionSettings())
        #expect(SessionSettings(json: Array(#"{"idle_timeout":"5","on_last_viewer_gone":"sing"}"#.utf8)) == SessionSettings())
    }

    @Test func onlyWhatIsSetIsTakenOver() {
        var settings = SessionSettings(idleTimeout: 1, maxDuration: 2)
        settings.apply(SessionSettings(maxDuration: 3, onLastViewerGone: .cancel))
        #expect(settings == SessionSettings(idleTimeout: 1, maxDuration: 3, onLastViewerGone: .cancel))
    }
}
