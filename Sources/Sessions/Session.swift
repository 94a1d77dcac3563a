package import EventLog
import Foundation
import Logging
package import Realtime
import Upstream

/// One conversation: an actor around ``SessionStateMachine`` that sends its frames, appends its events and answers its callers.
///
/// From: `UpstreamConnection.next` (events), `SessionDirectory` (commands). To: `SessionHistory.append`, `UpstreamConnection.send`.
package actor Session {
    package nonisolated let id: String
    package nonisolated let owner: String?
    package nonisolated let history: SessionHistory
    /// What it speaks with upstream, and so with its clients.
    package nonisolated let dialect: Dialect

    private var machine: SessionStateMachine
    private var receipts: [CommandID: CommandReceipt] = [:]
    private var nextCommand: CommandID = 1
    /// The upstream connection in use, or being made; callbacks of an earlier one are told apart by its number.
    private var link: Link?
    private var links = 0
    private struct Link {
        let number: Int
        let outgoing: AsyncStream<Command>.Continuation
        let outbox: AsyncStream<Command>
        /// Comes when the link is given up, so that a connection still being made is not waited for.
        let ended = Promise<Void>()
    }
    /// Bytes handed to the outgoing stream and not yet written.
    private var outgoingBytes = 0
    private var room: Promise<Void>?
    /// Commands for the present link that upstream never acknowledges and that are not written yet.
    private var unwritten: Set<CommandID> = []
    private var isBroken = false
    private var isRetired = false
    private var isStopped = false
    /// The caller's own credential, where credentials are passed through.
    private var bearer: String?
    private let upstream: UpstreamConfiguration
    private let connector: any UpstreamConnecting
    private let tasks: TaskOwner
    /// Told once when the store could not take this session's events.
    private let broken: @Sendable (String) async -> Void
    private let openLinks: OpenLinks
    /// How long upstream may take to confirm a configuration.
    private let configurationTime: Duration
    private let logger: Logger

    /// Frames waiting for the socket; an append waits for room beyond it (API.md section 4, "Audio in").
    private static let outgoingLimitBytes = 1 << 20
    private static let roomLimit = Duration.seconds(30)

    init(
        machine: SessionStateMachine, history: SessionHistory, upstream: UpstreamConfiguration, connector: any UpstreamConnecting,
        bearer: String?, tasks: TaskOwner, broken: @escaping @Sendable (String) async -> Void, openLinks: OpenLinks,
        configurationTime: Duration, logger: Logger
    ) {
        id = machine.record.id
        owner = machine.record.owner
        dialect = machine.record.upstreamDialect
        self.machine = machine
        self.history = history
        self.upstream = upstream
        self.connector = connector
        self.bearer = bearer
        self.tasks = tasks
        self.broken = broken
        self.openLinks = openLinks
        self.configurationTime = configurationTime
        var logger = logger
        logger[metadataKey: "bridge.session"] = "\(machine.record.id)"
        self.logger = logger
    }

    /// What is stored of it, as of the last event enqueued.
    package var record: SessionRecord { machine.record }
    package var itemCount: Int { machine.projection.itemCount }
    package var activeResponseID: String? { machine.projection.activeResponse?.id }
    package var lastPosition: EventPosition { history.position(ofSeq: machine.lastSeq) }
    /// Responses that upstream still owes an end.
    var hasResponseInProgress: Bool { !machine.projection.responsesInProgress.isEmpty }
    /// The store could not take its events; the directory loads it anew.
    var mustBeReloaded: Bool { isBroken }

    /// Takes no more commands if it has no link; the directory then forgets it and loads it anew when it is asked for.
    func retireIfIdle() -> Bool {
        guard link == nil, receipts.isEmpty else { return false }
        isRetired = true
        return true
    }

    // MARK: Commands

    /// Takes one client event, checks what can be checked without upstream, and sends it or queues it until a connection is there.
    ///
    /// The caller's `event_id`, where given, comes back in errors; the bridge puts its own ids on the event, a missing item id and
    /// the response token included. Appends wait while more than 1 MiB waits for the socket; nothing else waits here.
    /// - Parameters:
    ///   - event: an object with a string `type`, in the session's dialect.
    ///   - rejectIfActive: refuse a `response.create` while a response runs, instead of leaving that to upstream.
    /// - Throws: what was wrong with it; then nothing was sent.
    package func submit(
        _ event: JSON, by caller: Caller, rejectIfActive: Bool = false
    ) async throws(SessionError) -> CommandReceipt {
        try await waitForRoom()
        guard !isBroken else { throw SessionError(.storeUnavailable, "the session's history cannot be stored at the moment") }
        guard !isStopped else { throw SessionError(.shuttingDown, "the bridge is shutting down") }
        guard !isRetired else { throw SessionError(.tooManyCommands, "the session was just put away; try again") }
        // In the list already, but its creation is not answered yet.
        guard machine.record.generation > 0 else { throw SessionError(.tooManyCommands, "the session is still being created; try again") }
        try machine.refuseIfEnded()
        let prepared = try CommandBuilder(machine: machine).build(event, firstID: nextCommand, rejectIfActive: rejectIfActive)
        // A session that was found in the store has no credential in memory; the next caller's serves.
        bearer = caller.bearer ?? bearer
        let receipt = CommandReceipt(
            eventID: prepared.commands[prepared.commands.count - 1].event.eventID, type: prepared.type, itemID: prepared.itemID,
            clampedFrom: prepared.clampedFrom, frames: prepared.commands.count, writtenPromise: Promise(), confirmedPromise: Promise(),
            finishedPromise: Promise())
        for command in prepared.commands {
            let actions = try machine.take(command)
            nextCommand = command.id + 1
            // A split append is done when its last frame is.
            if command.id == prepared.commands.last?.id { receipts[command.id] = receipt }
            act(actions)
        }
        return receipt
    }

    package func setMetadata(_ metadata: [UInt8]) async throws(SessionError) {
        guard !isBroken, !isRetired else { throw SessionError(.storeUnavailable, "the change cannot be stored at the moment") }
        try machine.refuseIfEnded()
        machine.setMetadata(metadata)
        let stored = Promise<Bool>()
        history.append(
            LogEntry(seq: nil, frame: [], createdAtMilliseconds: Self.now, changes: [], record: machine.record) { result in
                stored.fulfil((try? result.get()) != nil)
            })
        guard await stored.value(within: .seconds(15)) == true else {
            throw SessionError(.storeUnavailable, "the change could not be stored")
        }
    }

    private func waitForRoom() async throws(SessionError) {
        while outgoingBytes + machine.queuedBytes > Self.outgoingLimitBytes {
            let promise = room ?? Promise<Void>()
            room = promise
            guard await promise.value(within: Self.roomLimit) != nil else {
                throw SessionError(.tooManyCommands, "upstream takes less than it is sent; 1 MiB waits already")
            }
        }
    }

    // MARK: Life

    /// Ends it for good and waits until that is stored.
    package func close(reason: String) async {
        guard !isBroken, !isRetired else { return }
        act(machine.close(reason: reason, at: Self.now / 1_000))
        await flush()
        history.markEnded()
    }

    /// Gives the upstream connection back, keeps the history, and waits until that is stored.
    func suspend(reason: String) async {
        guard !isBroken, !isRetired else { return }
        act(machine.suspend(reason: reason))
        await flush()
    }

    /// The same for good: the process is about to end.
    func stop() async {
        isStopped = true
        await suspend(reason: "bridge_stopped")
    }

    /// Waits until everything enqueued so far is stored, or cannot be.
    private func flush() async {
        let stored = Promise<Void>()
        history.append(
            LogEntry(seq: nil, frame: [], createdAtMilliseconds: Self.now, changes: [], record: machine.record) { _ in
                stored.fulfil(())
            })
        _ = await stored.value(within: .seconds(15))
    }

    /// Takes over the connection that the session was created with, and waits until its `session.created` is stored.
    func adopt(_ connection: UpstreamConnection) async {
        let number = newLink()
        act(machine.firstLinkOpened(created: connection.created))
        tasks.add { await self.run(connection, number) }
        await flush()
    }

    // MARK: The link

    private func newLink() -> Int {
        links += 1
        // Unbounded by itself: ``outgoingBytes`` and the limit of waiting commands bound it.
        let (stream, continuation) = AsyncStream<Command>.makeStream(bufferingPolicy: .unbounded)
        link = Link(number: links, outgoing: continuation, outbox: stream)
        openLinks.opened()
        return links
    }

    private func openLink() {
        let number = newLink()
        let endpoint = upstream.endpoint(model: machine.record.model, bearer: bearer)
        tasks.add { await self.connect(to: endpoint, number) }
    }

    private func connect(to endpoint: UpstreamEndpoint, _ number: Int) async {
        let connection: UpstreamConnection
        do {
            guard let opened = try await self.connection(to: endpoint, unless: link?.ended) else { return }
            connection = opened
        } catch {
            logger.warning("no upstream connection", metadata: ["bridge.upstream": "\(endpoint.name)", "bridge.error": "\(error)"])
            guard isCurrent(number) else { return }
            endLink()
            act(machine.linkFailed(SessionError(error)))
            return
        }
        guard isCurrent(number) else { return await connection.close() }
        let configuration = nextCommand
        nextCommand += 1
        act(
            machine.linkOpened(
                created: connection.created,
                configurationEventID: BridgeEventID.make(random: .random(in: .min ... .max), callers: nil), commandID: configuration))
        await run(connection, number)
    }

    /// A connection, or nil if the link was given up while it was being made.
    private nonisolated func connection(
        to endpoint: UpstreamEndpoint, unless ended: Promise<Void>?
    ) async throws(UpstreamError) -> UpstreamConnection? {
        let connector = connector
        let outcome = await withTaskGroup(of: Result<UpstreamConnection, UpstreamError>?.self) { group in
            group.addTask {
                do throws(UpstreamError) {
                    return .success(try await connector.connect(to: endpoint))
                } catch {
                    return .failure(error)
                }
            }
            group.addTask {
                // The connector has a limit of its own, which is shorter.
                _ = await ended?.value(within: .seconds(60))
                return nil
            }
            let first = await group.next() ?? nil
            // A connection that comes in the same moment as the end is dropped, which closes it.
            group.cancelAll()
            return first
        }
        return try outcome?.get()
    }

    /// Moves frames both ways until the connection ends: one task writes, this one reads.
    private func run(_ connection: UpstreamConnection, _ number: Int) async {
        guard let link, link.number == number else { return await connection.close() }
        let outbox = link.outbox
        let isConfiguring = machine.isConfiguring
        await withDiscardingTaskGroup { group in
            if isConfiguring {
                group.addTask {
                    try? await Task.sleep(for: self.configurationTime)
                    await self.configurationTimedOut(number)
                }
            }
            group.addTask {
                for await command in outbox {
                    // What was taken for a link that has ended since must not be sent: its caller was told that it was lost.
                    guard await self.isCurrent(number) else { break }
                    do {
                        try await connection.send(command.event.frame)
                    } catch {
                        break
                    }
                    await self.written(command, number)
                }
                // The stream ends when the link does, from whichever side.
                await connection.close()
            }
            reading: while true {
                switch await connection.next() {
                case .frame(let frame):
                    received(frame, number)
                    // A store that cannot keep up slows this upstream down, and nobody else.
                    await history.waitForRoom()
                case .ended(let end):
                    ended(end, number)
                    break reading
                }
            }
            group.cancelAll()
        }
    }

    private func isCurrent(_ number: Int) -> Bool { link?.number == number }

    private func received(_ frame: [UInt8], _ number: Int) {
        guard isCurrent(number) else { return }
        act(machine.received(frame, secrets: secrets))
    }

    private func configurationTimedOut(_ number: Int) {
        guard isCurrent(number), !Task.isCancelled else { return }
        act(machine.configurationTimedOut())
    }

    /// What must not be seen in anything upstream says.
    private var secrets: [String] { [bearer, upstream.apiKey].compactMap { $0 } }

    private func ended(_ end: UpstreamEnd, _ number: Int) {
        guard isCurrent(number) else { return }
        logger.info(
            "upstream connection ended", metadata: ["bridge.end": "\(end.kind)", "bridge.code": "\(end.code.map(String.init) ?? "-")"])
        endLink()
        let reason = Secrets.masked(end.reason, also: secrets)
        act(machine.linkLost(code: end.code.map(Int.init), reason: reason.isEmpty ? end.kind.words : reason))
    }

    private func written(_ command: Command, _ number: Int) {
        guard isCurrent(number) else { return }
        outgoingBytes -= command.event.frame.count
        if outgoingBytes + machine.queuedBytes <= Self.outgoingLimitBytes, let promise = room {
            room = nil
            promise.fulfil(())
        }
        unwritten.remove(command.id)
        guard let receipt = receipts[command.id] else { return }
        receipt.writtenPromise.fulfil(.accepted)
        if !command.isAcknowledged { settle(command.id, receipt, .accepted) }
    }

    private func endLink() {
        guard let link else { return }
        link.outgoing.finish()
        link.ended.fulfil(())
        self.link = nil
        openLinks.closed()
        outgoingBytes = 0
        room?.fulfil(())
        room = nil
        let lost = SessionError(.upstreamLost, "the connection to the upstream server ended before this was sent")
        for id in unwritten {
            if let receipt = receipts[id] { settle(id, receipt, .failed(lost)) }
        }
        unwritten = []
    }

    // MARK: Actions

    private func act(_ actions: [SessionStateMachine.Action]) {
        for action in actions {
            switch action {
            case .openLink: openLink()
            case .closeLink: endLink()
            case .send(let command):
                outgoingBytes += command.event.frame.count
                if !command.isAcknowledged { unwritten.insert(command.id) }
                link?.outgoing.yield(command)
            case .append(let append): enqueue(append)
            case .fail(let commands, let error):
                for id in commands {
                    if let receipt = receipts[id] { settle(id, receipt, .failed(error)) }
                }
            }
        }
    }

    private func settle(_ id: CommandID, _ receipt: CommandReceipt, _ outcome: CommandOutcome) {
        receipts[id] = nil
        receipt.settle(outcome)
    }

    /// One event for the log; whom it answers is told once it is committed, so that a 2xx can always be read back.
    private func enqueue(_ append: SessionStateMachine.Append) {
        var answered: [(receipt: CommandReceipt, stage: ReplyMatcher.Stage)] = []
        for answer in append.answers {
            guard let receipt = receipts[answer.command] else { continue }
            answered.append((receipt, answer.stage))
            let isRunningResponse = answer.stage == .confirmed && receipt.type == ClientEventName.responseCreate.rawValue
            if !isRunningResponse { receipts[answer.command] = nil }
        }
        let position = history.position(ofSeq: append.seq)
        let event = append.event
        let settled = answered
        history.append(
            LogEntry(
                seq: append.seq, frame: append.frame, createdAtMilliseconds: Self.now, changes: append.changes, record: append.record
            ) { [weak self, tasks] result in
                if case .failure = result, let self { tasks.add { await self.storeFailed() } }
                for (receipt, stage) in settled { receipt.settle(stage, event, position, result) }
            })
    }

    /// What could not be stored does not exist: the session lets go of upstream and is loaded anew from what is stored.
    private func storeFailed() {
        guard !isBroken else { return }
        isBroken = true
        logger.error("the session's events could not be stored")
        endLink()
        let error = SessionError(.storeUnavailable, "the session's history cannot be stored at the moment")
        for (id, receipt) in receipts { settle(id, receipt, .failed(error)) }
        tasks.add { await self.broken(self.id) }
    }

    private static var now: Int { Int(Date().timeIntervalSince1970 * 1_000) }
}

