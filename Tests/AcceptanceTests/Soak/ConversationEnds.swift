import Foundation
import Realtime
import Testing

/// Both ends of one conversation: what the bridge shows, and what the server it is connected to holds.
struct ConversationEnds {
    let http: HTTPClient
    let path: String
    let record: URL
    let follower: EventFollower

    /// What the last switch said that it could not carry over.
    /// - Parameter response: the last switch before this one began; nil for the last of all.
    func lost(before response: String? = nil) async throws -> Set<String> {
        var end = Int.max
        if let response {
            end =
                try await follower.event("the response \(response)") { $0.type == "response.created" && $0.data.contains(response) }
                .number
        }
        let switched = follower.events.last { $0.type == "bridge.upstream.switched" && $0.number < end }
        return Set(try switched?.json()["items_lost"]?.elements.compactMap { $0["id"]?.string } ?? [])
    }

    /// Compares them when both stand still. Upstream goes on failing, so that may take some looks.
    /// - Parameter cut: items that were truncated, and their words before that.
    /// - Returns: the connection that the session has, as it was compared.
    @discardableResult
    func compare(cut: [String: String] = [:], within limit: Duration = .seconds(60)) async throws -> UpstreamRecord.Connection? {
        let deadline = ContinuousClock.now + limit
        var differences = ["the session never stood still on a connection"]
        while ContinuousClock.now < deadline {
            let before = try await Standing(http("GET", path).json())
            let items = try await items()
            let connection = try UpstreamRecord(contentsOf: record).connection(of: before.upstreamSession)
            let after = try await Standing(http("GET", path).json())
            let seen = follower.last
            if before == after, before.status == "active", seen == after.lastEvent, let connection {
                differences = ConversationCheck.differences(upstream: connection, bridge: items, lost: try await lost(), cut: cut)
                // A server that is just dying may have sent what never arrived.
                if differences.isEmpty || connection.fault == nil {
                    #expect(differences == [])
                    return connection
                }
            } else if after.status == "suspended" {
                _ = try await http("POST", path + "/events", json: #"{"type":"input_audio_buffer.clear"}"#)
            }
            _ = try? await follower.event(after: seen, "the next event", within: .milliseconds(500)) { _ in true }
        }
        #expect(differences == [])
        return nil
    }

    /// Returns when the stream has shown all that the bridge has logged.
    func caughtUp() async throws {
        let last = try await Standing(http("GET", path).json()).lastEvent
        _ = try await follower.event("event \(last)") { $0.number >= last }
    }

    /// What must not change while the two are read.
    private struct Standing: Equatable {
        let status: String
        let lastEvent: Int
        let upstreamSession: String

        init(_ session: JSON) throws {
            status = session["status"]?.string ?? ""
            lastEvent = session["last_event_id"]?.string?.split(separator: ".").last.flatMap { Int($0) } ?? 0
            upstreamSession = session["upstream"]?["session_id"]?.string ?? ""
        }
    }

    /// How many items upstream held when it began to answer: those before the answer, without what it had not been given.
    func items(before item: String, in response: String) async throws -> Int {
        let lost = try await lost(before: response)
        return try await items().prefix { $0.id != item }.count { !lost.contains($0.id ?? "") }
    }

    func items() async throws -> [RecordedItem] {
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
}
