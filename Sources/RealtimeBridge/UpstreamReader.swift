import Foundation
import Realtime
import Sessions
import Upstream

/// Reads the settings of one upstream, each under the name that it has where it stands, and says by that name what is wrong with it.
struct UpstreamReader {
    private let reader: SettingsReader
    private let name: String
    /// Where a setting of ``names`` is found; nil: it cannot be set here.
    private let place: (String) -> String?
    /// The variable with the key if no setting names one.
    private let keyVariable: String?
    /// The vendor if no setting names one and no URL is given.
    private let usual: UpstreamPreset?

    /// The settings of an upstream in the file.
    static let names = [
        "preset", "url", "dialect", "model", "models", "model_query", "authorization", "api_key", "api_key_env", "api_key_file",
        "pass_through", "headers.*", "ca", "certificate", "key", "proxy", "max_session_age", "echoes_metadata", "echoes_event_ids",
        "supports_out_of_band", "awaited_event", "heartbeats", "input_rate", "output_rate",
    ]

    /// The one that the flags describe.
    static func flags(_ reader: SettingsReader, name: String) -> UpstreamReader {
        let flags = [
            "preset": "upstream-preset", "url": "upstream-url", "dialect": "upstream-dialect", "ca": "upstream-ca", "model": "model",
        ]
        return UpstreamReader(
            reader: reader, name: name, place: { flags[$0] }, keyVariable: "OPENAI_API_KEY", usual: UpstreamPreset.named("openai"))
    }

    static func inFile(_ reader: SettingsReader, name: String, group: String) -> UpstreamReader {
        UpstreamReader(reader: reader, name: name, place: { "\(group).\(name).\($0)" }, keyVariable: nil, usual: nil)
    }

    /// Whether anything says where it is.
    var isDescribed: Bool {
        get throws { try string("url") != nil || string("preset") != nil }
    }

    func upstream() throws -> UpstreamConfiguration {
        let preset = try preset()
        var upstream = UpstreamConfiguration(
            name: name, url: try url(preset), dialect: try choice("dialect") ?? preset?.dialect ?? .ga, tls: try tls(),
            defaultModel: try string("model"), models: try strings("models") ?? [],
            modelPlace: try modelPlace() ?? preset?.modelPlace ?? .query("model"),
            authorization: try authorization() ?? preset?.authorization ?? .bearer, apiKey: try apiKey(),
            takesCallersCredential: try bool("pass_through") ?? false, profile: preset?.profile ?? UpstreamProfile())
        try read(into: &upstream.profile)
        upstream.headers = try headers(besides: upstream.authorization)
        try check(upstream, preset)
        upstream.proxy = try proxy(to: upstream.url)
        return upstream
    }

    // MARK: Where it is

    private func preset() throws -> UpstreamPreset? {
        guard let name = try string("preset") else { return nil }
        guard let preset = UpstreamPreset.named(name) else {
            throw wrong(
                "preset",
                "is '\(name.prefix(64))', but must be one of \(UpstreamPreset.names), or be left out"
                    + Suggestion.hint(for: name, among: UpstreamPreset.all.map(\.name)))
        }
        return preset
    }

    private func url(_ preset: UpstreamPreset?) throws -> String {
        let given = try string("url")
        guard let preset = preset ?? (given == nil ? usual : nil) else {
            guard let given else { throw wrong("url", "is missing: say where the server is, wss://HOST/v1/realtime, or name a preset") }
            return given
        }
        guard let url = preset.url(given: given) else {
            throw wrong("url", "is missing: the preset \(preset.name) needs the host, such as wss://HOST")
        }
        return url
    }

    /// Everything that would make every connection fail in the same way.
    private func check(_ upstream: UpstreamConfiguration, _ preset: UpstreamPreset?) throws {
        if upstream.url.contains(UpstreamConfiguration.modelName), upstream.defaultModel == nil {
            throw wrong("model", "is missing: the URL has \(UpstreamConfiguration.modelName), so sessions that name no model need one")
        }
        if preset?.name == "azure", upstream.url.contains("api-version=") {
            throw wrong("url", "has an api-version, which Azure's GA endpoint refuses: leave it out, or use the preset azure-preview")
        }
        let places = [UpstreamConfiguration.modelName, UpstreamConfiguration.ownID]
        guard !places.reduce(upstream.url, { $0.replacing($1, with: "") }).contains(where: { $0 == "{" || $0 == "}" }) else {
            throw wrong("url", "has braces: only \(places.joined(separator: " and ")) are replaced in it, everything else is written out")
        }
        let endpoint = upstream.endpoint(model: upstream.defaultModel ?? "model", bearer: nil)
        do throws(UpstreamError) {
            try UpstreamEndpoint(name: name, url: endpoint.url).check()
        } catch {
            throw wrong("url", "cannot be used: \(error.message)")
        }
        do throws(UpstreamError) {
            try endpoint.check()
        } catch {
            throw SettingError(description: "the headers or the key of the upstream '\(name)' cannot be used: \(error.message)")
        }
    }

    private func modelPlace() throws -> UpstreamConfiguration.ModelPlace? {
        guard let item = try string("model_query") else { return nil }
        guard !item.isEmpty else { throw wrong("model_query", "must be the name of a query item, or 'none'") }
        return item == "none" ? UpstreamConfiguration.ModelPlace.none : .query(item)
    }

