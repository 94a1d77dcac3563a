package import EventLog
package import Realtime

extension SessionRecord {
    /// As it was asked for, else as upstream has it.
    package var kind: SessionKind {
        for configuration in [requestedConfiguration, configuration] {
            guard let configuration, let json = try? JSON.parse(configuration, maximumDepth: 256, refusingDuplicates: false) else {
                continue
            }
            if let kind = SessionKind(json) { return kind }
        }
        return .realtime
    }
}

/// The `session` object to configure the next upstream connection with, kept as the sum of all confirmed `session.update`s.
enum SessionConfiguration {
    /// Objects whose members are updated one by one; every other value is replaced whole (PROTOCOL.md section 2: only what is
    /// present changes).
    private static let nested: Set<String> = ["audio", "audio.input", "audio.output"]
    /// The same, as long as the kind of detection stays.
    private static let voiceDetection: Set<String> = ["turn_detection", "audio.input.turn_detection"]

    static func merge(_ old: [UInt8]?, with new: [UInt8]) -> [UInt8] {
        guard let old else { return new }
        return merged(JSON.parse(written: old), JSON.parse(written: new), path: "").bytes
    }

    private static func isMerged(_ update: JSON, into present: JSON, at place: String) -> Bool {
        guard present.kind == .object, update.kind == .object else { return false }
        guard voiceDetection.contains(place) else { return nested.contains(place) }
        return update["type"] == nil || update["type"]?.string == present["type"]?.string
    }

    private static func merged(_ base: JSON, _ update: JSON, path: String) -> JSONValue {
        var members = base.members.map { ($0.name, JSONValue($0.value)) }
        for (name, value) in update.members {
            let place = path.isEmpty ? name : "\(path).\(name)"
            var merged = JSONValue(value)
            if let present = base[name], isMerged(value, into: present, at: place) {
                merged = self.merged(present, value, path: place)
            }
            if let index = members.firstIndex(where: { $0.0 == name }) {
                members[index].1 = merged
            } else {
                members.append((name, merged))
            }
        }
        return .object(members)
    }
}
