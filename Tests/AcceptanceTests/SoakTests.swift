import Foundation
import Testing

/// Conversations over an upstream that fails in every way: what the client sees stays whole, and both ends of it stay the same.
@Suite(.serialized) struct SoakTests {
    @Test(.timeLimit(.minutes(3)), arguments: ["beta", "ga"])
    func aConversationOutlivesItsUpstreams(dialect: String) async throws {
        let figures = try await SoakRun(
            dialect: dialect, turns: 25,
            faults: [
                "--expire-after", "5", "--drop-every", "4", "--stall-every", "12", "--refuse", "0.2", "--delta-delay", "30", "--seed", "1",
            ],
            settings: ["--stall-timeout", "2", "--pool-max", "2"])()
        FileHandle.standardError.write(Data("\(dialect): \(figures.description)\n".utf8))
        #expect(figures.failedTurns == [])
        #expect(figures.switches.values.reduce(0, +) >= 1)
    }

    /// Takes minutes: `REALTIME_BRIDGE_SOAK=1 swift test --filter SoakTests`. It prints its figures.
    @Test(
        .enabled(if: ProcessInfo.processInfo.environment["REALTIME_BRIDGE_SOAK"] == "1"), .timeLimit(.minutes(20)),
        arguments: ["ga", "beta"])
    func twoHundredTurns(dialect: String) async throws {
        let figures = try await SoakRun(
            dialect: dialect, turns: 200,
            faults: [
                "--expire-after", "20", "--drop-every", "15", "--stall-every", "90", "--refuse", "0.2", "--delta-delay", "20", "--seed",
                "7",
            ],
            settings: ["--stall-timeout", "3"])()
        FileHandle.standardError.write(Data("\(dialect): \(figures.description)\n".utf8))
        #expect(figures.failedTurns == [])
        #expect((figures.switches["session_expiring"] ?? 0) + (figures.switches.values.reduce(0, +)) >= 5)
    }
}
