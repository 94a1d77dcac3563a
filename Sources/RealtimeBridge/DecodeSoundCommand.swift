import ArgumentParser
import Audio
import Foundation
import Glibc

/// What the bridge starts itself as to decode one compressed file: from standard input, which can be sought, to a WAV file on standard
/// output. The decoders read bytes of strangers, so this process can do little and lasts shortly.
struct DecodeSoundCommand: ParsableCommand {
    static let name = "decode-sound"
    static let configuration = CommandConfiguration(
        commandName: name, abstract: "Decode FLAC, Ogg or MP3 on standard input; started by the bridge itself.", shouldDisplay: false)

    /// sysexits.h, EX_DATAERR.
    static let badFile: Int32 = 65

    func run() throws {
        // The bridge's are closed when a program starts; one that was opened in that very moment may have come along.
        for name in (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? [] {
            if let descriptor = Int32(name), descriptor > 2 { Glibc.close(descriptor) }
        }
        // A file of the largest size, 64 MiB of speech at 16 kbit/s, is nine hours; an hour takes about two seconds.
        Self.limit(__rlimit_resource_t(RLIMIT_CPU.rawValue), to: 60)
        // All memory that can be written to, threads' stacks included.
        Self.limit(__rlimit_resource_t(RLIMIT_DATA.rawValue), to: 256 << 20)
        Self.limit(__rlimit_resource_t(RLIMIT_AS.rawValue), to: 1 << 30)
        Self.limit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), to: 3)
        Self.limit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), to: 0)
        Self.limit(__rlimit_resource_t(RLIMIT_CORE.rawValue), to: 0)
        do throws(SoundFault) {
            try SoundFile.decode(from: 0, to: 1)
        } catch {
            throw ExitCode(Self.badFile)
        }
    }

    private static func limit(_ resource: __rlimit_resource_t, to value: UInt) {
        var limit = rlimit(rlim_cur: value, rlim_max: value)
        // Without its limits it must not begin.
        guard setrlimit(resource, &limit) == 0 else { Glibc.exit(71) }
    }
}
