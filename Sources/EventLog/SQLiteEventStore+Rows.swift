import Foundation
import GRDB
import Realtime

extension SessionRecord {
    private var columns: StatementArguments {
        [
            "id": id, "owner": owner, "created_at": createdAt, "model": model, "dialect": dialect.rawValue,
            "upstream_name": upstreamName, "status": status.rawValue, "end_reason": endReason, "ended_at": endedAt,
            "metadata": Data(metadata), "settings": Data(settings), "upstream_dialect": upstreamDialect.rawValue,
            "upstream_session_id": upstreamSessionID, "generation": generation, "upstream_expires_at": upstreamExpiresAt,
            "configuration": configuration.map { Data($0) }, "requested_configuration": requestedConfiguration.map { Data($0) },
            "total_tokens": usage.totalTokens, "input_tokens": usage.inputTokens, "output_tokens": usage.outputTokens,
            "expires_at": expiresAt, "is_one_shot": isOneShot ? isKept ? 2 : 1 : 0, "webhooks": webhooks.map { Data($0) },
            "owes_outputs": owesOutputs, "uncommitted_audio_ms": uncommittedAudioMilliseconds,
        ]
    }

    func insert(_ db: Database) throws {
        try db.cachedStatement(
            sql: """
                INSERT INTO session VALUES (
                    NULL, :id, :owner, :created_at, :model, :dialect, :upstream_name, :status, :end_reason, :ended_at, :metadata,
                    :settings, :upstream_dialect, :upstream_session_id, :generation, :upstream_expires_at, :configuration,
                    :requested_configuration, :total_tokens, :input_tokens, :output_tokens, :expires_at, :is_one_shot, :webhooks,
                    :owes_outputs, :uncommitted_audio_ms)
                """
        ).execute(arguments: columns)
    }

    func update(_ key: SessionKey, _ db: Database) throws {
        try db.cachedStatement(
            sql: """
                UPDATE session SET
                    id = :id, owner = :owner, created_at = :created_at, model = :model, dialect = :dialect,
                    upstream_name = :upstream_name, status = :status, end_reason = :end_reason, ended_at = :ended_at,
                    metadata = :metadata, settings = :settings, upstream_dialect = :upstream_dialect,
                    upstream_session_id = :upstream_session_id, generation = :generation,
                    upstream_expires_at = :upstream_expires_at, configuration = :configuration,
                    requested_configuration = :requested_configuration, total_tokens = :total_tokens,
                    input_tokens = :input_tokens, output_tokens = :output_tokens, expires_at = :expires_at, is_one_shot = :is_one_shot,
                    webhooks = :webhooks, owes_outputs = :owes_outputs, uncommitted_audio_ms = :uncommitted_audio_ms
                WHERE key = :key
                """
        ).execute(arguments: columns &+ ["key": key])
    }

    init(_ row: Row) throws {
        guard let status = Status(rawValue: row["status"]), let dialect = Dialect(rawValue: row["dialect"]),
            let upstreamDialect = Dialect(rawValue: row["upstream_dialect"])
        else {
            throw DatabaseError(resultCode: .SQLITE_CORRUPT, message: "a session's status or dialect has no meaning")
        }
        self.init(
            id: row["id"], owner: row["owner"], createdAt: row["created_at"], model: row["model"], dialect: dialect,
            upstreamName: row["upstream_name"], status: status, metadata: [UInt8](row["metadata"] as Data),
            settings: [UInt8](row["settings"] as Data), upstreamDialect: upstreamDialect, isOneShot: row["is_one_shot"] as Int > 0,
            isKept: row["is_one_shot"] as Int > 1)
        endReason = row["end_reason"]
        endedAt = row["ended_at"]
        expiresAt = row["expires_at"]
        webhooks = (row["webhooks"] as Data?).map { [UInt8]($0) }
        owesOutputs = row["owes_outputs"]
        uncommittedAudioMilliseconds = row["uncommitted_audio_ms"]
        upstreamSessionID = row["upstream_session_id"]
        generation = row["generation"]
        upstreamExpiresAt = row["upstream_expires_at"]
        configuration = (row["configuration"] as Data?).map { [UInt8]($0) }
        requestedConfiguration = (row["requested_configuration"] as Data?).map { [UInt8]($0) }
        usage.totalTokens = row["total_tokens"]
        usage.inputTokens = row["input_tokens"]
        usage.outputTokens = row["output_tokens"]
    }
}

extension ItemRecord {
    func save(in session: SessionKey, _ db: Database) throws {
        try db.cachedStatement(
            sql: """
                INSERT INTO item VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                ON CONFLICT (session, id) DO UPDATE SET
                    created_seq = excluded.created_seq, previous_item_id = excluded.previous_item_id, json = excluded.json,
                    updated_seq = excluded.updated_seq, status = excluded.status, response_id = excluded.response_id,
                    produced_audio_bytes = excluded.produced_audio_bytes, truncated_at_ms = excluded.truncated_at_ms,
                    is_deleted = excluded.is_deleted
                """
        ).execute(arguments: [
            session, id, createdSeq, previousItemID, Data(json), updatedSeq, status, responseID, producedAudioBytes,
            truncatedAtMilliseconds, isDeleted,
        ])
    }

    init(_ row: Row) {
        self.init(
            id: row["id"], createdSeq: row["created_seq"], previousItemID: row["previous_item_id"],
            json: [UInt8](row["json"] as Data), status: row["status"], responseID: row["response_id"])
        updatedSeq = row["updated_seq"]
        producedAudioBytes = row["produced_audio_bytes"]
        truncatedAtMilliseconds = row["truncated_at_ms"]
        isDeleted = row["is_deleted"]
    }
}

extension ResponseRecord {
    func save(in session: SessionKey, _ db: Database) throws {
        try db.cachedStatement(
            sql: """
                INSERT INTO response VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                ON CONFLICT (session, id) DO UPDATE SET
                    created_seq = excluded.created_seq, done_seq = excluded.done_seq, status = excluded.status,
                    json = excluded.json, token = excluded.token, is_out_of_band = excluded.is_out_of_band
                """
        ).execute(arguments: [session, id, createdSeq, doneSeq, status, Data(json), token, isOutOfBand])
    }

    init(_ row: Row) {
        self.init(
            id: row["id"], createdSeq: row["created_seq"], status: row["status"], json: [UInt8](row["json"] as Data),
            token: row["token"], isOutOfBand: row["is_out_of_band"])
        doneSeq = row["done_seq"]
    }
}

extension ItemSpeech {
    func save(of item: String, in session: SessionKey, _ db: Database) throws {
        try db.cachedStatement(sql: "INSERT OR REPLACE INTO item_speech VALUES (?, ?, ?, ?, ?)")
            .execute(arguments: [session, item, generation, startMilliseconds, milliseconds])
    }

    init(_ row: Row) {
        self.init(generation: row["generation"], startMilliseconds: row["start_ms"], milliseconds: row["length_ms"])
    }
}
