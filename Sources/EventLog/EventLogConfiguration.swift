/// Where the log keeps its events, and how many.
package struct EventLogConfiguration: Sendable {
    package enum Storage: Sendable, Equatable {
        /// Gone when the process ends; the same limits.
        case memory
        /// The folder that holds the database and its lock file; made with mode 0700 if missing.
        case directory(String)
    }

    /// What a power cut can take. A crash of the process takes nothing in either.
    package enum Synchronous: String, Sendable, CaseIterable {
        /// The last commits; event ids then change their epoch.
        case normal
        /// Nothing; each commit waits for the disk.
        case full
    }

    package var storage: Storage
    package var synchronous: Synchronous = .normal
    /// What a session keeps in memory of its newest events, so that readers at the tail never touch the store.
    package var windowBytesPerSession = 256 * 1024
    /// The same over all sessions; the least recently appended give theirs up first.
    package var windowBytesTotal = 64 * 1024 * 1024
    /// A session's oldest events beyond this are removed.
    package var retainedBytesPerSession = 256 * 1024 * 1024
    /// What is kept of a session's ``ItemInput``s; the oldest go first, and one that is larger by itself is not kept.
    package var inputBytesPerSession = Self.defaultInputBytesPerSession
    /// Sessions that ended longer ago than this are deleted.
    package var retainedAfterEnd = Duration.seconds(24 * 3600)
    /// The same for sessions made for one response, of which a script may make thousands: long enough to read again what was cut off.
    package var oneShotRetainedAfterEnd = Duration.seconds(600)
    /// How long a ``RecordedRequest`` is remembered.
    package var requestsKeptFor = Duration.seconds(24 * 3600)
    /// How many are: at about 200 bytes each, the file cannot be filled with keys.
    package var maximumKeptRequests = 1_000_000
    /// How long a commit is tried again before what waited for it fails.
    package var storeRetryTime = Duration.seconds(10)

    /// Over 20 minutes of 24 kHz PCM.
    package static let defaultInputBytesPerSession = 64 * 1024 * 1024

    package init(storage: Storage) {
        self.storage = storage
    }
}
