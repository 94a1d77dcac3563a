import Audio
import Glibc

/// What the bridge starts itself as to decode one compressed file: from standard input, which can be sought, to a WAV file on standard
/// output. The decoders read bytes of strangers, so this process can do little and lasts shortly.
enum DecodeSoundCommand {
    static let name = "decode-sound"

    /// sysexits.h, EX_DATAERR.
    static let badFile: Int32 = 65
    /// A file that says how long it is, and ends before.
    static let cutFile: Int32 = 66

    /// To be called while the process has one thread. libdispatch, once it runs, opens descriptors of its own at any moment, and ends the
    /// process (`SIGILL`) when they are closed under it or there are none to be had.
    static func run() -> Never {
        // The bridge's are closed when a program starts; one that was opened in that very moment may have come along.
        closefrom(3)
        // A file of the largest size, 64 MiB of speech at 16 kbit/s, is nine hours; an hour takes about two seconds. At the second number
        // comes SIGKILL, which does not say why.
        limit(__rlimit_resource_t(RLIMIT_CPU.rawValue), to: 60, atMost: 61)
        // All memory that can be written to, threads' stacks included.
        limit(__rlimit_resource_t(RLIMIT_DATA.rawValue), to: 256 << 20)
        limit(__rlimit_resource_t(RLIMIT_AS.rawValue), to: 1 << 30)
        limit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), to: 3)
        limit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), to: 0)
        limit(__rlimit_resource_t(RLIMIT_CORE.rawValue), to: 0)
        do throws(SoundFault) {
            try SoundFile.decode(from: 0, to: 1)
        } catch {
            exit(error.code == .truncated ? cutFile : badFile)
        }
        exit(0)
    }

    private static func limit(_ resource: __rlimit_resource_t, to value: UInt, atMost hard: UInt? = nil) {
        var limit = rlimit(rlim_cur: value, rlim_max: hard ?? value)
        // Without its limits it must not begin. sysexits.h, EX_OSERR.
        guard setrlimit(resource, &limit) == 0 else { exit(71) }
    }
}
