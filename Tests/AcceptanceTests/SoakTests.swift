import Foundation
import Testing

/// Conversations over an upstream that fails in every way: what the client sees stays whole, and both ends of it stay the same.
@Suite(.serialized) struct SoakTests {
    @Test(.timeLimit(.minutes(3)), arguments: [("beta", 1), ("ga", 2)])
    func aConversationOutlivesItsUpstreams(dialect: String, seed: Int) async throws {
        let figures = try await SoakRun(
            dialect: dialect, turns: 25,
            faults: [
                "--expire-after", "5", "--drop-every", "5", "--stall-every", "6", "--refuse", "0.2", "--delta-delay", "20",
                "--seed", String(seed),
            ],
            settings: ["--stall-timeout", "1"])()
        FileHandle.standardError.write(Data("\(dialect): \(figures.description)\n".utf8))
        #expect(figures.failedTurns == [])
        #expect(figures.switches.values.reduce(0, +) >= 1)
    }

    /// Takes minutes: `REALTIME_BRIDGE_SOAK=1 swift test --filter SoakTests`. With `REALTIME_BRIDGE_SOAK_KEEP=1` record, log and store
    /// stay.
    @Test(
        .enabled(if: ProcessInfo.processInfo.environment["REALTIME_BRIDGE_SOAK"] == "1"), .timeLimit(.minutes(20)),
        arguments: ["ga", "beta"])
    func twoHundredTurns(dialect: String) async throws {
        let figures = try await SoakRun(
            dialect: dialect, turns: 200,
            faults: [
                "--expire-after", "20", "--drop-every", "15", "--stall-every", "90", "--refuse", "0.2", "--delta-delay", "40", "--seed",
                "7",
            ],
            settings: ["--stall-timeout", "3"])()
        FileHandle.standardError.write(Data("\(dialect): \(figures.description)\n".utf8))
        #expect(figures.failedTurns == [])
        #expect(figures.switches.values.reduce(0, +) >= 5)
    }

    /// The same, with a bridge that is killed in every tenth turn, and connections that go without a word.
    @Test(.enabled(if: ProcessInfo.processInfo.environment["REALTIME_BRIDGE_SOAK"] == "1"), .timeLimit(.minutes(20)))
    func theBridgeDiesToo() async throws {
        let figures = try await SoakRun(
            dialect: "ga", turns: 100,
            faults: [
                "--expire-after", "20", "--drop-every", "15", "--stall-every", "60", "--stall-deaf", "--refuse", "0.2", "--delta-delay",
                "20", "--seed", "5",
            ],
            settings: ["--stall-timeout", "3"], killsEvery: 10)()
        FileHandle.standardError.write(Data("killed: \(figures.description)\n".utf8))
        #expect(figures.failedTurns == [])
    }
}
