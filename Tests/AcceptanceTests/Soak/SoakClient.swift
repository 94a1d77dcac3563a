import Foundation
import Realtime
import TestSupport

/// A client that talks through everything: it asks again where the contract says that it may, and only there.
final class SoakClient {
    /// What an error left undone.
    struct GaveUp: Error, CustomStringConvertible {
        let description: String
    }

    /// There is nothing to ask any more.
    struct SessionOver: Error, CustomStringConvertible {
        let description: String
    }

    struct Answer: Sendable {
        let words: String
        let itemID: String
        let responseID: String
    }

    let http: HTTPClient
    let path: String
    let dialect: String
    let follower: EventFollower
    /// A turn that takes longer is given up.
    let patience: Duration
    private(set) var figures = SoakFigures()

    init(http: HTTPClient, path: String, dialect: String, follower: EventFollower, patience: Duration = .seconds(90)) {
        self.http = http
        self.path = path
        self.dialect = dialect
        self.follower = follower
        self.patience = patience
    }

    static func session(_ dialect: String) -> String {
        func tool(_ name: String, _ description: String) -> String {
            #"{"type":"function","name":"\#(name)","description":"\#(description)","parameters":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}}"#
        }
        let tools = "[\(tool("get_weather", "Weather for a city")),\(tool("find_restaurant", "A restaurant in a city"))]"
        return dialect == "ga"
            ? #"{"type":"realtime","output_modalities":["text"],"audio":{"input":{"turn_detection":null,"transcription":{"model":"transcribe-1"}}},"tools":\#(tools)}"#
            : #"{"modalities":["text"],"turn_detection":null,"input_audio_transcription":{"model":"transcribe-1"},"tools":\#(tools)}"#
    }

    // MARK: turns

