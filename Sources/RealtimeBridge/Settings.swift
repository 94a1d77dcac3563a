import BridgeAPI
import EventLog
import Foundation
import HTTPServer
import Logging
import Realtime
import Sessions
import Upstream

/// All settings of `serve` and `demo`, read and checked before anything is opened.
struct Settings {
    enum LogFormat: String, CaseIterable { case json, text }

    var http: HTTPServerConfiguration
    var api: BridgeAPIConfiguration
    var log: EventLogConfiguration
    var limits: SessionLimits
    /// The first one is the default.
    var upstreams: [UpstreamConfiguration]
    var pool: UpstreamPoolLimits
    /// Nil: tools may have no webhooks.
    var webhooks: WebhookSettings?
    var drainTimeout: Duration
    var logLevel: Logger.Level
    var logFormat: LogFormat
    /// Variables that are named as settings are and set nothing.
    var unknownVariables: [String]

    /// - Parameters:
    ///   - dataFolder: name of the store's folder below the user's state folder.
    ///   - simulator: the upstream of `demo`, which then cannot be set.
    init(_ reader: SettingsReader, dataFolder: String, simulator: UpstreamConfiguration? = nil) throws {
        let listen = try (reader.strings("listen") ?? ["127.0.0.1:8080"]).map { text in
            do {
                return try ListenAddress(parsing: text)
            } catch {
                throw SettingError(description: "the setting listen: \(error)")
            }
        }
        guard !listen.isEmpty else { throw SettingError(description: "the setting listen names no address") }
        api = try Self.api(reader, listen: listen)
        try Self.refuseOpenDoor(listen, api, insecure: reader.bool("insecure-no-auth") ?? false)

        http = HTTPServerConfiguration(listen: listen)
        if let mode = try reader.string("socket-mode") {
            guard let bits = mode_t(mode, radix: 8), bits <= 0o777 else {
                throw SettingError(description: "the setting socket-mode must be octal permissions such as 0600")
            }
            http.socketMode = bits
        }
        // Room for requests beside the streams.
        http.connectionLimit = api.maximumStreams + Self.connectionsBesideStreams

        log = EventLogConfiguration(storage: try Self.storage(reader, folder: dataFolder))
        log.synchronous = try reader.choice("synchronous", as: EventLogConfiguration.Synchronous.self) ?? .normal
        if let mebibytes = try reader.int("retained-mib", in: 1...1_048_576) { log.retainedBytesPerSession = mebibytes << 20 }
        if let hours = try reader.int("retained-hours", in: 0...87_600) { log.retainedAfterEnd = .seconds(hours * 3_600) }

        limits = SessionLimits(
            live: try reader.int("max-sessions", in: 1...100_000) ?? 1_000,
            kept: try reader.int("max-kept-sessions", in: 1...10_000_000) ?? 100_000)
        try Self.read(&limits, reader)
        pool = try Self.pool(reader)
        webhooks = try WebhookSettings(reader)
        upstreams = try UpstreamSettings.upstreams(reader, simulator: simulator)
        if api.credentials == .server, upstreams[0].apiKey == nil, upstreams[0].authorization != .none {
            let key =
                upstreams[0].name == UpstreamSettings.defaultName ? "OPENAI_API_KEY is not set" : "it has no api_key_env or api_key_file"
            throw SettingError(
                description: "the setting credentials is 'server', but the upstream '\(upstreams[0].name)' has no key: \(key)")
        }
        drainTimeout = .seconds(try reader.int("drain-timeout", in: 0...3_600) ?? 10)
        logLevel = try reader.choice("log-level", as: Logger.Level.self) ?? .info
        logFormat = try reader.choice("log-format", as: LogFormat.self) ?? .text
        unknownVariables = reader.unknownVariables
    }

