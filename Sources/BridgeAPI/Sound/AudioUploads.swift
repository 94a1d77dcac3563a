import NIOConcurrencyHelpers
import Sessions

/// Keeps the sound of one upload together: a session has one streamed upload at a time, and appends of JSON wait behind it.
final class AudioUploads: Sendable {
    private struct Upload {
        let ended = Promise<Void>()
        var waiting = 0
    }

    /// Each holds up to 22 MiB of audio in memory.
    private static let maximumWaiting = 16

    private let running = NIOLockedValueBox<[String: Upload]>([:])

    /// Runs `body` as the session's one upload.
    /// - Throws: 409 if there is one already; what the body throws.
    func upload<Result>(to session: String, _ body: () async throws -> Result) async throws -> Result {
        let begins = running.withLockedValue { running in
            guard running[session] == nil else { return false }
            running[session] = Upload()
            return true
        }
        guard begins else { throw Self.active("Another upload of audio to this session is in progress; send one after the other.") }
        defer { running.withLockedValue { $0.removeValue(forKey: session) }?.ended.fulfil(()) }
        return try await body()
    }

    /// Returns when no upload to the session runs.
    /// - Throws: 409 after `limit`, 429 if 16 wait already.
    func waitForEnd(of session: String, within limit: Duration) async throws(APIError) {
        let (ended, isFull) = running.withLockedValue { running -> (Promise<Void>?, Bool) in
            guard var upload = running[session] else { return (nil, false) }
            guard upload.waiting < Self.maximumWaiting else { return (nil, true) }
            upload.waiting += 1
            running[session] = upload
            return (upload.ended, false)
        }
        guard !isFull else {
            throw APIError(
                .tooManyRequests, code: "too_many_commands",
                "\(Self.maximumWaiting) appends wait already for the end of an upload to this session.", retry: .after(seconds: 1))
        }
        guard let ended, await ended.value(within: limit) == nil else { return }
        running.withLockedValue { running in
            // Another upload may have begun since.
            if running[session]?.ended === ended { running[session]?.waiting -= 1 }
        }
        throw Self.active("An upload of audio to this session is in progress, and did not end in time; nothing was appended.")
    }

    private static func active(_ message: String) -> APIError {
        APIError(.conflict, code: "audio_upload_active", message, retry: .never)
    }
}
