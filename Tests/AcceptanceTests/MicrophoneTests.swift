import Foundation
import Testing

/// Sound goes in while the upstream goes away, and none of it is lost.
@Suite(.serialized) struct MicrophoneTests {
    private static func question() throws -> Data {
        try Data(contentsOf: URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../Fixtures/spoken-question.pcm"))
    }

    @Test(.timeLimit(.minutes(2)), arguments: [("beta", 3), ("ga", 4)])
    func aLiveMicrophoneOutlivesItsUpstreams(dialect: String, seed: Int) async throws {
        let figures = try await MicrophoneRun(
            dialect: dialect, faults: ["--expire-after", "6", "--drop-every", "12", "--delta-delay", "10", "--seed", String(seed)],
            settings: ["--stall-timeout", "2"], switches: 3, periods: 7)(question: Self.question())
        FileHandle.standardError.write(Data("\(dialect): \(figures.description)\n".utf8))
        #expect(figures.switches.values.reduce(0, +) >= 3)
    }

    /// `REALTIME_BRIDGE_SOAK=1 swift test --filter MicrophoneTests`. It prints its figures.
    @Test(
        .enabled(if: ProcessInfo.processInfo.environment["REALTIME_BRIDGE_SOAK"] == "1"), .timeLimit(.minutes(10)),
        arguments: ["ga", "beta"])
    func threeMinutesOfIt(dialect: String) async throws {
        let figures = try await MicrophoneRun(
            dialect: dialect,
            faults: [
                "--expire-after", "20", "--drop-every", "15", "--stall-every", "90", "--refuse", "0.2", "--delta-delay", "20", "--seed",
                "9",
            ],
            settings: ["--stall-timeout", "3"], switches: 1000, periods: 49)(question: Self.question())
        FileHandle.standardError.write(Data("\(dialect): \(figures.description)\n".utf8))
        #expect(figures.switches.values.reduce(0, +) >= 6)
    }

    @Test(arguments: [
        // Stretches that the connections were sent, in bytes, and how many faults that is.
        ([0..<48_000, 48_000..<200_000], 0), ([0..<48_000, 20_000..<200_000], 0), ([0..<48_000, 48_002..<200_000], 1),
        ([0..<48_000, 0..<0, 40_000..<199_998], 1), ([4_800..<200_000], 1), ([0..<200_000, 100..<4_000], 0),
    ])
    func aHoleInWhatWasSentIsSeen(stretches: [Range<Int>], faults: Int) throws {
        let microphone = Microphone(question: try Self.question(), periods: 2)
        let appended = stretches.map { microphone.source.subdata(in: $0) }
        #expect(microphone.holes(in: appended, upTo: 200_000).count == faults)
        // Two stretches with something left out between them are not one.
        let torn = microphone.source.subdata(in: 0..<9_600) + microphone.source.subdata(in: 14_400..<200_000)
        #expect(microphone.holes(in: [torn], upTo: 200_000).count == 2)
    }

    @Test func aQuestionInNoneOrTwoItemsIsSeen() throws {
        let microphone = Microphone(question: try Self.question(), periods: 2)
        let whole = microphone.questions.map { microphone.source.subdata(in: $0.lowerBound - 9_600..<$0.upperBound + 9_600) }
        let half = microphone.source.subdata(in: microphone.questions[1].lowerBound..<microphone.questions[1].lowerBound + 24_000)
        func faults(_ audio: [Data]) -> Int {
            microphone.faults(inItems: audio.enumerated().map { (id: "item_\($0.offset)", audio: $0.element) }, questions: 2).count
        }
        #expect(faults(whole) == 0)
        #expect(faults([whole[0]]) == 1)
        #expect(faults(whole + [whole[1]]) == 1)
        #expect(faults([whole[0], half]) == 1)
        #expect(faults(whole + [half]) == 1)
        #expect(faults(whole + [Data(count: 9_600)]) == 1)
    }
}
