import Foundation
import Realtime
import TestSupport
import Testing

@testable import Simulator

/// Every kind of frame the machine sends, against the bridge's contract, the reference schemas of the protocol and the types of the
/// official client.
///
/// The reference schemas are not part of this repository. They are looked for in `REALTIME_REFERENCE`, else in
/// `../shared/protocol/reference` beside the package; without them the check says on standard error that it was left out.
@Suite struct SchemaTests {
    @Test func `frames satisfy the reference schemas`() async throws {
        guard let reference = Self.reference else {
            return Self.leaveOut("no reference schemas found; REALTIME_REFERENCE names their folder")
        }
        try await validate(against: reference)
    }

    @Test func `frames satisfy the contract`() async throws {
        try await validate(against: PythonTool.root.appending(path: "openapi.json"))
    }

    private func validate(against schemas: URL) async throws {
        let outcome = try await PythonTool.withFile(holding: PayloadRecord.lines(Self.frames)) {
            try await PythonTool("validate_frames.py")(schemas.path, $0.path)
        }
        if let outcome { #expect(outcome.status == 0, "\(outcome.text)\(outcome.errors)") }
    }

    @Test func `frames satisfy the types of the official client`() async throws {
        let outcome = try await PythonTool.judge(Self.frames, atLeast: 60)
        if let outcome { #expect(outcome.status == 0, "\(outcome.text)\(outcome.errors)") }
    }

    private static var frames: [(Dialect, [UInt8])] {
        Dialect.allCases.flatMap { dialect in scenarios(dialect).flatMap(\.raw).map { (dialect, $0) } }
    }

    /// The folder of the reference schemas, if it is there.
    static var reference: URL? {
        let environment = ProcessInfo.processInfo.environment["REALTIME_REFERENCE"]
        let folder = environment.map { URL(fileURLWithPath: $0) } ?? PythonTool.root.appending(path: "../shared/protocol/reference")
        return FileManager.default.fileExists(atPath: folder.appending(path: "schemas.ga.json").path) ? folder : nil
    }

    static func leaveOut(_ why: String) {
        FileHandle.standardError.write(Data("SchemaTests: a check against schemas was left out: \(why)\n".utf8))
    }

    /// Conversations that together make every frame there is.
    private static func scenarios(_ dialect: Dialect) -> [MachineDriver] {
        var all: [MachineDriver] = []
        let modalities = dialect == .beta ? "modalities" : "output_modalities"

        var turns = MachineDriver(dialect)
        turns.send(Request.transcription(dialect, "gpt-4o-mini-transcribe"))
        turns.append(Sound.silence(milliseconds: 400) + Sound.speech(milliseconds: 600) + Sound.silence(milliseconds: 400))
        turns.settle()
        turns.send(Request.transcription(dialect, "whisper-1"))
        turns.append(Sound.speech(milliseconds: 600) + Sound.silence(milliseconds: 400))
        turns.settle()
        turns.send(Request.transcription(dialect, "always-fails"))
        turns.append(Sound.speech(milliseconds: 600) + Sound.silence(milliseconds: 400))
        turns.settle()
        let items = turns.machine.conversation.items.map(\.id)
        for id in items { turns.send(#"{"type":"conversation.item.retrieve","item_id":"\#(id)"}"#) }
        turns.send(#"{"type":"conversation.item.truncate","item_id":"\#(items[1])","content_index":0,"audio_end_ms":200}"#)
        turns.send(#"{"type":"conversation.item.delete","item_id":"\#(items[0])"}"#)
        turns.send(#"{"type":"input_audio_buffer.clear"}"#)
        all.append(turns)

        var texts = MachineDriver(dialect)
        texts.send(Request.tools(dialect, Request.weatherTool))
        for text in ["hello", "weather in Oslo", "fail with server_error", "fail with insufficient_quota", "stop with content_filter"] {
            texts.send(Request.text(text))
            texts.send(Request.respond)
            texts.settle()
        }
        if let call = texts.machine.conversation.callIDs.first {
            texts.send(#"{"type":"conversation.item.create","item":{"type":"function_call_output","call_id":"\#(call)","output":"4"}}"#)
        }
        texts.send(
            #"{"type":"conversation.item.create","previous_item_id":"root","item":{"type":"message","role":"system","content":[{"type":"input_text","text":"s"}]}}"#
        )
        let assistant = dialect == .beta ? "text" : "output_text"
        texts.send(
            #"{"type":"conversation.item.create","item":{"type":"message","role":"assistant","content":[{"type":"\#(assistant)","text":"s"}]}}"#
        )
        texts.send(
            #"{"type":"response.create","response":{"conversation":"none","\#(modalities)":["text"],"input":[],"metadata":{"a":"b"}}}"#)
        texts.settle()
        all.append(texts)

        var interrupted = MachineDriver(dialect, deltaDelay: .milliseconds(10))
        interrupted.send(Request.text("count to 50"))
        interrupted.send(Request.respond)
        interrupted.append(Sound.speech(milliseconds: 200) + Sound.silence(milliseconds: 300))
        interrupted.advance(.milliseconds(45))
        interrupted.send(Request.cancel)
        interrupted.send(Request.respond)
        interrupted.advance(.milliseconds(45))
        interrupted.append(Sound.speech(milliseconds: 200) + Sound.silence(milliseconds: 300))
        interrupted.settle()
        all.append(interrupted)

        var refused = MachineDriver(dialect, lifetime: .seconds(60))
        for row in RefusalTests.rows where row.dialects.contains(dialect) { refused.send(row.send) }
        refused.sendBinary()
        refused.send("{")
        refused.advance(.seconds(60))
        all.append(refused)

        var settings = MachineDriver(dialect)
        let updates: [String] =
            dialect == .beta
            ? [
                #"{"modalities":["text"],"voice":"ash","input_audio_format":"g711_ulaw","output_audio_format":"g711_alaw"}"#,
                #"{"turn_detection":{"type":"semantic_vad","eagerness":"low"},"tracing":"auto","max_response_output_tokens":100,"temperature":1}"#,
                #"{"input_audio_noise_reduction":{"type":"near_field"},"tool_choice":"required","speed":1.2,"turn_detection":null}"#,
            ]
            : [
                #"{"type":"realtime","output_modalities":["text"],"audio":{"input":{"format":{"type":"audio/pcmu"}},"output":{"voice":"cedar","format":{"type":"audio/pcma"}}}}"#,
                #"{"type":"realtime","audio":{"input":{"turn_detection":{"type":"semantic_vad","eagerness":"low"},"noise_reduction":{"type":"far_field"}}},"tracing":"auto"}"#,
                #"{"type":"realtime","reasoning":{"effort":"low"},"parallel_tool_calls":true,"truncation":"disabled","max_output_tokens":10,"include":["item.input_audio_transcription.logprobs"]}"#,
            ]
        for update in updates { settings.send(#"{"type":"session.update","session":\#(update)}"#) }
        settings.send(Request.text("hello"))
        settings.send(Request.respond)
        settings.settle()
        all.append(settings)

        var transcription = MachineDriver(dialect, kind: .transcription)
        transcription.send(
            dialect == .beta
                ? #"{"type":"transcription_session.update","session":{"input_audio_transcription":{"model":"gpt-4o-transcribe","language":"en"}}}"#
                : #"{"type":"session.update","session":{"type":"transcription","audio":{"input":{"transcription":{"model":"gpt-4o-transcribe"}}}}}"#
        )
        transcription.append(Sound.speech(milliseconds: 500) + Sound.silence(milliseconds: 500))
        transcription.settle()
        all.append(transcription)

        if dialect == .ga {
            var idle = MachineDriver(dialect)
            idle.send(Request.turnDetection(.ga, #"{"type":"server_vad","idle_timeout_ms":5000}"#))
            idle.send(Request.text("hello"))
            idle.send(Request.respond)
            idle.settle()
            idle.advance(.seconds(12))
            all.append(idle)
        }
        return all
    }
}
