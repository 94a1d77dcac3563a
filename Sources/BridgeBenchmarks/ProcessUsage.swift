import Foundation
import Glibc

/// What the kernel says another process has taken so far (proc(5)).
struct ProcessUsage {
    /// Nanoseconds, in steps of the kernel's tick, usually 10 ms.
    let user: Int
    let system: Int
    /// Bytes of memory in place.
    let resident: Int
    /// What of it is the process's own, not pages of its program and libraries, which the kernel can drop and processes share.
    let anonymous: Int

    var processor: Int { user + system }

    init(of pid: Int32) throws {
        let stat = try String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)
        // The second field is the name in parentheses and may hold spaces; the third follows the last parenthesis.
        let fields = stat[stat.index(after: stat.lastIndex(of: ")") ?? stat.startIndex)...].split(separator: " ")
        let status = try String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
        func bytes(_ name: String) -> Int? {
            let line = status.split(separator: "\n").first { $0.hasPrefix(name + ":") }
            let words = line?.split { $0 == " " || $0 == "\t" } ?? []
            return words.count > 1 ? Int(words[1]).map { $0 * 1_024 } : nil
        }
        guard fields.count > 13, let user = Int(fields[11]), let system = Int(fields[12]), let resident = bytes("VmRSS"),
            let anonymous = bytes("RssAnon")
        else { throw BenchmarkError("cannot read what process \(pid) has used") }
        let nanosecondsPerTick = 1_000_000_000 / sysconf(Int32(_SC_CLK_TCK))
        self.user = user * nanosecondsPerTick
        self.system = system * nanosecondsPerTick
        self.resident = resident
        self.anonymous = anonymous
    }
}
