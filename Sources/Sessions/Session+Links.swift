import EventLog
import Logging
import Realtime
import Upstream

// The session's side of its upstream connections: made, fed, read, ended.
extension Session {
    func makeLink(_ id: LinkID) {
        if links.isEmpty { openLinks.opened() }
        links[id] = SessionLink()
    }

    func endLink(_ id: LinkID) {
        guard let link = links.removeValue(forKey: id) else { return }
        link.end()
        if links.isEmpty { openLinks.closed() }
    }

    func openLink(_ id: LinkID) {
        makeLink(id)
        guard let upstream else {
            let name = machine.record.upstreamName
            endLink(id)
            return act(
                machine.linkFailed(
                    id, SessionError(.upstreamRefused, "the upstream '\(name)' of this session is not configured any more"),
                    isFinal: true, at: Self.now))
        }
        let endpoint = upstream.endpoint(model: machine.record.model, kind: machine.record.kind, bearer: bearer)
        tasks.add { await self.connect(to: endpoint, id) }
    }

    private func connect(to endpoint: UpstreamEndpoint, _ id: LinkID) async {
        let connection: UpstreamConnection
        do {
            guard let opened = try await self.connection(to: endpoint, unless: links[id]?.ended) else { return }
            connection = opened
        } catch {
            logger.warning("no upstream connection", metadata: ["bridge.upstream": "\(endpoint.name)", "bridge.error": "\(error)"])
            guard links[id] != nil else { return }
            endLink(id)
            return act(machine.linkFailed(id, SessionError(error), isFinal: LossPolicy.isFinal(error.code), at: Self.now))
        }
        guard links[id] != nil else { return await connection.close() }
        act(machine.linkOpened(id, created: connection.created, openedAt: openedAt(connection), at: Self.now))
        await run(connection, id)
    }

    /// When upstream made its session, in milliseconds since 1970.
    func openedAt(_ connection: UpstreamConnection) -> Int {
        Self.now - (ContinuousClock.now - connection.openedAt).milliseconds
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

    /// Moves frames both ways until the connection ends, or is given back: one task writes, this one reads.
    func run(_ connection: UpstreamConnection, _ id: LinkID) async {
        guard let outbox = links[id]?.outbox else { return await connection.close() }
        await withDiscardingTaskGroup { group in
            group.addTask { await self.write(outbox, to: connection, id) }
            // Behind the frame after which it was given back nothing is read: what comes then is looked at by whoever takes it.
            reading: while givenBack != id {
                switch await connection.next() {
                case .frame(let frame):
                    received(frame, id)
                    // A store that cannot keep up slows this upstream down, and nobody else.
                    await history.waitForRoom()
                case .ended(let end):
                    ended(end, id)
                    break reading
                }
            }
            group.cancelAll()
        }
        // Both tasks are done with it.
        guard givenBack == id else { return }
        await connector.takeBack(
            connection, harmless: machine.profile.heartbeats.union([ServerEventName.rateLimitsUpdated.rawValue]))
    }

    private nonisolated func write(
        _ outbox: AsyncStream<SessionStateMachine.Outgoing>, to connection: UpstreamConnection, _ id: LinkID
    ) async {
        for await message in outbox {
            // What was taken for a link that has ended since must not be sent: its caller was told that it was lost.
            guard await isSending(message, on: id) else { break }
            do {
                switch message {
                case .command(let command):
                    try await connection.send(command.event.frame)
                    await wrote(command, on: id)
                case .seed(.event(let event)):
                    try await connection.send(event.frame)
                case .seed(.item(let seed, let eventID)):
                    guard let frame = await frame(of: seed, eventID, on: id) else { continue }
                    try await connection.send(frame)
                }
            } catch {
                break
            }
        }
        // The stream ends when the link does, from whichever side.
        if await givenBack != id { await connection.close() }
    }

    /// The `conversation.item.create` that makes an item again; nil if what it needs is gone, of which the machine is told.
    private nonisolated func frame(of seed: RehydrationPlan.Seed, _ eventID: String, on id: LinkID) async -> [UInt8]? {
        var input: ItemInput?
        if seed.usesInput { input = try? await log.input(of: seed.itemID, session: inputOwner) }
        guard let item = seed.item(input: input) else {
            await seedMissing(seed.itemID, on: id)
            return nil
        }
        await seeded(seed.itemID, alteration: item.alteration, on: id)
        return ClientEvent(.conversationItemCreate, eventID: eventID, [("item", .raw(item.bytes))]).frame
    }

    /// Whose items are being given to a connection: a new session's first one gets those of the session that it goes on from.
    private var inputOwner: String { machine.origin?.session ?? id }

    private func isCurrent(_ id: LinkID) -> Bool { links[id] != nil }

    /// False if the link has ended. From here on upstream may have got it, whatever comes of it.
    private func isSending(_ message: SessionStateMachine.Outgoing, on id: LinkID) -> Bool {
        guard isCurrent(id) else { return false }
        if case .command(let command) = message {
            machine.sending(command.id, on: id)
            let isFirstItem = machine.responses.adding?.item?.id == command.id
            receipts[isFirstItem ? machine.responses.adding?.id ?? command.id : command.id]?.sentPromise.fulfil(())
        }
        return true
    }

    private func wrote(_ command: Command, on id: LinkID) {
        links[id]?.written(command)
        written(command, on: id)
    }

    private func seeded(_ item: String, alteration: String?, on id: LinkID) {
        machine.seeded(item, alteration: alteration, on: id)
    }

    private func seedMissing(_ item: String, on id: LinkID) {
        act(machine.seedMissing(item, on: id, at: Self.now))
    }

    private func received(_ frame: [UInt8], _ id: LinkID) {
        guard isCurrent(id) else { return }
        act(machine.received(frame, on: id, secrets: secrets, at: Self.now))
    }

    /// What must not be seen in anything upstream says.
    private var secrets: [String] { [bearer, upstream?.apiKey].compactMap { $0 } }

    private func ended(_ end: UpstreamEnd, _ id: LinkID) {
        guard isCurrent(id) else { return }
        logger.info(
            "upstream connection ended", metadata: ["bridge.end": "\(end.kind)", "bridge.code": "\(end.code.map(String.init) ?? "-")"])
        endLink(id)
        let reason = Secrets.masked(end.reason, also: secrets)
        act(
            machine.linkLost(
                id, code: end.code.map(Int.init), reason: reason.isEmpty ? end.kind.words : reason,
                isTooLarge: end.kind == .closedByPeer && end.code == Self.messageTooBig, at: Self.now))
    }

    /// RFC 6455 section 7.4.1.
    private static let messageTooBig: UInt16 = 1009
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