extension CommandReceipt {
    fileprivate func settle(_ outcome: CommandOutcome) {
        writtenPromise.fulfil(outcome)
        confirmedPromise.fulfil(outcome)
        finishedPromise.fulfil(outcome)
    }

    fileprivate func settle(
        _ stage: ReplyMatcher.Stage, _ event: ServerEvent?, _ position: EventPosition, _ stored: Result<Void, EventLogError>
    ) {
        guard case .success = stored, let event else {
            return settle(.failed(SessionError(.storeUnavailable, "upstream's answer could not be stored")))
        }
        switch stage {
        case .confirmed where type == ClientEventName.responseCreate.rawValue:
            writtenPromise.fulfil(.accepted)
            confirmedPromise.fulfil(.confirmed(event, position))
        case .confirmed, .finished:
            settle(.confirmed(event, position))
        case .refused(let error):
            settle(.failed(SessionError(.refusedByUpstream, error.message, param: error.param, upstream: error)))
        }
    }
}

extension UpstreamEnd.Kind {
    /// For `bridge.upstream.disconnected` when the close frame gave no reason.
    fileprivate var words: String {
        switch self {
        case .closedByPeer: "closed by the upstream server"
        case .closedByUs: "closed by the bridge"
        case .lost: "the connection was lost"
        case .pingTimeout: "the upstream server did not answer a ping"
        case .protocolViolation: "the upstream server broke the WebSocket protocol"
        case .tooLarge: "the upstream server sent a message over the limit"
        }
    }
}
