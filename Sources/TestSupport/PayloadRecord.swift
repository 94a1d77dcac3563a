import Foundation
import NIOConcurrencyHelpers
package import Realtime

/// The events that the bridge showed to the tests of this process, in a file for `judge_events.py`.
///
/// `REALTIME_TEST_PAYLOADS` names the folder; without it nothing is kept. Readers of event streams add what they read, if it was made by
/// a server that the real protocol can be expected of: the simulator, not a test's own fragments.
package final class PayloadRecord: Sendable {
    package static let shared = ProcessInfo.processInfo.environment["REALTIME_TEST_PAYLOADS"].flatMap(PayloadRecord.init)

    /// Nobody else writes to it, and the lock keeps lines whole.
    private let file: NIOLockedValueBox<FileHandle>

    private init?(folder: String) {
        let path = URL(filePath: folder).appending(path: "payloads-\(ProcessInfo.processInfo.processIdentifier).jsonl").path
        guard FileManager.default.createFile(atPath: path, contents: nil), let file = FileHandle(forWritingAtPath: path) else { return nil }
        self.file = NIOLockedValueBox(file)
    }

    func add(_ payload: some Sequence<UInt8>, in dialect: Dialect) {
        let line = Data(Self.line(payload, in: dialect))
        file.withLockedValue { $0.write(line) }
    }

    /// Payloads as such a file has them.
    package static func lines(_ payloads: some Sequence<(Dialect, [UInt8])>) -> [UInt8] {
        payloads.flatMap { line($0.1, in: $0.0) }
    }

    /// A payload may have line ends between its members, and a line may not.
    private static func line(_ payload: some Sequence<UInt8>, in dialect: Dialect) -> [UInt8] {
        var line = Array(#"{"dialect":"\#(dialect.rawValue)","payload":"#.utf8)
        for byte in payload { line.append(byte == UInt8(ascii: "\n") ? UInt8(ascii: " ") : byte) }
        return line + Array("}\n".utf8)
    }
}
