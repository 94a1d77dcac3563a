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
    /// The bridge is killed in the middle of every so manieth turn; nil for never.
    var killsEvery: Int?

    func callAsFunction() async throws -> SoakFigures {
        try await FailingUpstream.run(dialect, faults: faults, settings: settings) { bridge, record in
            try await converse(bridge, record)
        }
    }

    private func converse(_ bridge: BridgeProcess, _ record: URL) async throws -> SoakFigures {
        let began = ContinuousClock.now
        let http = HTTPClient(address: bridge.address)
        let path = try await FailingUpstream.session(http, SoakClient.session(dialect))
        let follower = EventFollower(port: http.port, path: path + "/events?dialect=\(dialect)")
        let other = EventFollower(
            port: http.port, path: path + "/events?dialect=\(dialect == "ga" ? "beta" : "ga")", isDense: false)
        let client = SoakClient(http: http, path: path, dialect: dialect, follower: follower)
        let ends = ConversationEnds(http: http, path: path, record: record, follower: follower)
        var cut: [String: String] = [:]
        var said: [(id: String, text: String)] = []
        for number in 1...turns {
            // A client that is cut off itself now and then.
            if number % 9 == 0 { follower.cut() }
            if number % 7 == 0 { other.cut() }
            let turn = Turn(number)
            async let killed: Void = kill(bridge, in: number, follower)
            let answer =
                if let audio = turn.audio {
                    try await client.turn(number, hears: audio)
                } else {
                    try await client.turn(number, says: turn.text, spoken: turn.isSpoken)
                }
            try await killed
            if turn.audio == nil { said.append(("turn_\(number)", turn.text)) }
            if number % 10 == 3 { try await client.note(number) }
            if number % 10 == 9, number > 10 { try await client.removeNote(number - 16) }
            guard let answer else { continue }
            if turn.isSpoken {
                try await client.cut(number, answer.itemID, atMilliseconds: 1000)
                cut[answer.itemID] = answer.words
            }
            if let wanted = turn.answer { #expect(answer.words.hasSuffix(wanted), "turn \(number): \(answer.words)") }
            // The server answers from its conversation: what it was not given again it does not know.
            if turn.isRecall {
                let lost = try await ends.lost(before: answer.responseID)
                for (id, text) in said.dropLast() where !lost.contains(id) {
                    #expect(answer.words.contains("\"\(text)\""), "turn \(number): \(text)")
                }
            }
            if turn.isCount {
                let before = try await ends.items(before: answer.itemID, in: answer.responseID)
                #expect(answer.words == "There are \(before) items in this conversation.", "turn \(number)")
            }
        }
        var figures = client.figures
        figures.took = ContinuousClock.now - began
        try await ends.compare(cut: cut)
        try await ends.caughtUp()
        _ = try await other.event("the last event", within: .seconds(30)) { $0.number >= follower.last - 1 }
        try await follower.stop()
        try await other.stop()
        #expect(follower.faults == [] && other.faults == [])
        #expect(try Self.repetitions(other.events) == [])
        #expect(try Self.repetitions(follower.events) == [])
        figures.add(follower)
        let upstream = try UpstreamRecord(contentsOf: record)
        // A bridge that is killed takes with it what it had not stored, and told nobody of.
        if killsEvery == nil {
            let shown = Set(try follower.events.compactMap { try $0.json()["event_id"]?.string })
            #expect(upstream.unshown(shown) == [])
        }
        figures.add(upstream)
        return figures
    }

    /// What must be told once: that an item is there, that it is done, that a response began, and that it ended.
    private static func repetitions(_ events: [EventFollower.Event]) throws -> [String] {
        let once = [
            "conversation.item.created": "item", "conversation.item.added": "item", "conversation.item.done": "item",
            "response.created": "response", "response.done": "response",
        ]
        var told: [String: Set<String>] = [:]
        var faults: [String] = []
        for event in events {
            guard let member = once[event.type], let id = try event.json()[member]?["id"]?.string else { continue }
            if !told[event.type, default: []].insert(id).inserted { faults.append("\(event.number): \(event.type) of \(id) again") }
        }
        let open = told["response.created", default: []].symmetricDifference(told["response.done", default: []])
        return faults + open.map { "\($0) began or ended, and not both" }
    }

    private func kill(_ bridge: BridgeProcess, in turn: Int, _ follower: EventFollower) async throws {
        guard let killsEvery, turn.isMultiple(of: killsEvery) else { return }
        _ = try? await follower.event(after: follower.last, "a response") { $0.type == "response.created" }
        try await bridge.kill()
        try await bridge.start()
    }

    // MARK: what is said

    /// The script: the same number is always the same turn.
    private struct Turn {
        let text: String
        /// How the simulator's last answer ends; nil where that depends on what came before.
        let answer: String?
        var isSpoken = false
        var isRecall = false
        var isCount = false
        var audio: Data?

        init(_ number: Int) {
            switch number % 10 {
            case 2, 6: (text, answer) = ("Weather in Oslo number \(number)?", "The result of get_weather is: sunny and open")
            // Cut off between its two calls, the server is answered about the first alone.
            case 4: (text, answer) = ("First tell me the weather and a restaurant in Bergen \(number)", " is: sunny and open")
            case 5: (text, answer) = ("Say count \(number) spoken aloud.", "count \(number) spoken aloud.")
            case 7:
                // 0.7 s, told apart by the pattern.
                audio = Data((0..<33_600).map { UInt8(truncatingIfNeeded: $0 / 2 * (number + 1)) })
                (text, answer) = ("", "I heard 0.7 seconds of audio.")
            case 8:
                (text, answer) = ("Count to \(20 + number % 30)", (1...(20 + number % 30)).map(String.init).joined(separator: ", ") + ".")
            // Recalling takes longer with every turn, and must fit into a connection's life; later on the server only counts.
            case 0 where number <= 40: (text, answer, isRecall) = ("What did I say, number \(number)?", nil, true)
            case 0: (text, answer, isCount) = ("How many items are there, number \(number)?", nil, true)
            default: (text, answer) = ("Say word number \(number)", "word number \(number)")
            }
            isSpoken = number % 10 == 5
        }
    }
}
