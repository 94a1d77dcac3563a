import Foundation
import Realtime
import Testing

@testable import Simulator

/// Hostile and foreign events: nothing crashes the machine, and every frame of it stays JSON.
@Suite struct RobustnessTests {
    private static let seeds: [String] = [
        Request.text("What is the weather in Oslo? count to 30", id: "a"), Request.respond, Request.commit, Request.cancel,
        Request.tools(.ga, Request.weatherTool), Request.tools(.beta, Request.weatherTool), Request.turnDetection(.ga, "null"),
        Request.turnDetection(.beta, #"{"type":"server_vad","threshold":0.5,"prefix_padding_ms":300,"silence_duration_ms":200}"#),
        #"{"type":"conversation.item.truncate","item_id":"a","content_index":0,"audio_end_ms":1}"#,
        #"{"type":"conversation.item.create","previous_item_id":"root","item":{"id":"b","type":"function_call","call_id":"c","name":"n","arguments":"{}"}}"#,
        #"{"type":"conversation.item.create","item":{"type":"function_call_output","call_id":"c","output":"o"}}"#,
        #"{"type":"conversation.item.retrieve","item_id":"a"}"#, #"{"type":"conversation.item.delete","item_id":"b"}"#,
        #"{"type":"response.create","response":{"conversation":"none","metadata":{"k":"v"},"input":[{"type":"item_reference","id":"a"}],"tool_choice":"required"}}"#,
        #"{"type":"input_audio_buffer.append","audio":"AAAAAAAA"}"#,
        #"{"type":"session.update","session":{"type":"realtime","audio":{"input":{"format":{"type":"audio/pcmu"},"transcription":{"model":"m"}},"output":{"speed":1.5}}}}"#,
    ]

    private static let values = [
        "null", "true", "-1", "0", "1e308", "9223372036854775807", "99999999999999999999", "0.5", "\"\"", "\"a\"", "\"root\"", "\"inf\"",
        "[]", "{}", "[[]]", "{\"type\":\"function\"}", "\"\\ud800\"", "\"auto\"",
    ]

    @Test(arguments: Dialect.allCases, [UInt64(1), 2, 3, 4])
    func `mutated events are answered`(dialect: Dialect, seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var driver = MachineDriver(dialect, deltaDelay: .milliseconds(1))
        for _ in 0..<800 {
            let original = Self.seeds.randomElement(using: &random) ?? ""
            var text = original
            if Bool.random(using: &random) {
                text = try Self.mutate(original, using: &random)
            }
            let before = driver.raw.count
            driver.send(text)
            if !text.contains("input_audio_buffer.append") { #expect(driver.raw.count > before, "\(text)") }
            driver.advance(.milliseconds(Int64.random(in: 0...3, using: &random)))
        }
        driver.settle()
        #expect(driver.frames.count == driver.raw.count)
        #expect(driver.frames.allSatisfy { $0["event_id"]?.string != nil })
        // Every response that began has exactly one end.
        let begun = driver.all("response.created").compactMap { $0.at("response.id")?.string }
        let ended = driver.all("response.done").compactMap { $0.at("response.id")?.string }
        #expect(begun.sorted() == ended.sorted())
        #expect(!begun.isEmpty)
        // Every event id is used once.
        let ids = driver.frames.compactMap { $0["event_id"]?.string }
        #expect(Set(ids).count == ids.count)
    }

    /// Replaces one value somewhere in the event by another kind of value.
    private static func mutate(_ text: String, using random: inout SeededRandom) throws -> String {
        var places: [Range<Int>] = []
        func visit(_ json: JSON) {
            places.append(json.range)
            for member in json.members { visit(member.value) }
            for element in json.elements { visit(element) }
        }
        visit(try JSON.parse(text))
        guard let place = places.randomElement(using: &random), let value = values.randomElement(using: &random) else { return text }
        var bytes = Array(text.utf8)
        bytes.replaceSubrange(place, with: value.utf8)
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test func `an event id over 512 characters is refused`() {
        var driver = MachineDriver(.ga)
        driver.send(#"{"type":"response.create","event_id":"\#(String(repeating: "e", count: 513))"}"#)
        #expect(driver.last("error")?.at("error.code")?.string == "string_above_max_length")
        #expect(driver.last("error")?.at("error.param")?.string == "event_id")
    }

    @Test func `a conversation has a bound`() {
        var conversation = Conversation(id: "c")
        for index in 0..<40 {
            let bytes = [UInt8](repeating: 0, count: 4 << 20)
            _ = conversation.insert(
                ConversationItem(
                    id: "i\(index)", status: .completed,
                    kind: .message(.user, [.inputAudio(bytes: bytes, milliseconds: 1, transcript: nil)])))
        }
        let held = conversation.items.reduce(0) { $0 + $1.audioByteCount }
        #expect(held <= Conversation.maximumAudioBytes)
        #expect(conversation.items.last?.audioByteCount == 4 << 20)
        #expect(conversation.items.count == 40)
    }

    /// The project's own example payloads, where they lie beside the reference schemas.
    @Test func `the example client events are understood`() throws {
        guard let reference = SchemaTests.reference,
            let text = try? String(contentsOf: reference.appending(path: "../examples.jsonl"), encoding: .utf8)
        else { return SchemaTests.leaveOut("no examples.jsonl beside the reference schemas") }
        var understood = 0
        for line in text.split(separator: "\n") {
            let row = try JSON.parse(String(line))
            guard row["direction"]?.string == "client", let dialect = row["dialect"]?.string.flatMap(Dialect.init(rawValue:)),
                let payload = row["payload"]
            else { continue }
            let frame = String(decoding: payload.lexeme, as: UTF8.self)
            let isTranscription = row["scenario"]?.string == "transcription_session"
            var driver = MachineDriver(dialect, kind: isTranscription ? .transcription : .conversation)
            driver.forget()
            driver.send(frame)
            understood += 1
            guard let error = driver.last("error")?["error"] else { continue }
            // What stands alone here may miss its item, its call or its audio; its shape must be right.
            let code = error["code"]?.string ?? ""
            let isForeign = ["output_audio_buffer.clear", "transcription_session.update"].contains(payload.type)
            let missesContext =
                ["invalid_tool_call_id", "input_audio_buffer_commit_empty", "response_cancel_not_active"].contains(code)
                || code.hasPrefix("item_")
                || ["item.approval_request_id", "response.input[0].id"].contains(error["param"]?.string)
            #expect(isForeign || missesContext, "\(frame) got \(code) \(error["message"]?.string ?? "")")
        }
        #expect(understood > 30)
    }
}
