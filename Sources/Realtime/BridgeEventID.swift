/// The `event_id` that the bridge puts on every client event, which upstream gives back in `error.error.event_id`.
///
/// A caller's own id travels inside it, so that the views can put it back without anything being remembered:
/// `event_rb` + 16 hexadecimal digits, and `.` + the caller's id if there was one.
package enum BridgeEventID {
    private static let prefix = "event_rb"
    private static let digits = 16
    /// The protocol's limit for `event_id` is 512 characters.
    package static let maximumCallersCharacters = 512 - prefix.utf8.count - digits - 1

    package static func make(random: UInt64, callers: String?) -> String {
        let hex = String(random, radix: 16)
        let own = prefix + String(repeating: "0", count: digits - hex.count) + hex
        return callers.map { "\(own).\($0)" } ?? own
    }

    /// What ``make(random:callers:)`` was given; nil if the id is not the bridge's.
    package static func random(in eventID: String) -> UInt64? {
        guard eventID.hasPrefix(prefix) else { return nil }
        let hex = eventID.dropFirst(prefix.count).prefix(digits)
        return hex.count == digits ? UInt64(hex, radix: 16) : nil
    }

    /// The caller's id inside an id of the bridge's; nil if there is none or the id is not the bridge's.
    package static func callers(in eventID: String) -> String? {
        let own = prefix.utf8.count + digits
        guard eventID.hasPrefix(prefix), eventID.utf8.count > own else { return nil }
        let rest = eventID.dropFirst(own)
        return rest.first == "." ? String(rest.dropFirst()) : nil
    }
}
