import Foundation
import Realtime
import TestSupport
import Testing

/// A bridge in front of a simulator that fails in every way it knows, one conversation over both, and the comparison of their ends.
struct SoakRun {
    let dialect: String
    let turns: Int
    /// Flags of `simulate` beside the dialect and the record.
    let faults: [String]
    /// Flags of `serve` beside what it needs.
    let settings: [String]

    func callAsFunction() async throws -> SoakFigures {
        try await FailingUpstream.run(dialect, faults: faults, settings: settings) { http, record in
            try await converse(http, record)
        }
    }

    private func converse(_ http: HTTPClient, _ record: URL) async throws -> SoakFigures {
        let began = ContinuousClock.now
        let path = try await FailingUpstream.session(http, SoakClient.session(dialect))
        let follower = EventFollower(port: http.port, path: path + "/events")
        let client = SoakClient(http: http, path: path, dialect: dialect, follower: follower)
        let ends = ConversationEnds(http: http, path: path, record: record, follower: follower)
        var said: [String] = []
        for number in 1...turns {
            // A client that is cut off itself now and then.
            if number % 9 == 0 { follower.cut() }
            let turn = Turn(number)
            if let audio = turn.audio {
                let answer = try await client.turn(number, hears: audio)
                if let answer { #expect(answer == turn.answer, "turn \(number)") }
            } else {
                said.append(turn.text)
                let answer = try await client.turn(number, says: turn.text, spoken: turn.isSpoken)
                if let answer, let wanted = turn.answer { #expect(answer == wanted, "turn \(number)") }
                // The server answers from its conversation: what it was not given again it does not know.
                if let answer, turn.isRecall, ends.lost.isEmpty {
                    for text in said.dropLast() { #expect(answer.contains("\"\(text)\""), "turn \(number): \(text)") }
                }
            }
        }
        var figures = client.figures
        figures.took = ContinuousClock.now - began
        try await ends.compare()
        try await ends.caughtUp()
        try await follower.stop()
        #expect(follower.faults == [])
        figures.add(follower)
        figures.add(try UpstreamRecord(contentsOf: record))
        return figures
    }

    // MARK: what is said

    /// The script: the same number is always the same turn.
    private struct Turn {
        let text: String
        /// What the simulator answers at the end; nil where that depends on what came before.
        let answer: String?
        var isSpoken = false
        var isRecall = false
        var audio: Data?

        init(_ number: Int) {
            switch number % 10 {
            case 2, 6: (text, answer) = ("Weather in Oslo number \(number)?", "The result of get_weather is: sunny and open")
            case 4:
                (text, answer) = (
                    "First tell me the weather and a restaurant in Bergen \(number)", "The result of find_restaurant is: sunny and open"
                )
            case 5: (text, answer) = ("Say count \(number) spoken aloud.", "count \(number) spoken aloud.")
            case 7:
                // 0.7 s, told apart by the pattern.
                audio = Data((0..<33_600).map { UInt8(truncatingIfNeeded: $0 / 2 * (number + 1)) })
                (text, answer) = ("", "I heard 0.7 seconds of audio.")
            case 8:
                (text, answer) = ("Count to \(20 + number % 30)", (1...(20 + number % 30)).map(String.init).joined(separator: ", ") + ".")
            case 0: (text, answer, isRecall) = ("What did I say, number \(number)?", nil, true)
            default: (text, answer) = ("Say word number \(number)", "word number \(number)")
            }
            isSpoken = number % 10 == 5
        }
    }
}
