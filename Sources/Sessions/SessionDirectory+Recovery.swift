import EventLog
import Foundation
import Logging
import Upstream
import Webhooks

// How sessions come back from the store: after a start, after it failed, and when somebody asks for one that is not in memory.
extension SessionDirectory {
    private static let loadingLimit = Duration.seconds(20)
    /// Sessions that are brought to rest at the same time after a start.
    private static let recoveredTogether = 256
    private static let webhookPause = Duration.milliseconds(100)
    /// Sessions past their end that are looked up at once.
    private static let endedTogether = 100

    /// Brings what the last run of the process left behind to rest: every response in progress gets its one terminal, every session
    /// is `suspended`. To be called before the first request; harmless to repeat.
    /// - Throws: `EventLogError`.
    package func recover() async throws {
        isRecovering = true
        defer { isRecovering = false }
        let ids = try await log.sessionsNeedingRecovery()
        for begin in stride(from: 0, to: ids.count, by: Self.recoveredTogether) {
            let together = ids[begin..<min(begin + Self.recoveredTogether, ids.count)]
            // At the same time, so that they share commits.
            try await withThrowingTaskGroup(of: Void.self) { group in
                for id in together { group.addTask { try await self.recover(id) } }
                try await group.waitForAll()
            }
        }
        let owing = try await log.sessionsOwingOutputs()
        guard !owing.isEmpty else { return }
        guard webhooks != nil else {
            logger.warning(
                "function calls wait for webhooks, which are not called without the setting --webhook-allow",
                metadata: ["bridge.sessions": "\(owing.count)"])
            return
        }
        // Not waited for: a start is not to take longer for them.
        webhookTasks.add { await self.goOn(with: owing) }
    }

    /// Loads sessions whose function calls wait for their webhooks, which makes them go on: as many at a time as webhooks are called, since each
    /// also opens a connection for the output.
    private nonisolated func goOn(with ids: [String]) async {
        await withTaskGroup(of: Void.self) { group in
            for (index, id) in ids.enumerated() {
                if index >= Webhooks.maximumRunning { await group.next() }
                guard !Task.isCancelled else { return }
                group.addTask { await self.goOn(with: id) }
            }
        }
    }

    /// Returns once the session has nothing to call any more, or waits for something else.
    private nonisolated func goOn(with id: String) async {
        guard let session = try? await session(id, for: Caller(owner: nil, seesAll: true)) else { return }
        while await session.isCallingWebhooks {
            guard (try? await Task.sleep(for: Self.webhookPause)) != nil else { return }
        }
    }

    private func recover(_ id: String) async throws(EventLogError) {
        // Nil: its creation was never answered.
        guard try await restored(id) == nil else { return }
        try await log.deleteSession(id)
    }

    /// The one actor of a stored session; nil if there is none. Whoever comes while it is being loaded waits for the same one.
    func load(_ id: String, goingOn: Bool) async throws(EventLogError) -> Session? {
        while let loading = loading[id] {
            guard await loading.value(within: Self.loadingLimit) != nil else {
                throw EventLogError(.unavailable, "the session could not be read in time")
            }
        }
        if let session = sessions[id] { return session }
        let done = Promise<Void>()
        loading[id] = done
        defer {
            loading[id] = nil
            done.fulfil(())
        }
        guard let session = try await restored(id) else { return nil }
        // Made for one response: it has ended, and takes nothing. Kept here it would outlive its rows.
        guard await !session.record.isOneShot else { return session }
        sessions[id] = session
        if goingOn { await session.startWebhooks() }
        await putAwayIdle()
        return session
    }

    /// A session as the store has it, at rest: what was found running there, by a start or after a failing store, is suspended before
    /// anyone else sees it.
    private func restored(_ id: String) async throws(EventLogError) -> Session? {
        guard let history = try await log.history(of: id) else { return nil }
        // What an actor that was put away has still on its way into the store comes first.
        if history.waitingBytes > 0 { await Self.settle(history) }
        if history.failure != nil { _ = try history.reload() }
        // One whose creation has not been answered yet is nobody's.
        guard let stored = try await log.storedSession(id), stored.record.status != .connecting else { return nil }
        let upstream = upstreams.upstream(named: stored.record.upstreamName)
        let profile = upstream?.profile ?? UpstreamProfile()
        let machine = SessionStateMachine(
            stored: stored, inputs: try await log.inputSizes(of: id), profile: profile, times: SessionTimes(limits, profile: profile),
            tokenLimit: limits.replayTokenLimit)
        let session = session(machine, history, upstream, bearer: nil)
        if stored.record.status.hasEnded {
            history.markEnded()
        } else if stored.record.status != .suspended || stored.responses.contains(where: { $0.doneSeq == nil }) {
            await session.suspend(reason: isRecovering ? "bridge_restarted" : "store_failed")
        }
        return session
    }

    private static func settle(_ history: SessionHistory) async {
        let settled = Promise<Void>()
        history.append(LogEntry(seq: nil, frame: [], createdAtMilliseconds: 0) { _ in settled.fulfil(()) })
        _ = await settled.value(within: loadingLimit)
    }

    /// Ends the sessions whose `max_duration` has passed, loaded or not.
    nonisolated func endOverdue() async {
        while !Task.isCancelled {
            let now = Int(Date().timeIntervalSince1970)
            let ids = (try? await log.sessionsExpired(by: now, limit: Self.endedTogether)) ?? []
            for id in ids {
                guard let session = try? await session(id, for: Caller(owner: nil, seesAll: true), goingOn: false) else { continue }
                try? await end(session, reason: "max_duration")
            }
            // Many at once are not waited for long, but neither is a store that does not take their ends asked in a circle.
            try? await Task.sleep(for: ids.count < Self.endedTogether ? .seconds(1) : .milliseconds(100))
        }
    }

    /// Brings a session whose events could not be stored to rest as soon as the store writes again, so that its viewers see the end of
    /// what was in progress without anybody asking.
    func mend(_ id: String) async {
        while !isStopping {
            if log.isHealthy {
                _ = try? await session(id, for: Caller(owner: nil, seesAll: true))
                return
            }
            try? await Task.sleep(for: .seconds(1))
        }
    }
}
