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
    private static let created = #"{"type":"response.created","response":{"id":"r"}}"#
    private static let done = #"{"type":"response.done","response":{"id":"r"}}"#

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
        #expect(try Self.turns([Self.created, Self.started, Self.stopped, Self.committed]).response == nil)
        let turns = try Self.turns([Self.started, Self.stopped, Self.committed, Self.created, Self.done])
        #expect(turns.response?.event.responseID == "r")
        #expect(turns.done?.responseID == "r")
        // One that was asked for is not upstream's own.
        let asked = #"{"type":"response.created","response":{"id":"r","metadata":{"realtime_bridge":"t"}}}"#
        #expect(try Self.turns([Self.started, Self.stopped, Self.committed, asked]).response == nil)
    }
}
