package import Realtime

/// What a caller set for one session beside what upstream is told; stored as JSON, absent what was not set.
package struct SessionSettings: Sendable, Equatable {
    /// What happens once the last open event stream of a session has gone.
    package enum OnLastViewerGone: String, Sendable, CaseIterable {
        /// Nothing: who drops a stream changes nothing. This is the default.
        case keep
        /// The response in progress is cancelled.
        case cancel
        /// The session is closed.
        case close
    }

    /// Seconds; 0: never.
    package var idleTimeout: Int?
    /// Seconds from the session's creation.
    package var maxDuration: Int?
    package var onLastViewerGone: OnLastViewerGone?

    package init(idleTimeout: Int? = nil, maxDuration: Int? = nil, onLastViewerGone: OnLastViewerGone? = nil) {
        self.idleTimeout = idleTimeout
        self.maxDuration = maxDuration
        self.onLastViewerGone = onLastViewerGone
    }

    package static let idleTimeouts = 0...86_400
    package static let maxDurations = 1...604_800

    /// - Parameter names: as the API spells them.
    mutating func clear(_ names: Set<String>) {
        if names.contains("idle_timeout") { idleTimeout = nil }
        if names.contains("max_duration") { maxDuration = nil }
        if names.contains("on_last_viewer_gone") { onLastViewerGone = nil }
    }

    /// Takes over what the other one sets.
    package mutating func apply(_ other: SessionSettings) {
        idleTimeout = other.idleTimeout ?? idleTimeout
        maxDuration = other.maxDuration ?? maxDuration
        onLastViewerGone = other.onLastViewerGone ?? onLastViewerGone
    }
}

extension SessionSettings {
    /// - Parameter json: as it was stored; what cannot be read counts as not set.
    package init(json bytes: [UInt8]) {
        guard let json = try? JSON.parse(bytes) else { return }
        idleTimeout = json["idle_timeout"]?.int
        maxDuration = json["max_duration"]?.int
        onLastViewerGone = json["on_last_viewer_gone"]?.string.flatMap(OnLastViewerGone.init)
    }

    /// As the API spells them, in this order.
    package var members: [(String, JSONValue)] {
        var members: [(String, JSONValue)] = []
        if let idleTimeout { members.append(("idle_timeout", .int(idleTimeout))) }
        if let maxDuration { members.append(("max_duration", .int(maxDuration))) }
        if let onLastViewerGone { members.append(("on_last_viewer_gone", .string(onLastViewerGone.rawValue))) }
        return members
    }

    package var json: [UInt8] { JSONValue.object(members).bytes }
}
