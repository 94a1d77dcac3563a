import HTTPServer

/// The media types of `Accept` in the order they were written. Weights are not compared: the bridge has few types, and nobody ranks them.
struct Accept: Sendable {
    private let types: [String]

    init(_ head: RequestHead) {
        types = head.headers.values("accept").flatMap { $0.lowercased().split(separator: ",") }.compactMap { entry in
            let parts = entry.split(separator: ";").map { $0.filter { $0 != " " && $0 != "\t" } }
            guard let type = parts.first, !parts.dropFirst().contains(where: { $0 == "q=0" || $0 == "q=0.0" }) else { return nil }
            return type
        }
    }

    func names(_ type: String) -> Bool { types.contains(type) }

    /// The first of these types that is named; nil if none is.
    func first(of offered: [String]) -> String? { types.first(where: offered.contains) }

    /// Nothing is excluded: no header, or a wildcard.
    var takesAnything: Bool { types.isEmpty || types.contains("*/*") }

    /// What an EventSource sends, and nothing else does.
    static func isEventSource(_ head: RequestHead) -> Bool { head.headers.values("accept") == ["text/event-stream"] }
}
