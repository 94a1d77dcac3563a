/// How long the caller wants to wait for the outcome (RFC 7240: `wait`, `respond-async`).
struct Prefer: Sendable, Equatable {
    private(set) var wait: Int?
    private(set) var isAsync = false

    private static let maximumSeconds = 600

    /// What cannot be understood is ignored, as RFC 7240 section 2 demands.
    init(_ values: [String]) {
        for preference in values.joined(separator: ",").lowercased().split(separator: ",") {
            let parts = preference.split(separator: ";")[0].split(separator: "=", maxSplits: 1).map {
                $0.filter { $0 != " " && $0 != "\"" }
            }
            switch parts.first {
            case "wait":
                // The first one counts (RFC 7240 section 2).
                guard wait == nil, parts.count == 2, let seconds = Int(parts[1]), seconds >= 0 else { continue }
                wait = min(seconds, Self.maximumSeconds)
            case "respond-async":
                isAsync = true
            default:
                continue
            }
        }
    }

    func limit(default seconds: Int) -> Duration { .seconds(wait ?? seconds) }

    /// The value of `Preference-Applied`; nil without preferences.
    var applied: String? {
        let words = (isAsync ? ["respond-async"] : []) + (wait.map { ["wait=\($0)"] } ?? [])
        return words.isEmpty ? nil : words.joined(separator: ", ")
    }
}
