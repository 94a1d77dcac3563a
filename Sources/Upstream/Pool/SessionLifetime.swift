import Realtime

/// How long a session that was just opened will live.
enum SessionLifetime {
    /// A time further off than a year is no promise to plan with.
    private static let longestMilliseconds = 365 * 86_400_000

    /// By `expires_at` of the `session.created` and by the endpoint's own setting, whichever comes first; nil where neither says.
    ///
    /// A time that has passed already says that the two clocks disagree, and nothing about the session.
    static func milliseconds(created: [UInt8], endpoint: UpstreamEndpoint, unixMilliseconds: Int) -> Int? {
        let expires = ServerEvent(created)?.json["session"]?["expires_at"]?.int
        let said = expires.flatMap { seconds -> Int? in
            guard seconds > 0, seconds < Int.max / 1000 else { return nil }
            let left = seconds * 1000 - unixMilliseconds
            return left > 0 ? min(left, longestMilliseconds) : nil
        }
        return [said, endpoint.maximumAge?.wholeMilliseconds].compactMap { $0 }.min()
    }
}

extension Duration {
    /// Rounded down; far beyond any setting it stops rising.
    var wholeMilliseconds: Int {
        Int(min(components.seconds, 1 << 40)) * 1000 + Int(components.attoseconds / 1_000_000_000_000_000)
    }
}
