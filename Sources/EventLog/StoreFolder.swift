import Foundation

/// The folder that holds a store, held by this process alone until ``release()``.
final class StoreFolder: Sendable {
    let databasePath: String
    private let lock: FileHandle

    /// Makes what is missing: the folder with mode 0700, the files with 0600. SQLite gives its `-wal` and `-shm` the database's mode.
    init(_ path: String) throws(EventLogError) {
        do {
            if !FileManager.default.fileExists(atPath: path) {
                try FileManager.default.createDirectory(
                    atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            }
        } catch {
            throw EventLogError(.unavailable, "The folder \(path) cannot be made.", cause: error)
        }
        lock = FileHandle(fileDescriptor: try Self.openPrivate(path + "/lock"), closeOnDealloc: true)
        // Not fcntl: those locks go when any descriptor of the file is closed.
        guard flock(lock.fileDescriptor, LOCK_EX | LOCK_NB) == 0 else {
            throw errno == EWOULDBLOCK
                ? EventLogError(.locked, "The folder \(path) is held by another process.")
                : EventLogError(.unavailable, "The folder \(path) cannot be locked.", cause: Self.systemError())
        }
        databasePath = path + "/events.sqlite"
        Foundation.close(try Self.openPrivate(databasePath))
    }

    func identity() throws(EventLogError) -> FileIdentity {
        var status = stat()
        guard stat(databasePath, &status) == 0 else {
            throw EventLogError(.unavailable, "\(databasePath) cannot be read.", cause: Self.systemError())
        }
        return FileIdentity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
    }

    var walBytes: Int {
        var status = stat()
        return stat(databasePath + "-wal", &status) == 0 ? Int(status.st_size) : 0
    }

    /// What is left for us on the folder's file system; no bound where it does not tell.
    var freeBytes: Int {
        var status = statvfs()
        guard statvfs(databasePath, &status) == 0 else { return .max }
        let (bytes, overflows) = Int(clamping: status.f_bavail).multipliedReportingOverflow(by: Int(clamping: status.f_frsize))
        return overflows ? .max : bytes
    }

    func release() {
        flock(lock.fileDescriptor, LOCK_UN)
    }

    /// The kernel's name for this boot of the machine; nil where it does not tell.
    static var bootID: String? {
        let text = try? String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8)
        return text?.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    private static func openPrivate(_ path: String) throws(EventLogError) -> CInt {
        // Close on exec: a child process must not keep the lock beyond our life.
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0, fchmod(descriptor, 0o600) == 0 else {
            let cause = systemError()
            if descriptor >= 0 { Foundation.close(descriptor) }
            throw EventLogError(.unavailable, "\(path) cannot be opened.", cause: cause)
        }
        return descriptor
    }

    private static func systemError() -> POSIXError {
        POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO)
    }
}
