import Foundation
import NIOConcurrencyHelpers
import NIOPosix
import Realtime

/// Writes every frame as a JSON line, on a thread of its own: `{"time":0.25,"connection":1,"direction":"in","frame":{…}}`.
///
/// `time` counts seconds since the simulator was made. A frame that is no JSON stands as `text`, a BINARY one as `binary` (its length).
final class FrameRecorder: Sendable {
    enum Direction: String, Sendable { case incoming = "in", outgoing = "out" }

    /// When the disk is slower than the sockets by this much, lines are left out and counted.
    private static let maximumPendingBytes = 64 << 20

    private struct State {
        var pending: [UInt8] = []
        var leftOut = 0
        var isWriting = false
    }

    private let thread: NIOThreadPool
    private let file: FileHandle
    private let state = NIOLockedValueBox(State())
    private let start = ContinuousClock.now

    init(path: String) throws {
        guard FileManager.default.createFile(atPath: path, contents: nil), let file = FileHandle(forWritingAtPath: path) else {
            throw SimulatorError.cannotRecord(path: path)
        }
        self.file = file
        thread = NIOThreadPool(numberOfThreads: 1)
        thread.start()
    }

    func record(connection: Int, _ direction: Direction, _ text: [UInt8]) {
        // What came in may be anything; what goes out was written by us.
        let isJSON = direction == .outgoing || (try? JSON.parse(text)) != nil
        add(connection, direction, isJSON ? ("frame", .raw(text)) : ("text", .string(String(decoding: text, as: UTF8.self))))
    }

    func recordBinary(connection: Int, byteCount: Int) {
        add(connection, .incoming, ("binary", .int(byteCount)))
    }

    private func add(_ connection: Int, _ direction: Direction, _ content: (String, JSONValue)) {
        // A pretty-printed frame from a client must not break the line; JSON allows no raw newline inside strings.
        let line = JSONValue.object([("connection", .int(connection)), ("direction", .string(direction.rawValue)), content]).bytes
            .map { $0 == 0x0A || $0 == 0x0D ? 0x20 : $0 }
        let mustStart = state.withLockedValue { state -> Bool in
            guard state.pending.count + line.count < Self.maximumPendingBytes else {
                state.leftOut += 1
                return false
            }
            // Read under the lock, so that times rise from line to line.
            let elapsed = (ContinuousClock.now - start).components
            let microseconds = elapsed.seconds * 1_000_000 + elapsed.attoseconds / 1_000_000_000_000
            state.pending.append(contentsOf: "{\"time\":\(Double(microseconds) / 1_000_000),".utf8)
            state.pending.append(contentsOf: line.dropFirst())
            state.pending.append(0x0A)
            defer { state.isWriting = true }
            return !state.isWriting
        }
        if mustStart { thread.submit { _ in self.drain() } }
    }

    private func drain() {
        while true {
            let bytes = state.withLockedValue { state -> [UInt8] in
                if state.pending.isEmpty { state.isWriting = false }
                if state.leftOut > 0 {
                    state.pending.append(contentsOf: "{\"left_out\":\(state.leftOut)}\n".utf8)
                    state.leftOut = 0
                }
                defer { state.pending = [] }
                return state.pending
            }
            guard !bytes.isEmpty else { return }
            // A full disk ends the record, not the simulation.
            try? file.write(contentsOf: Data(bytes))
        }
    }

    /// Returns when everything recorded before is in the file.
    func stop() async {
        try? await thread.runIfActive { self.drain() }
        try? await thread.shutdownGracefully()
        try? file.close()
    }
}
