import Foundation
import NIOCore

/// Events of many sessions, each through its commit to one stream.
struct IngestRow {
    let options: RowOptions
    private static let frameBytes = 250
    private static let aim = 50_000.0

    func run() throws {
        Report.figure(
            "load",
            "\(options.ingestSessions) sessions with one stream each, \(Self.frameBytes) bytes, \(options.seconds) s; the server "
                + "and the clients are this process, on the same processors")
        try run("paced at \(Int(Self.aim))/s", perSecond: Self.aim / Double(options.ingestSessions))
        try run("as many as go", perSecond: nil)
    }

    private func run(_ name: String, perSecond: Double?) throws {
        let scratch = try Scratch(options)
        let upstream = try LoadUpstream()
        defer { try? upstream.stop() }
        let bridge = try BridgeUnderTest(
            options, data: scratch.folder.appending(path: "data"), upstreamPort: upstream.port,
            ["--max-sessions", "\(options.ingestSessions)"])
        defer { bridge.stop() }
        let sessions = try (0..<options.ingestSessions).map { _ in try bridge.createSession() }
        let readers = try StreamReaders(sessions.map { try HTTPCall.openEvents(of: $0, port: bridge.port) })
        defer { readers.stop() }
        upstream.start(
            Load(frameBytes: Self.frameBytes, perSecond: perSecond, tick: .milliseconds(20), seconds: Double(options.seconds + 2)))
        // The first second warms up.
        Clock.sleep(seconds: 1)
        let (countsBefore, usageBefore, ownBefore, sentBefore) = (
            readers.counts, try bridge.usage(), Clock.process(), upstream.sentFrames
        )
        let begin = Clock.monotonic()
        Clock.sleep(seconds: Double(options.seconds))
        let seconds = Double(Clock.monotonic() - begin) / 1e9
        let counts = readers.counts - countsBefore
        let usage = try bridge.usage()
        let own = Double(Clock.process() - ownBefore) / 1e9
        let sent = upstream.sentFrames - sentBefore
        let used = Double(usage.processor - usageBefore.processor) / 1e9
        let system = Double(usage.system - usageBefore.system) / 1e9
        guard counts.events > 0 else { throw BenchmarkError("no event came") }
        Report.figure(
            "\(name): delivered",
            "\((Double(counts.events) / seconds).places(0)) events/s of \((Double(sent) / seconds).places(0)) handed to sockets, "
                + "\((Double(counts.events) / Double(counts.reads)).places(1)) events a read", aim: "≥ 50000/s on 2 processors")
        Report.figure(
            "\(name): processor per event",
            "\((used / Double(counts.events) * 1e6).places(1)) µs, of it "
                + "\((system / Double(counts.events) * 1e6).places(1)) µs in the kernel; bridge "
                + "\((used / seconds).places(2)) processors, this process \((own / seconds).places(2)); memory \(usage.resident.megabytes)")
        guard counts.ended == 0 else { throw BenchmarkError("\(counts.ended) streams ended") }
    }
}
