import ArgumentParser

@main
struct RealtimeBridgeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "realtime-bridge",
        abstract: "The Realtime WebSocket API as REST and Server-Sent Events.",
        version: version,
        subcommands: [ServeCommand.self, DemoCommand.self, SimulateCommand.self, HealthcheckCommand.self, DecodeSoundCommand.self])

    static let version = "0.1.0"
}
