import Realtime
import Testing

/// Clients that do not speak as their upstream does: what the server is sent, and what the client is answered.
struct GoldenRequestTests {
    struct Row: Sendable, CustomTestStringConvertible {
        let scenario: String
        let upstream: Dialect
        /// What the client posts where it is not what the client of the other dialect's trace does, by its place there.
        var posted: [Int: String] = [:]
        /// What the server is then sent where it is not what the client of its own trace sends.
        var expected: [Int: String] = [:]
        /// What the answers say was left out.
        var leftOut: [String] = []

        var testDescription: String { "\(scenario) for a \(upstream.rawValue) upstream" }
    }

    private static let betaTools =
        #"[{"type":"function","name":"get_weather","description":"Weather for a city.","parameters":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}}]"#

    static let rows = [
        Row(scenario: "session_open", upstream: .ga, leftOut: ["session.temperature"]),
        Row(
            scenario: "session_open", upstream: .beta,
            expected: [
                0:
                    #"{"type":"session.update","event_id":"cli_0001","session":{"modalities":["text"],"instructions":"Answer in one line.","turn_detection":null,"tools":\#(betaTools),"tool_choice":"auto","max_response_output_tokens":512}}"#
            ]),
        Row(scenario: "text_turn", upstream: .ga),
        Row(scenario: "text_turn", upstream: .beta),
        Row(scenario: "audio_turn_manual", upstream: .ga),
        Row(scenario: "audio_turn_manual", upstream: .beta),
        Row(
            scenario: "function_call", upstream: .ga,
            posted: [
                0:
                    #"{"type":"response.create","event_id":"cli_0020","response":{"tools":\#(betaTools),"tool_choice":{"type":"function","function":{"name":"get_weather"}}}}"#
            ]),
        Row(
            scenario: "function_call", upstream: .beta,
            expected: [
                0:
                    #"{"type":"response.create","event_id":"cli_0020","response":{"tools":\#(betaTools),"tool_choice":{"type":"function","function":{"name":"get_weather"}}}}"#
            ]),
        Row(scenario: "out_of_band", upstream: .ga),
        Row(scenario: "out_of_band", upstream: .beta),
        Row(scenario: "item_housekeeping", upstream: .ga),
        Row(scenario: "item_housekeeping", upstream: .beta),
        Row(
            scenario: "transcription_session", upstream: .ga,
            expected: [
                0:
                    #"{"type":"session.update","event_id":"cli_0090","session":{"type":"transcription","audio":{"input":{"format":{"type":"audio/pcm","rate":24000},"transcription":{"model":"gpt-4o-transcribe","prompt":"","language":"en"},"turn_detection":{"type":"server_vad","threshold":0.5,"prefix_padding_ms":300,"silence_duration_ms":500,"create_response":false}}}}}"#
            ]),
        Row(
            scenario: "transcription_session", upstream: .beta,
            expected: [
                0:
                    #"{"type":"transcription_session.update","event_id":"cli_0090","session":{"input_audio_format":"pcm16","input_audio_transcription":{"model":"gpt-4o-mini-transcribe"},"turn_detection":{"type":"server_vad"}}}"#
            ]),
    ]

    @Test(arguments: rows)
    func theServerIsSentItsOwnSpellingAndTheClientAnsweredInTheirs(row: Row) async throws {
        let trace = try Trace.named(row.scenario, row.upstream)
        var events = try Trace.named(row.scenario, row.upstream.other).clientEvents.map(\.payload)
        for (index, event) in row.posted { events[index] = try JSON.parse(event) }
        let client = PlayedTrace.Client(
            dialect: row.upstream.other, events: events, expected: try row.expected.mapValues { try JSON.parse($0) })
        try await PlayedTrace.run(trace, client: client) { played in
            // Both views are what they are for a client of upstream's own dialect.
            let own = try await played.frames(row.upstream)
            expectSame(own.filter { !$0.type.hasPrefix("bridge.") }.map { Array($0.data.utf8) }, played.record.shown)
            let others = try await played.frames(client.dialect)
            let golden = try GoldenFile(trace, shownIn: client.dialect).text()
            expectSame(others, EventFrame.list(Array(golden.utf8)))
            // An answer names what confirmed the event by a frame of the client's view.
            for receipt in played.receipts.compactMap({ $0["data"]?[0] }) {
                #expect(receipt["type"]?.string?.isEmpty == false)
                guard let event = receipt["event"] else {
                    #expect(receipt["status"]?.string == "accepted")
                    continue
                }
                #expect(receipt["status"]?.string == "confirmed")
                #expect(others.contains { $0.data == String(decoding: event.lexeme, as: UTF8.self) }, "\(receipt)")
            }
            let leftOut = played.receipts.flatMap { $0["data"]?.elements ?? [] }.flatMap { $0["warnings"]?.elements ?? [] }
            #expect(leftOut.compactMap { $0["param"]?.string } == row.leftOut)
        }
    }
}
