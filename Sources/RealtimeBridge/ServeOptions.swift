import ArgumentParser
import Configuration
import Sessions

/// The flags of `serve` and `demo`. Every flag can also be given as `REALTIME_BRIDGE_` + its name in capitals, or under its name in the
/// file of `--config`; a flag goes before the environment, the environment before the file. Defaults stand in ``Settings``.
struct ServeOptions: ParsableArguments {
    @Option(help: "HOST:PORT or unix:/path to listen on; repeatable; port 0 picks one. Default 127.0.0.1:8080.")
    var listen: [String] = []

    @Option(
        help: "Folder of the store; ':memory:' keeps nothing. Default $XDG_STATE_HOME/realtime-bridge or ~/.local/state/realtime-bridge.")
    var dataDir: String?

    @Option(help: "When a commit is durable: normal (a power cut may lose a tail, and says so) or full. Default normal.")
    var synchronous: String?

    @Option(help: "URL of the Realtime server. Default wss://api.openai.com/v1/realtime.")
    var upstreamURL: String?

    @Option(help: "What the Realtime server speaks: ga or beta. Default ga, or the preset's.")
    var upstreamDialect: String?

    @Option(help: "What clients are shown unless they or their session say otherwise: beta or ga. Default beta.")
    var dialect: String?

    @Option(help: "PEM file with the authorities to trust for upstream. Default: the system's.")
    var upstreamCa: String?

    @Option(help: "What the Realtime server is: \(UpstreamPreset.names). Sets its URL, dialect and ways; other settings beat it.")
    var upstreamPreset: String?

    @Option(
        help: "Name of the upstream for sessions that name neither one nor a model of one. Default 'default', which these flags describe.")
    var defaultUpstream: String?

    @Option(
        help:
            "Seconds that upstream's sessions last where it does not say so; 0: without end. Default 3600, or what is known of the preset.")
    var maxSessionAge: Int?

    @Option(help: "Upstream connections kept ready per upstream and model, at least. Default 0.")
    var poolMin: Int?

    @Option(help: "The same, at most; 0 keeps none. Default 8.")
    var poolMax: Int?

    @Option(help: "Seconds without speech, tool call or viewer after which a session gives its connection back; 0: never. Default 300.")
    var idleTimeout: Int?

    @Option(help: "Seconds that upstream may owe something without a word before its connection counts as lost. Default 60.")
    var stallTimeout: Int?

    @Option(help: "Estimated tokens of the conversation that a new upstream connection is given; older items are dropped. Default 24000.")
    var replayTokenLimit: Int?

    @Option(help: "Seconds that a running turn may delay the change to a new upstream connection. Default 60.")
    var rolloverWait: Int?

    @Option(help: "Model of sessions that name none. Without it upstream decides.")
    var model: String?

    @Option(help: "Whose credential goes upstream: auto, server or pass-through. Default auto.")
    var credentials: String?

    @Option(help: "File of bridge keys, lines of name:sha256:scopes.")
    var apiKeysFile: String?

    @Option(help: "Origin that browsers may call from, scheme://host[:port]; repeatable.")
    var corsOrigin: [String] = []

    @Option(help: "Host that requests may name beside those listened on; repeatable.")
    var allowedHost: [String] = []

    @Flag(help: "Listen beyond loopback without bridge keys. Everyone who reaches the port can then spend your upstream credit.")
    var insecureNoAuth = false

    @Option(help: "Permissions of Unix sockets, octal. Default 0600.")
    var socketMode: String?

    @Option(help: "Sessions with an upstream connection. Default 1000.")
    var maxSessions: Int?

    @Option(help: "Sessions in the store, closed ones included. Default 100000.")
    var maxKeptSessions: Int?

    @Option(help: "Open event streams in all. Default 10000.")
    var maxStreams: Int?

    @Option(help: "Open event streams of one session. Default 64.")
    var maxStreamsPerSession: Int?

    @Option(help: "Seconds after which an event stream is closed, to be resumed by its client. Default 3600.")
    var streamMaxAge: Int?

