@testable import Realtime

/// A row of a table: one payload in both dialects.
struct Spelling: Sendable, CustomStringConvertible {
    let beta: String
    let ga: String

    init(_ beta: String, _ ga: String) {
        self.beta = beta
        self.ga = ga
    }

    /// The same in both.
    init(_ both: String) { self.init(both, both) }

    func text(in dialect: Dialect) -> String { dialect == .beta ? beta : ga }
    var description: String { "\(beta) ⇄ \(ga)" }
}

extension Dialect {
    var other: Dialect { self == .beta ? .ga : .beta }
    /// What a client of this dialect is shown of an upstream that speaks the other one.
    var foreignView: DialectView { DialectView(of: other, in: self) }
}

extension DialectView {
    /// The frames of an event, as texts.
    func texts(_ event: String, isOutOfBand: (String) -> Bool = { _ in false }) -> [String]? {
        ServerEvent(Array(event.utf8)).map { frames(of: $0, isOutOfBand: isOutOfBand).map { String(decoding: $0.bytes, as: UTF8.self) } }
    }

    func session(_ text: String) -> String { String(decoding: session(Array(text.utf8)), as: UTF8.self) }
    func response(_ text: String) -> String { String(decoding: response(Array(text.utf8)), as: UTF8.self) }
    func item(_ text: String) -> String { String(decoding: item(Array(text.utf8)), as: UTF8.self) }
}

extension ClientEventTranslation {
    /// What an upstream of one dialect is sent of an event that was written in the other.
    init(_ event: String, to upstream: Dialect) throws {
        self.init(try JSON.parse(event), from: DialectView(of: upstream, in: upstream.other))
    }

    var text: String { String(decoding: event.source, as: UTF8.self) }
    var params: [String] { leftOut.map(\.param) }
}
