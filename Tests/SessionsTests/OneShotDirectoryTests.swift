import EventLog
import Logging
import Realtime
import TestSupport
import Testing
import Upstream

@testable import Sessions

/// Sessions made for one response over a real pool: who gets which connection, and what is left of them.
@Suite(.timeLimit(.minutes(1)))
struct OneShotDirectoryTests {
    private let limit = Duration.seconds(10)
    private let upstream = ScriptedUpstream((0..<20).map { .session("sess_\($0)") })

    /// A pool without refills of its own to tell apart: what it opens, a session has asked for, or it comes from the first demand.
    private func run(_ limits: SessionLimits = SessionLimits(), _ body: (DirectoryFixture, UpstreamPool) async throws -> Void) async throws
    {
        let pool = UpstreamPool(connector: upstream, limits: UpstreamPoolLimits(), warm: [], logger: Logger(label: "test"))
        try await DirectoryFixture.run(connector: pool, limits: limits) { fixture in
            try await body(fixture, pool)
        }
        await pool.stop()
    }

    private func ask(
        _ fixture: DirectoryFixture, before: String? = nil
    ) async throws -> (session: Session, receipt: CommandReceipt, server: ScriptedConnection, create: JSON) {
        let create = try JSON.parse(#"{"type":"response.create","response":{"conversation":"none","input":[]}}"#)
        let session = try await fixture.directory.createOneShot(NewSession(), submitting: [create], isKept: false, by: fixture.anyone)
        let server = try await upstream.nextConnection()
        if let before {
            _ = try await fixture.submit(session, before)
            _ = try await server.nextSent()
        }
        let asked = try await session.ask(for: create, after: nil, ifActive: .reject, by: fixture.anyone)
        return (session, asked.response, server, try JSON.parse(try await server.nextSent()))
    }

    private func answer(_ server: ScriptedConnection, _ create: JSON, and more: [String] = []) {
        let token = create["response"].flatMap(CorrelationToken.read) ?? "none"
        let rest = "\"conversation_id\":null,\"metadata\":{\"realtime_bridge\":\"\(token)\"}"
        server.push("{\"type\":\"response.created\",\"response\":{\"id\":\"resp_1\",\"status\":\"in_progress\",\(rest)}}")
        server.push("{\"type\":\"response.done\",\"response\":{\"id\":\"resp_1\",\"status\":\"completed\",\"output\":[],\(rest)}}")
        for frame in more { server.push(frame) }
    }

    /// The pool does not run, so what was given back settles for ever: it can be counted.
    @Test func itsConnectionIsGivenBackAndNothingBehindItsEndIsRead() async throws {
        try await run { fixture, pool in
            let (session, receipt, server, create) = try await ask(fixture)
            answer(server, create, and: [#"{"type":"rate_limits.updated","rate_limits":[]}"#])
            #expect(await receipt.finished(within: limit)?.event?.responseID == "resp_1")
            while !Task.isCancelled, pool.status[0].settling == 0 { await Task.yield() }
            #expect(pool.status[0].leased == 0)
            let expected = ["session.created", "bridge.upstream.connected", "response.created", "response.done", "bridge.session.closed"]
            let stored = try await fixture.directory.session(session.id, for: fixture.anyone)
            // The end may be in the writer's next batch.
            while !Task.isCancelled, try await fixture.types(stored).last != expected.last { await Task.yield() }
            #expect(try await fixture.types(stored) == expected)
            #expect(server.pendingSent.isEmpty)
        }
    }

    @Test(arguments: [#"{"type":"session.update","session":{"voice":"x"}}"#, #"{"type":"input_audio_buffer.append","audio":"AAAAAAAA"}"#])
    func oneThatSaysMoreIsClosed(before: String) async throws {
        try await run { fixture, pool in
            let (_, receipt, server, create) = try await ask(fixture, before: before)
            server.push(#"{"type":"session.updated","session":{"voice":"x"}}"#)
            answer(server, create)
            #expect(await receipt.finished(within: limit)?.event != nil)
            #expect(try await server.waitForEnd().kind == .closedByUs)
            #expect(pool.status[0].settling == 0)
        }
    }

    @Test func onceItIsOverWhoAsksForItReadsWhatIsStored() async throws {
        try await run { fixture, _ in
            let (session, receipt, server, create) = try await ask(fixture)
            #expect(try await fixture.directory.session(session.id, for: fixture.anyone) === session)
            answer(server, create)
            #expect(await receipt.finished(within: limit)?.event != nil)
            while !Task.isCancelled, try await fixture.directory.session(session.id, for: fixture.anyone) === session { await Task.yield() }
            let stored = try await fixture.directory.session(session.id, for: fixture.anyone)
            #expect(await stored.record.status == .closed)
            // When its rows are gone, so is it.
            try await fixture.log.deleteSession(session.id)
            await #expect(throws: SessionError.self) { try await fixture.directory.session(session.id, for: fixture.anyone) }
        }
    }

    /// Nobody sees them who could delete them.
    @Test func theyTakeNoRoomFromSessionsNorSessionsFromThem() async throws {
        func refusal(_ body: () async throws(SessionError) -> Void) async -> String {
            do throws(SessionError) {
                try await body()
                return "none"
            } catch {
                return error.code == .sessionLimit ? error.message : "\(error)"
            }
        }
        try await run(SessionLimits(kept: 2)) { fixture, _ in
            func ask() async -> String {
                await refusal { () async throws(SessionError) in
                    let session = try await fixture.directory.createOneShot(NewSession(), submitting: [], isKept: true, by: fixture.anyone)
                    _ = await session.endUnlessAsked()
                }
            }
            func create() async -> String {
                await refusal { () async throws(SessionError) in _ = try await fixture.directory.create(NewSession(), by: fixture.anyone) }
            }
            for _ in 0..<2 { #expect(await ask() == "none") }
            let refused = await ask()
            #expect(refused.contains("wait") && refused.contains("--max-kept-sessions") && !refused.contains("delete"), "\(refused)")
            for _ in 0..<2 { #expect(await create() == "none") }
            #expect(await create().contains("delete"))
        }
    }

    @Test func oneThatIsNeverAskedForIsEnded() async throws {
        try await run { fixture, _ in
            let session = try await fixture.directory.createOneShot(NewSession(), submitting: [], isKept: false, by: fixture.anyone)
            let server = try await upstream.nextConnection()
            #expect(await session.endUnlessAsked())
            #expect(try await server.waitForEnd().kind == .closedByUs)
            #expect(await session.record.status == .closed)
        }
    }

    /// What a killed process leaves behind, in every state that it can be found in.
    @Test(arguments: [SessionRecord.Status.active, .recovering])
    func oneThatIsFoundInProgressAfterACrashIsEnded(status: SessionRecord.Status) async throws {
        try await run { fixture, _ in
            let record = SessionRecord(
                id: "rts_left", owner: nil, createdAt: 0, model: nil, dialect: .beta, upstreamName: "u", status: status,
                metadata: Array("{}".utf8), settings: Array("{}".utf8), upstreamDialect: .beta, isOneShot: true)
            let history = try await fixture.log.createSession(record)
            let created = Array(
                #"{"type":"response.created","response":{"id":"resp_1","status":"in_progress","conversation_id":null}}"#.utf8)
            var projection = Projection()
            let changes = projection.apply(try #require(ServerEvent(created)), seq: 1)
            history.append(LogEntry(seq: 1, frame: created, createdAtMilliseconds: 0, changes: changes, record: record))
            try await fixture.directory.recover()
            let stored = try #require(try await fixture.log.storedSession("rts_left"))
            #expect(stored.record.status == .closed && stored.record.endReason == "bridge_restarted" && stored.record.endedAt != nil)
            #expect(stored.responses.map(\.status) == ["failed"])
            let session = try await fixture.directory.session("rts_left", for: fixture.anyone)
            #expect(try await fixture.types(session) == ["response.created", "response.done", "bridge.session.closed"])
            try await fixture.directory.recover()
            #expect(try await fixture.types(session).count == 3)
        }
    }

    @Test func theBridgesStopEndsOneThatRuns() async throws {
        try await run { fixture, _ in
            let (session, receipt, server, _) = try await ask(fixture)
            await fixture.directory.stop(within: .zero)
            #expect(await receipt.finished(within: limit)?.error?.code == .upstreamLost)
            #expect(await session.record.status == .closed)
            #expect(try await server.waitForEnd().kind == .closedByUs)
        }
    }
}
