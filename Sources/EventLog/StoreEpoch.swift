/// One run of a process on a store, as far as it tells whether commits of that run can have been lost.
package struct StoreRun: Sendable, Equatable {
    /// Of the machine; nil if it cannot be told, which never equals another.
    package var bootID: String?
    package var file: FileIdentity
    package var synchronous: EventLogConfiguration.Synchronous
    /// It ended by ``EventLog/close()``, after all it wrote had reached the disk.
    package var stoppedClean = false
}

/// Tells a file from its copy or its replacement.
package struct FileIdentity: Sendable, Equatable {
    package var device: UInt64
    package var inode: UInt64

    package init(device: UInt64, inode: UInt64) {
        self.device = device
        self.inode = inode
    }
}

/// Decides the epoch that event ids carry. It stays only if no event that somebody has seen can be missing.
enum StoreEpoch {
    static func next(after last: StoreRun, epoch: Int, for run: StoreRun) -> Int {
        // A copy or a restored backup may be older than what clients have seen.
        guard last.file == run.file else { return epoch + 1 }
        // A crash leaves the pages with the kernel; only the machine's end takes what was not synced.
        let sameBoot = last.bootID != nil && last.bootID == run.bootID
        return sameBoot || last.stoppedClean || last.synchronous == .full ? epoch : epoch + 1
    }
}
