import ArgumentParser

/// Where the process begins.
@main
enum Program {
    /// On the first thread, and up to the first suspension there is no other.
    @MainActor static func main() async {
        if CommandLine.arguments.dropFirst().first == DecodeSoundCommand.name { DecodeSoundCommand.run() }
        await RealtimeBridgeCommand.main()
    }
}

struct RealtimeBridgeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "realtime-bridge",
        abstract: "The Realtime WebSocket API as REST and Server-Sent Events.",
        version: version,
        subcommands: [ServeCommand.self, DemoCommand.self, SimulateCommand.self, HealthcheckCommand.self])

    static let version = "0.1.0"
}
