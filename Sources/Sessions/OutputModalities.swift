import EventLog
package import Realtime

/// What a response is made of, `text` and `audio`, as a session or a response says it in either spelling of the protocol.
package enum OutputModalities {
    /// In the order in which ga and beta call them.
    private static let names = ["output_modalities", "modalities"]

    /// The member that says so, and that there will be no audio by it; nil if there may be some.
    package static func silencing(_ object: JSON) -> String? {
        names.first { name in
            guard let modalities = object[name], modalities.kind == .array, !modalities.elements.isEmpty else { return false }
            return modalities.elements.allSatisfy { $0.string == "text" }
        }
    }
}

extension Session {
    /// Whether its responses are without audio unless they ask for it; false if that is not known.
    package var isSilent: Bool {
        record.configuration.flatMap { try? JSON.parse($0, maximumDepth: 256, refusingDuplicates: false) }
            .flatMap(OutputModalities.silencing) != nil
    }
}
