import EventLog
import Realtime
import Sessions

/// The session object of API.md section 3.
enum SessionView {
    /// - Parameters:
    ///   - lastEventID: where the stored history ends: a cursor after everything the object can tell.
    ///   - more: members of the bridge's.
    static func value(
        _ record: SessionRecord, in view: DialectView, lastEventID: EventPosition, itemCount: Int, activeResponseID: String?,
        _ more: [(String, JSONValue)] = []
    ) -> JSONValue {
        let isConnected = record.status == .active
        return .object(
            [
                ("id", .string(record.id)), ("object", "realtime.session"), ("status", .string(record.status.rawValue)),
                ("created_at", .int(record.createdAt)),
                // Without a `max_duration` a session lives until it is closed; only its upstream connections expire.
                ("expires_at", .int(orNull: record.expiresAt)),
                ("model", .string(orNull: record.model)), ("dialect", .string(record.dialect.rawValue)),
                ("session", .raw(orNull: record.configuration.map { view.session($0, of: record.kind) })),
                (
                    "upstream",
                    .object([
                        ("name", .string(record.upstreamName)), ("dialect", .string(record.upstreamDialect.rawValue)),
                        ("session_id", .string(orNull: isConnected ? record.upstreamSessionID : nil)),
                        ("generation", .int(record.generation)),
                        ("expires_at", .int(orNull: isConnected ? record.upstreamExpiresAt : nil)),
                    ])
                ),
                ("active_response_id", .string(orNull: activeResponseID)), ("last_event_id", .string(lastEventID.description)),
                ("item_count", .int(itemCount)),
                (
                    "usage",
                    .object([
                        ("total_tokens", .int(record.usage.totalTokens)), ("input_tokens", .int(record.usage.inputTokens)),
                        ("output_tokens", .int(record.usage.outputTokens)),
                    ])
                ),
                ("metadata", .raw(record.metadata)),
            ] + SessionSettings(json: record.settings).members + (record.webhooks.map { [("webhooks", .raw($0))] } ?? []) + more)
    }

    static func value(_ summary: SessionSummary, in view: DialectView) -> JSONValue {
        value(
            summary.record, in: view, lastEventID: summary.last, itemCount: summary.itemCount, activeResponseID: summary.activeResponseID)
    }

    static func value(_ stored: StoredSession, in view: DialectView, lastEventID: EventPosition) -> JSONValue {
        value(
            stored.record, in: view, lastEventID: lastEventID, itemCount: stored.items.count { !$0.isDeleted },
            activeResponseID: stored.responses.last { $0.doneSeq == nil && !$0.isOutOfBand }?.id)
    }
}
