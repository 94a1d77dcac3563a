import BridgeAPI
import Foundation
import Glibc
import NIOConcurrencyHelpers
import NIOPosix

/// Decodes compressed sound in processes of its own, each the same program as this one (``DecodeSoundCommand``).
///
/// A file is spooled to disk first, since its decoders seek in it; it has no name there and is gone with its descriptor, whatever crashes.
final class ChildSoundDecoder: SoundFileDecoding {
    static let maximumFileBytes = 64 << 20
    var maximumFileBytes: Int { Self.maximumFileBytes }
    /// Files spooled and decoded at the same time; the disk may have to hold as many of the largest.
    static let maximumFiles = 8
    private let folder: String
    private let program: String
    private let silenceLimit: Duration
    private let openFiles = NIOLockedValueBox(0)
    /// Reading a pipe, writing a file and waiting for a child's end block. The process's: they end with it.
    private static let threads: NIOThreadPool = {
        let threads = NIOThreadPool(numberOfThreads: 4)
        threads.start()
        return threads
    }()

    /// - Parameters:
    ///   - folder: where files are spooled.
    ///   - program: this one.
    ///   - silenceLimit: a child that gives nothing for so long is ended; it waits for nobody but its reader.
    init(folder: String, program: String = "/proc/self/exe", silenceLimit: Duration = .seconds(30)) {
        self.folder = folder
        self.program = program
        self.silenceLimit = silenceLimit
    }

    func open() async throws(SoundFileError) -> any SoundFileDecode {
        let fits = openFiles.withLockedValue { files in
            guard files < Self.maximumFiles else { return false }
            files += 1
            return true
        }
        guard fits else { throw .busy }
        do throws(SoundFileError) {
            let file = try SpoolFile.make(in: folder)
            return ChildSoundDecode(file: file, program: program, silenceLimit: silenceLimit, threads: Self.threads) { [openFiles] in
                openFiles.withLockedValue { $0 -= 1 }
            }
        } catch {
            openFiles.withLockedValue { $0 -= 1 }
            throw error
        }
    }
}

/// One file, and later one child.
private final class ChildSoundDecode: SoundFileDecode {
    private struct State {
        var file: Int32
        var bytes = 0
        var child: (process: pid_t, output: Int32)?
        var isOver = false
    }

    private let program: String
    private let silenceLimit: Duration
    private let threads: NIOThreadPool
    private let closed: @Sendable () -> Void
    private let state: NIOLockedValueBox<State>

    init(
        file: Int32, program: String, silenceLimit: Duration, threads: NIOThreadPool, closed: @escaping @Sendable () -> Void
    ) {
        self.program = program
        self.silenceLimit = silenceLimit
        self.threads = threads
        self.closed = closed
        state = NIOLockedValueBox(State(file: file))
    }

    func write(_ bytes: [UInt8]) async throws(SoundFileError) {
        let (file, total) = state.withLockedValue { state in
            state.bytes += bytes.count
            return (state.file, state.bytes)
        }
        guard total <= ChildSoundDecoder.maximumFileBytes else { throw .tooLarge(limitBytes: ChildSoundDecoder.maximumFileBytes) }
        try await blocking { () throws(SoundFileError) in try SpoolFile.write(bytes, to: file) }
    }

    func next() async throws(SoundFileError) -> [UInt8]? {
        if state.withLockedValue({ $0.isOver }) { return nil }
        let output: Int32
        if let child = state.withLockedValue({ $0.child }) {
            output = child.output
        } else {
            let (file, program) = (state.withLockedValue { $0.file }, program)
            let child = try await blocking { () throws(SoundFileError) in try DecoderProcess.start(program, file: file) }
            state.withLockedValue { $0.child = child }
            output = child.output
        }
        let limit = silenceLimit
        if let bytes = try await blocking({ () throws(SoundFileError) in try DecoderProcess.read(output, within: limit) }) { return bytes }
        state.withLockedValue { $0.isOver = true }
        if let status = await ended(killing: false), let error = DecoderProcess.error(in: status) { throw error }
        return nil
    }

    func close() async {
        _ = await ended(killing: true)
        let file = state.withLockedValue { state in
            defer { state.file = -1 }
            return state.file
        }
        if file >= 0 {
            Glibc.close(file)
            closed()
        }
    }

    /// Waits for the child's end; nil if there is none, or it is known already.
    private func ended(killing: Bool) async -> Int32? {
        let child = state.withLockedValue { state in
            defer { state.child = nil }
            return state.child
        }
        guard let child else { return nil }
        if killing { kill(child.process, SIGKILL) }
        Glibc.close(child.output)
        // The threads are the process's: they do not end before it.
        return try? await blocking { () throws(SoundFileError) in DecoderProcess.wait(for: child.process) }
    }