    /// One turn to its end: what the caller says, the answer, and as long as the answer asks for tools, their outputs and the next answer.
    /// - Returns: the last answer; nil if the turn was given up.
    func turn(_ number: Int, says text: String, spoken: Bool = false) async throws -> Answer? {
        let began = ContinuousClock.now
        figures.turns += 1
        defer { figures.longestTurn = max(figures.longestTurn, ContinuousClock.now - began) }
        do {
            try await create("turn_\(number)", #"{"text":"\#(text)"}"#, until: began + patience)
            return try await answer(spoken: spoken, until: began + patience)
        } catch let error as GaveUp {
            figures.failedTurns.append("turn \(number): \(error)")
            return nil
        }
    }

    /// One turn whose question is sound.
    func turn(_ number: Int, hears audio: Data) async throws -> Answer? {
        let began = ContinuousClock.now
        figures.turns += 1
        defer { figures.longestTurn = max(figures.longestTurn, ContinuousClock.now - began) }
        do {
            _ = try await request(until: began + patience) { http in
                // What an attempt before this one left behind would be heard, too.
                let cleared = try await http("DELETE", path + "/input_audio")
                guard cleared.status == 200 else { return cleared }
                let appended = try await http(
                    "POST", path + "/input_audio", json: #"{"audio":"\#(audio.base64EncodedString())"}"#)
                guard appended.status == 202 else { return appended }
                return try await http("POST", path + "/input_audio/commit")
            }
            return try await answer(spoken: false, until: began + patience)
        } catch let error as GaveUp {
            figures.failedTurns.append("turn \(number): \(error)")
            return nil
        }
    }

    private func answer(spoken: Bool, until deadline: ContinuousClock.Instant) async throws -> Answer {
        let sound = dialect == "ga" ? #"{"output_modalities":["audio"]}"# : #"{"modalities":["audio","text"]}"#
        while true {
            let response = try await request(until: deadline) { http in
                try await http("POST", path + "/responses", json: spoken ? sound : "{}")
            }
            figures.responses += 1
            let json = try response.json()
            guard json["status"]?.string == "completed" else { throw GaveUp(description: "a response ended as \(response.text)") }
            // Calls of responses that were lost midway are among them.
            let calls = try await pendingCalls(until: deadline)
            for call in calls {
                let output = #"{"item":{"type":"function_call_output","call_id":"\#(call)","output":"sunny and open"}}"#
                try await create("out_" + call.suffix(20), output, until: deadline)
            }
            guard calls.isEmpty else { continue }
            return Answer(
                words: json["output_text"]?.string ?? "", itemID: json["output"]?[0]?["id"]?.string ?? "",
                responseID: json["id"]?.string ?? "")
        }
    }

    /// Completed calls without an output; each is acted upon once.
    private func pendingCalls(until deadline: ContinuousClock.Instant) async throws -> [String] {
        let page = try await request(until: deadline) { try await $0("GET", path + "/items?order=desc&limit=20") }
        let items = try page.json()["data"]?.elements ?? []
        let answered = items.filter { $0["type"]?.string == "function_call_output" }.compactMap { $0["call_id"]?.string }
        return items.reversed().filter { $0["type"]?.string == "function_call" && $0["status"]?.string == "completed" }
            .compactMap { $0["call_id"]?.string }.filter { !answered.contains($0) }
    }

    // MARK: changes of the conversation

    /// A note before everything else.
    func note(_ number: Int) async throws {
        try await change(number) { deadline in
            try await create(
                "note_\(number)",
                #"{"item":{"type":"message","role":"system","content":[{"type":"input_text","text":"Note \#(number)."}]},"previous_item_id":"root"}"#,
                until: deadline)
        }
    }

    func removeNote(_ number: Int) async throws {
        try await change(number) { deadline in
            _ = try await request(until: deadline) { http in
                let answer = try await http("DELETE", path + "/items/note_\(number)")
                guard answer.status == 404, try await http("GET", path + "/items/note_\(number)").status == 404 else { return answer }
                return HTTPClient.Answer(status: 200, headers: [:], body: [])
            }
        }
    }

    /// Only the beginning of an answer was heard.
    func cut(_ number: Int, _ item: String, atMilliseconds end: Int) async throws {
        try await change(number) { deadline in
            _ = try await request(until: deadline) { http in
                try await http("POST", path + "/items/\(item)/truncate", json: #"{"audio_end_ms":\#(end)}"#)
            }
        }
    }

    private func change(_ number: Int, _ ask: (ContinuousClock.Instant) async throws -> Void) async throws {
        do {
            try await ask(ContinuousClock.now + patience)
        } catch let error as GaveUp {
            figures.failedTurns.append("change after turn \(number): \(error)")
        }
    }

    // MARK: requests

    /// An item under an id of ours: asked again, it is there at most once.
    private func create(_ id: String, _ body: String, until deadline: ContinuousClock.Instant) async throws {
        let named =
            body.hasPrefix(#"{"item":{"#)
            ? #"{"item":{"id":"\#(id)","# + body.dropFirst(#"{"item":{"#.count)
            : #"{"item":{"id":"\#(id)","type":"message","role":"user","content":[{"type":"input_text",\#(body.dropFirst().dropLast())}]}}"#
        _ = try await request(until: deadline) { http in
            let answer = try await http("POST", path + "/items", json: named)
            // What an earlier attempt has done after all.
            guard answer.status == 409, try await http("GET", path + "/items/\(id)").status == 200 else { return answer }
            return HTTPClient.Answer(status: 201, headers: [:], body: [])
        }
    }

    /// Asks until it is answered with 2xx, as long as the refusals are ones that asking again may help with (API.md sections 2 and 8).
    private func request(
        until deadline: ContinuousClock.Instant, _ ask: (HTTPClient) async throws -> HTTPClient.Answer
    ) async throws -> HTTPClient.Answer {
        while true {
            let began = ContinuousClock.now
            let before = follower.last
            let answer: HTTPClient.Answer
            do {
                answer = try await ask(http)
            } catch  where error is SocketError || error is BrokenAnswer {
                // The bridge itself went, and comes back.
                figures.errors["disconnected", default: 0] += 1
                guard ContinuousClock.now < deadline else { throw GaveUp(description: "\(error)") }
                try await Self.pause(for: .milliseconds(100))
                continue
            }
            figures.longestRequest = max(figures.longestRequest, ContinuousClock.now - began)
            if (200..<300).contains(answer.status) { return answer }
            figures.errors["\(answer.status) \(answer.code)", default: 0] += 1
            guard ContinuousClock.now < deadline else { throw GaveUp(description: "\(answer.status) \(answer.text)") }
            switch (answer.status, answer.code) {
            case (502, "upstream_lost"): continue
            case (503, _), (429, _):
                guard let wait = answer.retryAfter else { throw GaveUp(description: "no retry-after: \(answer.status) \(answer.text)") }
                try await Self.pause(for: wait)
            case (409, "conversation_already_has_active_response"), (504, _):
                // Something runs: its end is on the stream.
                _ = try? await follower.event(after: before, "the end of a response", within: .seconds(10)) { $0.type == "response.done" }
            case (410, _): throw SessionOver(description: answer.text)
            default: throw GaveUp(description: "\(answer.status) \(answer.text)")
            }
        }
    }

    /// What a `retry-after` asks for: not a wait for something to happen, but the wait itself.
    private static func pause(for duration: Duration) async throws {
        _ = try? await Mailbox<Void>("a pause").next(within: duration)
    }
}

extension HTTPClient.Answer {
    fileprivate var retryAfter: Duration? {
        if let milliseconds = headers["retry-after-ms"].flatMap({ Int($0) }) { return .milliseconds(milliseconds) }
        return headers["retry-after"].flatMap { Int($0) }.map { .seconds($0) }
    }
}
