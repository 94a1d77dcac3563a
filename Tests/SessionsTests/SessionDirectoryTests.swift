import EventLog
import Logging
import NIOPosix
import Realtime
import Simulator
import TestSupport
import Testing
import Upstream

@testable import Sessions

/// A directory over the memory store, running for one test.
struct DirectoryFixture {
    let log: EventLog
    let directory: SessionDirectory
    let anyone = Caller(owner: nil)

    func create(_ new: NewSession, by caller: Caller) async throws(SessionError) -> Session {
        try await directory.create(new, by: caller).session
    }

    static func run(
        connector: any UpstreamConnecting, url: String = "ws://scripted", dialect: Dialect = .beta, limits: SessionLimits = SessionLimits(),
        _ body: (DirectoryFixture) async throws -> Void
    ) async throws {
        let upstream = UpstreamConfiguration(
            name: "u", url: url, dialect: dialect, tls: UpstreamTLS(), defaultModel: "gpt-realtime-2", apiKey: "test-key")
        try await run(connector: connector, upstreams: [upstream], limits: limits, body)
    }

    static func run(
        connector: any UpstreamConnecting, upstreams: [UpstreamConfiguration], limits: SessionLimits = SessionLimits(),
        _ body: (DirectoryFixture) async throws -> Void
    ) async throws {
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let log = try EventLog.open(EventLogConfiguration(storage: .memory), logger: logger)
        let directory = SessionDirectory(log: log, upstreams: upstreams, connector: connector, limits: limits, logger: logger)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await directory.run() }
            try await body(DirectoryFixture(log: log, directory: directory))
            await directory.stop(within: .zero)
            try await group.waitForAll()
        }
        await log.close()
    }

    func submit(_ session: Session, _ json: String) async throws -> CommandReceipt {
        try await session.submit(JSON.parse(json), by: anyone)
    }

    func types(_ session: Session) async throws -> [String] {
        try await session.history.page(after: 0, limit: 1_000, maximumBytes: 1 << 20).map {
            try #require(ServerEvent($0.frame)).type
        }
    }
}

extension CommandOutcome {
    var event: ServerEvent? { if case .confirmed(let event, _) = self { event } else { nil } }
    var error: SessionError? { if case .failed(let error) = self { error } else { nil } }
}

@Suite struct SessionDirectoryTests {
    private let limit = Duration.seconds(10)

    @Test(arguments: [Dialect.beta, .ga])
    func aTextTurnWithTheSimulator(dialect: Dialect) async throws {
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let group = MultiThreadedEventLoopGroup.singleton
        let simulator = Simulator(configuration: SimulatorConfiguration(dialect: dialect), group: group, logger: logger)
        let address = try await simulator.start()
        let connector = NIOUpstreamConnector(group: group, logger: logger)
        try await DirectoryFixture.run(connector: connector, url: address.url, dialect: dialect) { fixture in
            let configuration = dialect == .beta ? #"{"turn_detection":null}"# : #"{"type":"realtime","output_modalities":["text"]}"#
            let session = try await fixture.create(
                NewSession(configuration: try JSON.parse(configuration)), by: fixture.anyone)
            let item = try await fixture.submit(
                session,
                #"{"type":"conversation.item.create","item":{"type":"message","role":"user","content":[{"type":"input_text","text":"Say hello"}]}}"#
            )
            #expect(await item.confirmed(within: limit)?.event?.itemID == item.itemID)
            let overrides = dialect == .beta ? #"{"modalities":["text"]}"# : "{}"
            let response = try await fixture.submit(session, "{\"type\":\"response.create\",\"response\":\(overrides)}")
            let done = try #require(await response.finished(within: limit)?.event)
            #expect(done.json["response"]?["status"]?.string == "completed")
            // A 2xx can always be read back.
            let id = try #require(done.responseID)
            let stored = try #require(try await fixture.log.response(id, of: session.id))
            #expect(stored.status == "completed")
            #expect(try await fixture.log.items(of: session.id).count == 2)
            let types = try await fixture.types(session)
            #expect(types.first == "session.created")
            #expect(types.count { $0 == "response.done" } == 1)
        }
        await simulator.stop()
    }

