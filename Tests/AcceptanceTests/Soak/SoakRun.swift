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
        let folder = FileManager.default.temporaryDirectory.appending(path: "realtime-bridge-soak-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer {
            if ProcessInfo.processInfo.environment["REALTIME_BRIDGE_SOAK_KEEP"] == nil { try? FileManager.default.removeItem(at: folder) }
        }
        let record = folder.appending(path: "record.jsonl")
        return try await BridgeProcess.run("simulate", ["--dialect", dialect, "--record", record.path] + faults) { simulator in
            let flags = ["--upstream-url", simulator.address, "--upstream-dialect", dialect, "--model", "sim-1"]
            return try await BridgeProcess.run("serve", flags + settings, environment: ["OPENAI_API_KEY": "sk-soak"]) { bridge in
                do {
                    let figures = try await converse(bridge, record)
                    try keep(bridge, folder)
                    return figures
                } catch {
                    try keep(bridge, folder)
                    throw error
                }
            }
        }
    }

    /// With `REALTIME_BRIDGE_SOAK_KEEP` the record and the bridge's log stay, and where is said.
    private func keep(_ bridge: BridgeProcess, _ folder: URL) throws {
        guard ProcessInfo.processInfo.environment["REALTIME_BRIDGE_SOAK_KEEP"] != nil else { return }
        try bridge.errorText.write(to: folder.appending(path: "bridge.log"), atomically: true, encoding: .utf8)
        Attachment.record("kept in \(folder.path)", named: "kept")
        FileHandle.standardError.write(Data("kept in \(folder.path)\n".utf8))
    }

    private func converse(_ bridge: BridgeProcess, _ record: URL) async throws -> SoakFigures {
        let http = HTTPClient(address: bridge.address)
        let began = ContinuousClock.now
        let session = try await create(http)
        let path = "/v1/sessions/\(session)"
        let follower = EventFollower(port: http.port, path: path + "/events")
        let client = SoakClient(http: http, path: path, dialect: dialect, follower: follower)
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
                if let answer, turn.isRecall, lostItems(follower).isEmpty {
                    for text in said.dropLast() { #expect(answer.contains("\"\(text)\""), "turn \(number): \(text)") }
                }
            }
        }
        var figures = client.figures
        figures.took = ContinuousClock.now - began
        try await compare(http, path, record, follower)
        let last = try await lastEvent(http, path)
        _ = try await follower.event("the last event") { $0.number >= last }
        try await follower.stop()
        #expect(follower.faults == [])
        figures.add(follower)
        figures.add(try UpstreamRecord(contentsOf: record))
        return figures
    }

    /// A handshake in five is refused, so the first may be, too.
    private func create(_ http: HTTPClient) async throws -> String {
        for _ in 0..<20 {
            let created = try await http("POST", "/v1/sessions", json: #"{"session":\#(SoakClient.session(dialect))}"#)
            if created.status == 201 { return try #require(try created.json()["id"]?.string) }
            #expect([502, 503].contains(created.status), "\(created.text)")
        }
        throw WaitedTooLong(what: "a session")
    }

    private func lastEvent(_ http: HTTPClient, _ path: String) async throws -> Int {
        try #require(try await http("GET", path).json()["last_event_id"]?.string?.split(separator: ".").last.flatMap { Int($0) })
    }

    private func lostItems(_ follower: EventFollower) -> Set<String> {
        let switched = follower.events.last { $0.type == "bridge.upstream.switched" }
        return Set((try? switched?.json())?["items_lost"]?.elements.compactMap { $0["id"]?.string } ?? [])
    }

    // MARK: the two conversations

    /// Compares when both stand still: upstream goes on failing, so that may take some looks.
    private func compare(_ http: HTTPClient, _ path: String, _ record: URL, _ follower: EventFollower) async throws {
        let deadline = ContinuousClock.now + .seconds(60)
        var differences = ["no look at it"]
        var seen = 0
        while ContinuousClock.now < deadline {
            let before = try await http("GET", path).json()
            let items = try await self.items(http, path)
            let upstream = before["upstream"]?["session_id"]?.string ?? ""
            let connection = try UpstreamRecord(contentsOf: record).connection(of: upstream)
            let after = try await http("GET", path).json()
            seen = follower.last
            let isStill =
                before["status"]?.string == "active" && after["status"]?.string == "active"
                && before["last_event_id"]?.string == after["last_event_id"]?.string
                && after["upstream"]?["session_id"]?.string == upstream
                && seen == after["last_event_id"]?.string?.split(separator: ".").last.flatMap { Int($0) }
            if isStill, let connection {
                differences = ConversationCheck.differences(upstream: connection, bridge: items, lost: lostItems(follower))
                // A connection that has just died may have frames that the bridge has not been given.
                if differences.isEmpty || connection.fault == nil { break }
            } else {
                // An idle session may be suspended, which a command ends.
                _ = try await http("POST", path + "/events", json: #"{"type":"input_audio_buffer.clear"}"#)
            }
            _ = try? await follower.event(after: seen, "the next event", within: .seconds(1)) { _ in true }
        }
        #expect(differences == [])
    }

    private func items(_ http: HTTPClient, _ path: String) async throws -> [RecordedItem] {
        struct Page: Decodable {
            let data: [RecordedItem]
            let hasMore: Bool
            let lastID: String?

            enum CodingKeys: String, CodingKey {
                case data
                case hasMore = "has_more"
                case lastID = "last_id"
            }
        }
        var items: [RecordedItem] = []
        var query = "?limit=100&order=asc"
        while true {
            let page = try JSONDecoder().decode(Page.self, from: Data(try await http("GET", path + "/items" + query).body))
            items += page.data
            guard page.hasMore, let last = page.lastID else { return items }
            query = "?limit=100&order=asc&after=\(last)"
        }
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