    @Option(help: "Bytes of one JSON body. Default 23068672 (22 MiB).")
    var maxBody: Int?

    @Option(help: "MiB of events kept per session, oldest removed first. Default 256.")
    var retainedMib: Int?

    @Option(help: "Hours that a closed session's history is kept. Default 24.")
    var retainedHours: Int?

    @Option(
        help:
            "URL, down to a prefix of the path, that a tool's x-webhook may be on: https, or http for localhost; repeatable. Needs REALTIME_BRIDGE_WEBHOOK_SECRET. Default: none."
    )
    var webhookAllow: [String] = []

    @Option(help: "Address or network, such as 10.1.0.0/16, that webhooks may lead to although it is not public; repeatable.")
    var webhookAllowAddress: [String] = []

    @Option(help: "PEM file with the authorities to trust for webhooks. Default: the system's.")
    var webhookCa: String?

    @Option(help: "Seconds that one attempt at a webhook may take. Default 10.")
    var webhookTimeout: Int?

    @Option(help: "Seconds that requests and responses in progress may take to end when the process is told to stop. Default 10.")
    var drainTimeout: Int?

    @Option(help: "trace, debug, info, notice, warning, error or critical. Default info.")
    var logLevel: String?

    @Option(help: "json or text. Default text.")
    var logFormat: String?

    @Option(help: "JSON file with settings under their names.")
    var config: String?

    /// The settings that a file can have.
    static let names = Set(
        [
            "listen", "data-dir", "synchronous", "upstream-preset", "upstream-url", "upstream-dialect", "upstream-ca", "model", "dialect",
            "default-upstream", "max-session-age", "credentials", "api-keys-file", "cors-origin", "allowed-host", "insecure-no-auth",
            "socket-mode", "pool-min", "pool-max", "idle-timeout", "stall-timeout", "replay-token-limit", "rollover-wait", "max-sessions",
            "max-kept-sessions", "max-streams", "max-streams-per-session", "stream-max-age", "max-body", "retained-mib", "retained-hours",
            "webhook-allow", "webhook-allow-address", "webhook-ca", "webhook-timeout", "drain-timeout", "log-level", "log-format",
        ] + UpstreamSettings.names)

    /// What was given, by the settings' names.
    var given: [String: ConfigContent] {
        let texts: [String: String?] = [
            "data-dir": dataDir, "synchronous": synchronous, "upstream-url": upstreamURL, "upstream-dialect": upstreamDialect,
            "upstream-ca": upstreamCa, "model": model, "dialect": dialect, "credentials": credentials, "api-keys-file": apiKeysFile,
            "upstream-preset": upstreamPreset, "default-upstream": defaultUpstream, "socket-mode": socketMode, "log-level": logLevel,
            "log-format": logFormat, "webhook-ca": webhookCa,
        ]
        let numbers: [String: Int?] = [
            "max-sessions": maxSessions, "max-kept-sessions": maxKeptSessions, "max-streams": maxStreams,
            "max-streams-per-session": maxStreamsPerSession, "stream-max-age": streamMaxAge, "max-body": maxBody,
            "retained-mib": retainedMib, "retained-hours": retainedHours, "drain-timeout": drainTimeout,
            "max-session-age": maxSessionAge, "pool-min": poolMin, "pool-max": poolMax, "idle-timeout": idleTimeout,
            "stall-timeout": stallTimeout, "replay-token-limit": replayTokenLimit, "rollover-wait": rolloverWait,
            "webhook-timeout": webhookTimeout,
        ]
        let lists = [
            "listen": listen, "cors-origin": corsOrigin, "allowed-host": allowedHost, "webhook-allow": webhookAllow,
            "webhook-allow-address": webhookAllowAddress,
        ]
        var given: [String: ConfigContent] = [:]
        for case (let name, let text?) in texts { given[name] = .string(text) }
        for case (let name, let number?) in numbers { given[name] = .int(number) }
        for (name, list) in lists where !list.isEmpty { given[name] = .stringArray(list) }
        if insecureNoAuth { given["insecure-no-auth"] = .bool(true) }
        return given
    }
}
