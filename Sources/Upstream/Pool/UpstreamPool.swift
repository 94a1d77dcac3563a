package import Logging
import NIOConcurrencyHelpers

/// Opens sessions at Realtime servers, out of a stock of warm ones where it can.
///
/// A warm connection has seen its `session.created` and nothing else, or was given back by a caller that left nothing on it; one caller has it at
/// a time. Only endpoints with ``UpstreamEndpoint/sharesConnections`` are kept warm; all others are opened when asked for. The stock follows
/// demand: it covers the creates of a few handshake times, within ``UpstreamPoolLimits``. All handshakes take turns, callers before the stock.
///
/// What is given back settles for a second that nobody reads it. Then, and again when somebody is about to get it, what has come unread is looked
/// at: anything that is not harmless, or an end, and nobody gets it. So nobody is shown what belonged to somebody else.
///
/// An upstream that fails several times in a row is left alone for up to 30 s (``UpstreamError/Code/circuitOpen(retryAfterMilliseconds:)``); what
/// callers' own credentials meet neither counts for that nor is held up by it.
///
/// Decisions are made by ``PoolMachine``. From: ``UpstreamConnecting`` below. To: sessions, which see no difference but the time.
package final class UpstreamPool: UpstreamConnecting {
    private let connector: any UpstreamConnecting
    private let logger: Logger
    private let environment: PoolEnvironment
    private let state: NIOLockedValueBox<PoolState>
    /// Something has happened that the stock may have to follow. One is as good as many.
    private let wakes: AsyncStream<Void>
    private let waker: AsyncStream<Void>.Continuation

    /// - Parameter warm: endpoints to keep ``UpstreamPoolLimits/minimum`` connections for before anybody has asked; each shares connections.
    package init(
        connector: any UpstreamConnecting, limits: UpstreamPoolLimits, warm: [UpstreamEndpoint], logger: Logger,
        environment: PoolEnvironment = .system
    ) {
        self.connector = connector
        self.logger = logger
        self.environment = environment
        state = NIOLockedValueBox(PoolState(machine: PoolMachine(limits: limits, warm: warm.map(PoolKey.init))))
        (wakes, waker) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
        waker.yield()
    }

    /// A connection nobody else has: a warm one that is still open, else one opened now.
    ///
    /// Waits at most ``UpstreamEndpoint/handshakeTimeout`` for its turn and as long again for the handshake. What the server sent since
    /// ``UpstreamConnection/created`` is still to be read.
    /// - Throws: what the connector throws; `.circuitOpen`; `.handshakeTimeout` when its turn does not come; `.cancelled`, also after ``stop()``.
    package func connect(to endpoint: UpstreamEndpoint) async throws(UpstreamError) -> UpstreamConnection {
        let key = PoolKey(endpoint)
        // Each time round there is one warm one less.
        while true {
            switch await turn(for: key) {
            case .leased(let number, let pooled):
                if pooled.isClean() { return pooled.connection }
                // Dropping it closes it, which nobody waits for.
                state.withLockedValue { $0.spoiled(number, pooled.connection) }
            case .mayOpen(let number):
                let connection = try await handshake(number, key, isForCaller: true)
                made(connection, number, key, isForCaller: true).answerCallers()
                return connection
            case .refused(let refusal): throw refusal.error(for: endpoint)
            }
        }
    }

    /// Keeps it for another caller if it is one of this pool's, its endpoint shares connections, it is in the first half of its life, and there is
    /// room; closes it otherwise.
    package func takeBack(_ connection: UpstreamConnection, harmless: Set<String>) async {
        let moment = moment
        let isKept = state.withLockedValue { $0.takeBack(connection, harmless: harmless, at: moment) }
        guard isKept else { return await connection.close() }
        waker.yield()
    }

    /// Keeps the stock until ``stop()`` or until the task is cancelled, which stops the pool too. Call it once.
    ///
    /// While it does not run, ``connect(to:)`` works, but nothing is kept warm.
    package func run() async {
        await withDiscardingTaskGroup { group in
            var alarm: Int?
            for await _ in wakes {
                let (work, now, deadline) = tick()
                work.answerCallers()
                let closes = work.closes + work.inspections.flatMap(inspect)
                for connection in closes { group.addTask { await connection.close() } }
                for (number, key) in work.refills { group.addTask { await self.refill(number, key) } }
                // An alarm that is due earlier stands already in most cases; one that is due later does no harm.
                if let deadline, alarm.map({ $0 <= now || deadline < $0 }) ?? true {
                    alarm = deadline
                    group.addTask {
                        await self.environment.sleepUntil(deadline)
                        self.waker.yield()
                    }
                }
            }
            group.cancelAll()
        }
        await stop()
    }

    /// Closes what is warm, refuses who waits, and ends ``run()``; connections given out go on. Returns when all are closed, within 2 s or so.
    package func stop() async {
        let work = state.withLockedValue { state in
            let actions = state.machine.stop()
            return state.carryOut(actions)
        }
        waker.finish()
        await work.finish()
    }

    /// Each upstream that was ever asked for or is to be kept warm, by name.
    package var status: [UpstreamPoolStatus] {
        let now = environment.now()
        let toUnix = environment.unixMilliseconds() - now
        return state.withLockedValue { $0.machine.status(now: now, toUnix: toUnix) }
    }

    /// - Returns: what is to be closed.
    private func inspect(_ number: Int, _ pooled: PooledConnection) -> [UpstreamConnection] {
        let isClean = pooled.isClean()
        let moment = moment
        let work = state.withLockedValue { state in
            let actions = state.machine.settled(number, isClean: isClean, at: moment)
            return state.carryOut(actions)
        }
        work.answerCallers()
        // It has a time of its own from here on.
        waker.yield()
        return work.closes
    }

    private var moment: PoolMoment { PoolMoment(milliseconds: environment.now(), random: environment.random()) }

    private func tick() -> (PoolWork, now: Int, deadline: Int?) {
        let moment = moment
        return state.withLockedValue { state in
            let work = state.carryOut(state.machine.tick(at: moment))
            return (work, moment.milliseconds, state.machine.nextDeadline(after: moment.milliseconds))
        }
    }

    /// Waits for a warm connection or for the permission to open one.
    private func turn(for key: PoolKey) async -> PoolTurn {
        let caller = state.withLockedValue { $0.newCaller() }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let moment = moment
                // The dead ones go after the lock: dropping a connection tells of its end, on this thread if it likes.
                let (turn, dead) = state.withLockedValue { state -> (PoolTurn?, [UpstreamConnection]) in
                    // Cancelled later, it is found waiting.
                    if Task.isCancelled { return (.refused(.cancelled), []) }
                    let dead = state.dropDead(key, at: moment)
                    return (state.ask(key, caller, continuation, at: moment), dead)
                }
                withExtendedLifetime(dead) {}
                // There is one fewer in stock now, or one more deadline.
                waker.yield()
                if let turn { continuation.resume(returning: turn) }
            }
        } onCancel: {
            let waiting = state.withLockedValue { $0.cancelWaiting(caller) }
            waiting?.resume(returning: .refused(.cancelled))
        }
    }

    /// Opens one for the stock. Its failure is reported and leads to another attempt when the machine thinks fit.
    private func refill(_ number: Int, _ key: PoolKey) async {
        guard let connection = try? await handshake(number, key, isForCaller: false) else { return }
        await made(connection, number, key, isForCaller: false).finish()
    }

    private func handshake(_ number: Int, _ key: PoolKey, isForCaller: Bool) async throws(UpstreamError) -> UpstreamConnection {
        do throws(UpstreamError) {
            return try await connector.connect(to: key.endpoint)
        } catch {
            failed(number, key, error, isForCaller: isForCaller)
            throw error
        }
    }

    /// - Returns: what has become possible by it. Nothing is to be closed if a caller made it.
    private func made(_ connection: UpstreamConnection, _ number: Int, _ key: PoolKey, isForCaller: Bool) -> PoolWork {
        let life = SessionLifetime.milliseconds(
            created: connection.created, endpoint: key.endpoint, unixMilliseconds: environment.unixMilliseconds())
        let moment = moment
        let (work, circuit) = state.withLockedValue { state in
            let circuit = state.machine.circuit(of: key.name)
            if isForCaller {
                state.gave(connection, number)
            } else {
                state.warm[number] = PooledConnection(connection: connection, harmless: nil)
            }
            let actions = state.machine.opened(number, life: life, at: moment)
            return (state.carryOut(actions), circuit)
        }
        if circuit != .closed, key.endpoint.sharesConnections {
            logger.info("upstream circuit closed", metadata: ["bridge.upstream": "\(key.name)"])
        }
        connection.onEnd { [weak self, id = ObjectIdentifier(connection)] in self?.ended(number, id) }
        waker.yield()
        return work
    }

    private func failed(_ number: Int, _ key: PoolKey, _ error: UpstreamError, isForCaller: Bool) {
        let moment = moment
        let (work, before, after) = state.withLockedValue { state in
            let before = state.machine.circuit(of: key.name)
            let actions = state.machine.failed(number, HandshakeVerdict(error.code), error.message, at: moment)
            return (state.carryOut(actions), before, state.machine.circuit(of: key.name))
        }
        let facts: Logger.Metadata = ["bridge.upstream": "\(key.name)", "bridge.error": "\(error.logText)"]
        if before != .open, after == .open { logger.warning("upstream circuit opened", metadata: facts) }
        // A caller is told; of what fails ahead of need nobody else would hear.
        if !isForCaller, error.code != .cancelled { logger.warning("no warm upstream connection", metadata: facts) }
        work.answerCallers()
        waker.yield()
    }

    /// A connection has ended that is warm or leased. May be told twice.
    private func ended(_ number: Int, _ id: ObjectIdentifier) {
        let moment = moment
        let gone = state.withLockedValue { $0.ended(number, id, at: moment) }
        waker.yield()
        withExtendedLifetime(gone) {}
    }
}
