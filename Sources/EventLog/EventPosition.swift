/// Where an event stands in its session, as clients see it in the SSE `id`: `epoch.seq`.
///
/// `seq` is dense, starts at 1 and goes on over epochs (2.51 follows 1.50). The epoch rises only when the store cannot prove that
/// no id was lost, so a position is never used for two events. To clients it is opaque.
package struct EventPosition: Sendable, Equatable, Hashable, CustomStringConvertible {
    package var epoch: Int
    package var seq: Int

    package init(epoch: Int, seq: Int) {
        self.epoch = epoch
        self.seq = seq
    }

    /// Reads `epoch.seq`; nil for anything else, leading zeros and signs included.
    package init?(_ text: some StringProtocol) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, let epoch = Int(parts[0]), let seq = Int(parts[1]), epoch > 0, seq >= 0 else { return nil }
        self.init(epoch: epoch, seq: seq)
        guard description == text else { return nil }
    }

    package var description: String { "\(epoch).\(seq)" }
}
