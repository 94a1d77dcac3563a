import HTTPServer

/// Whether a request is for what there is: its `If-Match` and `If-None-Match` (RFC 9110, sections 13.1 and 13.2).
enum Precondition: Equatable {
    case holds
    /// The client has it already: 304.
    case notModified
    /// It is not what the client knew: 412.
    case failed

    /// `If-Match` comes first, and `Range` is looked at afterwards (section 13.2.2). Only reading is made to depend on them.
    /// - Parameter tag: the strong entity tag of what there is; nil while it is still being produced, when nobody can have it.
    init(_ head: RequestHead, tag: String?) {
        self = .holds
        guard head.method == "GET" || head.method == "HEAD" else { return }
        // Strongly compared, so a weak tag is no tag of ours; weakly compared, it is.
        if let tags = EntityTags(head.headers.values("if-match")), !tags.isAny, !tags.strong.contains(where: { $0 == tag }) {
            self = .failed
        } else if let tag, let tags = EntityTags(head.headers.values("if-none-match")),
            tags.isAny || tags.all.contains(tag)
        {
            self = .notModified
        }
    }
}

/// A field's list of entity tags, quotes included. What is none is passed over.
private struct EntityTags {
    private(set) var isAny = false
    private(set) var strong: [String] = []
    private(set) var all: [String] = []

    /// Nil without the field.
    init?(_ fields: [String]) {
        guard !fields.isEmpty else { return nil }
        for field in fields {
            if field.filter({ $0 != " " && $0 != "\t" }) == "*" { isAny = true }
            var rest = field[...]
            while !rest.isEmpty {
                let isWeak = rest.hasPrefix("W/\"")
                if isWeak { rest = rest.dropFirst(2) }
                // A tag may have commas in it, and no quotes.
                guard rest.first == "\"", let end = rest.dropFirst().firstIndex(of: "\"") else {
                    rest = rest.dropFirst()
                    continue
                }
                all.append(String(rest[...end]))
                if !isWeak { strong.append(String(rest[...end])) }
                rest = rest[end...].dropFirst()
            }
        }
    }
}
