import TestSupport
import Testing

@testable import Sessions

@Suite struct InputAudioLedgerTests {
    /// 100 bytes a second, so that 10 ms are a byte.
    private static let slow = AudioFormat(name: "slow", bytesPerSample: 1, samplesPerSecond: 100)

    private static func bytes(_ range: Range<Int>) -> [UInt8] { range.map { UInt8(truncatingIfNeeded: $0) } }

    private func ledger(_ count: Int) -> InputAudioLedger {
        var ledger = InputAudioLedger(format: Self.slow)
        ledger.appended(Self.bytes(0..<count))
        return ledger
    }

    @Test func timesGoOnOverFormatsAndBeginWithEachConnection() {
        var ledger = ledger(100)
        #expect(ledger.milliseconds == 1_000)
        ledger.reformatted(AudioFormat(name: "fast", bytesPerSample: 2, samplesPerSecond: 100))
        ledger.appended(Self.bytes(0..<100))
        #expect(ledger.milliseconds == 1_500)
        _ = ledger.restarted()
        #expect(ledger.milliseconds == 500)
    }

    // MARK: Turns

    @Test func aCommitTakesWhatWasSentBeforeIt() {
        var ledger = ledger(100)
        let marker = ledger.position
        ledger.appended(Self.bytes(100..<150))
        #expect(ledger.committed(itemID: "i", at: marker) == Self.bytes(0..<100))
        #expect(ledger.kept(0..<1_000) == Self.bytes(100..<150))
        #expect(ledger.committed(itemID: "j", at: ledger.position) == Self.bytes(100..<150))
        #expect(ledger.heldRange.isEmpty)
    }

    @Test func aClearForgetsWhatWasSentBeforeIt() {
        var ledger = ledger(100)
        ledger.speechStarted(itemID: "s", startMilliseconds: 100)
        let marker = ledger.position
        ledger.appended(Self.bytes(100..<150))
        ledger.cleared(at: marker)
        #expect(!ledger.isSpeaking)
        #expect(ledger.committed(itemID: "i", at: ledger.position) == Self.bytes(100..<150))
    }

    @Test func aSpeechIsTheAudioBetweenItsTimes() {
        var ledger = ledger(100)
        ledger.speechStarted(itemID: "s", startMilliseconds: 200)
        #expect(ledger.isSpeaking)
        ledger.appended(Self.bytes(100..<150))
        ledger.speechStopped(itemID: "s", endMilliseconds: 1_200)
        #expect(ledger.isSpeaking)
        #expect(ledger.committed(itemID: "s", at: nil) == Self.bytes(20..<120))
        #expect(!ledger.isSpeaking)
        #expect(ledger.heldRange == 120..<150)
    }

    @Test func theNextSpeechMayBeginBeforeTheLastIsCommitted() {
        var ledger = ledger(100)
        ledger.speechStarted(itemID: "a", startMilliseconds: 0)
        ledger.speechStopped(itemID: "a", endMilliseconds: 500)
        ledger.speechStarted(itemID: "b", startMilliseconds: 450)
        #expect(ledger.committed(itemID: "a", at: nil) == Self.bytes(0..<50))
        #expect(ledger.isSpeaking)
        ledger.speechStopped(itemID: "b", endMilliseconds: 900)
        // The padding reaches into the first one, which has those bytes already.
        #expect(ledger.committed(itemID: "b", at: nil) == Self.bytes(50..<90))
    }

    @Test func aCommitInTheMiddleOfASpeechTakesTheSpeechSoFar() {
        var ledger = ledger(100)
        ledger.speechStarted(itemID: "s", startMilliseconds: 300)
        #expect(ledger.committed(itemID: "s", at: 80) == Self.bytes(30..<80))
        #expect(!ledger.isSpeaking)
        #expect(ledger.heldRange == 80..<100)
    }

