/// How long to leave something alone after failures: doubling, the second half of each wait left to chance, so that many do not come back at once.
///
/// With a base of 1 s and a limit of 30 s: 0.5 to 1 s, 1 to 2 s, 2 to 4 s, … 15 to 30 s.
struct BackOff: Sendable {
    let baseMilliseconds: Int
    let limitMilliseconds: Int

    /// - Parameter failures: from 1.
    func milliseconds(after failures: Int, random: Double) -> Int {
        // Above 2^20 any limit in use is long passed, and the shift cannot overflow.
        let whole = min(limitMilliseconds, baseMilliseconds << min(failures - 1, 20))
        return whole / 2 + Int(Double(whole - whole / 2) * random)
    }
}
