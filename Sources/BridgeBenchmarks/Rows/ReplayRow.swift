import Foundation

/// A client that comes late: the whole history from the store over HTTP.
struct ReplayRow {
    let options: RowOptions
    private static let frameBytes = 250
    private static let runs = 3

    func run() async throws {
        let scratch = try Scratch(options)
        let data = scratch.folder.appending(path: "data")
        let filling = Clock.monotonic()
        let session = try await StoredHistory.events(options.replayEvents, bytes: Self.frameBytes, in: data)
        let filled = Double(Clock.monotonic() - filling) / 1e9
        Report.figure(
            "stored", "\(options.replayEvents) events of \(Self.frameBytes) bytes in \(filled.places(2)) s, without the bridge")
        let bridge = try BridgeUnderTest(options, data: data)
        defer { bridge.stop() }
        var rates: [Int] = []
        for run in 1...Self.runs {
            let before = try bridge.usage()
            let begin = Clock.monotonic()
            let readers = try StreamReaders([HTTPCall.openEvents(of: session, port: bridge.port)])
            defer { readers.stop() }
            guard readers.wait(forEvents: options.replayEvents, seconds: 60) else {
                throw BenchmarkError("only \(readers.counts.events) events came")
            }
            let seconds = Double(readers.counts.lastEventAt - begin) / 1e9
            let used = Double(try bridge.usage().processor - before.processor) / 1e9
            rates.append(Int(Double(options.replayEvents) / seconds))
            Report.figure(
                "run \(run)",
                "\(rates[run - 1]) events/s (\(seconds.places(3)) s, \(used.places(2)) s of processor, "
                    + "\(readers.counts.bytes / readers.counts.reads) bytes a read)")
        }
        Report.figure("replay, median", "\(Sample(rates).quantile(0.5)) events/s", aim: "≥ 100000/s")
    }
}
