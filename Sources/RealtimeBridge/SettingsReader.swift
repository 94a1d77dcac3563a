import Configuration
import Foundation
import Realtime
import SystemPackage

/// A setting that cannot be used; ends the process with exit code 78 (sysexits.h, EX_CONFIG) after saying where it was set.
struct SettingError: Error, CustomStringConvertible {
    let description: String
}

/// Reads settings from where they were given: the command line before the environment (`REALTIME_BRIDGE_*`) before the file.
struct SettingsReader {
    private struct Source {
        let name: String
        let provider: any ConfigProvider
    }

    private let sources: [Source]
    /// The file as it is, for the names in it; its values are read as all others are.
    private let file: JSON?
    /// Variables whose names are other programs' as well, such as `OPENAI_API_KEY`.
    private let environment: [String: String]
    /// Variables named as settings are that no setting has, each with what was probably meant; in the order of their names.
    let unknownVariables: [String]

    /// - Parameters:
    ///   - flags: what the command line gave, by the setting's name.
    ///   - file: a JSON file with the settings' names as keys. A dot in a name stands for an object in an object.
    ///   - known: the names there are; `*` stands for a name that the operator chooses.
    init(flags: [String: ConfigContent], environment: [String: String], file: String?, known: Set<String>) async throws {
        var values: [AbsoluteConfigKey: ConfigValue] = [:]
        for (name, content) in flags { values[AbsoluteConfigKey([name])] = ConfigValue(content, isSecret: false) }
        var sources = [
            Source(name: "on the command line", provider: InMemoryProvider(values: values)),
            Source(
                name: "in the environment",
                provider: EnvironmentVariablesProvider(environmentVariables: environment).prefixKeys(with: "realtime.bridge")),
        ]
        self.file = try file.map { try Self.checked($0, known: known) }
        if let file {
            do {
                let provider = try await FileProvider<JSONSnapshot>(filePath: FilePath(file))
                sources.append(Source(name: "in \(file)", provider: provider))
            } catch {
                throw SettingError(description: "cannot read the configuration file \(file) (setting config): \(error)")
            }
        }
        self.sources = sources
        unknownVariables = Self.unknownVariables(in: environment, known: known)
        self.environment = environment
    }

    private static func checked(_ file: String, known: Set<String>) throws -> JSON {
        guard let bytes = FileManager.default.contents(atPath: file) else {
            throw SettingError(description: "cannot read the configuration file \(file) (setting config)")
        }
        let json: JSON
        do throws(JSONError) {
            json = try JSON.parse(Array(bytes))
        } catch {
            throw SettingError(description: "the configuration file \(file) is not acceptable JSON: \(error)")
        }
        try refuseUnknown(json, [], known: known.map { $0.split(separator: ".") }, file: file)
        return json
    }

    /// A setting that is misspelt would otherwise be left at its default without a word.
    private static func refuseUnknown(_ json: JSON, _ path: [String], known: [[Substring]], file: String) throws {
        for (name, value) in json.members {
            let path = path + [name]
            let fitting = known.filter { $0.count >= path.count && zip($0, path).allSatisfy { $0 == "*" || $0 == $1 } }
            let written = path.joined(separator: ".")
            guard !fitting.isEmpty else {
                let names = Set(known.filter { $0.starts(with: path.dropLast(), by: { $0 == "*" || $0 == $1 }) }.map { $0[path.count - 1] })
                let hint = Suggestion.hint(for: name, among: names.filter { $0 != "*" }.map(String.init))
                throw SettingError(description: "there is no setting '\(written)', which the configuration file \(file) has\(hint)")
            }
            if fitting.contains(where: { $0.count == path.count }) { continue }
            guard value.kind == .object else {
                throw SettingError(description: "the setting \(written) in \(file) must be an object")
            }
            try refuseUnknown(value, path, known: known, file: file)
        }
    }

