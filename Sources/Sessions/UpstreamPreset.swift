package import Realtime
package import Upstream

/// What is published of one vendor's server, for an operator who names the vendor instead of spelling everything out.
///
/// Every value has its source beside it; what is not known of a vendor stays as OpenAI has it.
package struct UpstreamPreset: Sendable {
    package let name: String
    /// Scheme and host where all customers share them; nil: the operator gives them.
    package let origin: String?
    /// Path and query.
    package let target: String
    package let modelPlace: UpstreamConfiguration.ModelPlace
    package let dialect: Dialect
    package let authorization: UpstreamConfiguration.Authorization
    package let profile: UpstreamProfile

    init(
        _ name: String, _ origin: String?, _ target: String = "/v1/realtime",
        modelPlace: UpstreamConfiguration.ModelPlace = .query("model"), dialect: Dialect,
        authorization: UpstreamConfiguration.Authorization = .bearer, profile: UpstreamProfile = UpstreamProfile()
    ) {
        self.name = name
        self.origin = origin
        self.target = target
        self.modelPlace = modelPlace
        self.dialect = dialect
        self.authorization = authorization
        self.profile = profile
    }

    package static let all: [UpstreamPreset] = [
        // developers.openai.com/api/docs/guides/realtime-websocket
        UpstreamPreset("openai", "wss://api.openai.com", dialect: .ga),
        // learn.microsoft.com/azure/foundry/openai/how-to/realtime-audio-preview-api-migration-guide: the deployment is named as the
        // model, and there is no api-version.
        UpstreamPreset("azure", nil, "/openai/v1/realtime", dialect: .ga, authorization: .header("api-key")),
        // The same page; deprecated since April 2026.
        UpstreamPreset(
            "azure-preview", nil, "/openai/realtime?api-version=2025-04-01-preview", modelPlace: .query("deployment"), dialect: .beta,
            authorization: .header("api-key")),
        // pipecat-ai/pipecat, services/xai/realtime: waits for the second event, meets pings. Sources disagree on the length of a
        // session, an hour or two; the shorter one is safe.
        UpstreamPreset(
            "xai", "wss://api.x.ai", dialect: .ga, profile: UpstreamProfile(awaitedEvent: "conversation.created", heartbeats: ["ping"])),
        // alibabacloud.com/help/en/model-studio/omni-realtime-websocket-access (address, 120 minutes) and document_detail/2922855.html
        // (`pcm` is 16 kHz in, 24 kHz out); dashscope/dashscope-sdk-python: `error` has no event_id inside.
        UpstreamPreset(
            "qwen", "wss://dashscope.aliyuncs.com", "/api-ws/v1/realtime", dialect: .beta,
            profile: UpstreamProfile(echoesEventIDs: false, inputRate: 16_000, maximumSessionAge: .seconds(7_200))),
        // docs.bigmodel.cn/asyncapi/asyncapi.json: no model in the URL, a periodic heartbeat, errors without event_id.
        UpstreamPreset(
            "glm", "wss://open.bigmodel.cn", "/api/paas/v4/realtime", modelPlace: .none, dialect: .beta,
            profile: UpstreamProfile(echoesEventIDs: false, heartbeats: ["heartbeat"])),
        // platform.stepfun.com/docs/guide/realtime
        UpstreamPreset("stepfun", "wss://api.stepfun.com", dialect: .beta),
        // docs.inworld.ai/realtime/connect/websocket: `key` is an id that the client chooses for the connection, not a secret.
        UpstreamPreset(
            "inworld", "wss://api.inworld.ai", "/api/v1/realtime/session?key={id}&protocol=realtime", modelPlace: .none, dialect: .ga,
            authorization: .basic),
        // mudler/LocalAI, core/http/endpoints/openai/realtime.go: ids in errors are missing; nothing ends a session.
        UpstreamPreset("localai", nil, dialect: .ga, profile: UpstreamProfile(echoesEventIDs: false, maximumSessionAge: nil)),
        // speaches-ai/speaches, docs/usage/realtime-api.md: `"conversation":"none"` is not supported.
        UpstreamPreset("speaches", nil, dialect: .beta, profile: UpstreamProfile(supportsOutOfBand: false)),
        // docs.litellm.ai/docs/realtime; the dialect is that of the server behind it.
        UpstreamPreset("litellm", nil, dialect: .ga),
    ]

    package static func named(_ name: String) -> UpstreamPreset? {
        all.first { $0.name == name }
    }

    /// Where to connect: what the operator gave, completed by the vendor's path where it has none.
    /// - Returns: nil if it needs a host that was not given.
    package func url(given: String?) -> String? {
        guard let given = given ?? origin else { return nil }
        let rest = given.firstRange(of: "://").map { given[$0.upperBound...] } ?? given[...]
        if let slash = rest.firstIndex(where: { $0 == "/" || $0 == "?" }), rest[slash...] != "/" { return given }
        return (given.hasSuffix("/") ? String(given.dropLast()) : given) + target
    }
}

extension UpstreamPreset {
    /// All names, with commas.
    package static let names = all.map(\.name).joined(separator: ", ")
}
