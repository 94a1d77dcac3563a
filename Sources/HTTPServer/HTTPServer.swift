import Dispatch
package import Logging
import NIOConcurrencyHelpers

/// libmicrohttpd as a small HTTP/1.1 server: one daemon per listener, all with one handler.
///
/// From: sockets. To: ``HTTPHandler``.
package final class HTTPServer: Sendable {
    private enum Phase {
        case new
        case running([Daemon])
        case stopping(Task<Void, Never>)
        case stopped
    }

    /// How long answers of the last moment, and tasks that were cancelled, may take before the daemons are stopped under them.
    private static let lastAnswers = Duration.seconds(1)
    private static let cancelledTasks = Duration.seconds(5)

    private let configuration: HTTPServerConfiguration
    private let handler: any HTTPHandler
    private let logger: Logger
    private let live = LiveExchanges()
    private let phase = NIOLockedValueBox(Phase.new)

    /// Nothing is opened before ``start()``.
    package init(configuration: HTTPServerConfiguration, handler: any HTTPHandler, logger: Logger) {
        self.configuration = configuration
        self.handler = handler
        self.logger = logger
    }

    /// Listens and serves from here on. Returns the bound addresses in the order of the configuration, with real ports.
    ///
    /// Raises the process's soft limit of open files to the hard one.
    /// - Throws: ``HTTPServerError``; nothing listens then.
    package func start() throws(HTTPServerError) -> [ListenAddress] {
        let isNew = phase.withLockedValue { phase in
            guard case .new = phase else { return false }
            phase = .running([])
            return true
        }
        guard isNew else { throw HTTPServerError(code: .alreadyStarted, message: "the server was started before") }
        do {
            let daemons = try startDaemons()
            phase.withLockedValue { $0 = .running(daemons) }
            return daemons.map(\.address)
        } catch {
            phase.withLockedValue { $0 = .stopped }
            throw error
        }
    }

    private func startDaemons() throws(HTTPServerError) -> [Daemon] {
        try OpenFileLimit.prepare(forConnections: configuration.connectionLimit)
        var sockets: [ListeningSocket] = []
        var daemons: [Daemon] = []
        do {
            for address in configuration.listen {
                sockets.append(try ListeningSocket.open(address, mode: configuration.socketMode))
            }
            let gate = ConnectionGate(limit: configuration.connectionLimit)
            let threads = max(1, configuration.workerThreads / max(1, sockets.count))
            for socket in sockets {
                let context = ListenerContext(
                    address: socket.address, configuration: configuration, handler: handler, live: live, gate: gate, logger: logger)
                daemons.append(try Daemon(on: socket, threads: threads, context: context))
            }
            return daemons
        } catch {
            // Clients may have come in already.
            live.endAll()
            for daemon in daemons {
                daemon.quiesce()
                daemon.stop()
            }
            for socket in sockets { socket.close() }
            throw error
        }
    }

    /// Closes the listeners at once, lets running requests and bodies end for `grace`, ends the rest, and returns when nothing runs any more.
    ///
    /// Answers of this time close their connections. When the grace is over, tasks are cancelled, requests that wait for an answer get 503,
    /// uploads and unfinished bodies are cut. A second call waits for the first.
    package func stop(within grace: Duration) async {
        let task = phase.withLockedValue { phase -> Task<Void, Never>? in
            switch phase {
            case .new, .stopped:
                phase = .stopped
                return nil
            case .stopping(let task):
                return task
            case .running(let daemons):
                let task = Task { await self.stop(daemons, within: grace) }
                phase = .stopping(task)
                return task
            }
        }
        await task?.value
    }

    /// libmicrohttpd ends the process if it is stopped with a suspended connection. So first nothing may suspend any more, then everything
    /// is resumed, and only then it is stopped.
    private func stop(_ daemons: [Daemon], within grace: Duration) async {
        live.stop()
        for daemon in daemons { daemon.quiesce() }
        if await !live.areGone(within: grace) {
            live.endAll()
            _ = await live.areGone(within: Self.lastAnswers)
        }
        // Idle connections may still bring new requests; those end at their first call.
        live.endAll()
        await Self.joinThreads(of: daemons)
        if await !live.areGone(within: Self.cancelledTasks) {
            logger.error("handlers still run after they were cancelled")
        }
        phase.withLockedValue { $0 = .stopped }
    }

    /// Joining blocks, so it happens on a thread that may.
    private static func joinThreads(of daemons: [Daemon]) async {
        await withCheckedContinuation { continuation in
            DispatchQueue(label: "http-server-stop").async {
                for daemon in daemons { daemon.stop() }
                continuation.resume()
            }
        }
    }
}
