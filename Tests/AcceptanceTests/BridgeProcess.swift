import Foundation
import NIOConcurrencyHelpers
import TestSupport

/// `realtime-bridge` as its users run it: a process of its own. It keeps its port and its data folder when it is killed and started again.
///
/// ```swift
/// try await BridgeProcess.run { bridge in
///     … \(bridge.address) …
///     try await bridge.kill()
///     try await bridge.start()
/// }
/// ```
final class BridgeProcess: Sendable {
    private struct State {
        var child: ChildProcess?
        var address: String?
        var earlierErrors = ""
    }

    private let command: String
    private let arguments: [String]
    private let environment: [String: String]
    /// Made for this bridge, holds its store; gone with it.
    let folder: URL
    private let state = NIOLockedValueBox(State())

    /// Starts a bridge, hands it to the body, and ends and removes all of it, whatever the body does.
    /// - Parameter command: `demo`, `serve` or `simulate`, which has no data folder; the others have the bridge's own unless told otherwise.
    static func run<Result>(
        _ command: String = "demo", _ arguments: [String] = [], environment: [String: String] = [:],
        _ body: (BridgeProcess) async throws -> Result
    ) async throws -> Result {
        let bridge = try BridgeProcess(command, arguments, environment: environment)
        defer { bridge.remove() }
        try await bridge.start()
        return try await body(bridge)
    }

    private init(_ command: String, _ arguments: [String], environment: [String: String]) throws {
        self.command = command
        self.arguments = arguments
        self.environment = environment
        folder = FileManager.default.temporaryDirectory.appending(path: "realtime-bridge-test-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    /// What it said it listens on: `http://127.0.0.1:PORT`, the same after each start.
    var address: String {
        guard let address = state.withLockedValue(\.address) else { preconditionFailure("the bridge was never ready") }
        return address
    }

    /// `127.0.0.1:PORT`.
    var authority: String { String(address.drop { $0 != "/" }.dropFirst(2).prefix { $0 != "/" }) }

    /// What all processes of this bridge wrote to standard error so far.
    var errorText: String { state.withLockedValue { $0.earlierErrors + ($0.child?.errorText ?? "") } }

    /// Returns when it accepts connections.
    /// - Throws: ``BridgeProcessError`` with its standard error if it says anything else first, or nothing in time.
    func start(within limit: Duration = .seconds(20)) async throws {
        let known = state.withLockedValue(\.address)
        let listen = known == nil ? "127.0.0.1:0" : authority
        var all = [command, "--listen", listen] + arguments
        if command != "simulate", !arguments.contains("--data-dir") { all += ["--data-dir", folder.appending(path: "data").path] }
        let child = try ChildProcess(Self.binary(), all, environment: environment, folder: folder)
        state.withLockedValue { $0.child = child }
        let line: String
        do {
            line = try await child.nextLine(within: limit)
        } catch is WaitedTooLong {
            throw BridgeProcessError(description: "realtime-bridge \(command) was not ready in time: \(child.errorText)")
        }
        guard line.hasPrefix("ready "), known == nil || line == "ready \(known!)" else {
            throw BridgeProcessError(description: "realtime-bridge \(command) said '\(line)': \(child.errorText)")
        }
        state.withLockedValue { $0.address = String(line.dropFirst("ready ".count)) }
    }

    /// Ends it as a crash would, and returns when it is gone.
    func kill() async throws {
        try await end(by: SIGKILL, within: .seconds(20))
    }

    /// Asks it to stop, and returns when it has.
    /// - Returns: the exit code; 0 if it drained.
    @discardableResult
    func stop(within limit: Duration = .seconds(30)) async throws -> ChildProcess.ExitCode {
        try await end(by: SIGTERM, within: limit)
    }

    @discardableResult
    private func end(by signal: Int32, within limit: Duration) async throws -> ChildProcess.ExitCode {
        guard let child = state.withLockedValue(\.child) else { preconditionFailure("the bridge does not run") }
        child.signal(signal)
        let code = try await child.exit(within: limit)
        state.withLockedValue { state in
            state.earlierErrors += child.errorText
            state.child = nil
        }
        return code
    }

    private func remove() {
        state.withLockedValue(\.child)?.kill()
        try? FileManager.default.removeItem(at: folder)
    }

    /// The build puts the program beside the test bundle; `REALTIME_BRIDGE_BINARY` names another, such as a release build.
    static func binary() throws -> URL {
        if let path = ProcessInfo.processInfo.environment["REALTIME_BRIDGE_BINARY"] { return URL(filePath: path) }
        let beside = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent().appending(path: "realtime-bridge")
        guard FileManager.default.isExecutableFile(atPath: beside.path) else {
            throw BridgeProcessError(description: "there is no program at \(beside.path); name one by REALTIME_BRIDGE_BINARY")
        }
        return beside
    }
}

/// Why a bridge could not be started for a test.
struct BridgeProcessError: Error, CustomStringConvertible {
    let description: String
}
