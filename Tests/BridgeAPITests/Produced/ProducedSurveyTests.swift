import Audio
import EventLog
import HTTPServer
import Realtime
import TestSupport
import Testing

@testable import BridgeAPI

/// What is known of a response that has ended, and parts of it from there.
@Suite struct ProducedSurveyTests {
    private static let selection = ProducedSelection(content: .speech, response: "resp_1", item: nil)

    private static func machine(through last: Int) -> ProducedMachine {
        ProducedMachine(after: 0, through: last, of: selection, format: .init(.pcm16, rate: 24_000))
    }

    private static func survey(_ session: TestSession, placeBytes: Int) async throws -> ProducedSurvey? {
        var walk = ProducedWalk(machine(through: session.history.tail.seq), of: selection, in: session.history, placeBytes: placeBytes)
        return try await walk.survey()
    }

    /// Items whose deltas come in any sizes, one after the other or mixed, some of them cut; in pages of the store.
    @Test(arguments: 0..<20 as Range<UInt64>)
    func everyPartIsThatPartOfTheWhole(seed: UInt64) async throws {
        var random = SeededRandom(seed: seed)
        let frames = SpokenFrames()
        let session = try await TestSession(windowBytes: 1_000)
        let isMixed = seed % 2 == 1
        for item in 0..<3 {
            for number in 0..<40 {
                let piece = sound(.random(in: 1...90, using: &random), from: item * 10_000 + number * 100)
                let place = isMixed ? .random(in: 0..<3, using: &random) : item
                await session.append([frames.audio(piece, of: "item_\(place)")] + SpokenFrames.noise(.random(in: 0...1, using: &random)))
            }
            if !isMixed { await session.append(frames.audioDone(of: "item_\(item)"), frames.itemDone("item_\(item)")) }
        }
        if seed % 3 == 0 { await session.append(frames.truncated("item_1", at: 10)) }
        await session.append(frames.done())
        let survey = try #require(try await Self.survey(session, placeBytes: 200))
        #expect(survey.items.sorted() == ["item_0", "item_1", "item_2"])
        // One cut is known only now.
        let cuts = survey.cuts.merging(seed % 4 == 0 ? ["item_0": 334] : [:]) { min($0, $1) }
        let count = survey.count(cutting: cuts)
        func bytes(_ machine: ProducedMachine) async throws -> [UInt8] {
            let seat = try StreamRegistry().admit(session: "rts_1", isViewer: false)
            let puller = TestPuller(HistoryBody(machine, of: Self.selection, in: session.history, seat: seat, logger: quiet))
            _ = try await puller.read()
            #expect(puller.isFinished)
            return puller.bytes
        }
        let whole = try await bytes(Self.machine(through: session.history.tail.seq).giving(0..<count, cutting: cuts))
        #expect(whole.count == count)
        for _ in 0..<20 {
            let start = Int.random(in: 0..<count, using: &random)
            let range = start..<Int.random(in: start + 1...count, using: &random)
            let machine = survey.machine(giving: range, cutting: cuts)
            #expect(try await bytes(machine) == Array(whole[range]), "\(range) of \(count)")
        }
    }

    @Test func aPartBeginsNearItsFirstByte() async throws {
        let session = try await TestSession(windowBytes: 1_000)
        for number in 0..<100 { await session.append(SpokenFrames().audio(sound(10, from: number))) }
        await session.append(SpokenFrames().done())
        let survey = try #require(try await Self.survey(session, placeBytes: 100))
        #expect(survey.machine(giving: 0..<1, cutting: [:]).cursor == 0)
        #expect(survey.machine(giving: 99..<100, cutting: [:]).cursor == 0)
        #expect(survey.machine(giving: 555..<1_000, cutting: [:]).cursor == 50)
        #expect(survey.machine(giving: 999..<1_000, cutting: [:]).cursor == 90)
    }

    @Test func whatIsMissingHasNoSurvey() async throws {
        let session = try await TestSession(windowBytes: 1_000, retainedBytes: 20_000)
        await session.append(SpokenFrames().audio(sound(10)))
        await session.append(SpokenFrames.noise(500))
        await session.append(SpokenFrames().done())
        try await session.log.applyRetention()
        #expect(try await Self.survey(session, placeBytes: 100) == nil)
    }

    @Test func theSurveysThatWereUsedLastAreKept() async throws {
        let surveys = ProducedSurveys()
        let survey = ProducedSurvey(places: [Self.machine(through: 1)], end: Self.machine(through: 1))
        func isMade(_ number: Int, _ survey: ProducedSurvey? = survey) async -> Bool {
            var isMade = false
            let key = ProducedSurveys.Key(
                session: "s", selection: Self.selection, after: 0, through: number, format: .init(.pcm16, rate: 24_000))
            _ = await surveys.survey(key) { () async -> ProducedSurvey? in
                isMade = true
                return survey
            }
            return isMade
        }
        // What could not be made is asked for again.
        #expect(await isMade(0, nil))
        for number in 0..<ProducedSurveys.maximum { #expect(await isMade(number)) }
        #expect(await !isMade(0))
        #expect(await isMade(ProducedSurveys.maximum))
        #expect(await !isMade(0))
        #expect(await isMade(1))
    }
}