    private static func api(_ reader: SettingsReader, listen: [ListenAddress]) throws -> BridgeAPIConfiguration {
        var api = BridgeAPIConfiguration(version: RealtimeBridgeCommand.version)
        api.listen = listen
        api.credentials = try reader.choice("credentials", as: BridgeAPIConfiguration.Credentials.self) ?? .automatic
        api.dialect = try reader.choice("dialect", as: Dialect.self) ?? .beta
        api.allowedHosts = try reader.strings("allowed-host") ?? []
        api.corsOrigins = try reader.strings("cors-origin") ?? []
        for origin in api.corsOrigins where origin != "*" && (!origin.contains("://") || origin.hasSuffix("/")) {
            throw SettingError(description: "the setting cors-origin takes scheme://host[:port] without a path")
        }
        do {
            if let keys = reader.variable("REALTIME_BRIDGE_API_KEYS") { try api.keys.add(variable: keys) }
            if let path = try reader.string("api-keys-file") {
                guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
                    throw SettingError(description: "cannot read the key file \(path) (setting api-keys-file)")
                }
                try api.keys.add(file: text)
            }
        } catch let error as BridgeKeysError {
            throw SettingError(description: error.description)
        }
        if let bytes = try reader.int("max-body", in: 1_024...1_073_741_824) { api.maximumBodyBytes = bytes }
        // What was asked for must fit, and the server says so if it does not; the default makes do with less.
        api.maximumStreams = try reader.int("max-streams", in: 1...1_000_000) ?? min(api.maximumStreams, affordableStreams)
        if let streams = try reader.int("max-streams-per-session", in: 1...1_000_000) { api.maximumStreamsPerSession = streams }
        if let seconds = try reader.int("stream-max-age", in: 1...86_400) { api.maximumStreamAge = .seconds(seconds) }
        return api
    }

    private static let connectionsBesideStreams = 2_000

    /// Streams that the process may have open files for, beside requests, upstream connections and the store.
    private static var affordableStreams: Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return .max }
        return max(1, Int(clamping: limit.rlim_max) - connectionsBesideStreams - 1_500)
    }

    /// Without keys everyone who reaches the port can use the upstream credential, so only this machine may (API.md section 6).
    private static func refuseOpenDoor(_ listen: [ListenAddress], _ api: BridgeAPIConfiguration, insecure: Bool) throws {
        guard api.keys.isEmpty, !insecure, let open = listen.first(where: { !$0.isLoopback }) else { return }
        throw SettingError(
            description:
                "will not listen on \(open) without bridge keys: set REALTIME_BRIDGE_API_KEYS or --api-keys-file, "
                + "or listen on 127.0.0.1, or say --insecure-no-auth")
    }

    private static func storage(_ reader: SettingsReader, folder: String) throws -> EventLogConfiguration.Storage {
        if let directory = try reader.string("data-dir") { return directory == ":memory:" ? .memory : .directory(directory) }
        // XDG Base Directory Specification: state that should persist between restarts.
        if let state = reader.variable("XDG_STATE_HOME"), state.hasPrefix("/") { return .directory("\(state)/\(folder)") }
        guard let home = reader.variable("HOME") else {
            throw SettingError(description: "neither HOME nor XDG_STATE_HOME is set: name the store's folder by --data-dir")
        }
        return .directory("\(home)/.local/state/\(folder)")
    }

    private static func read(_ limits: inout SessionLimits, _ reader: SettingsReader) throws {
        if let seconds = try reader.int("idle-timeout", in: 0...86_400) { limits.idleTimeout = seconds == 0 ? nil : .seconds(seconds) }
        if let seconds = try reader.int("stall-timeout", in: 1...3_600) { limits.stallTimeout = .seconds(seconds) }
        if let tokens = try reader.int("replay-token-limit", in: 1...10_000_000) { limits.replayTokenLimit = tokens }
        if let seconds = try reader.int("rollover-wait", in: 0...3_600) { limits.rolloverWait = .seconds(seconds) }
    }

    private static func pool(_ reader: SettingsReader) throws -> UpstreamPoolLimits {
        // The stock's own attempts count too, so a short outage must not open the circuit before a session has tried for seconds.
        var limits = UpstreamPoolLimits(failuresToOpenCircuit: 8)
        if let count = try reader.int("pool-min", in: 0...1_000) { limits.minimum = count }
        limits.maximum = try reader.int("pool-max", in: 0...1_000) ?? max(limits.maximum, limits.minimum)
        guard limits.minimum <= limits.maximum else {
            throw SettingError(
                description: "the setting pool-min is \(limits.minimum), more than pool-max, which is \(limits.maximum)")
        }
        return limits
    }
}