    @Test func theCallersCommitUnderAnotherIDTakesTheSpeechWithIt() {
        var ledger = ledger(100)
        ledger.speechStarted(itemID: "s", startMilliseconds: 300)
        #expect(ledger.committed(itemID: "i", at: 80) == Self.bytes(0..<80))
        #expect(!ledger.isSpeaking)
    }

    @Test func anItemOfWhichNothingIsKnownTakesAllThatWasSent() {
        var ledger = ledger(100)
        #expect(ledger.committed(itemID: "?", at: nil) == nil)
        #expect(ledger.heldRange.isEmpty)
        #expect(ledger.holdsAll)
    }

    @Test func aSpeechThatEndsWhereNoAudioIsYetIsNotKept() {
        var ledger = ledger(100)
        ledger.speechStarted(itemID: "s", startMilliseconds: 0)
        ledger.speechStopped(itemID: "s", endMilliseconds: 5_000)
        #expect(ledger.committed(itemID: "s", at: nil) == nil)
    }

    @Test func upstreamsRoundingDoesNotLoseASpeech() {
        var ledger = ledger(100)
        ledger.speechStarted(itemID: "s", startMilliseconds: -10)
        ledger.speechStopped(itemID: "s", endMilliseconds: 1_040)
        #expect(ledger.committed(itemID: "s", at: nil) == Self.bytes(0..<100))
    }

    @Test func timesThatNoConnectionHasAreHarmless() {
        var ledger = ledger(100)
        ledger.speechStarted(itemID: "s", startMilliseconds: .max)
        ledger.speechStopped(itemID: "s", endMilliseconds: .min)
        #expect(ledger.committed(itemID: "s", at: nil) == nil)
        ledger.cleared(at: .max)
        #expect(ledger.heldRange == 100..<100)
    }

    @Test func speechesWithoutEndAreNotCollected() {
        var ledger = ledger(100)
        for number in 0..<1_000 { ledger.speechStarted(itemID: "s\(number)", startMilliseconds: 10) }
        #expect(ledger.committed(itemID: "s0", at: nil) == nil)
        #expect(ledger.committed(itemID: "s999", at: nil) == nil)
        ledger.cleared(at: ledger.position)
        #expect(!ledger.isSpeaking)
    }

    // MARK: Limits

    /// Bytes of the tests' format that are kept.
    private static let kept = InputAudioLedger.maximumSeconds * 100

    @Test func silenceIsKeptForAWhile() {
        var ledger = ledger(Self.kept)
        #expect(ledger.holdsAll)
        ledger.appended([1])
        #expect(!ledger.holdsAll)
        #expect(ledger.heldRange == 1..<Self.kept + 1)
        #expect(ledger.committed(itemID: "i", at: Self.kept + 1) == nil)
        #expect(ledger.holdsAll)
    }

    @Test func aSpeechUnderWayIsKeptLonger() {
        var ledger = ledger(2_900)
        ledger.speechStarted(itemID: "s", startMilliseconds: 25_000)
        for start in stride(from: 2_900, to: 10_000, by: 100) { ledger.appended(Self.bytes(start..<start + 100)) }
        #expect(ledger.heldRange == 2_500..<10_000)
        ledger.speechStopped(itemID: "s", endMilliseconds: 99_000)
        #expect(ledger.committed(itemID: "s", at: nil) == Self.bytes(2_500..<9_900))
    }

    @Test func aSpeechThatDoesNotEndIsNotKeptForEver() {
        var ledger = InputAudioLedger(format: .pcm16)
        ledger.speechStarted(itemID: "s", startMilliseconds: 0)
        for _ in 0..<300 { ledger.appended([UInt8](repeating: 1, count: 48_000)) }
        #expect(ledger.heldRange.count == 4 << 20)
        ledger.speechStopped(itemID: "s", endMilliseconds: 300_000)
        #expect(ledger.committed(itemID: "s", at: nil) == nil)
    }

    // MARK: Another format

