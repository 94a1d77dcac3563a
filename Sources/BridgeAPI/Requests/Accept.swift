import HTTPServer

/// The media types that `Accept` names, by their weight (RFC 9110, section 12.5.1), and of the same weight in the order in which they were
/// written. What weighs nothing is not named.
struct Accept: Sendable {
    private let types: [String]

    init(_ head: RequestHead) {
        let named = head.headers.values("accept").flatMap { $0.lowercased().split(separator: ",") }.compactMap(Self.range)
        types = named.enumerated().filter { $1.weight > 0 }.sorted { one, other in
            if one.element.weight != other.element.weight { return one.element.weight > other.element.weight }
            // Whoever takes anything would rather have what is named beside.
            if (one.element.type == Self.anything) != (other.element.type == Self.anything) { return other.element.type == Self.anything }
            return one.offset < other.offset
        }.map(\.element.type)
    }

    private static let anything = "*/*"

    private static func range(_ text: Substring) -> (type: String, weight: Double)? {
        let parts = text.split(separator: ";", omittingEmptySubsequences: false).map { $0.filter { $0 != " " && $0 != "\t" } }
        guard let type = parts.first, !type.isEmpty else { return nil }
        // What is no weight is read as none.
        let weight = parts.dropFirst().first { $0.hasPrefix("q=") }.flatMap { Double($0.dropFirst(2)) } ?? 1
        return (type, min(weight, 1))
    }

    /// Which of these types is wanted most; nil if none is named, or anything rather than those: then the route's usual one is.
    func first(of offered: [String]) -> String? {
        types.first { $0 == Self.anything || offered.contains($0) }.flatMap { $0 == Self.anything ? nil : $0 }
    }

    /// What an EventSource sends, and nothing else does.
    static func isEventSource(_ head: RequestHead) -> Bool { head.headers.values("accept") == ["text/event-stream"] }
}