    /// The names that the operator chose below a setting, in the file's order.
    func names(in setting: String) -> [String] {
        var json = file
        for name in setting.split(separator: ".") { json = json?[String(name)] }
        return json?.members.map(\.name) ?? []
    }

    /// All variables, for those whose names other programs have chosen.
    var variables: [String: String] { environment }

    func variable(_ name: String) -> String? {
        environment[name].flatMap { $0.isEmpty ? nil : $0 }
    }

    func string(_ name: String) throws -> String? {
        try read(name, .string, "text") { if case .string(let text) = $0 { text } else { nil } }
    }

    func strings(_ name: String) throws -> [String]? {
        try read(name, .stringArray, "a list of texts") { if case .stringArray(let texts) = $0 { texts } else { nil } }
    }

    func bool(_ name: String) throws -> Bool? {
        try read(name, .bool, "true or false") { if case .bool(let truth) = $0 { truth } else { nil } }
    }

    func int(_ name: String, in range: ClosedRange<Int>) throws -> Int? {
        let expected = "a whole number from \(range.lowerBound) to \(range.upperBound)"
        return try read(name, .int, expected) {
            if case .int(let number) = $0, range.contains(number) { number } else { nil }
        }
    }

    /// One of a closed set of words.
    func choice<Choice: RawRepresentable & CaseIterable>(_ name: String, as type: Choice.Type) throws -> Choice?
    where Choice.RawValue == String {
        let expected = "one of " + Choice.allCases.map(\.rawValue).joined(separator: ", ")
        return try read(name, .string, expected) { if case .string(let text) = $0 { Choice(rawValue: text) } else { nil } }
    }

    private func read<Value>(
        _ name: String, _ type: ConfigType, _ expected: String, _ convert: (ConfigContent) -> Value?
    ) throws -> Value? {
        let key = AbsoluteConfigKey(name.split(separator: ".").map(String.init))
        for source in sources {
            let found: ConfigValue?
            do {
                found = try source.provider.value(forKey: key, type: type).value
            } catch {
                throw Self.wrong(name, source, expected, given: Self.given(key, source))
            }
            guard let found else { continue }
            guard let value = convert(found.content) else {
                throw Self.wrong(name, source, expected, given: Self.text(found.content))
            }
            return value
        }
        return nil
    }

    private static func wrong(_ name: String, _ source: Source, _ expected: String, given: String?) -> SettingError {
        let instead = given.map { ", not \($0)" } ?? ""
        return SettingError(description: "the setting \(name) \(source.name) must be \(expected)\(instead)")
    }

    /// What stands there in place of what was expected.
    private static func given(_ key: AbsoluteConfigKey, _ source: Source) -> String? {
        for type in [ConfigType.string, .int, .double, .bool] {
            if let found = try? source.provider.value(forKey: key, type: type).value { return text(found.content) }
        }
        return nil
    }

    private static func text(_ content: ConfigContent) -> String? {
        switch content {
        case .string(let text): "'\(text.prefix(64))'"
        case .int(let number): "\(number)"
        case .double(let number): "\(number)"
        case .bool(let truth): "\(truth)"
        default: nil
        }
    }

    private static func unknownVariables(in environment: [String: String], known: Set<String>) -> [String] {
        let prefix = "REALTIME_BRIDGE_"
        // A dot stands for a setting inside an object, whose names the operator has chosen.
        let objects = Set(known.compactMap { $0.contains(".") ? $0.prefix { $0 != "." }.uppercased() : nil })
        let names = Set(known.filter { !$0.contains(".") }.map { prefix + $0.uppercased().replacing("-", with: "_") })
            .union([prefix + "API_KEYS", prefix + "CONFIG", WebhookSettings.secretVariable])
        return environment.keys.sorted().filter { name in
            name.hasPrefix(prefix) && !names.contains(name) && !objects.contains { name.hasPrefix("\(prefix)\($0)_") }
        }.map { name in
            Suggestion.name(for: name, among: names).map { "\(name) (did you mean \($0)?)" } ?? name
        }
    }
}
