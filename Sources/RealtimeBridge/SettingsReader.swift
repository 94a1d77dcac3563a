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
    /// Variables whose names are other programs' as well, such as `OPENAI_API_KEY`.
    private let environment: [String: String]

    /// - Parameters:
    ///   - flags: what the command line gave, by the setting's name.
    ///   - file: a JSON file with the settings' names as keys.
    ///   - known: the names there are.
    init(flags: [String: ConfigContent], environment: [String: String], file: String?, known: Set<String>) async throws {
        var values: [AbsoluteConfigKey: ConfigValue] = [:]
        for (name, content) in flags { values[AbsoluteConfigKey([name])] = ConfigValue(content, isSecret: false) }
        var sources = [
            Source(name: "on the command line", provider: InMemoryProvider(values: values)),
            Source(
                name: "in the environment",
                provider: EnvironmentVariablesProvider(environmentVariables: environment).prefixKeys(with: "realtime.bridge")),
        ]
        if let file {
            try Self.refuseUnknown(in: file, known: known)
            do {
                let provider = try await FileProvider<JSONSnapshot>(filePath: FilePath(file))
                sources.append(Source(name: "in \(file)", provider: provider))
            } catch {
                throw SettingError(description: "cannot read the configuration file \(file) (setting config): \(error)")
            }
        }
        self.sources = sources
        self.environment = environment
    }

    /// A setting that is misspelt would otherwise be left at its default without a word.
    private static func refuseUnknown(in file: String, known: Set<String>) throws {
        guard let bytes = FileManager.default.contents(atPath: file) else {
            throw SettingError(description: "cannot read the configuration file \(file) (setting config)")
        }
        let json: JSON
        do throws(JSONError) {
            json = try JSON.parse(Array(bytes))
        } catch {
            throw SettingError(description: "the configuration file \(file) is not acceptable JSON: \(error)")
        }
        for (name, _) in json.members where !known.contains(name) {
            throw SettingError(description: "there is no setting '\(name)', which the configuration file \(file) has")
        }
    }

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
        for source in sources {
            let found: ConfigValue?
            do {
                found = try source.provider.value(forKey: AbsoluteConfigKey([name]), type: type).value
            } catch {
                throw SettingError(description: "the setting \(name) \(source.name) must be \(expected)")
            }
            guard let found else { continue }
            guard let value = convert(found.content) else {
                throw SettingError(description: "the setting \(name) \(source.name) must be \(expected)")
            }
            return value
        }
        return nil
    }
}
