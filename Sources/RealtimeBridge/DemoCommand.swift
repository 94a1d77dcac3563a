import ArgumentParser
import Logging
import NIOPosix
import Realtime
import Sessions
import Simulator
import Upstream

/// `serve` with the simulator inside as its upstream: a conversation by curl without a key or a network.
struct DemoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo", abstract: "Run the bridge with a simulated Realtime server inside: no key, no network.")

    @OptionGroup var options: ServeOptions

    func run() async throws {
        try await exiting {
            let reader = try await options.reader()
            let dialect = try reader.choice("upstream-dialect", as: Dialect.self) ?? .ga
            guard try reader.string("upstream-url") == nil else {
                throw SettingError(description: "demo has its own upstream: leave the setting upstream-url out, or use serve")
            }
            var logger = Logger(label: "realtime-bridge.simulator", factory: StreamLogHandler.standardError(label:))
            logger.logLevel = .warning
            var configuration = SimulatorConfiguration(dialect: dialect)
            configuration.deltaDelay = .milliseconds(20)
            configuration.seed = .random(in: .min ... .max)
            let simulator = Simulator(configuration: configuration, group: MultiThreadedEventLoopGroup.singleton, logger: logger)
            let address: Simulator.Address
            do {
                address = try await simulator.start()
            } catch {
                throw UnavailableError(description: "the simulator cannot listen: \(error)")
            }
            let upstream = UpstreamConfiguration(
                name: "simulator", url: address.url, dialect: dialect, tls: UpstreamTLS(),
                defaultModel: try reader.string("model") ?? "simulated", apiKey: "demo",
                takesCallersCredential: true)
            do {
                try await Bridge(Settings(reader, dataFolder: "realtime-bridge-demo", simulator: upstream)).run()
            } catch {
                await simulator.stop()
                throw error
            }
            await simulator.stop()
        }
    }
}
