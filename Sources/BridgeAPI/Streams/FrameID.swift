import EventLog

/// The SSE `id` of one frame of a view (API.md section 2): `epoch.seq` for the last frame that an event yields, and `epoch.seq-k` for the
/// k-th before it. Opaque to clients.
///
/// A cursor counts from the end, so it means the same in every view: after `1.42-1` come the last frame of 42 where 42 is two, and all
/// of 42 where it is one.
struct FrameID: Sendable, Equatable, CustomStringConvertible {
    var position: EventPosition
    /// Frames of the same event that follow.
    var remaining: Int

    init(_ position: EventPosition, remaining: Int = 0) {
        self.position = position
        self.remaining = remaining
    }

    /// More frames than any event yields.
    private static let maximumRemaining = 9

    /// Nil for anything that is not exactly what ``description`` writes.
    init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count <= 2, let first = parts.first, let position = EventPosition(first) else { return nil }
        self.init(position)
        guard parts.count == 2 else { return }
        guard let remaining = Int(parts[1]), 1...Self.maximumRemaining ~= remaining else { return nil }
        self.remaining = remaining
        guard description == text else { return nil }
    }

    var description: String { remaining == 0 ? position.description : "\(position)-\(remaining)" }
}
