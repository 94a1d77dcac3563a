import ArgumentParser
import Foundation

struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Run the bridge.",
        discussion: "The upstream key is read from OPENAI_API_KEY, bridge keys from REALTIME_BRIDGE_API_KEYS or --api-keys-file.")

    @OptionGroup var options: ServeOptions

    func run() async throws {
        try await exiting {
            let reader = try await options.reader()
            try await Bridge(Settings(reader, dataFolder: "realtime-bridge")).run()
        }
    }
}

extension ServeOptions {
    func reader() async throws -> SettingsReader {
        let environment = ProcessInfo.processInfo.environment
        return try await SettingsReader(
            flags: given, environment: environment, file: config ?? environment["REALTIME_BRIDGE_CONFIG"], known: Self.names)
    }
}