    @Test func audioOfAnotherFormatIsNotMixedIn() {
        var ledger = ledger(100)
        ledger.reformatted(.pcm16)
        #expect(!ledger.holdsAll)
        ledger.appended([UInt8](repeating: 7, count: 96_000))
        // One second went before.
        ledger.speechStarted(itemID: "s", startMilliseconds: 1_500)
        ledger.speechStopped(itemID: "s", endMilliseconds: 2_500)
        #expect(ledger.committed(itemID: "s", at: nil) == [UInt8](repeating: 7, count: 48_000))
        #expect(ledger.holdsAll)
        #expect(ledger.position == 96_100)
    }

    @Test func theSameFormatChangesNothing() {
        var ledger = ledger(100)
        ledger.reformatted(Self.slow)
        #expect(ledger.heldRange == 0..<100)
    }

    @Test func anotherNameForTheSameSoundChangesNothing() {
        var ledger = InputAudioLedger(format: .pcm16)
        ledger.appended([1, 2, 3, 4])
        ledger.reformatted(AudioFormat(name: "audio/pcm", bytesPerSample: 2, samplesPerSecond: 24_000))
        #expect(ledger.kept(0..<4) == [1, 2, 3, 4])
        var companded = InputAudioLedger(format: AudioFormat(name: "g711_ulaw", bytesPerSample: 1, samplesPerSecond: 8_000))
        companded.appended([1, 2, 3, 4])
        companded.reformatted(AudioFormat(name: "g711_alaw", bytesPerSample: 1, samplesPerSecond: 8_000))
        #expect(companded.heldRange.isEmpty)
    }

    // MARK: The next connection

    @Test func whatIsKeptIsSentAgainAroundTheCommandsInFlight() {
        var ledger = ledger(100)
        #expect(ledger.committed(itemID: "i", at: 40) != nil)
        ledger.speechStarted(itemID: "s", startMilliseconds: 450)
        // A clear at 60 and a commit at 90 are unanswered.
        #expect(ledger.holdsAll(from: nil))
        #expect(ledger.holdsAll(from: 60))
        let base = ledger.restarted()
        #expect(base == 40)
        #expect(!ledger.isSpeaking)
        #expect(ledger.position == 60)
        #expect(ledger.kept(0..<60 - base) == Self.bytes(40..<60))
        #expect(ledger.kept(60 - base..<90 - base) == Self.bytes(60..<90))
        #expect(ledger.kept(90 - base..<ledger.position) == Self.bytes(90..<100))
        ledger.cleared(at: 60 - base)
        #expect(ledger.committed(itemID: "j", at: 90 - base) == Self.bytes(60..<90))
        ledger.speechStarted(itemID: "t", startMilliseconds: 520)
        ledger.appended(Self.bytes(100..<110))
        ledger.speechStopped(itemID: "t", endMilliseconds: 650)
        #expect(ledger.committed(itemID: "t", at: nil) == Self.bytes(92..<105))
    }

    @Test func aCommitWhoseAudioIsNotWholeIsNotRepeatedButTheNextMayBe() {
        var ledger = ledger(1_000)
        ledger.appended(Self.bytes(1_000..<Self.kept + 500))
        // Commits at 900 and 2,000 are in flight; the first 500 bytes are gone.
        #expect(!ledger.holdsAll(from: nil))
        #expect(ledger.holdsAll(from: 900))
        #expect(!ledger.holdsAll(from: 499))
        #expect(ledger.holdsAll(from: 500))
        #expect(ledger.restarted() == 500)
        #expect(ledger.holdsAll)
    }

    // MARK: Against a naive model

    /// Every byte ever sent, and what upstream has taken of them.
    private struct Model {
        var all: [UInt8] = []
        var turnStart = 0
        var dropped = 0
        var speech: (id: String, start: Int, end: Int?)?

