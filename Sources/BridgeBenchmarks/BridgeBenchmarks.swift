import ArgumentParser
import Foundation

/// Measures the release build of `realtime-bridge` from outside: a child process between a Realtime server and HTTP clients of this one's.
///
/// The two processes share the machine, so what the generator takes is printed wherever it could be what limits.
@main
struct BridgeBenchmarks: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measures a release build of realtime-bridge; loopback only.",
        discussion: Row.allCases.map { "  \($0.rawValue): \($0.summary)" }.joined(separator: "\n"))

    @Argument(help: "Rows to run, in this order; all without any.")
    var rows: [Row] = []

    @OptionGroup var options: RowOptions

    func run() async throws {
        guard try OpenFiles.raise(toAtLeast: 3 * options.streams + 1_000) else {
            throw ValidationError("the process may not have as many open files as \(options.streams) streams need")
        }
        Report.machine()
        for row in rows.isEmpty ? Row.allCases : rows {
            Report.begin(row)
            do {
                try await row.run(options)
            } catch {
                // The other rows do not depend on it.
                Report.line("failed: \(error)")
            }
        }
    }
}

/// One thing that is measured.
enum Row: String, CaseIterable, ExpressibleByArgument {
    case footprint, streams, sessions, latency, speech, fanout, replay, views, ingest, start, create

    var summary: String {
        switch self {
        case .footprint: "memory at rest, size of the program, time to ready with a fresh store"
        case .streams: "memory of idle event streams of one session"
        case .sessions: "memory of idle sessions, and of one idle event stream each"
        case .latency: "from an upstream frame to the event at a client"
        case .speech: "from a response's first upstream delta of audio to the first byte of sound at a client"
        case .fanout: "processor time per delivered event, against a bare epoll server"
        case .replay: "stored events to one client"
        case .views: "processor time of showing events in the other dialect, against upstream's own"
        case .ingest: "events from many upstream sessions through commit to a stream each"
        case .start: "time to ready with many stored sessions"
        case .create: "creating a session, with and without an upstream connection in the pool"
        }
    }

    func run(_ options: RowOptions) async throws {
        switch self {
        case .footprint: try FootprintRow(options: options).run()
        case .streams: try StreamsRow(options: options).run()
        case .sessions: try SessionsRow(options: options).run()
        case .latency: try LatencyRow(options: options).run()
        case .speech: try SpeechRow(options: options).run()
        case .fanout: try FanOutRow(options: options).run()
        case .replay: try await ReplayRow(options: options).run()
        case .views: try await ViewsRow(options: options).run()
        case .ingest: try IngestRow(options: options).run()
        case .start: try await StartRow(options: options).run()
        case .create: try CreateRow(options: options).run()
        }
    }
}

/// The bounds of a run.
struct RowOptions: ParsableArguments {
    @Option(help: "The program to measure. Default: realtime-bridge beside this one.")
    var binary: String?

    @Option(help: "Folder for stores, which matters to durable ones; each run makes and removes its own below it.")
    var folder: String?

    @Option(help: "Seconds of each timed run, 1 to 60.")
    var seconds = 10

    @Option(help: "Streams of streams, sessions and fanout, 1 to 5000.")
    var streams = 1_000

    @Option(help: "Events per second of fanout, 1 to 1000.")
    var fanoutRate = 50

    @Option(help: "Upstream sessions of ingest, 1 to 1000.")
    var ingestSessions = 200

    @Option(help: "Stored events of replay, 1000 to 1000000.")
    var replayEvents = 100_000

    @Option(help: "Stored sessions of start, 1 to 100000.")
    var storedSessions = 10_000

    @Option(help: "Sessions of create, 10 to 5000.")
    var creates = 300

    @Option(help: "Sessions of create asked for in a second, 1 to 200.")
    var createRate = 10

    func validate() throws {
        let bounds = [
            ("seconds", seconds, 1...60), ("streams", streams, 1...5_000), ("fanout-rate", fanoutRate, 1...1_000),
            ("ingest-sessions", ingestSessions, 1...1_000), ("replay-events", replayEvents, 1_000...1_000_000),
            ("stored-sessions", storedSessions, 1...100_000), ("creates", creates, 10...5_000), ("create-rate", createRate, 1...200),
        ]
        for (name, value, range) in bounds where !range.contains(value) {
            throw ValidationError("--\(name) must be \(range.lowerBound) to \(range.upperBound)")
        }
    }
}
