import Foundation

/// Memory of idle event streams, all of one session.
struct StreamsRow {
    let options: RowOptions

    func run() throws {
        let scratch = try Scratch(options)
        let upstream = try LoadUpstream()
        defer { try? upstream.stop() }
        let bridge = try BridgeUnderTest(
            options, data: scratch.folder.appending(path: "data"), upstreamPort: upstream.port,
            ["--max-streams-per-session", "\(options.streams + 1)"])
        defer { bridge.stop() }
        let session = try bridge.createSession()
        // One stream first: what the first one needs is not the price of each.
        let first = try HTTPCall.openEvents(of: session, port: bridge.port)
        Clock.sleep(seconds: 1)
        let before = try bridge.usage()
        let descriptors = try (0..<options.streams).map { _ in try HTTPCall.openEvents(of: session, port: bridge.port) }
        let readers = try StreamReaders([first] + descriptors)
        defer { readers.stop() }
        Clock.sleep(seconds: 2)
        let after = try bridge.usage()
        Clock.sleep(seconds: Double(options.seconds))
        let later = try bridge.usage()
        let each = (after.resident - before.resident) / options.streams
        Report.figure("memory with one stream", before.resident.megabytes)
        Report.figure("memory with \(options.streams) more", after.resident.megabytes)
        Report.figure("memory per idle stream", "\((Double(each) / 1024).places(1)) KiB", aim: "≤ 8 KB")
        let share = Double(later.processor - after.processor) / (Double(options.seconds) * 1e9) * 100
        Report.figure("processor while idle, \(options.seconds) s", "\(share.places(1)) % of one")
        guard readers.counts.ended == 0 else { throw BenchmarkError("\(readers.counts.ended) streams ended") }
    }
}

/// Memory of idle sessions, then with an idle event stream on each.
struct SessionsRow {
    let options: RowOptions

    func run() throws {
        let scratch = try Scratch(options)
        let upstream = try LoadUpstream()
        defer { try? upstream.stop() }
        let bridge = try BridgeUnderTest(
            options, data: scratch.folder.appending(path: "data"), upstreamPort: upstream.port,
            ["--max-sessions", "\(options.streams + 1)"])
        defer { bridge.stop() }
        _ = try bridge.createSession()
        Clock.sleep(seconds: 1)
        let before = try bridge.usage()
        let sessions = try (0..<options.streams).map { _ in try bridge.createSession() }
        Clock.sleep(seconds: 2)
        let withSessions = try bridge.usage()
        let descriptors = try sessions.map { try HTTPCall.openEvents(of: $0, port: bridge.port) }
        let readers = try StreamReaders(descriptors)
        defer { readers.stop() }
        Clock.sleep(seconds: 2)
        let withStreams = try bridge.usage()
        func each(_ bytes: Int) -> String { "\((Double(bytes) / Double(options.streams) / 1024).places(1)) KiB" }
        Report.figure("memory with one session", before.resident.megabytes)
        Report.figure("memory with \(options.streams) more", withSessions.resident.megabytes)
        Report.figure("memory per idle session", each(withSessions.resident - before.resident), aim: "≤ 16 KB")
        Report.figure("memory with a stream on each", withStreams.resident.megabytes)
        Report.figure("memory per idle stream", each(withStreams.resident - withSessions.resident), aim: "≤ 8 KB")
    }
}
