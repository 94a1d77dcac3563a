import Foundation
import Realtime

/// What a long run counts.
struct SoakFigures: Sendable {
    var turns = 0
    /// Turns that were given up, with the error that the bridge told.
    var failedTurns: [String] = []
    var responses = 0
    /// How often a request was asked again, by the error's code.
    var errors: [String: Int] = [:]
    var longestTurn = Duration.zero
    var longestRequest = Duration.zero
    var switches: [String: Int] = [:]
    var replayed = 0
    var lost: [String: Int] = [:]
    var altered: [String: Int] = [:]
    /// From `bridge.upstream.disconnected` to the `switched` after it, as a client sees them.
    var longestOutage = Duration.zero
    var took = Duration.zero
    var events = 0
    var streamConnections = 0
    var upstreamConnections = 0
    var upstreamFaults: [String: Int] = [:]

    mutating func add(_ follower: EventFollower) {
        events = follower.last
        streamConnections = follower.connections
        var outage: ContinuousClock.Instant?
        for event in follower.events {
            switch event.type {
            case "bridge.upstream.disconnected": outage = outage ?? event.arrival
            case "bridge.upstream.switched":
                if let began = outage { longestOutage = max(longestOutage, event.arrival - began) }
                outage = nil
                guard let json = try? event.json() else { continue }
                switches[json["reason"]?.string ?? "?", default: 0] += 1
                replayed += json["items_replayed"]?.int ?? 0
                for item in json["items_lost"]?.elements ?? [] { lost[item["why"]?.string ?? "?", default: 0] += 1 }
                for item in json["items_altered"]?.elements ?? [] { altered[item["how"]?.string ?? "?", default: 0] += 1 }
            default: break
            }
        }
    }

    mutating func add(_ record: UpstreamRecord) {
        upstreamConnections = record.connections.count
        for connection in record.connections { upstreamFaults[connection.fault ?? "none", default: 0] += 1 }
        if record.refusals > 0 { upstreamFaults["503", default: 0] += record.refusals }
    }

    /// One line, for whoever runs it by hand.
    var description: String {
        func list(_ counts: [String: Int]) -> String {
            counts.isEmpty ? "none" : counts.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
        }
        func seconds(_ duration: Duration) -> String { String(format: "%.2f s", duration / .seconds(1)) }
        return """
            \(turns) turns, \(responses) responses in \(seconds(took)); gave up: \(failedTurns.isEmpty ? "none" : "\(failedTurns)")
              switches: \(list(switches)); items replayed: \(replayed); lost: \(list(lost)); altered: \(list(altered))
              longest outage \(seconds(longestOutage)), turn \(seconds(longestTurn)), request \(seconds(longestRequest))
              asked again: \(list(errors))
              stream: \(events) events over \(streamConnections) connections; upstream: \(upstreamConnections) connections, \
            ended by \(list(upstreamFaults))
            """
    }
}
