import Foundation
import Realtime
import Testing

/// A live microphone over an upstream that goes away: in real time, with the server's voice detection.
struct MicrophoneRun {
    let dialect: String
    let faults: [String]
    let settings: [String]
    /// It goes on until there were so many…
    let switches: Int
    /// …but not longer than so many periods of ``Microphone``.
    let periods: Int

    struct Figures: Sendable {
        var seconds = 0.0
        var questions = 0
        var switches: [String: Int] = [:]
        var replayed = 0
        /// Of one append, until it was taken.
        var longestAppend = Duration.zero
        var upstreamConnections = 0

        var description: String {
            "\(String(format: "%.1f", seconds)) s of sound, \(questions) questions; "
                + "switches: \(switches.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", "))"
                + "; items replayed: \(replayed); longest append \(String(format: "%.0f ms", longestAppend / .milliseconds(1)))"
                + "; \(upstreamConnections) upstream connections"
        }
    }

    private var configuration: String {
        dialect == "ga"
            ? #"{"type":"realtime","output_modalities":["text"],"audio":{"input":{"turn_detection":{"type":"server_vad"}}}}"#
            : #"{"modalities":["text"],"turn_detection":{"type":"server_vad"}}"#
    }

    func callAsFunction(question: Data) async throws -> Figures {
        let microphone = Microphone(question: question, periods: periods)
        return try await FailingUpstream.run(dialect, faults: faults, settings: settings) { bridge, record in
            let http = HTTPClient(address: bridge.address)
            let path = try await FailingUpstream.session(http, configuration)
            let follower = EventFollower(port: http.port, path: path + "/events?dialect=\(dialect)")
            let ends = ConversationEnds(http: http, path: path, record: record, follower: follower)
            var figures = Figures()
            let sent = try await speak(microphone, http, path, follower, &figures)
            let questions = sent / microphone.periodBytes
            figures.questions = questions
            figures.seconds = Double(sent) / Double(Microphone.bytesPerMillisecond) / 1000
            // A turn that a loss undid is committed again later, under another id.
            let last = try await ends.compare()
            try await ends.caughtUp()
            try await follower.stop()
            #expect(follower.faults == [])
            let upstream = try UpstreamRecord(contentsOf: record)
            let shown = Set(try follower.events.compactMap { try $0.json()["event_id"]?.string })
            #expect(upstream.unshown(shown) == [])
            let connections = upstream.connections
            #expect(microphone.holes(in: connections.map(\.appended), upTo: sent) == [])
            let connection = try #require(last)
            let heard = connection.items.compactMap { item in
                item.id.flatMap { id in connection.audio[id].map { (id: id, audio: $0) } }
            }
            #expect(microphone.faults(inItems: heard, questions: questions) == [])
            #expect(heard.count == questions)
            figures.upstreamConnections = connections.count
            for event in follower.events where event.type == "bridge.upstream.switched" {
                let json = try event.json()
                figures.switches[json["reason"]?.string ?? "?", default: 0] += 1
                figures.replayed += json["items_replayed"]?.int ?? 0
            }
            return figures
        }
    }

    /// - Returns: how many bytes of the source were sent.
    private func speak(
        _ microphone: Microphone, _ http: HTTPClient, _ path: String, _ follower: EventFollower, _ figures: inout Figures
    ) async throws -> Int {
        let clock = ContinuousClock()
        let start = clock.now
        var sent = 0
        while sent < microphone.source.count {
            let seen = follower.events.count { $0.type == "bridge.upstream.switched" }
            if sent > 0, sent.isMultiple(of: microphone.periodBytes), seen >= switches { break }
            // The microphone's own clock. What could not be sent in time is sent at once afterwards, as a buffer is emptied.
            try await clock.sleep(until: start + .milliseconds(sent / Microphone.bytesPerMillisecond))
            let chunk = microphone.source[sent..<sent + Microphone.chunkBytes].base64EncodedString()
            let began = clock.now
            let answer = try await http("POST", path + "/input_audio", json: #"{"audio":"\#(chunk)"}"#)
            figures.longestAppend = max(figures.longestAppend, clock.now - began)
            try #require(answer.status == 202, "\(answer.text)")
            sent += Microphone.chunkBytes
        }
        // The last turn is over when its item is there; more would be heard as the next period.
        let questions = sent / microphone.periodBytes
        let deadline = clock.now + .seconds(20)
        while clock.now < deadline, follower.events.count(where: { $0.type == "input_audio_buffer.committed" }) < questions {
            _ = try? await follower.event(after: follower.last, "the last turn", within: .seconds(1)) { _ in true }
        }
        return sent
    }
}
