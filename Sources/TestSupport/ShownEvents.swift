import Foundation
package import Realtime

/// What one answer of the bridge shows of a session's events, for the ``PayloadRecord``.
package struct ShownEvents: Sendable {
    private let record: PayloadRecord
    private let dialect: Dialect

    /// - Parameters:
    ///   - target: path or URL of the request; its `dialect` decides, else the header, else the session.
    ///   - sessionsDialect: what the session at this path or URL says of itself.
    /// - Returns: nil if nothing is to be kept: there is no record, the answer is not about one session, or its dialect cannot be told.
    package init?(target: String, betaHeader: String? = nil, sessionsDialect: (_ session: String) -> Dialect?) {
        guard let record = PayloadRecord.shared, let session = Self.session(in: target) else { return nil }
        let named = URLComponents(string: target)?.queryItems?.first { $0.name == "dialect" }?.value.flatMap(Dialect.init)
        let isBeta = betaHeader?.contains("realtime=v1") == true
        guard let dialect = named ?? (isBeta ? .beta : sessionsDialect(session)) else { return nil }
        self.record = record
        self.dialect = dialect
    }

    /// The part of a path or URL that names the session: up to `/v1/sessions/ID`.
    package static func session(in target: String) -> String? {
        guard let end = target.firstRange(of: "/v1/sessions/")?.upperBound else { return nil }
        let id = target[end...].prefix { $0 != "/" && $0 != "?" }
        return id.isEmpty ? nil : String(target[..<id.endIndex])
    }

    package func add(_ payload: some Sequence<UInt8>) { record.add(payload, in: dialect) }

    /// A whole answer: an event stream, JSON lines, or a page of events.
    package func add(body: [UInt8], contentType: String) {
        switch contentType.prefix(while: { $0 != ";" }) {
        case "text/event-stream":
            var parser = EventStreamParser()
            for data in parser.add(body).compactMap(\.data) { add(data.utf8) }
        case "application/x-ndjson":
            for line in body.split(separator: UInt8(ascii: "\n")) { addEntry(try? JSON.parse(Array(line), maximumDepth: 256)) }
        case "application/json":
            for entry in (try? JSON.parse(body, maximumDepth: 256))?["data"]?.elements ?? [] { addEntry(entry) }
        default: break
        }
    }

    private func addEntry(_ entry: JSON?) {
        if let event = entry?["event"], event["type"] != nil { add(event.lexeme) }
    }
}
