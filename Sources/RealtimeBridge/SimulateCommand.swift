import ArgumentParser
import Foundation
import HTTPServer
import Logging
import NIOPosix
import Realtime
import ServiceLifecycle
import Simulator
import UnixSignals

/// The simulator alone, for testing other clients against it.
struct SimulateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate", abstract: "Run a simulated Realtime server: no model, no key, faults on demand.")

    @Option(help: "Address to listen on; port 0 picks one.")
    var listen = "127.0.0.1:8090"

    @Option(help: "Spelling of the protocol it speaks: beta or ga.")
    var dialect = "ga"

    @Option(help: "Milliseconds between a request and its 101.")
    var handshakeDelay = 0

    @Option(help: "Milliseconds before each delta of a response.")
    var deltaDelay = 20

    @Option(help: "Seconds after which a session expires; by default 60 minutes.")
    var expireAfter: Int?

    @Option(help: "Drop each connection after so many events.")
    var dropAfter: Int?

    @Option(help: "Drop each connection after a random time, so many seconds on average.")
    var dropEvery: Double?

    @Option(help: "How dropped connections end: reset (TCP reset), end (end of stream), close (CLOSE 1011) or mixed.")
    var dropManner = "mixed"

    @Option(help: "Share of handshakes refused, 0 to 1: by 503, or by 101, an error and CLOSE 1013.")
    var refuse = 0.0

    @Option(help: "Fall silent on each connection after so many events; pings are still answered.")
    var stallAfter: Int?

    @Option(help: "Fall silent on each connection after a random time, so many seconds on average.")
    var stallEvery: Double?

    @Flag(help: "Stalled connections answer no pings and no CLOSE either.")
    var stallDeaf = false

    @Option(help: "Decides ids, faults and refusals; the same seed gives the same.")
    var seed: UInt64 = 0

    @Option(help: "Write every frame in and out to this file, one JSON object a line, with its connection and time.")
    var record: String?

    @Option(help: "trace, debug, info, notice, warning, error or critical.")
    var logLevel = "warning"

    func validate() throws {
        for (name, number) in [("handshake-delay", handshakeDelay), ("delta-delay", deltaDelay)] where !(0...600_000).contains(number) {
            throw ValidationError("--\(name) takes milliseconds from 0 to 600000")
        }
        for (name, number) in [("expire-after", expireAfter), ("drop-after", dropAfter), ("stall-after", stallAfter)] {
            if let number, number < 1 { throw ValidationError("--\(name) takes a number from 1 up") }
        }
        for (name, number) in [("drop-every", dropEvery), ("stall-every", stallEvery)] {
            if let number, !(0.001...1_000_000).contains(number) { throw ValidationError("--\(name) takes seconds from 0.001 to 1000000") }
        }
        guard SimulatorConfiguration.DropManner(rawValue: dropManner) != nil else {
            throw ValidationError("--drop-manner takes reset, end, close or mixed")
        }
        guard Dialect(rawValue: dialect) != nil else { throw ValidationError("--dialect takes beta or ga") }
        guard Logger.Level(rawValue: logLevel) != nil else { throw ValidationError("--log-level takes a level such as debug or warning") }
        guard (0...1).contains(refuse) else { throw ValidationError("--refuse takes a number from 0 to 1") }
    }

    func run() async throws {
        LoggingSystem.bootstrap(StreamLogHandler.standardError)
        var logger = Logger(label: "realtime-bridge.simulate")
        logger.logLevel = Logger.Level(rawValue: logLevel) ?? .warning
        guard case .tcp(let host, let port)? = try? ListenAddress(parsing: listen) else {
            throw ValidationError("--listen takes HOST:PORT")
        }
        var configuration = SimulatorConfiguration(dialect: Dialect(rawValue: dialect) ?? .ga)
        configuration.host = host
        configuration.port = Int(port)
        configuration.handshakeDelay = .milliseconds(handshakeDelay)
        configuration.deltaDelay = .milliseconds(deltaDelay)
        configuration.expireAfter = expireAfter.map { .seconds($0) }
        configuration.dropAfterEvents = dropAfter
        configuration.dropEvery = dropEvery.map { .seconds($0) }
        configuration.dropManner = .init(rawValue: dropManner) ?? .mixed
        configuration.refuseRate = refuse
        configuration.stallAfterEvents = stallAfter
        configuration.stallEvery = stallEvery.map { .seconds($0) }
        configuration.stallIsDeaf = stallDeaf
        configuration.seed = seed
        configuration.recordFile = record
        let service = SimulatorService(
            simulator: Simulator(configuration: configuration, group: MultiThreadedEventLoopGroup.singleton, logger: logger))
        let group = ServiceGroup(
            configuration: .init(services: [service], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
        try await exiting { try await group.run() }
    }
}

/// Runs the simulator until the process is told to stop.
private struct SimulatorService: Service {
    let simulator: Simulator

    func run() async throws {
        let address: Simulator.Address
        do {
            address = try await simulator.start()
        } catch let error as SimulatorError {
            throw UnavailableError(description: error.description)
        } catch {
            throw UnavailableError(description: "cannot listen: \(error)")
        }
        announce(address.url)
        try? await gracefulShutdown()
        await simulator.stop()
    }
}
