/// The Realtime servers there are, and which of them a session is for.
package struct UpstreamTable: Sendable {
    /// The first one is the default.
    package let all: [UpstreamConfiguration]

    /// - Parameter all: the first one is the default; not empty, no two of one name.
    package init(_ all: [UpstreamConfiguration]) {
        precondition(!all.isEmpty, "a bridge without an upstream")
        self.all = all
    }

    package var standard: UpstreamConfiguration { all[0] }

    /// Nil if it is not configured any more.
    package func upstream(named name: String) -> UpstreamConfiguration? {
        all.first { $0.name == name }
    }

    /// The upstream that was named, else the one that lists the model, else the default.
    /// - Throws: `.unknownUpstream`, naming those there are.
    package func route(upstream name: String?, model: String?) throws(SessionError) -> UpstreamConfiguration {
        guard let name else { return all.first { model.map($0.models.contains) ?? false } ?? standard }
        if let upstream = upstream(named: name) { return upstream }
        let names = all.map { "'\($0.name)'" }.joined(separator: ", ")
        throw SessionError(.unknownUpstream, "there is no upstream '\(name.prefix(64))'; there is \(names)", param: "upstream")
    }
}