        mutating func append(_ bytes: [UInt8]) {
            all += bytes
            let oldest = all.count - InputAudioLedger.maximumSeconds * 100
            dropped = max(dropped, min(oldest, speech?.start ?? .max))
        }

        mutating func take(_ id: String, from start: Int?, to end: Int?) -> [UInt8]? {
            var audio: [UInt8]?
            if let start, let end, start >= dropped, start < end { audio = Array(all[start..<end]) }
            turnStart = max(turnStart, end ?? all.count)
            dropped = max(dropped, turnStart)
            if speech?.id == id || (speech?.start ?? .max) < turnStart { speech = nil }
            return audio
        }
    }

    @Test(arguments: 0..<200 as Range<UInt64>)
    func agreesWithAModelThatKeepsEverything(seed: UInt64) {
        var dice = SeededRandom(seed: seed)
        var ledger = InputAudioLedger(format: Self.slow)
        var model = Model()
        var markers: [(isClear: Bool, position: Int)] = []
        for step in 0..<300 {
            switch dice.roll(1...10) {
            case 1...4:
                let bytes = (0..<dice.roll(0...400)).map { _ in UInt8.random(in: 0...255, using: &dice) }
                ledger.appended(bytes)
                model.append(bytes)
            case 5:
                markers.append((dice.once(in: 3), ledger.position))
            case 6:
                guard !markers.isEmpty else { continue }
                let marker = markers.removeFirst()
                if marker.isClear {
                    ledger.cleared(at: marker.position)
                    _ = model.take("", from: nil, to: marker.position)
                    model.speech = nil
                } else {
                    let id = model.speech.flatMap { $0.start < marker.position ? $0.id : nil } ?? "m\(step)"
                    let start = model.speech?.id == id ? model.speech?.start : model.turnStart
                    #expect(ledger.committed(itemID: id, at: marker.position) == model.take(id, from: start, to: marker.position))
                }
            case 7:
                guard model.speech == nil else { continue }
                let start = dice.roll(max(0, model.all.count - 500)...model.all.count)
                ledger.speechStarted(itemID: "s\(step)", startMilliseconds: start * 10)
                model.speech = ("s\(step)", max(start, model.turnStart), nil)
            case 8:
                guard let speech = model.speech, speech.end == nil, speech.start < model.all.count else { continue }
                let end = dice.roll(speech.start + 1...model.all.count)
                ledger.speechStopped(itemID: speech.id, endMilliseconds: end * 10)
                model.speech?.end = end
            case 9:
                guard let speech = model.speech, let end = speech.end else { continue }
                #expect(ledger.committed(itemID: speech.id, at: nil) == model.take(speech.id, from: speech.start, to: end))
            default:
                guard dice.once(in: 5) else { continue }
                #expect(ledger.holdsAll == (model.dropped <= model.turnStart))
                let base = ledger.restarted()
                #expect(base == model.dropped)
                model.all.removeFirst(base)
                (model.dropped, model.turnStart, model.speech) = (0, 0, nil)
                markers = markers.map { ($0.isClear, max(0, $0.position - base)) }
            }
            #expect(ledger.isSpeaking == (model.speech != nil))
            #expect(ledger.holdsAll == (model.dropped <= model.turnStart))
            #expect(ledger.position == model.all.count)
            #expect(ledger.heldRange == model.dropped..<model.all.count)
            #expect(ledger.kept(0..<model.all.count) == Array(model.all[model.dropped...]))
        }
    }

    @Test func appendingDoesNotMoveTheWholeEachTime() {
        var ledger = InputAudioLedger(format: .pcm16)
        let chunk = [UInt8](repeating: 1, count: 960)
        let clock = ContinuousClock()
        let taken = clock.measure { for _ in 0..<30_000 { ledger.appended(chunk) } }
        #expect(ledger.heldRange.count == InputAudioLedger.maximumSeconds * 48_000)
        #expect(taken < .seconds(5))
    }
}
