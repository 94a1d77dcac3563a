import Foundation
import NIOConcurrencyHelpers
import Realtime

/// Writes what happens on every connection as JSON lines, in the order in which it happened:
///
/// ```
/// {"time":0.25,"connection":1,"mark":"opened"}
/// {"time":0.25,"connection":1,"direction":"out","frame":{…}}
/// {"time":0.31,"connection":1,"mark":"closing","code":1001}
/// {"time":0.32,"connection":1,"mark":"gone"}
/// {"time":0.40,"mark":"refused"}
/// ```
///
/// `time` counts seconds since the recorder was made. A frame that is no JSON stands as `text`, a BINARY one as `binary` (its length).
/// An outgoing frame is in the file before it is handed to the socket: killed at any moment, the process has recorded what it sent.
/// That costs an event loop a write into the page cache for each frame, which a simulator can pay.
final class FrameRecorder: Sendable {
    enum Direction: String, Sendable { case incoming = "in", outgoing = "out" }

    enum Mark: Equatable, Sendable {
        /// The `101` was sent.
        case opened
        /// From here on nothing is sent.
        case stalled
        /// The connection ends without a CLOSE: by a TCP reset, or by the end of its stream.
        case reset, ended
        /// A CLOSE was sent.
        case closing(code: UInt16)
        /// The socket is closed.
        case gone

        fileprivate var members: [(String, JSONValue)] {
            switch self {
            case .opened: [("mark", "opened")]
            case .stalled: [("mark", "stalled")]
            case .reset: [("mark", "reset")]
            case .ended: [("mark", "ended")]
            case .closing(let code): [("mark", "closing"), ("code", .int(Int(code)))]
            case .gone: [("mark", "gone")]
            }
        }
    }

    /// nil once the record has ended. Lines are written under the lock, so that they are whole, and their times rise.
    private let file: NIOLockedValueBox<FileHandle?>
    private let start = ContinuousClock.now

    init(path: String) throws {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw SimulatorError.cannotRecord(path: path, reason: String(cString: strerror(errno))) }
        file = NIOLockedValueBox(FileHandle(fileDescriptor: descriptor, closeOnDealloc: true))
    }

    func record(connection: Int, _ direction: Direction, _ text: [UInt8]) {
        // What came in may be anything; what goes out was written by us.
        let isJSON = direction == .outgoing || (try? JSON.parse(text)) != nil
        let content: (String, JSONValue) = isJSON ? ("frame", .raw(text)) : ("text", .string(String(decoding: text, as: UTF8.self)))
        add([("connection", .int(connection)), ("direction", .string(direction.rawValue)), content])
    }

    func recordBinary(connection: Int, byteCount: Int) {
        add([("connection", .int(connection)), ("direction", "in"), ("binary", .int(byteCount))])
    }

    func record(connection: Int, _ mark: Mark) {
        add([("connection", .int(connection))] + mark.members)
    }

    /// A handshake answered with 503, which never becomes a connection.
    func recordRefusal() {
        add([("mark", "refused")])
    }

    private func add(_ members: [(String, JSONValue)]) {
        // A pretty-printed frame from a client must not break the line; JSON allows no raw newline inside strings.
        let line = JSONValue.object(members).bytes.map { $0 == 0x0A || $0 == 0x0D ? 0x20 : $0 }
        file.withLockedValue { file in
            let elapsed = (ContinuousClock.now - start).components
            let microseconds = elapsed.seconds * 1_000_000 + elapsed.attoseconds / 1_000_000_000_000
            var bytes = Data("{\"time\":\(Double(microseconds) / 1_000_000),".utf8)
            bytes.append(contentsOf: line.dropFirst())
            bytes.append(0x0A)
            do {
                try file?.write(contentsOf: bytes)
            } catch {
                // A full disk ends the record, not the simulation.
                file = nil
            }
        }
    }

    /// What happens afterwards is not recorded.
    func stop() {
        let open = file.withLockedValue { file in
            defer { file = nil }
            return file
        }
        try? open?.close()
    }
}
