// Both, because `timespec` belongs to whichever C module the compiler reads first.
import CEpoll
import Glibc

/// Nanoseconds of a clock of the system's.
enum Clock {
    static func monotonic() -> Int { read(CLOCK_MONOTONIC) }

    /// Processor time of the calling thread.
    static func thread() -> Int { read(CLOCK_THREAD_CPUTIME_ID) }

    /// Processor time of this process.
    static func process() -> Int { read(CLOCK_PROCESS_CPUTIME_ID) }

    private static func read(_ clock: clockid_t) -> Int {
        var time = timespec()
        clock_gettime(clock, &time)
        return time.tv_sec * 1_000_000_000 + time.tv_nsec
    }

    static func sleep(seconds: Double) {
        var time = timespec(tv_sec: Int(seconds), tv_nsec: Int((seconds - seconds.rounded(.down)) * 1e9))
        var rest = timespec()
        while nanosleep(&time, &rest) == -1, errno == EINTR { time = rest }
    }
}

enum OpenFiles {
    /// False if the hard limit is lower.
    static func raise(toAtLeast count: Int) throws -> Bool {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { throw SystemError("getrlimit") }
        limit.rlim_cur = limit.rlim_max
        guard setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { throw SystemError("setrlimit") }
        return limit.rlim_cur >= UInt(count)
    }
}

/// A failed call with what `errno` said.
struct SystemError: Error, CustomStringConvertible {
    let description: String

    init(_ call: String) { description = "\(call): \(String(cString: strerror(errno)))" }
}
