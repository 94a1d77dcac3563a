package import EventLog
import Foundation
import Logging
package import Realtime
import Upstream
import Webhooks

/// One conversation: an actor around ``SessionStateMachine`` that sends its frames, appends its events and answers its callers.
///
/// From: `UpstreamConnection.next` (events), `SessionDirectory` (commands). To: `SessionHistory.append`, `UpstreamConnection.send`.
package actor Session {
    package nonisolated let id: String
    package nonisolated let owner: String?
    package nonisolated let history: SessionHistory
    /// What it speaks with upstream.
    package nonisolated let upstreamDialect: Dialect

    var machine: SessionStateMachine
    var receipts: [CommandID: CommandReceipt] = [:]
    var nextCommand: CommandID = 1
    /// Upstream connections in use, being made, or about to take over.
    var links: [LinkID: SessionLink] = [:]
    var room: Promise<Void>?
    var place: Promise<Void>?
    var isBroken = false
    private(set) var isRetired = false
    private(set) var isStopped = false
    /// Comes when the session's first connection holds the conversation, or cannot be given it.
    private let opening = Promise<SessionError?>()
    private var isOpening = true
    /// Wakes the machine at its next deadline; a later one waits until this one has fired.
    private var alarm: (at: Int, task: Task<Void, Never>)?
    /// The caller's own credential, where credentials are passed through.
    var bearer: String?
    /// Nil if the session's upstream is not configured any more.
    let upstream: UpstreamConfiguration?
    let connector: any UpstreamConnecting
    let log: EventLog
    let tasks: TaskOwner
    /// Told once when the store could not take this session's events.
    let broken: @Sendable (String) async -> Void
    /// Told once when a session made for one response has ended and that is stored.
    let over: @Sendable (String) async -> Void
    private var isFinishing = false
    /// The connection that was given back, if one was.
    var givenBack: LinkID?
    let openLinks: OpenLinks
    /// Nil: none may be called.
    let webhooks: Webhooks?
    /// Calls of webhooks, which end with the process whatever they wait for.
    let webhookTasks: TaskOwner
    /// The directory gives this actor out; one that only brings a stored session to rest begins nothing.
    var callsWebhooks = false
    let logger: Logger

    /// Frames waiting for the socket; an append waits for room beyond it (API.md section 4, "Audio in").

    init(
        machine: SessionStateMachine, history: SessionHistory, log: EventLog, upstream: UpstreamConfiguration?,
        connector: any UpstreamConnecting, bearer: String?, tasks: TaskOwner, broken: @escaping @Sendable (String) async -> Void,
        over: @escaping @Sendable (String) async -> Void, openLinks: OpenLinks, webhooks: Webhooks?, webhookTasks: TaskOwner,
        logger: Logger
    ) {
        id = machine.record.id
        owner = machine.record.owner
        upstreamDialect = machine.record.upstreamDialect
        self.machine = machine
        self.history = history
        self.log = log
        self.upstream = upstream
        self.connector = connector
        self.bearer = bearer
        self.tasks = tasks
        self.broken = broken
        self.over = over
        self.openLinks = openLinks
        self.webhooks = webhooks
        self.webhookTasks = webhookTasks
        var logger = logger
        logger[metadataKey: "bridge.session"] = "\(machine.record.id)"
        self.logger = logger
    }

    /// What is stored of it, as of the last event enqueued.
    package var record: SessionRecord { machine.record }
    package var inputFormat: AudioFormat { AudioFormat.input(of: machine.record, machine.profile) }
    package var outputFormat: AudioFormat { AudioFormat.output(of: machine.record, machine.profile) }
    /// What a session or response object of its upstream says that the assistant's audio is; nil if it does not say.
    package func outputFormat(statedBy object: JSON?) -> AudioFormat? { AudioFormat.output(statedBy: object, machine.profile) }
    package var itemCount: Int { machine.projection.itemCount }
    package var activeResponseID: String? { machine.projection.activeResponse?.id }
    package var lastPosition: EventPosition { history.position(ofSeq: machine.lastSeq) }
    /// Responses that upstream still owes an end.
    var hasResponseInProgress: Bool { !machine.projection.responsesInProgress.isEmpty }
    /// The same, or a webhook is being called.
    var isInTurn: Bool { hasResponseInProgress || isCallingWebhooks }
    /// Or their outputs are on their way, or the response that follows.
    var isCallingWebhooks: Bool { machine.webhookRuns.count > 0 || machine.isResponseDue }
    /// The store could not take its events; the directory loads it anew.
    var mustBeReloaded: Bool { isBroken }

    /// Takes no more commands if it has no link; the directory then forgets it and loads it anew when it is asked for.
    func retireIfIdle() -> Bool {
        guard links.isEmpty, receipts.isEmpty, machine.isAtRest, machine.viewers == 0, machine.webhookRuns.count == 0 else { return false }
        isRetired = true
        return true
    }

    // MARK: Commands

    /// Takes one client event, checks what can be checked without upstream, and sends it or queues it until a connection is there.
    ///
    /// The caller's `event_id`, where given, comes back in errors; the bridge puts its own ids on the event, a missing item id and
    /// the response token included. Appends wait while more than 1 MiB waits for the socket.
    /// - Parameters:
    ///   - event: an object with a string `type`, in upstream's dialect.
    ///   - rejectIfActive: refuse a `response.create` while a response runs, instead of leaving that to upstream.
    ///   - limit: until when it waits for a place among the commands that are not answered yet; nil: it is refused if there is none.
    ///   - step: what it is remembered as; begun already. The event that answers the command answers the step in the same commit.
    /// - Throws: what was wrong with it; then nothing was sent.
    package func submit(
        _ event: JSON, by caller: Caller, rejectIfActive: Bool = false, waitingUntil limit: ContinuousClock.Instant? = nil,
        as step: CommandStep? = nil
    ) async throws(SessionError) -> CommandReceipt {
        if let step, step.wasBegun { return try await receipt(of: event, begunAs: step) }
        // What is never answered takes no place.
        let isAnswered = !Self.isNeverAnswered(event["type"]?.string.flatMap { ClientEventName(rawValue: $0) })
        try await admit(waitingUntil: isAnswered ? limit : nil)
        let prepared = try builder(for: step).build(event, firstID: nextCommand, rejectIfActive: rejectIfActive)
        return try take(prepared, as: step, by: caller)
    }

    /// - Throws: `.sessionClosed` or `.sessionFailed` if no command will be taken any more.
    package func refuseIfEnded() throws(SessionError) { try machine.refuseIfEnded() }

    /// - Parameter step: of a request that is carried out once; the command's ids tell it.
    func builder(for step: CommandStep?) -> CommandBuilder {
        var builder = CommandBuilder(machine: machine, rules: webhooks?.rules)
        if let step { builder.mark = step.mark }
        return builder
    }

    func take(
        _ prepared: CommandBuilder.Prepared, as step: CommandStep?, by caller: Caller
    ) throws(SessionError) -> CommandReceipt {
        adopt(caller)
        let receipt = receipt(for: prepared, as: step)
        for command in prepared.commands {
            let actions = try machine.take(command, at: Self.now)
            nextCommand = command.id + 1
            // A split append is done when its last frame is.
            if command.id == prepared.commands.last?.id { receipts[command.id] = receipt }
            act(actions)
        }
        if prepared.type == ClientEventName.inputAudioBufferAppend.rawValue { noteInputAudio() }
        return receipt
    }

    /// Has the store know how much audio would be lost with the process, so that the next one can say so.
    /// - Parameter isExact: an upload has ended; while one goes on, seconds do.
    package func noteInputAudio(isExact: Bool = false) {
        guard !isBroken, let record = machine.inputAudioNoted(isExact: isExact) else { return }
        history.append(LogEntry(seq: nil, frame: [], createdAtMilliseconds: Self.wallClock, record: record))
    }

    /// Lets a command in, once there is room.
    func admit(waitingUntil limit: ContinuousClock.Instant? = nil) async throws(SessionError) {
        try await waitForRoom(andPlaceUntil: limit)
        guard !isBroken else { throw SessionError(.storeUnavailable, "the session's history cannot be stored at the moment") }
        guard !isStopped else { throw SessionError(.shuttingDown, "the bridge is shutting down") }
        guard !isRetired else { throw SessionError(.tooManyCommands, "the session was just put away; try again") }
        // In the list already, but its creation is not answered yet.
        guard machine.record.generation > 0 else { throw SessionError(.tooManyCommands, "the session is still being created; try again") }
        try machine.refuseIfEnded()
        try refuseIfUpstreamSpeaksOtherwise()
    }

    /// A session that was found in the store has no credential in memory; the next caller's serves.
    func adopt(_ caller: Caller) { bearer = caller.bearer ?? bearer }

    func receipt(for prepared: CommandBuilder.Prepared, as step: CommandStep?) -> CommandReceipt {
        CommandReceipt(
            eventID: prepared.commands[prepared.commands.count - 1].event.eventID, type: prepared.type, itemID: prepared.itemID,
            clampedFrom: prepared.clampedFrom, frames: prepared.commands.count, steps: step.map { [$0.id] } ?? [])
    }

    /// Takes back a command that still waits for a connection or for its turn, since its caller waits no longer.
    /// - Parameter error: how it has failed.
    /// - Returns: false if upstream was sent it, or it was answered.
    package func withdraw(_ receipt: CommandReceipt, because error: SessionError) -> Bool {
        guard let id = receipts.first(where: { $0.value.eventID == receipt.eventID })?.key,
            let actions = machine.withdraw(id, because: error, at: Self.now)
        else { return false }
        note(settled(by: [.fail([id], error)]))
        act(actions)
        return true
    }

    /// What its clients are shown from now on unless they ask for the other one.
    package func set(_ dialect: Dialect) async throws(SessionError) {
        try await change { $0.set(dialect) }
    }

    package func setMetadata(_ metadata: [UInt8]) async throws(SessionError) {
        try await change { $0.setMetadata(metadata) }
    }

    /// What is set here goes before what was set earlier; the rest stays.
    /// - Parameter cleared: names of what is not set any more.
    package func setSettings(_ settings: SessionSettings, clearing cleared: Set<String> = []) async throws(SessionError) {
        try await change { machine in
            var all = machine.settings
            all.clear(cleared)
            all.apply(settings)
            machine.set(all)
        }
    }

    /// The history is in the dialect that the upstream of that name had when the session was made. What it says now would be misread.
    private func refuseIfUpstreamSpeaksOtherwise() throws(SessionError) {
        guard let upstream, upstream.dialect != upstreamDialect else { return }
        throw SessionError(
            .upstreamDialectChanged,
            "the upstream '\(upstream.name)' speaks \(upstream.dialect.rawValue) now, and \(upstreamDialect.rawValue) when the session was "
                + "made; go on in a new session, with {\"from\":\"\(id)\"}")
    }

    private func change(_ body: (inout SessionStateMachine) -> Void) async throws(SessionError) {
        guard !isBroken, !isRetired else { throw SessionError(.storeUnavailable, "the change cannot be stored at the moment") }
        try machine.refuseIfEnded()
        try machine.refuseChangeOfOneShot()
        body(&machine)
        arm()
        let stored = Promise<Bool>()
        history.append(
            LogEntry(seq: nil, frame: [], createdAtMilliseconds: Self.wallClock, changes: [], record: machine.record) { result in
                stored.fulfil((try? result.get()) != nil)
            })
        guard await stored.value(within: .seconds(15)) == true else {
            throw SessionError(.storeUnavailable, "the change could not be stored")
        }
    }

    /// Says how many event streams of this session are open.
    package func viewersChanged(_ count: Int) {
        machine.viewersChanged(count, at: Self.now)
        arm()
    }

    /// Says on the stream that an upload of audio ended before its end, for those who cannot be answered.
    /// - Parameter appendedBytes: of it that upstream was sent.
    package func inputAudioFailed(message: String, appendedBytes: Int) {
        // One made for one response takes no audio at all, and its stream is another's.
        guard !isBroken, !isRetired, !machine.record.status.hasEnded, !machine.record.isOneShot else { return }
        act(machine.logged(BridgeEvent.inputAudioFailed(message: message, appendedBytes: appendedBytes)))
    }

    // MARK: Life

    /// Ends it for good and waits until that is stored.
    /// - Throws: `.storeUnavailable` if it cannot be; then it is not ended.
    func close(reason: String) async throws(SessionError) {
        guard !isBroken, !isRetired else { throw SessionError(.storeUnavailable, "the session's end cannot be stored at the moment") }
        act(machine.close(reason: reason, at: Self.wallClock / 1_000))
        guard await flush() else { throw SessionError(.storeUnavailable, "the session's end could not be stored") }
        history.markEnded()
    }

    /// Gives the upstream connection back, keeps the history, and waits until that is stored.
    func suspend(reason: String, isLast: Bool = false) async {
        guard !isBroken, !isRetired else { return }
        guard !machine.record.isOneShot else { return await endOneShot(reason: reason) }
        act(machine.suspend(reason: reason, isLast: isLast))
        await flush()
    }

    /// What is made for one response does not rest: it ends.
    private func endOneShot(reason: String) async {
        act(machine.endOneShot(reason: reason, at: Self.wallClock))
        if await flush() { history.markEnded() }
    }

    /// Ends a session made for one response that was never asked for.
    /// - Returns: false if it was asked for.
    package func endUnlessAsked() async -> Bool {
        guard machine.oneShot == .preparing else { return false }
        await endOneShot(reason: SessionStateMachine.oneShotReason)
        return true
    }

    private func finish() async {
        // Thousands of these may have ended before the alarms of the first ring.
        alarm?.task.cancel()
        // What could not be stored is dropped and loaded anew.
        guard await flush() else { return }
        history.markEnded()
        await over(id)
    }

    /// The same for good: the process is about to end.
    func stop() async {
        isStopped = true
        await suspend(reason: "bridge_stopped", isLast: true)
    }

    /// Waits until everything enqueued so far is stored; false if it cannot be.
    @discardableResult
    func flush() async -> Bool {
        let stored = Promise<Bool>()
        history.append(
            LogEntry(seq: nil, frame: [], createdAtMilliseconds: Self.wallClock, changes: [], record: machine.record) { result in
                stored.fulfil((try? result.get()) != nil)
            })
        return await stored.value(within: .seconds(15)) ?? false
    }

    /// Takes over the connection that the session was created with, and waits until its `session.created` is stored.
    func adopt(_ connection: UpstreamConnection) async {
        let (id, actions) = machine.firstLinkOpened(created: connection.created, openedAt: openedAt(connection), at: Self.now)
        makeLink(id)
        callsWebhooks = true
        act(actions)
        tasks.add { await self.run(connection, id) }
        await flush()
    }

    /// Waits until the first connection has been given the history that the session begins with, and that is stored.
    func opened(within limit: Duration) async throws(SessionError) {
        guard let outcome = await opening.value(within: limit) else {
            throw SessionError(.upstreamTimeout, "upstream did not take the conversation in time")
        }
        if let error = outcome { throw error }
        await flush()
    }

    // MARK: Actions

    func act(_ actions: [SessionStateMachine.Action]) {
        for (index, action) in actions.enumerated() {
            switch action {
            case .openLink(let id): openLink(id)
            case .closeLink(let id): endLink(id)
            case .giveBackLink(let id):
                givenBack = id
                endLink(id)
            case .send(let id, let outgoing): links[id]?.send(outgoing)
            case .append(let append):
                let followers = actions[(index + 1)...].prefix { if case .append = $0 { false } else { true } }
                enqueue(append, followedBy: followers)
            case .accept, .fail: note(settled(by: [action]))
            }
        }
        let next = machine.continueTurns(at: Self.now)
        if !next.isEmpty { return act(next) }
        let end = machine.endIfOneShotIsOver(at: Self.now)
        if !end.isEmpty { return act(end) }
        if machine.oneShot != nil, machine.link.isEnded, !isFinishing {
            isFinishing = true
            tasks.add { await self.finish() }
        }
        callWebhooks()
        if isOpening { tellOfOpening() }
        tellOfRoom()
        arm()
    }

    private func tellOfOpening() {
        let isOver = machine.link.isNone || machine.link.isEnded
        guard isOver || machine.link.isOpen else { return }
        isOpening = false
        opening.fulfil(isOver ? machine.failure ?? SessionError(.sessionClosed, "the session was closed while it was created") : nil)
    }

    /// The socket has taken it.
    func written(_ command: Command, on id: LinkID) {
        guard links[id] != nil else { return }
        act(machine.written(command.id, on: id, at: Self.now))
        guard let receipt = receipts[command.id] else { return }
        receipt.writtenPromise.fulfil(.accepted)
        if !command.isAcknowledged { note(settled(by: [.accept([command.id])])) }
    }

    // MARK: Time

    /// Sees to it that the machine is woken at its next deadline.
    private func arm() {
        guard let deadline = machine.nextDeadline, !isBroken, !isRetired else { return }
        if let alarm, alarm.at <= deadline { return }
        alarm?.task.cancel()
        let wait = max(1, deadline - Self.now)
        alarm = (
            deadline,
            Task { [weak self] in
                try? await Task.sleep(for: .milliseconds(wait))
                guard !Task.isCancelled else { return }
                await self?.alarmFired()
            }
        )
    }

    private func alarmFired() {
        alarm = nil
        guard !isBroken, !isRetired else { return }
        act(machine.tick(at: Self.now))
    }

    /// Answers the commands that are over without an event, if they are not answered yet.
    /// - Returns: what is to be stored of that.
    func settled(by actions: ArraySlice<SessionStateMachine.Action>) -> SettledSteps {
        var steps = SettledSteps()
        for action in actions {
            switch action {
            case .accept(let commands):
                for id in commands {
                    guard let receipt = receipts[id] else { continue }
                    // A cut that there is no need for is not sent; audio will be, if it was not.
                    let isNeedless = receipt.type == ClientEventName.conversationItemTruncate.rawValue && !receipt.wasSent
                    if isNeedless { steps.freed += receipt.steps } else { steps.accepted += receipt.steps }
                    settle(id, receipt, .accepted)
                }
            case .fail(let commands, let error):
                for id in commands {
                    guard let receipt = receipts[id] else { continue }
                    // Whoever gave the command may be gone; a repetition is to be carried out.
                    if !receipt.wasSent { steps.freed += receipt.steps }
                    settle(id, receipt, .failed(error))
                }
            default: continue
            }
        }
        return steps
    }

    private func note(_ steps: SettledSteps) {
        guard !steps.isEmpty else { return }
        history.append(LogEntry(seq: nil, frame: [], createdAtMilliseconds: Self.wallClock, settledSteps: steps))
    }

    func settle(_ id: CommandID, _ receipt: CommandReceipt, _ outcome: CommandOutcome) {
        receipts[id] = nil
        receipt.settle(outcome)
    }

    /// Milliseconds since 1970, for the log.
    static var wallClock: Int { Int(Date().timeIntervalSince1970 * 1_000) }

    /// Milliseconds since 1970 by the clock at the process's start, and from there on steadily: setting the clock moves no deadline.
    static var now: Int { start.wall + (ContinuousClock.now - start.steady).milliseconds }
    private static let start = (wall: wallClock, steady: ContinuousClock.now)
}
