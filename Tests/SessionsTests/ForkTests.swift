import EventLog
import Logging
import NIOPosix
import Realtime
import Simulator
import TestSupport
import Testing
import Upstream

@testable import Sessions

/// A session that begins with another one's history, with the simulator as upstream.
@Suite struct ForkTests {
    private let limit = Duration.seconds(10)

    private func withSimulator(_ dialect: Dialect, _ body: (DirectoryFixture) async throws -> Void) async throws {
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let group = MultiThreadedEventLoopGroup.singleton
        let simulator = Simulator(configuration: SimulatorConfiguration(dialect: dialect), group: group, logger: logger)
        let address = try await simulator.start()
        try await DirectoryFixture.run(
            connector: NIOUpstreamConnector(group: group, logger: logger), url: "ws://127.0.0.1:\(address.port)/v1/realtime",
            dialect: dialect, body)
        await simulator.stop()
    }

    private func confirmed(_ fixture: DirectoryFixture, _ session: Session, _ json: String) async throws {
        let outcome = await (try await fixture.submit(session, json)).finished(within: limit)
        #expect(outcome?.event != nil, "\(String(describing: outcome?.error))")
    }

    @Test(arguments: [Dialect.beta, .ga])
    func aForkGoesOnFromWhereTheOtherStood(dialect: Dialect) async throws {
        try await withSimulator(dialect) { fixture in
            let textOnly = dialect == .ga ? #"{"type":"realtime","output_modalities":["text"]}"# : #"{"modalities":["text"]}"#
            var new = NewSession(configuration: try JSON.parse(textOnly))
            let source = try await fixture.create(new, by: fixture.anyone)
            for index in 1...3 {
                try await confirmed(
                    fixture, source,
                    "{\"type\":\"conversation.item.create\",\"item\":{\"id\":\"u\(index)\",\"type\":\"message\",\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"say \(index)\"}]}}"
                )
                try await confirmed(fixture, source, #"{"type":"response.create"}"#)
            }
            let items = try await fixture.log.items(of: source.id)
            #expect(items.count == 6)

            new = NewSession(from: NewSession.Origin(session: source.id, upTo: items[3].id))
            let fork = try await fixture.create(new, by: fixture.anyone)
            #expect(try await fixture.log.items(of: fork.id).map(\.id) == items.prefix(4).map(\.id))
            let frames = try await fixture.history(fork)
            let report = try #require(frames.first { $0["type"]?.string == "bridge.upstream.switched" })
            #expect(report["reason"]?.string == "forked")
            #expect(report["items_replayed"]?.int == 4)
            #expect(report["generation"]?.int == 1)
            // It has the configuration too: the answer is text.
            try await confirmed(
                fixture, fork,
                #"{"type":"conversation.item.create","item":{"type":"message","role":"user","content":[{"type":"input_text","text":"how many items"}]}}"#
            )
            try await confirmed(fixture, fork, #"{"type":"response.create"}"#)
            let last = try #require(try await fixture.log.items(of: fork.id).last)
            #expect(String(decoding: last.json, as: UTF8.self).contains("5 items"))
            // The other one is as it was.
            #expect(try await fixture.log.items(of: source.id).count == 6)
        }
    }

    @Test func audioThatTheSourceKeptIsTheForksToo() async throws {
        try await withSimulator(.beta) { fixture in
            let new = NewSession(configuration: try JSON.parse(#"{"turn_detection":null}"#))
            let source = try await fixture.create(new, by: fixture.anyone)
            let audio = String(repeating: "AQID", count: 4_000)
            _ = try await fixture.submit(source, "{\"type\":\"input_audio_buffer.append\",\"audio\":\"\(audio)\"}")
            try await confirmed(fixture, source, #"{"type":"input_audio_buffer.commit"}"#)
            // What follows the commit has come when this is answered.
            try await confirmed(fixture, source, #"{"type":"input_audio_buffer.clear"}"#)
            let item = try #require(try await fixture.log.items(of: source.id).first)
            #expect(try await fixture.log.inputSizes(of: source.id) == [item.id: 12_000])
            let fork = try await fixture.create(
                NewSession(from: NewSession.Origin(session: source.id)), by: fixture.anyone)
            #expect(try await fixture.log.inputSizes(of: fork.id) == [item.id: 12_000])
            let report = try #require(try await fixture.history(fork).last { $0["type"]?.string == "bridge.upstream.switched" })
            #expect(report["items_altered"]?.elements.isEmpty == true)
            // It is the fork's own from then on: also without the source, and on a later connection.
            try await fixture.directory.delete(source.id, keepingHistory: false, by: fixture.anyone)
            await fork.suspend(reason: "idle")
            try await confirmed(fixture, fork, #"{"type":"input_audio_buffer.clear"}"#)
            let later = try #require(try await fixture.history(fork).last { $0["type"]?.string == "bridge.upstream.switched" })
            #expect(later["reason"]?.string == "resumed")
            #expect(later["items_replayed"]?.int == 1)
            #expect(later["items_lost"]?.elements.isEmpty == true)
        }
    }

    @Test func whatCannotBeForkedIsRefusedAndLeavesNothing() async throws {
        try await withSimulator(.beta) { fixture in
            let source = try await fixture.create(NewSession(), by: fixture.anyone)
            for origin in [NewSession.Origin(session: "rts_none"), NewSession.Origin(session: source.id, upTo: "none")] {
                await #expect(throws: SessionError.self) {
                    try await fixture.create(NewSession(from: origin), by: fixture.anyone)
                }
            }
            let bad = NewSession(
                configuration: try JSON.parse(#"{"voice":5}"#), from: NewSession.Origin(session: source.id))
            await #expect(throws: SessionError.self) { try await fixture.create(bad, by: fixture.anyone) }
            #expect(try await fixture.log.sessions(SessionQuery(owner: .any)).summaries.map(\.record.id) == [source.id])
        }
    }

    @Test func maximumDurationEndsASessionWhereverItIs() async throws {
        let upstream = ScriptedUpstream([.session()])
        try await DirectoryFixture.run(connector: upstream) { fixture in
            // Counted from the whole second in which it was made, so that less is left.
            let new = NewSession(settings: SessionSettings(maxDuration: 3))
            let session = try await fixture.create(new, by: fixture.anyone)
            let connection = try await upstream.nextConnection()
            #expect(try await connection.waitForEnd(within: limit).kind == .closedByUs)
            #expect(await session.record.endReason == "max_duration")
        }
    }
}

extension DirectoryFixture {
    fileprivate func history(_ session: Session) async throws -> [JSON] {
        try await session.history.page(after: 0, limit: 1_000, maximumBytes: 1 << 20).map { try JSON.parse($0.frame, maximumDepth: 64) }
    }
}
