import Foundation
import Glibc

/// The program being measured, as its users run it.
final class BridgeUnderTest {
    private let process = Process()
    private let output = Pipe()
    /// From its start to its `ready`.
    let nanosecondsToReady: Int
    /// The port it listens on, on 127.0.0.1.
    let port: UInt16

    var pid: Int32 { process.processIdentifier }

    /// Blocks until it is ready.
    /// - Parameter upstreamPort: where its Realtime server is; nothing has to listen there while no session is made.
    init(_ options: RowOptions, data: URL, upstreamPort: UInt16 = 9, _ arguments: [String] = []) throws {
        process.executableURL = try Self.program(options)
        process.arguments =
            [
                "serve", "--listen", "127.0.0.1:0", "--data-dir", data.path, "--log-level", "warning",
                "--upstream-url", "ws://127.0.0.1:\(upstreamPort)/v1/realtime", "--credentials", "server", "--model", "benchmark",
                "--dialect", "ga",
            ] + arguments
        // Nothing else of the caller's: its settings are not what is measured.
        process.environment = ["OPENAI_API_KEY": "benchmark", "PATH": ProcessInfo.processInfo.environment["PATH"] ?? ""]
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = output
        let start = Clock.monotonic()
        try process.run()
        let line: String
        do {
            line = try Self.readLine(output.fileHandleForReading.fileDescriptor)
        } catch {
            kill(process.processIdentifier, SIGKILL)
            throw error
        }
        nanosecondsToReady = Clock.monotonic() - start
        guard line.hasPrefix("ready http://127.0.0.1:"), let port = line.split(separator: ":").last.flatMap({ UInt16($0) }) else {
            kill(process.processIdentifier, SIGKILL)
            throw BenchmarkError("the bridge said '\(line)' instead of being ready")
        }
        self.port = port
    }

    deinit { stop() }

    func usage() throws -> ProcessUsage { try ProcessUsage(of: pid) }

    /// Asks it to stop and waits until it has; after 20 s it is ended.
    func stop() {
        guard process.isRunning else { return }
        kill(pid, SIGTERM)
        let deadline = Clock.monotonic() + 20_000_000_000
        while process.isRunning, Clock.monotonic() < deadline { Clock.sleep(seconds: 0.02) }
        if process.isRunning { kill(pid, SIGKILL) }
        process.waitUntilExit()
    }

    /// Its address in `GET /v1/sessions/{session}/events` follows from the answer's id.
    func createSession() throws -> String {
        let answer = try HTTPCall.perform("POST", "/v1/sessions", body: "{}", port: port)
        guard answer.status == 201, let id = answer.body.split(separator: "\"").first(where: { $0.hasPrefix("rts_") }) else {
            throw BenchmarkError("no session was made: \(answer.status) \(answer.body)")
        }
        return String(id)
    }

    static func program(_ options: RowOptions) throws -> URL {
        let program =
            options.binary.map { URL(filePath: $0) }
            ?? URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent().appending(path: "realtime-bridge")
        guard FileManager.default.isExecutableFile(atPath: program.path) else {
            throw BenchmarkError("there is no program at \(program.path): build the product realtime-bridge first, or use --binary")
        }
        return program
    }

    private static func readLine(_ descriptor: Int32) throws -> String {
        var text: [UInt8] = []
        var byte = UInt8(0)
        let deadline = Clock.monotonic() + 120_000_000_000
        while true {
            var poller = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard poll(&poller, 1, 1_000) >= 0 || errno == EINTR else { throw SystemError("poll") }
            guard Clock.monotonic() < deadline else { throw BenchmarkError("the bridge was not ready within 120 s") }
            guard poller.revents != 0 else { continue }
            guard read(descriptor, &byte, 1) == 1 else { throw BenchmarkError("the bridge ended before it was ready") }
            if byte == UInt8(ascii: "\n") { return String(decoding: text, as: UTF8.self) }
            text.append(byte)
        }
    }
}

/// A folder of one run's own.
struct Scratch: ~Copyable {
    let folder: URL

    init(_ options: RowOptions) throws {
        let above = options.folder.map { URL(filePath: $0) } ?? FileManager.default.temporaryDirectory
        folder = above.appending(path: "realtime-bridge-benchmark-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: folder) }
}