    @Test func anUpstreamLeftAloneIsUnavailableForAsLongAsItSays() async throws {
        let upstream = ScriptedUpstream([.fail(UpstreamError(.circuitOpen(retryAfterMilliseconds: 3001), "left alone"))])
        try await DirectoryFixture.run(connector: upstream) { fixture in
            await #expect(throws: SessionError(.upstreamUnavailable, "left alone", retryAfterMilliseconds: 3001)) {
                try await fixture.create(NewSession(), by: fixture.anyone)
            }
        }
    }

    @Test func aCreationThatUpstreamRefusesLeavesNoSession() async throws {
        let upstream = ScriptedUpstream([
            .fail(UpstreamError(.refused(closeCode: 3000, errorType: "invalid_request_error", errorCode: "invalid_api_key"), "bad key")),
            .session(),
        ])
        try await DirectoryFixture.run(connector: upstream) { fixture in
            await #expect(throws: SessionError(.upstreamUnauthorized, "bad key")) {
                try await fixture.create(NewSession(), by: fixture.anyone)
            }
            async let creation = fixture.create(
                NewSession(configuration: try JSON.parse(#"{"voice":"none"}"#)), by: fixture.anyone)
            let server = try await upstream.nextConnection()
            let update = try JSON.parse(try await server.nextSent())
            let id = try #require(update["event_id"]?.string)
            server.push("{\"type\":\"error\",\"error\":{\"code\":\"invalid_value\",\"message\":\"no such voice\",\"event_id\":\"\(id)\"}}")
            do {
                _ = try await creation
                Issue.record("was created")
            } catch let error as SessionError {
                #expect(error.code == .refusedByUpstream)
                #expect(error.upstream?.code == "invalid_value")
            }
            #expect(try await fixture.log.sessions(SessionQuery(owner: .any)).summaries.isEmpty)
        }
    }

    @Test func aLostUpstreamIsToldReplacedAndAskedAgain() async throws {
        let upstream = ScriptedUpstream([.session("sess_1"), .session("sess_2")])
        try await DirectoryFixture.run(connector: upstream) { fixture in
            let session = try await fixture.create(NewSession(), by: fixture.anyone)
            let first = try await upstream.nextConnection()
            let clear = try await fixture.submit(session, #"{"type":"input_audio_buffer.clear"}"#)
            let response = try await fixture.submit(session, #"{"type":"response.create"}"#)
            _ = try await first.nextSent()
            _ = try await first.nextSent()
            #expect(await response.written(within: limit) != nil)
            first.end(UpstreamEnd(.lost))
            // Never asked for twice: it would be paid twice.
            #expect(await response.confirmed(within: limit)?.error?.code == .upstreamLost)
            let second = try await upstream.nextConnection()
            #expect(try await second.nextSent().contains("input_audio_buffer.clear"))
            second.push(#"{"type":"input_audio_buffer.cleared"}"#)
            #expect(await clear.confirmed(within: limit)?.event != nil)
            let expected = [
                "session.created", "bridge.upstream.connected", "bridge.upstream.disconnected", "bridge.upstream.switched",
                "input_audio_buffer.cleared",
            ]
            #expect(try await fixture.types(session) == expected)
        }
    }

    /// An append is answered when it is written; when the link ends first, its caller must not wait for ever.
    @Test func anAppendThatIsNotWrittenAnyMoreIsAnswered() async throws {
        let upstream = ScriptedUpstream([.session(), .stall])
        try await DirectoryFixture.run(connector: upstream) { fixture in
            let session = try await fixture.create(NewSession(), by: fixture.anyone)
            let server = try await upstream.nextConnection()
            server.end(UpstreamEnd(.lost))
            let append = #"{"type":"input_audio_buffer.append","audio":"AAAAAAAA"}"#
            var receipts: [CommandReceipt] = []
            for _ in 0..<20 { receipts.append(try await fixture.submit(session, append)) }
            try await fixture.directory.delete(session.id, keepingHistory: true, by: fixture.anyone)
            for receipt in receipts { #expect(await receipt.written(within: limit) != nil) }
        }
    }

    /// A session that many callers ask for at once is loaded once, and rests when they get it.
    @Test func aSessionIsLoadedOnceHoweverManyAskForIt() async throws {
        try await DirectoryFixture.run(connector: ScriptedUpstream()) { fixture in
            // What a failed store or a killed process leaves behind: a session that was running.
            let id = "rts_left"
            let record = SessionRecord(
                id: id, owner: nil, createdAt: 0, model: nil, dialect: .beta, upstreamName: "u", status: .active,
                metadata: Array("{}".utf8), settings: Array("{}".utf8), upstreamDialect: .beta)
            let history = try await fixture.log.createSession(record)
            let created = Array(#"{"type":"session.created","session":{"id":"sess_1"}}"#.utf8)
            history.append(LogEntry(seq: 1, frame: created, createdAtMilliseconds: 0, record: record))
            let found = try await withThrowingTaskGroup(of: ObjectIdentifier.self) { group in
                for _ in 0..<50 {
                    group.addTask { ObjectIdentifier(try await fixture.directory.session(id, for: fixture.anyone)) }
                }
                return try await group.reduce(into: Set<ObjectIdentifier>()) { $0.insert($1) }
            }
            #expect(found.count == 1)
            let session = try await fixture.directory.session(id, for: fixture.anyone)
            #expect(await session.record.status == .suspended)
            let expected = ["session.created", "bridge.upstream.disconnected", "bridge.session.suspended"]
            #expect(try await fixture.types(session) == expected)
        }
    }

    @Test func framesOfAnyKindWaitForRoomAndAreRefusedWithoutAnEnd() async throws {
        let upstream = ScriptedUpstream([.session()])
        try await DirectoryFixture.run(connector: upstream) { fixture in
            let session = try await fixture.create(NewSession(), by: fixture.anyone)
            let server = try await upstream.nextConnection()
            // Nothing is written from here on, since the next connection is never made.
            upstream.script(.stall)
            server.end(UpstreamEnd(.lost))
            let large = "{\"type\":\"x.unknown\",\"data\":\"\(String(repeating: "x", count: 2 << 20))\"}"
            _ = try await fixture.submit(session, large)
            let waiting = Task { try await fixture.submit(session, large) }
            try await fixture.directory.delete(session.id, keepingHistory: true, by: fixture.anyone)
            await #expect(throws: SessionError.self) { try await waiting.value }
        }
    }

    @Test func aStoppingBridgeTakesNoCommands() async throws {
        let upstream = ScriptedUpstream([.session()])
        try await DirectoryFixture.run(connector: upstream) { fixture in
            let session = try await fixture.create(NewSession(), by: fixture.anyone)
            await fixture.directory.stop(within: .zero)
            do {
                _ = try await fixture.submit(session, #"{"type":"input_audio_buffer.clear"}"#)
                Issue.record("a stopping bridge took a command")
            } catch let error as SessionError {
                #expect(error.code == .shuttingDown)
            }
        }
    }

    @Test func anothersSessionDoesNotExist() async throws {
        let upstream = ScriptedUpstream([.session()])
        try await DirectoryFixture.run(connector: upstream) { fixture in
            let alice = Caller(owner: "key:alice")
            let session = try await fixture.create(NewSession(), by: alice)
            _ = try await fixture.directory.session(session.id, for: alice)
            _ = try await fixture.directory.session(session.id, for: Caller(owner: "key:root", seesAll: true))
            for stranger in [Caller(owner: "key:bob"), Caller(owner: nil)] {
                await #expect(throws: SessionError.self) { try await fixture.directory.session(session.id, for: stranger) }
            }
        }
    }

    @Test func deletingClosesTellsAndForgets() async throws {
        let upstream = ScriptedUpstream([.session(), .session()])
        try await DirectoryFixture.run(connector: upstream) { fixture in
            let gone = try await fixture.create(NewSession(), by: fixture.anyone)
            let waiting = try await fixture.submit(gone, #"{"type":"input_audio_buffer.clear"}"#)
            try await fixture.directory.delete(gone.id, keepingHistory: false, by: fixture.anyone)
            #expect(await waiting.confirmed(within: limit)?.error?.code == .sessionClosed)
            await #expect(throws: SessionError.self) { try await fixture.directory.session(gone.id, for: fixture.anyone) }

            let kept = try await fixture.create(NewSession(), by: fixture.anyone)
            try await fixture.directory.delete(kept.id, keepingHistory: true, by: fixture.anyone)
            let found = try await fixture.directory.session(kept.id, for: fixture.anyone)
            #expect(try await fixture.types(found).last == "bridge.session.closed")
            do {
                _ = try await fixture.submit(found, #"{"type":"input_audio_buffer.clear"}"#)
                Issue.record("a closed session took a command")
            } catch let error as SessionError {
                #expect(error.code == .sessionClosed)
            }
        }
    }

    @Test func sessionsOverTheLimitAreRefusedBeforeUpstreamIsAsked() async throws {
        let upstream = ScriptedUpstream([.session()])
        try await DirectoryFixture.run(connector: upstream, limits: SessionLimits(live: 1)) { fixture in
            _ = try await fixture.create(NewSession(), by: fixture.anyone)
            do {
                _ = try await fixture.create(NewSession(), by: fixture.anyone)
                Issue.record("was created")
            } catch let error as SessionError {
                #expect(error.code == .sessionLimit)
            }
            #expect(upstream.connectedEndpoints.count == 1)
        }
    }
}
