import EventLog
import Logging
import NIOPosix
import Realtime
import Simulator
import TestSupport
import Testing
import Upstream

@testable import Sessions

/// Histories that meet a server of the other dialect.
struct DialectChangeTests {
    private let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    /// Two simulators, of either dialect, behind one directory.
    private func withBoth(_ body: (DirectoryFixture) async throws -> Void) async throws {
        let group = MultiThreadedEventLoopGroup.singleton
        var simulators: [Simulator] = []
        var upstreams: [UpstreamConfiguration] = []
        for dialect in Dialect.allCases {
            var settings = SimulatorConfiguration(dialect: dialect)
            settings.speech = .tone
            let simulator = Simulator(configuration: settings, group: group, logger: quiet)
            let address = try await simulator.start()
            simulators.append(simulator)
            upstreams.append(
                UpstreamConfiguration(
                    name: dialect.rawValue, url: address.url, dialect: dialect, tls: UpstreamTLS(), defaultModel: "m", apiKey: "k"))
        }
        try await DirectoryFixture.run(connector: NIOUpstreamConnector(group: group, logger: quiet), upstreams: upstreams, body)
        for simulator in simulators { await simulator.stop() }
    }

    @Test(arguments: [Dialect.beta, .ga])
    func aForkGoesOnAtAServerOfTheOtherDialect(dialect: Dialect) async throws {
        let other: Dialect = dialect == .beta ? .ga : .beta
        try await withBoth { fixture in
            let configuration = try JSON.parse(
                #"{"modalities":["text"],"turn_detection":null,"input_audio_format":"g711_ulaw","instructions":"Be brief."}"#)
            let source = try await fixture.create(
                NewSession(upstream: dialect.rawValue, configuration: configuration), by: fixture.anyone)
            for event in [
                #"{"type":"conversation.item.create","item":{"id":"u1","type":"message","role":"user","content":[{"type":"input_text","text":"say hello"}]}}"#,
                #"{"type":"response.create"}"#,
            ] {
                let outcome = await (try await fixture.submit(source, event)).finished(within: .seconds(10))
                #expect(outcome?.event != nil, "\(String(describing: outcome?.error))")
            }
            let fork = try await fixture.create(
                NewSession(upstream: other.rawValue, from: NewSession.Origin(session: source.id)), by: fixture.anyone)
            #expect(fork.upstreamDialect == other)
            let items = try await fixture.log.items(of: fork.id).map { try JSON.parse($0.json) }
            #expect(items.count == 2)
            #expect(items.last?["content"]?[0]?["type"]?.string == (other == .ga ? "output_text" : "text"))
            #expect(items.last?["content"]?[0]?["text"]?.string == "hello")
            let session = try JSON.parse(try #require(await fork.record.configuration))
            #expect(session["instructions"]?.string == "Be brief.")
            #expect(await fork.inputFormat.samplesPerSecond == 8_000)
            #expect((session["output_modalities"] ?? session["modalities"])?[0]?.string == "text")
            let again = await (try await fixture.submit(fork, #"{"type":"response.create"}"#)).finished(within: .seconds(10))
            #expect(again?.event?.json["response"]?["status"]?.string == "completed", "\(String(describing: again?.error))")
        }
    }

    /// Neither what a server says of the session nor what it leaves out changes what the caller made.
    @Test func aSessionThatTranscribesStaysOne() async throws {
        try await withBoth { fixture in
            let configuration = try JSON.parse(#"{"type":"transcription","input_audio_transcription":{"model":"whisper-1"}}"#)
            let source = try await fixture.create(
                NewSession(upstream: "beta", configuration: configuration), by: fixture.anyone)
            let asked = try JSON.parse(try #require(await source.record.requestedConfiguration))
            #expect(SessionKind(asked) == .transcription)
            for upstream in ["beta", "ga"] {
                let fork = try await fixture.create(
                    NewSession(upstream: upstream, from: NewSession.Origin(session: source.id)), by: fixture.anyone)
                #expect(await fork.record.kind == .transcription, "\(upstream)")
                let effective = try JSON.parse(try #require(await fork.record.configuration))
                #expect(SessionKind(effective) == .transcription, "\(upstream)")
            }
        }
    }

    @Test(arguments: [
        (
            #"{"turn_detection":{"type":"semantic_vad","eagerness":"low"}}"#, #"{"turn_detection":{"create_response":false}}"#,
            #"{"turn_detection":{"type":"semantic_vad","eagerness":"low","create_response":false}}"#
        ),
        (
            #"{"turn_detection":{"type":"semantic_vad","eagerness":"low"}}"#, #"{"turn_detection":{"type":"server_vad"}}"#,
            #"{"turn_detection":{"type":"server_vad"}}"#
        ),
        (#"{"turn_detection":{"type":"server_vad"}}"#, #"{"turn_detection":null}"#, #"{"turn_detection":null}"#),
        (
            #"{"audio":{"input":{"turn_detection":{"type":"server_vad","threshold":1}}}}"#,
            #"{"audio":{"input":{"turn_detection":{"type":"server_vad","silence_duration_ms":9}}}}"#,
            #"{"audio":{"input":{"turn_detection":{"type":"server_vad","threshold":1,"silence_duration_ms":9}}}}"#
        ),
    ])
    func aPartOfTheVoiceDetectionIsAddedToTheRest(old: String, new: String, merged: String) {
        #expect(String(decoding: SessionConfiguration.merge(Array(old.utf8), with: Array(new.utf8)), as: UTF8.self) == merged)
    }

    @Test func aSessionWhoseUpstreamSpeaksOtherwiseNowIsReadOnly() async throws {
        let log = try EventLog.open(EventLogConfiguration(storage: .memory), logger: quiet)
        func directory(_ dialect: Dialect) -> SessionDirectory {
            let upstream = UpstreamConfiguration(
                name: "u", url: "ws://scripted", dialect: dialect, tls: UpstreamTLS(), defaultModel: "m", apiKey: "k")
            return SessionDirectory(log: log, upstreams: [upstream], connector: ScriptedUpstream([.session()]), logger: quiet)
        }
        let anyone = Caller(owner: nil)
        let before = directory(.beta)
        let id = try await before.create(NewSession(), by: anyone).session.id
        await before.stop(within: .zero)
        let session = try await directory(.ga).session(id, for: anyone)
        do {
            _ = try await session.submit(try JSON.parse(#"{"type":"response.create"}"#), by: anyone)
            Issue.record("was taken")
        } catch let error as SessionError {
            #expect(error.code == .upstreamDialectChanged)
            #expect(error.message.contains("{\"from\":\"\(id)\"}"))
        }
        await log.close()
    }

    @Test(arguments: [
        ("wss://a.test/v1/realtime", "wss://a.test/v1/realtime?intent=transcription"),
        ("wss://a.test/v1/realtime?intent=transcription", "wss://a.test/v1/realtime?intent=transcription"),
        ("wss://a.test/v1/realtime?x=1", "wss://a.test/v1/realtime?x=1&intent=transcription"),
    ])
    func aSessionThatTranscribesIsAskedForByTheURL(url: String, asked: String) {
        let upstream = UpstreamConfiguration(
            name: "u", url: url, dialect: .ga, tls: UpstreamTLS(), defaultModel: "m", apiKey: "k")
        #expect(upstream.endpoint(model: "m", kind: .transcription, bearer: nil).url == asked)
    }

    @Test func azuresPreviewKeepsItsDeployment() {
        let upstream = UpstreamConfiguration(
            name: "u", url: "wss://a.test/r?api-version=1", dialect: .beta, tls: UpstreamTLS(), defaultModel: "m",
            modelPlace: .query("deployment"), apiKey: "k")
        #expect(
            upstream.endpoint(model: "d", kind: .transcription, bearer: nil).url
                == "wss://a.test/r?api-version=1&intent=transcription&deployment=d")
    }
}
