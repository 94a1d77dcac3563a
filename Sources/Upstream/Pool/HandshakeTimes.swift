/// How long one upstream's handshakes took, of late.
struct HandshakeTimes: Sendable {
    /// Enough for a 99th percentile that is not just the longest.
    static let kept = 128
    /// Before the first: about what a far server takes.
    private static let assumedMilliseconds = 500.0

    private var latest: [Int] = []
    private var next = 0
    private var mean: Double?

    mutating func add(milliseconds: Int) {
        // A weight of 1/5 follows a change within a dozen handshakes and shrugs at one slow one.
        mean = mean.map { $0 + (Double(milliseconds) - $0) / 5 } ?? Double(milliseconds)
        if latest.count < Self.kept { latest.append(milliseconds) } else { latest[next] = milliseconds }
        next = (next + 1) % Self.kept
    }

    /// The weighted mean.
    var expectedMilliseconds: Double { mean ?? Self.assumedMilliseconds }

    var summary: UpstreamPoolStatus.HandshakeMilliseconds? {
        guard !latest.isEmpty else { return nil }
        let sorted = latest.sorted()
        func percentile(_ percent: Int) -> Int { sorted[(sorted.count * percent + 99) / 100 - 1] }
        let last = latest[(next + Self.kept - 1) % Self.kept]
        return .init(last: last, p50: percentile(50), p99: percentile(99))
    }
}