    private func tls() throws -> UpstreamTLS {
        let caSetting = place("ca").map { $0.contains(".") ? $0 : "--\($0)" } ?? "ca"
        let tls = UpstreamTLS(
            caFile: try file("ca"), caSetting: caSetting, certificateFile: try file("certificate"), keyFile: try file("key"))
        if tls.keyFile != nil, tls.certificateFile == nil {
            throw wrong("key", "needs the certificate to which it belongs (setting certificate)")
        }
        if tls.caFile != nil { try check("ca", UpstreamTLS(caFile: tls.caFile, caSetting: caSetting)) }
        if tls.certificateFile != nil {
            try check(tls.keyFile == nil ? "certificate" : "key", UpstreamTLS(certificateFile: tls.certificateFile, keyFile: tls.keyFile))
        }
        return tls
    }

    /// A file that no connection could use is found at the start, and not by the first caller.
    private func check(_ name: String, _ tls: UpstreamTLS) throws {
        do throws(UpstreamError) {
            try tls.check()
        } catch {
            throw wrong(name, "cannot be used: \(error.message)")
        }
    }

    /// The setting's, `none` for no proxy at all, else the environment's.
    private func proxy(to url: String) throws -> UpstreamProxy? {
        let given = try string("proxy")
        guard given != "none" else { return nil }
        do throws(UpstreamError) {
            if let given { return try UpstreamProxy(given, from: "the setting \(place("proxy") ?? "")") }
            return try UpstreamProxy.from(environment: reader.variables, for: url)
        } catch {
            throw SettingError(description: error.message)
        }
    }

    // MARK: Who asks

    private func authorization() throws -> UpstreamConfiguration.Authorization? {
        guard let text = try string("authorization") else { return nil }
        switch text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init) {
        case ["bearer"]: return .bearer
        case ["basic"]: return .basic
        case ["none"]: return UpstreamConfiguration.Authorization.none
        case let parts where parts.count == 2 && parts[0] == "header" && !parts[1].isEmpty: return .header(parts[1])
        case let parts where parts.count == 2 && parts[0] == "query" && !parts[1].isEmpty: return .query(parts[1])
        default: throw wrong("authorization", "must be bearer, basic, header:NAME, query:NAME or none")
        }
    }

    private func apiKey() throws -> String? {
        if try string("api_key") != nil {
            throw wrong(
                "api_key", "would leave the key in the file for all to read: name a variable by api_key_env, or a file by api_key_file")
        }
        let variable = try string("api_key_env")
        if let path = try file("api_key_file") {
            guard variable == nil else { throw wrong("api_key_file", "and api_key_env are both given: leave one out") }
            guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
                throw wrong("api_key_file", "must be a file of text")
            }
            let key = text.trimmingCharacters(in: .whitespacesAndNewlines)
            guard !key.isEmpty else { throw wrong("api_key_file", "names an empty file") }
            return key
        }
        if let variable {
            guard let key = reader.variable(variable) else {
                throw wrong("api_key_env", "names the variable \(variable), which is not set")
            }
            return key
        }
        return keyVariable.flatMap(reader.variable)
    }

    private func headers(besides authorization: UpstreamConfiguration.Authorization) throws -> [(name: String, value: String)] {
        guard let place = place("headers") else { return [] }
        var credential = "authorization"
        if case .header(let name) = authorization { credential = name.lowercased() }
        return try reader.names(in: place).map { name in
            guard name.lowercased() != credential, name.lowercased() != "authorization" else {
                throw wrong("headers.\(name)", "would leave the key in the file for all to read: use api_key_env or api_key_file")
            }
            return (name, try string("headers.\(name)") ?? "")
        }
    }

    // MARK: Its ways

    private func read(into profile: inout UpstreamProfile) throws {
        if let value = try bool("echoes_metadata") { profile.echoesMetadata = value }
        if let value = try bool("echoes_event_ids") { profile.echoesEventIDs = value }
        if let value = try bool("supports_out_of_band") { profile.supportsOutOfBand = value }
        if let value = try string("awaited_event") { profile.awaitedEvent = value }
        if let value = try strings("heartbeats") { profile.heartbeats = Set(value) }
        if let value = try int("input_rate", in: 8_000...48_000) { profile.inputRate = value }
        if let value = try int("output_rate", in: 8_000...48_000) { profile.outputRate = value }
        let ages = 0...604_800
        if let seconds = try int("max_session_age", in: ages) ?? reader.int("max-session-age", in: ages) {
            profile.maximumSessionAge = seconds == 0 ? nil : .seconds(seconds)
        }
    }

    // MARK: Reading

    private func string(_ name: String) throws -> String? { try place(name).flatMap { try reader.string($0) } }
    private func strings(_ name: String) throws -> [String]? { try place(name).flatMap { try reader.strings($0) } }
    private func bool(_ name: String) throws -> Bool? { try place(name).flatMap { try reader.bool($0) } }
    private func int(_ name: String, in range: ClosedRange<Int>) throws -> Int? {
        try place(name).flatMap { try reader.int($0, in: range) }
    }
    private func choice(_ name: String) throws -> Dialect? { try place(name).flatMap { try reader.choice($0, as: Dialect.self) } }

    private func file(_ name: String) throws -> String? {
        guard let path = try string(name) else { return nil }
        guard FileManager.default.isReadableFile(atPath: path) else { throw wrong(name, "names the file \(path), which cannot be read") }
        return path
    }

    private func wrong(_ name: String, _ what: String) -> SettingError {
        SettingError(description: "the setting \(place(name) ?? name) \(what)")
    }
}
