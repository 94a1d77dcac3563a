import Foundation
import NIOCore

/// One session's events to many streams.
struct FanOutRow {
    let options: RowOptions
    private static let frameBytes = 200

    func run() throws {
        let scratch = try Scratch(options)
        let upstream = try LoadUpstream()
        defer { try? upstream.stop() }
        let bridge = try BridgeUnderTest(
            options, data: scratch.folder.appending(path: "data"), upstreamPort: upstream.port,
            ["--max-streams-per-session", "\(options.streams)"])
        defer { bridge.stop() }
        let session = try bridge.createSession()
        let readers = try StreamReaders(
            (0..<options.streams).map { _ in try HTTPCall.openEvents(of: session, query: "?from=now", port: bridge.port) })
        defer { readers.stop() }
        Clock.sleep(seconds: 1)

        let events = options.fanoutRate * options.seconds
        let (countsBefore, usageBefore, ownBefore) = (readers.counts, try bridge.usage(), Clock.process())
        let begin = Clock.monotonic()
        upstream.start(
            Load(
                frameBytes: Self.frameBytes, perSecond: Double(options.fanoutRate), events: events, seconds: Double(options.seconds + 1)))
        guard readers.wait(forEvents: countsBefore.events + events * options.streams, seconds: Double(options.seconds * 3 + 10)) else {
            throw BenchmarkError("only \((readers.counts - countsBefore).events) of \(events * options.streams) deliveries came")
        }
        let (usage, own) = (try bridge.usage(), Clock.process() - ownBefore)
        let counts = readers.counts - countsBefore
        let seconds = Double(counts.lastEventAt - begin) / 1e9
        let bridgeEach = Double(usage.processor - usageBefore.processor) / Double(counts.events) / 1e3
        let userEach = Double(usage.user - usageBefore.user) / Double(counts.events) / 1e3
        Report.figure("streams", "\(options.streams), \(Self.frameBytes) bytes, \(options.fanoutRate) events/s for \(options.seconds) s")
        Report.figure(
            "delivered",
            "\(counts.events) events in \(seconds.places(1)) s, \((Double(counts.events) / seconds).places(0))/s, "
                + "\((Double(counts.events) / Double(counts.reads)).places(2)) events a read, \(counts.bytes / counts.events) bytes an event"
        )
        Report.figure("processor of the bridge per delivery", "\(bridgeEach.places(2)) µs, of it \(userEach.places(2)) µs in user space")
        Report.figure("processor of this process meanwhile", own.nanosecondsAsMilliseconds)

        let bareEach = try bare(bytes: counts.bytes / counts.events)
        Report.figure("bare epoll server per delivery", "\(bareEach.places(2)) µs")
        Report.figure("ratio", (bridgeEach / bareEach).places(2), aim: "≤ 1.25")
    }

    private func bare(bytes: Int) throws -> Double {
        let server = try BareServer(connections: options.streams)
        let readers = try StreamReaders(server.clients)
        defer { readers.stop() }
        let result = try server.run(
            [UInt8](repeating: UInt8(ascii: "x"), count: bytes), perSecond: options.fanoutRate, seconds: options.seconds)
        guard result.failed == 0 else { throw BenchmarkError("\(result.failed) writes of the bare server failed") }
        return Double(result.processor) / Double(result.writes) / 1e3
    }
}
