import EventLog
import Foundation
import HTTPServer
import Realtime
import TestSupport
import Testing

@testable import BridgeAPI

/// Uploads to sessions whose upstream finds the turns itself.
@Suite struct VoiceUploadTests {
    private static func question() throws -> [UInt8] {
        let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../Fixtures/spoken-question.pcm")
        return Array(try Data(contentsOf: file))
    }

    private static let silence = [UInt8](repeating: 0, count: 48_000)

    private static func session(_ detection: String) -> String {
        #"{"session":{"modalities":["text"],"turn_detection":\#(detection)}}"#
    }

    @Test(arguments: [Dialect.beta, .ga], [true, false])
    func theItemAndTheResponseThatVoiceDetectionMadeAreTheAnswer(dialect: Dialect, isStreamed: Bool) async throws {
        try await APIFixture.run(dialect: dialect, configure: { $0.dialect = .beta }) { bridge in
            let id = try await bridge.newSession(Self.session(#"{"type":"server_vad"}"#))
            let sound = try Self.question() + Self.silence
            var headers: HTTPHeaders = ["content-type": "audio/pcm"]
            if isStreamed { headers.add("accept", "text/event-stream") }
            let answer = try await bridge.upload(sound, to: "/v1/sessions/\(id)/input_audio?respond=true", headers: headers)
            #expect(answer.status == 200, "\(answer.text)")
            if isStreamed {
                #expect(answer.text.contains("event: response.created") && answer.text.contains("event: response.done"))
            } else {
                #expect(answer.json?["response"]?["status"]?.string == "completed", "\(answer.text)")
            }
            let items = try #require(try await bridge.send("GET", "/v1/sessions/\(id)/items").json?["data"]?.elements)
            // One turn: nothing was committed or asked for a second time.
            #expect(items.map { $0["role"]?.string } == ["user", "assistant"])
            if !isStreamed { #expect(answer.json?["item_id"]?.string == items[0]["id"]?.string) }
            #expect(try await bridge.send("GET", "/v1/sessions/\(id)/responses").json?["data"]?.elements.count == 1)
        }
    }

    @Test(arguments: [Dialect.beta, .ga])
    func aSpeechThatIsNotOverIsCommittedAndAnswered(dialect: Dialect) async throws {
        try await APIFixture.run(dialect: dialect, configure: { $0.dialect = .beta }) { bridge in
            let id = try await bridge.newSession(Self.session(#"{"type":"server_vad"}"#))
            let answer = try await bridge.upload(
                try Self.question(), to: "/v1/sessions/\(id)/input_audio?respond=true", headers: ["content-type": "audio/pcm"])
            #expect(answer.status == 200, "\(answer.text)")
            #expect(answer.json?["response"]?["status"]?.string == "completed")
            let items = try #require(try await bridge.send("GET", "/v1/sessions/\(id)/items").json?["data"]?.elements)
            #expect(items.map { $0["role"]?.string } == ["user", "assistant"])
        }
    }

    @Test func aTurnThatVoiceDetectionDoesNotAnswerIsAnswered() async throws {
        try await APIFixture.run { bridge in
            let id = try await bridge.newSession(Self.session(#"{"type":"server_vad","create_response":false}"#))
            let sound = try Self.question() + Self.silence
            let answer = try await bridge.upload(
                sound, to: "/v1/sessions/\(id)/input_audio?respond=true", headers: ["content-type": "audio/pcm"])
            #expect(answer.json?["response"]?["status"]?.string == "completed", "\(answer.text)")
            #expect(try await bridge.send("GET", "/v1/sessions/\(id)/items").json?["data"]?.elements.count == 2)
        }
    }

    @Test(arguments: [Dialect.beta, .ga], [true, false])
    func ofTwoTurnsInOneUploadTheLastIsNamed(dialect: Dialect, isAnswered: Bool) async throws {
        try await APIFixture.run(dialect: dialect, configure: { $0.dialect = .beta }) { bridge in
            let id = try await bridge.newSession(Self.session(#"{"type":"server_vad","create_response":\#(isAnswered)}"#))
            let sound = try Self.question() + Self.silence + Self.question() + Self.silence
            let answer = try await bridge.upload(
                sound, to: "/v1/sessions/\(id)/input_audio?\(isAnswered ? "respond" : "commit")=true",
                headers: ["content-type": "audio/pcm"])
            let committed = try await bridge.send(
                "GET", "/v1/sessions/\(id)/events?types=input_audio_buffer.committed", headers: ["accept": "application/json"])
            let turns = (committed.json?["data"]?.elements ?? []).map { $0["event"]?["item_id"]?.string }
            #expect(turns.count == 2, "\(committed.text)")
            #expect(answer.json?["item_id"]?.string == turns.last, "\(answer.text)")
            #expect(answer.json?["previous_item_id"]?.string?.isEmpty == false)
            guard isAnswered else { return }
            let response = answer.json?["response"]
            #expect(response?["status"]?.string == "completed", "\(answer.text)")
            #expect(try await bridge.send("GET", "/v1/sessions/\(id)/responses").json?["data"]?.elements.count == 2)
            let items = try #require(try await bridge.send("GET", "/v1/sessions/\(id)/items").json?["data"]?.elements)
            #expect(items.last?["id"]?.string == response?["output"]?[0]?["id"]?.string)
        }
    }

    // MARK: Against a script

    private static let created =
        #"{"type":"session.created","session":{"id":"sess_1","object":"realtime.session","turn_detection":{"type":"server_vad","silence_duration_ms":200}}}"#

    struct Order: CustomTestStringConvertible, Sendable {
        let testDescription: String
        /// What upstream has said before anybody knows that there is another turn.
        let first: [String]
        let then: [String]
        let response: String?
    }

    /// Two turns in 4.2 s of sound, as far as upstream has heard them.
    private static let orders = [
        Order(
            testDescription: "turns that are committed", first: turn("a", 0, 1_300),
            then: turn("b", 2_000, 3_400), response: nil),
        Order(
            testDescription: "the first answer is interrupted",
            first: turn("a", 0, 1_300) + [response("r1")],
            then: turn("b", 2_000, 3_400, interrupting: "r1") + [response("r2"), done("r2")],
            response: "r2"),
        Order(
            testDescription: "the first answer is over",
            first: turn("a", 0, 1_300) + [response("r1"), done("r1")], then: turn("b", 2_000, 3_400) + [response("r2"), done("r2")],
            response: "r2"),
        Order(
            testDescription: "the first answer begins late", first: turn("a", 0, 1_300),
            then: turn("b", 2_000, 3_400) + [response("r1"), done("r1", "cancelled"), response("r2"), done("r2")], response: "r2"),
    ]

    private static func turn(_ item: String, _ start: Int, _ end: Int, interrupting response: String? = nil) -> [String] {
        [#"{"type":"input_audio_buffer.speech_started","item_id":"\#(item)","audio_start_ms":\#(start)}"#]
            + (response.map { [done($0, "cancelled")] } ?? []) + [
                #"{"type":"input_audio_buffer.speech_stopped","item_id":"\#(item)","audio_end_ms":\#(end)}"#,
                #"{"type":"input_audio_buffer.committed","item_id":"\#(item)","previous_item_id":null}"#,
            ]
    }

    private static func response(_ id: String) -> String {
        #"{"type":"response.created","response":{"id":"\#(id)","status":"in_progress","output":[]}}"#
    }

    private static func done(_ id: String, _ status: String = "completed") -> String {
        #"{"type":"response.done","response":{"id":"\#(id)","status":"\#(status)","status_details":{"type":"\#(status)","reason":"turn_detected"},"output":[]}}"#
    }

    /// A second of tone and half of silence, twice: as upstream hears it in the script.
    private static let twoTurns: [UInt8] = (0..<2).flatMap { _ in
        (0..<24_000).flatMap { [0, $0 % 48 < 24 ? 0x10 : 0xF0] as [UInt8] } + [UInt8](repeating: 0, count: 52_800)
    }

    /// All appends of an upload have come.
    private static func take(_ bytes: Int, from server: ScriptedConnection) async throws {
        for _ in 0..<bytes / 4_800 { #expect(try await server.nextSent().contains("input_audio_buffer.append")) }
    }

    @Test(arguments: orders) func whatUpstreamHearsLateIsTheAnswer(order: Order) async throws {
        let upstream = ScriptedUpstream([.open(created: Self.created)])
        try await APIFixture.run(connector: upstream) { bridge in
            let id = try await bridge.newSession()
            let server = try await upstream.nextConnection()
            async let uploaded = bridge.upload(
                Self.twoTurns, to: "/v1/sessions/\(id)/input_audio?\(order.response == nil ? "commit" : "respond")=true",
                headers: ["content-type": "audio/pcm"])
            try await Self.take(Self.twoTurns.count, from: server)
            for event in order.first { server.push(event) }
            // The bridge has what it could take for the last turn, and its answer.
            _ = try await bridge.send("GET", "/v1/sessions/\(id)/events?until=\(try Self.type(order.first))")
            for event in order.then { server.push(event) }
            let answer = try await uploaded
            #expect(answer.json?["item_id"]?.string == "b", "\(answer.text)")
            #expect(answer.json?["response"]?["id"]?.string == order.response, "\(answer.text)")
            #expect(server.pendingSent.isEmpty)
        }
    }

    private static func type(_ events: [String]) throws -> String {
        let last = try #require(events.last)
        return try #require(try JSON.parse(last)["type"]?.string)
    }

    @Test func aSpeechThatUpstreamHasNotEndedIsCommittedByHand() async throws {
        let upstream = ScriptedUpstream([.open(created: Self.created)])
        try await APIFixture.run(connector: upstream) { bridge in
            let id = try await bridge.newSession()
            let server = try await upstream.nextConnection()
            // A turn, and another one that goes on at the upload's end.
            let sound = Array(Self.twoTurns.dropLast(52_800))
            async let uploaded = bridge.upload(
                sound, to: "/v1/sessions/\(id)/input_audio?commit=true", headers: ["content-type": "audio/pcm"])
            try await Self.take(sound.count, from: server)
            for event in Self.turn("a", 0, 1_300) + Self.turn("b", 2_000, 0).prefix(1) { server.push(event) }
            #expect(try await server.nextSent().contains("input_audio_buffer.commit"))
            server.push(#"{"type":"input_audio_buffer.committed","item_id":"b","previous_item_id":"a"}"#)
            let answer = try await uploaded
            #expect(answer.json?["item_id"]?.string == "b", "\(answer.text)")
            #expect(answer.json?["previous_item_id"]?.string == "a")
        }
    }

    // MARK: UploadHearing

    /// An upload of 5 s after one of 10 s, whose last 1.2 s are quiet, to a server that ends a turn after 500 ms.
    private static func patience(_ events: [String], quiet: Int = 1_200, turnSilence: Int = 500) throws -> Int {
        let hearing = UploadHearing(end: 15_000, milliseconds: 5_000, quiet: quiet, turnSilence: turnSilence)
        let patience = hearing.patience(try turns(events))
        return Int(patience.components.seconds * 1_000 + patience.components.attoseconds / 1_000_000_000_000_000)
    }

    @Test func upstreamIsWaitedForAsFarAsThereIsSomethingToHear() throws {
        // Nothing said yet: as long as it takes to listen.
        #expect(try Self.patience([]) == 5_500)
        // What was heard up to the last sound is all that there is; 100 ms make no turn.
        #expect(try Self.patience(Self.turn("a", 11_000, 13_800)) == 0)
        #expect(try Self.patience(Self.turn("a", 11_000, 13_700)) == 0)
        #expect(try Self.patience(Self.turn("a", 11_000, 13_699)) == 1_801)
        // More may follow, and begins to.
        #expect(try Self.patience(Self.turn("a", 11_000, 12_000)) == 3_500)
        #expect(try Self.patience(Self.turn("a", 11_000, 12_000) + Self.turn("b", 12_500, 0).prefix(1)) == 3_000)
        // A speech that silence cannot end.
        #expect(try Self.patience(Array(Self.turn("a", 12_500, 0).prefix(1)), quiet: 499) == 500)
        #expect(try Self.patience(Array(Self.turn("a", 12_500, 0).prefix(1)), turnSilence: 4_000) == 500)
        // Its end was told, and its item is about to be.
        #expect(try Self.patience(Array(Self.turn("a", 11_000, 14_300).prefix(2))) == 1_200)
        // All of it is quiet, and upstream is beyond it, or says nothing.
        #expect(try Self.patience([], quiet: 5_000) == 500)
        // Of one that does not say where, nothing more is expected.
        #expect(try Self.patience([Self.started, Self.stopped, Self.committed]) == 0)
        // The next connection has heard nothing of it, and counts from its own beginning.
        let switched = #"{"type":"bridge.upstream.switched"}"#
        #expect(try Self.patience(Self.turn("a", 11_000, 14_500) + [switched]) == 15_500)
    }

    // MARK: VoiceTurns

    private static func turns(_ events: [String]) throws -> VoiceTurns {
        var turns = VoiceTurns()
        for (index, event) in events.enumerated() {
            turns.take(try #require(ServerEvent(Array(event.utf8))), at: EventPosition(epoch: 1, seq: index + 1))
        }
        return turns
    }

    private static let started = #"{"type":"input_audio_buffer.speech_started","item_id":"a"}"#
    private static let stopped = #"{"type":"input_audio_buffer.speech_stopped","item_id":"a"}"#
    private static let committed = #"{"type":"input_audio_buffer.committed","item_id":"a","previous_item_id":"z"}"#
    private static let begun = #"{"type":"response.created","response":{"id":"r"}}"#

    @Test func aTurnIsKnownWhenItIsCommitted() throws {
        #expect(try Self.turns([Self.started, Self.stopped]).committed == nil)
        #expect(try Self.turns([Self.started, Self.stopped, Self.committed]).committed == VoiceTurns.Item(id: "a", previous: "z"))
        // Somebody speaks again.
        let again = #"{"type":"input_audio_buffer.speech_started","item_id":"b"}"#
        #expect(try Self.turns([Self.started, Self.stopped, Self.committed, again]).committed == nil)
        // A caller's commit in the middle of a speech is not voice detection's.
        #expect(try Self.turns([Self.started, Self.committed]).committed == nil)
    }

    @Test func onlyTheResponseAfterTheTurnIsItsAnswer() throws {
        #expect(try Self.turns([Self.begun, Self.started, Self.stopped, Self.committed]).response == nil)
        let turns = try Self.turns([Self.started, Self.stopped, Self.committed, Self.begun, Self.done("r")])
        #expect(turns.response?.event.responseID == "r")
        #expect(turns.done?.responseID == "r")
        // One that was asked for is not upstream's own.
        let asked = #"{"type":"response.created","response":{"id":"r","metadata":{"realtime_bridge":"t"}}}"#
        #expect(try Self.turns([Self.started, Self.stopped, Self.committed, asked]).response == nil)
    }
}
