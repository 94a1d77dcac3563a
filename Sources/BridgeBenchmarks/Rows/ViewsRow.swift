import Foundation
import Realtime

/// What showing an event in the other dialect costs more than showing it in upstream's own: of the function alone, and of a reader over HTTP.
struct ViewsRow {
    let options: RowOptions
    private static let sizes = [250, 8_192]
    private static let runs = 5
    private static let frames = 20_000

    func run() async throws {
        for bytes in Self.sizes {
            let (native, translated) = alone(bytes: bytes)
            Report.figure(
                "a delta of \(bytes) bytes, read and shown",
                "\(native.places(2)) µs in its own dialect, \(translated.places(2)) µs in the other one, "
                    + "\((translated - native).places(2)) µs more", aim: "≤ 2 µs more")
        }
        for bytes in Self.sizes { try await replayed(bytes: bytes) }
    }

    /// Medians of processor time per frame, in microseconds; the two take turns.
    private func alone(bytes: Int) -> (native: Double, translated: Double) {
        let frame = DeltaFrame.json(bytes: bytes, sentAt: 0)
        func once(_ view: DialectView) -> Int {
            let begin = Clock.thread()
            var written = 0
            for _ in 0..<Self.frames {
                guard let event = ServerEvent(frame) else { preconditionFailure("a delta is no event") }
                for shown in view.frames(of: event) { written += shown.bytes.count }
            }
            precondition(written > Self.frames * bytes / 2, "nothing was shown")
            return Clock.thread() - begin
        }
        var (native, translated): ([Int], [Int]) = ([], [])
        for _ in 0..<Self.runs {
            native.append(once(DialectView(of: .ga, in: .ga)))
            translated.append(once(DialectView(of: .ga, in: .beta)))
        }
        func each(_ runs: [Int]) -> Double { Double(Sample(runs).quantile(0.5)) / Double(Self.frames) / 1e3 }
        return (each(native), each(translated))
    }

    /// The bridge's processor time per stored event that one client reads; the two dialects take turns.
    private func replayed(bytes: Int) async throws {
        let events = min(options.replayEvents, 200_000_000 / bytes)
        let scratch = try Scratch(options)
        let data = scratch.folder.appending(path: "data")
        let session = try await StoredHistory.events(events, bytes: bytes, in: data)
        let bridge = try BridgeUnderTest(options, data: data)
        defer { bridge.stop() }
        func once(_ dialect: Dialect) throws -> Int {
            let before = try bridge.usage()
            let readers = try StreamReaders([HTTPCall.openEvents(of: session, query: "?dialect=\(dialect.rawValue)", port: bridge.port)])
            defer { readers.stop() }
            guard readers.wait(forEvents: events, seconds: 60) else { throw BenchmarkError("only \(readers.counts.events) events came") }
            return try bridge.usage().processor - before.processor
        }
        var (native, translated): ([Int], [Int]) = ([], [])
        for _ in 0..<Self.runs {
            native.append(try once(.ga))
            translated.append(try once(.beta))
        }
        func each(_ runs: [Int]) -> Double { Double(Sample(runs).quantile(0.5)) / Double(events) / 1e3 }
        Report.figure(
            "the same over HTTP, \(events) stored events",
            "\(each(native).places(2)) µs in its own dialect, \(each(translated).places(2)) µs in the other one, "
                + "\((each(translated) - each(native)).places(2)) µs more", aim: "≤ 2 µs more")
    }
}
