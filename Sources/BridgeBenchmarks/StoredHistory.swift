import EventLog
import Foundation
import Logging
import Realtime

/// Fills a store without the bridge, through the same door that the bridge uses.
enum StoredHistory {
    /// - Returns: the id of a suspended session with so many events.
    static func events(_ count: Int, bytes: Int, in folder: URL) async throws -> String {
        let log = try EventLog.open(EventLogConfiguration(storage: .directory(folder.path)), logger: Logger(label: "benchmark"))
        let id = name(0)
        let history = try await log.createSession(record(id, .suspended))
        let frame = DeltaFrame.json(bytes: bytes, sentAt: 0)
        for seq in 1...count {
            await history.waitForRoom()
            history.append(LogEntry(seq: seq, frame: frame, createdAtMilliseconds: 1_700_000_000_000))
        }
        await log.close()
        guard history.tail.seq == count else { throw BenchmarkError("only \(history.tail.seq) of \(count) events were stored") }
        return id
    }

    /// - Parameter status: `.suspended` as a clean stop leaves them, `.active` as a crash does, `.closed` as their users do.
    static func sessions(_ count: Int, _ status: SessionRecord.Status, in folder: URL) async throws {
        let log = try EventLog.open(EventLogConfiguration(storage: .directory(folder.path)), logger: Logger(label: "benchmark"))
        for number in 0..<count { _ = try await log.createSession(record(name(number), status)) }
        await log.close()
    }

    private static func name(_ number: Int) -> String { "rts_" + String(format: "%032d", number) }

    private static func record(_ id: String, _ status: SessionRecord.Status) -> SessionRecord {
        let now = Int(Date().timeIntervalSince1970)
        var record = SessionRecord(
            id: id, owner: nil, createdAt: now, model: "benchmark", dialect: .ga, upstreamName: "default", status: status,
            metadata: Array("{}".utf8), settings: Array("{}".utf8), upstreamDialect: .ga)
        record.generation = 1
        // About what upstream describes a session with.
        record.configuration = Array(
            (#"{"object":"realtime.session","instructions":""# + String(repeating: "x", count: 1_000) + #""}"#).utf8)
        if status.hasEnded { record.endedAt = now }
        return record
    }
}
