import Audio
import EventLog
import Foundation
import Realtime
import Testing

@testable import BridgeAPI

/// What a server of either dialect sends of one response that speaks.
struct SpokenFrames {
    var dialect = Dialect.ga
    var response = "resp_1"

    private func name(_ suffix: String) -> String { dialect == .beta ? "response.\(suffix)" : "response.output_\(suffix)" }

    /// - Parameter more: members of the response object, with a comma before.
    func created(_ more: String = "") -> String {
        #"{"type":"response.created","response":{"id":"\#(response)","status":"in_progress","output":[]\#(more)}}"#
    }

    func began(_ item: String) -> [String] {
        let object = #"{"id":"\#(item)","type":"message","role":"assistant","status":"in_progress","content":[]}"#
        return [
            #"{"type":"response.output_item.added","response_id":"\#(response)","output_index":0,"item":\#(object)}"#,
            #"{"type":"conversation.item.\#(dialect == .beta ? "created" : "added")","previous_item_id":null,"item":\#(object)}"#,
        ]
    }

    func audio(_ bytes: [UInt8], of item: String = "item_1", index: Int = 0) -> String {
        audio(String(decoding: Base64.encoded(bytes[...]), as: UTF8.self), of: item, index: index)
    }

    func audio(_ base64: String, of item: String = "item_1", index: Int = 0) -> String {
        #"{"type":"\#(name("audio.delta"))","response_id":"\#(response)","item_id":"\#(item)","content_index":\#(index),"delta":"\#(base64)"}"#
    }

    func transcript(_ text: String, of item: String = "item_1", index: Int = 0) -> String {
        #"{"type":"\#(name("audio_transcript.delta"))","response_id":"\#(response)","item_id":"\#(item)","content_index":\#(index),"delta":\#(String(decoding: JSONValue.string(text).bytes, as: UTF8.self))}"#
    }

    func text(_ text: String, of item: String = "item_1", index: Int = 0) -> String {
        #"{"type":"\#(name("text.delta"))","response_id":"\#(response)","item_id":"\#(item)","content_index":\#(index),"delta":"\#(text)"}"#
    }

    func audioDone(of item: String = "item_1", index: Int = 0) -> String {
        #"{"type":"\#(name("audio.done"))","response_id":"\#(response)","item_id":"\#(item)","content_index":\#(index)}"#
    }

    func itemDone(_ item: String = "item_1") -> String {
        #"{"type":"response.output_item.done","response_id":"\#(response)","item":{"id":"\#(item)","type":"message","role":"assistant","status":"completed","content":[{"type":"\#(dialect == .beta ? "audio" : "output_audio")","transcript":""}]}}"#
    }

    func truncated(_ item: String = "item_1", at milliseconds: Int) -> String {
        #"{"type":"conversation.item.truncated","item_id":"\#(item)","content_index":0,"audio_end_ms":\#(milliseconds)}"#
    }

    func done(_ status: String = "completed", _ more: String = "") -> String {
        let error = #","status_details":{"type":"failed","error":{"type":"server_error","code":"server_error","message":"broken"}}"#
        return
            #"{"type":"response.done","response":{"id":"\#(response)","status":"\#(status)"\#(status == "failed" ? error : "")\#(more),"output":[]}}"#
    }

    /// Of other matters, so that a store has pages.
    static func noise(_ count: Int, bytes: Int = 100) -> [String] {
        (0..<count).map { #"{"type":"vendor.noise","number":\#($0),"text":"\#(String(repeating: "x", count: bytes))"}"# }
    }
}

extension TestSession {
    /// A body of the session's, from its first event on.
    func produced(
        _ content: ProducedSelection.Content = .speech, response: String? = "resp_1", item: String? = nil, after seq: Int = 0,
        through last: Int? = nil, cuts: [String: Int] = [:], prefix: [UInt8] = [], suffix: [UInt8] = [],
        registry: StreamRegistry = StreamRegistry()
    ) throws -> HistoryBody {
        let selection = ProducedSelection(content: content, response: response, item: item)
        let machine = ProducedMachine(
            after: seq, through: last, of: selection, format: content == .speech ? .init(.pcm16, rate: 24_000) : nil, cuts: cuts,
            failsWithResponse: last == nil)
        return HistoryBody(
            machine, of: selection, in: history, prefix: prefix, suffix: suffix,
            seat: try registry.admit(session: history.sessionID, isViewer: false), logger: quiet)
    }
}

/// Bytes that tell where they stand.
func sound(_ count: Int, from first: Int = 0) -> [UInt8] {
    (first..<first + count).map { UInt8(truncatingIfNeeded: $0 &* 167 &+ $0 >> 8) }
}

/// All audio of a session's events, in the order of the events.
func deltas(in lines: String, of response: String? = nil) throws -> [UInt8] {
    try lines.split(separator: "\n").flatMap { line -> [UInt8] in
        let event = try JSON.parse(String(line), maximumDepth: 256)["event"]
        guard event?["type"]?.string?.hasSuffix("audio.delta") == true, response == nil || event?["response_id"]?.string == response,
            let delta = event?["delta"]?.string
        else { return [] }
        return Array(try #require(Data(base64Encoded: delta)))
    }
}
