import Foundation
import NIOConcurrencyHelpers
import NIOCore

/// Creating a session when its upstream connection must be opened first, and when one waits in the pool.
struct CreateRow {
    let options: RowOptions
    private static let handshakeMilliseconds = 300
    private static let warm = 8

    func run() throws {
        try measure("cold (--pool-max 0)", ["--pool-max", "0"], waitingFor: 0)
        try measure("warm (--pool-min \(Self.warm))", ["--pool-min", String(Self.warm)], waitingFor: Self.warm)
        Report.line(
            "  \(options.creates) sessions each, \(options.createRate) asked for in a second whether or not the last was answered; "
                + "the 101 comes \(Self.handshakeMilliseconds) ms after its request; no configuration, so no session.update.")
    }

    private func measure(_ name: String, _ settings: [String], waitingFor connections: Int) throws {
        let scratch = try Scratch(options)
        let upstream = try LoadUpstream(handshakeDelay: .milliseconds(Int64(Self.handshakeMilliseconds)))
        defer { try? upstream.stop() }
        let bridge = try BridgeUnderTest(
            options, data: scratch.folder.appending(path: "data"), upstreamPort: upstream.port,
            settings + ["--max-sessions", String(options.creates + 100)])
        defer { bridge.stop() }
        let deadline = Clock.monotonic() + 20_000_000_000
        while upstream.openSockets < connections {
            guard Clock.monotonic() < deadline else {
                throw BenchmarkError("\(upstream.openSockets) of \(connections) connections are in the pool after 20 s")
            }
            Clock.sleep(seconds: 0.05)
        }
        let sample = Sample(try create(bridge.port))
        Report.figure(
            name,
            "median \(sample.quantile(0.5).nanosecondsAsMilliseconds), 99 % \(sample.quantile(0.99).nanosecondsAsMilliseconds), "
                + "most \(sample.quantile(1).nanosecondsAsMilliseconds)")
    }

    /// Each on a thread of its own, so that a slow one does not hold up the next.
    /// - Returns: nanoseconds from the request to the end of its answer.
    private func create(_ port: UInt16) throws -> [Int] {
        let outcomes = NIOLockedValueBox<[Result<Int, any Error>]>([])
        let all = DispatchGroup()
        let start = Clock.monotonic()
        for number in 0..<options.creates {
            let due = start + number * 1_000_000_000 / options.createRate
            Clock.sleep(seconds: Double(max(0, due - Clock.monotonic())) / 1e9)
            all.enter()
            Thread.detachNewThread {
                let outcome = Result {
                    let began = Clock.monotonic()
                    let answer = try HTTPCall.perform("POST", "/v1/sessions", body: "{}", port: port)
                    guard answer.status == 201 else { throw BenchmarkError("no session was made: \(answer.status) \(answer.body)") }
                    return Clock.monotonic() - began
                }
                outcomes.withLockedValue { $0.append(outcome) }
                all.leave()
            }
        }
        guard all.wait(timeout: .now() + 60) == .success else { throw BenchmarkError("sessions are still being made after 60 s") }
        return try outcomes.withLockedValue { $0 }.map { try $0.get() }
    }
}
