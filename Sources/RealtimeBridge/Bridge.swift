import BridgeAPI
import EventLog
import Foundation
import HTTPServer
import Logging
import NIOPosix
import ServiceLifecycle
import Sessions
import UnixSignals
import Upstream

/// The whole bridge, wired: the data path of ARCHITECTURE from front to back, what is started in which order, and how it stops.
struct Bridge {
    let settings: Settings
    let logger: Logger

    init(_ settings: Settings) {
        self.settings = settings
        var logger = Logger(label: "realtime-bridge") { label -> any LogHandler in
            switch settings.logFormat {
            case .json: JSONLogHandler(label: label)
            case .text: StreamLogHandler.standardError(label: label)
            }
        }
        logger.logLevel = settings.logLevel
        self.logger = logger
    }

    /// Where there is room for large files; beside the store, whose folder is nobody else's.
    private var spoolFolder: String {
        switch settings.log.storage {
        case .directory(let path): path
        case .memory: NSTemporaryDirectory()
        }
    }

    /// Returns when the process was told to stop and has drained.
    func run() async throws {
        if !settings.unknownVariables.isEmpty {
            logger.warning("variables that set nothing: \(settings.unknownVariables.joined(separator: ", "))")
        }
        for upstream in settings.upstreams where upstream.apiKey == nil && upstream.authorization != .none {
            let facts: Logger.Metadata = ["bridge.upstream": "\(upstream.name)"]
            if upstream.takesCallersCredential {
                logger.warning(
                    "the upstream '\(upstream.name)' has no key: it is asked without one, unless a caller sends its own", metadata: facts)
            } else {
                logger.notice("the upstream '\(upstream.name)' has no key: it is asked without one", metadata: facts)
            }
        }
        let log: EventLog
        do throws(EventLogError) {
            log = try EventLog.open(settings.log, logger: logger)
        } catch {
            throw UnavailableError(description: error.message)
        }
        let pool = UpstreamPool(
            connector: NIOUpstreamConnector(group: MultiThreadedEventLoopGroup.singleton, logger: logger), limits: settings.pool,
            warm: settings.upstreams.compactMap(\.warmEndpoint), logger: logger)
        let directory = SessionDirectory(
            log: log, upstreams: settings.upstreams, connector: pool, limits: settings.limits,
            webhooks: settings.webhooks?.webhooks(logger: logger), logger: logger)
        let api = BridgeAPI(
            configuration: settings.api, directory: directory, log: log, upstreams: settings.upstreams, poolStatus: { pool.status },
            soundFiles: ChildSoundDecoder(folder: spoolFolder), logger: logger)
        let server = HTTPServer(configuration: settings.http, handler: api, logger: logger)
        let service = BridgeService(
            pool: pool, directory: directory, api: api, server: server, drainTimeout: settings.drainTimeout)
        let services = ServiceGroup(
            configuration: .init(services: [service], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
        do {
            try await services.run()
        } catch {
            await log.close()
            throw error
        }
        await log.close()
    }
}

/// Opens the door last and closes it first.
private struct BridgeService: Service {
    let pool: UpstreamPool
    let directory: SessionDirectory
    let api: BridgeAPI
    let server: HTTPServer
    let drainTimeout: Duration

    func run() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await pool.run() }
            group.addTask { await directory.run() }
            group.addTask { await api.run() }
            defer { group.cancelAll() }
            try await serve()
        }
    }

    private func serve() async throws {
        do {
            try await directory.recover()
            for address in try server.start() { announce(address.announced) }
        } catch let error as EventLogError {
            throw UnavailableError(description: error.message)
        } catch let error as HTTPServerError {
            throw UnavailableError(description: error.message)
        }
        try? await gracefulShutdown()
        // Streams end at once and say when to come back; requests in progress are answered as their responses end, or are told that
        // the session was suspended.
        api.drain()
        // The front waits a little longer, so that it is the sessions' word that the waiting get.
        async let front: Void = server.stop(within: drainTimeout + .seconds(5))
        await directory.stop(within: drainTimeout)
        // No session needs another connection.
        await pool.stop()
        await front
    }
}

extension ListenAddress {
    fileprivate var announced: String {
        switch self {
        case .tcp: "http://\(self)"
        case .unix: "\(self)"
        }
    }
}
