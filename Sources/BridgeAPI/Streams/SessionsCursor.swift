/// The SSE `id` of a stream over several sessions (API.md section 5): `<8 hex of the sorted session list>:<cursor>,<cursor>…`, the cursors
/// in the order of that list. Opaque to clients.
///
/// The digest only tells whether the id belongs to these sessions, so that a cursor is never taken for another session's; whoever makes one
/// up gains nothing but a place in what it may read anyway.
struct SessionsCursor: Sendable, Equatable, CustomStringConvertible {
    let digest: String
    /// What ``FrameID`` writes, or a cursor that leads to a gap.
    var cursors: [String]

    init(sessions sorted: [String], cursors: [String]) {
        digest = Self.digest(of: sorted)
        self.cursors = cursors
    }

    /// Nil for the id of a stream over other sessions, or of none.
    init?(_ text: String, sessions sorted: [String]) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0] == Self.digest(of: sorted) else { return nil }
        let cursors = parts[1].split(separator: ",", omittingEmptySubsequences: false)
        guard cursors.count == sorted.count else { return nil }
        self.init(sessions: sorted, cursors: cursors.map(String.init))
    }

    var description: String { "\(digest):\(cursors.joined(separator: ","))" }

    /// FNV-1a of 32 bits: the same in every process, and nothing here has to withstand an attack.
    private static func digest(of sorted: [String]) -> String {
        var hash: UInt32 = 2_166_136_261
        for byte in sorted.joined(separator: ",").utf8 { hash = (hash ^ UInt32(byte)) &* 16_777_619 }
        let hex = String(hash, radix: 16)
        return String(repeating: "0", count: 8 - hex.count) + hex
    }
}