    private func blocking<Result: Sendable>(
        _ body: @escaping @Sendable () throws(SoundFileError) -> Result
    ) async throws(SoundFileError) -> Result {
        do {
            return try await threads.runIfActive(body)
        } catch let error as SoundFileError {
            throw error
        } catch {
            throw .unavailable(cause: "\(error)")
        }
    }
}

/// A file without a name.
private enum SpoolFile {
    /// `O_TMPFILE` of `<bits/fcntl-linux.h>`.
    private static let withoutName: Int32 = 0o20_000_000 | O_DIRECTORY

    static func make(in folder: String) throws(SoundFileError) -> Int32 {
        // Not every file system has files without a name.
        let file = Glibc.open(folder, withoutName | O_RDWR | O_CLOEXEC, 0o600)
        if file >= 0 { return file }
        var template = Array("\(folder)/sound-XXXXXX".utf8CString)
        let named = mkstemp(&template)
        guard named >= 0 else { throw .unavailable(cause: "no file in the spool folder: \(String(cString: strerror(errno)))") }
        unlink(template)
        _ = fcntl(named, F_SETFD, FD_CLOEXEC)
        return named
    }

    static func write(_ bytes: [UInt8], to file: Int32) throws(SoundFileError) {
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes { Glibc.write(file, $0.baseAddress! + written, bytes.count - written) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw .unavailable(cause: "writing to the spool folder: \(String(cString: strerror(errno)))") }
            written += count
        }
    }
}

/// The child's side of Unix.
private enum DecoderProcess {
    private static let readBytes = 64 << 10

    static func start(_ program: String, file: Int32) throws(SoundFileError) -> (process: pid_t, output: Int32) {
        var pipes: [Int32] = [0, 0]
        guard pipe(&pipes) == 0 else { throw .unavailable(cause: "no pipe: \(String(cString: strerror(errno)))") }
        defer { Glibc.close(pipes[1]) }
        // A child that is started at this moment has them as well, until it closes what it was not given.
        for end in pipes { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        lseek(file, 0, SEEK_SET)
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, file, 0)
        posix_spawn_file_actions_adddup2(&actions, pipes[1], 1)
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // A reader that has gone must end it, whatever this process does with SIGPIPE.
        var (all, none) = (sigset_t(), sigset_t())
        sigfillset(&all)
        sigemptyset(&none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))
        var process: pid_t = 0
        var arguments: [UnsafeMutablePointer<CChar>?] = [strdup("realtime-bridge"), strdup(DecodeSoundCommand.name), nil]
        defer { for argument in arguments { free(argument) } }
        // No variable: the upstream key is one.
        var environment: [UnsafeMutablePointer<CChar>?] = [nil]
        let error = posix_spawn(&process, program, &actions, &attributes, &arguments, &environment)
        guard error == 0 else {
            Glibc.close(pipes[0])
            throw .unavailable(cause: "no decoder process: \(String(cString: strerror(error)))")
        }
        return (process, pipes[0])
    }

    /// Nil at the end.
    static func read(_ output: Int32, within limit: Duration) throws(SoundFileError) -> [UInt8]? {
        var waiting = pollfd(fd: output, events: Int16(POLLIN), revents: 0)
        let milliseconds = Int32(limit / .milliseconds(1))
        while true {
            let ready = poll(&waiting, 1, milliseconds)
            if ready < 0, errno == EINTR { continue }
            guard ready > 0 else { throw .undecodable("The body took too long to decode.") }
            break
        }
        let bytes = [UInt8](unsafeUninitializedCapacity: readBytes) { buffer, count in
            repeat { count = max(-1, Glibc.read(output, buffer.baseAddress, buffer.count)) } while count < 0 && errno == EINTR
            count = max(0, count)
        }
        return bytes.isEmpty ? nil : bytes
    }

    static func wait(for process: pid_t) -> Int32 {
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0, errno == EINTR {}
        return status
    }

    /// What a file may do to its decoder: time, memory and space beyond the limits, and the faults that decoders have.
    private static let filesDoing: Set<Int32> = [SIGXCPU, SIGXFSZ, SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGTRAP, SIGSYS]

    /// What a child's end (`waitpid`) says: of the file, or of this machine. Nil if it ended well.
    static func error(in status: Int32) -> SoundFileError? {
        guard status != 0 else { return nil }
        let signal = status & 0x7F
        guard signal == 0 else {
            return filesDoing.contains(signal)
                ? .undecodable(
                    "Decoding the body went beyond what a file may take of time and memory, or made its decoder crash.")
                : .interrupted(signal: Int(signal))
        }
        switch status >> 8 & 0xFF {
        case DecodeSoundCommand.badFile: return .undecodable("The body cannot be decoded as FLAC, Ogg (Vorbis or Opus) or MP3.")
        case DecodeSoundCommand.cutFile: return .undecodable("The file ends before the end of its sound, or is damaged.")
        case let code: return .unavailable(cause: "the decoder's process ended with \(code)")
        }
    }
}
