import TestSupport

let created = #"{"type":"session.created","event_id":"event_1","session":{"id":"sess_1","type":"realtime"}}"#

extension WebSocketPeer {
    /// 101 and `session.created` in one segment, as a server close by does it.
    mutating func openSession() async throws {
        try await wire.write(upgradeAnswer() + Self.text(created))
    }
}
