import EventLog
import Realtime
import Testing

@testable import Sessions

/// The transcript's words, order and time line.
@Suite struct TranscriptTests {
    private static let bytesPerMillisecond = 48

    private static func user(_ id: String, transcript: String? = nil, isDeleted: Bool = false) -> ItemRecord {
        let words = transcript.map { "\"\($0)\"" } ?? "null"
        var item = ItemRecord(
            id: id, createdSeq: 1, previousItemID: nil,
            json: Array(#"{"id":"\#(id)","type":"message","role":"user","content":[{"type":"input_audio","transcript":\#(words)}]}"#.utf8),
            status: "completed", responseID: nil)
        item.isDeleted = isDeleted
        return item
    }

    private static func typed(_ id: String, _ text: String, role: String = "user") -> ItemRecord {
        ItemRecord(
            id: id, createdSeq: 1, previousItemID: nil,
            json: Array(#"{"id":"\#(id)","type":"message","role":"\#(role)","content":[{"type":"input_text","text":"\#(text)"}]}"#.utf8),
            status: "completed", responseID: nil)
    }

    private static func answer(_ id: String, _ text: String, milliseconds: Int, cutAt: Int? = nil, type: String = "audio") -> ItemRecord {
        var item = ItemRecord(
            id: id, createdSeq: 1, previousItemID: nil,
            json: Array(
                #"{"id":"\#(id)","type":"message","role":"assistant","content":[{"type":"\#(type)","transcript":"\#(text)"}]}"#.utf8),
            status: "completed", responseID: "resp")
        item.producedAudioBytes = milliseconds * bytesPerMillisecond
        item.truncatedAtMilliseconds = cutAt
        return item
    }

    private static func speech(_ generation: Int, _ start: Int?, _ length: Int) -> ItemSpeech {
        ItemSpeech(generation: generation, startMilliseconds: start, milliseconds: length)
    }

    struct Row: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let items: [ItemRecord]
        let speech: [String: ItemSpeech]
        let times: [Range<Int>?]
    }

    private static let rows: [Row] = [
        Row(
            testDescription: "a microphone that never stops: silence counts, and an answer begins where the question ended",
            items: [user("u1"), answer("a1", "x", milliseconds: 2_000), user("u2")],
            speech: ["u1": speech(1, 500, 1_000), "u2": speech(1, 6_000, 700)],
            times: [500..<1_500, 1_500..<3_500, 6_000..<6_700]),
        Row(
            testDescription: "audio that is only sent while somebody speaks: answers take their time between",
            items: [user("u1"), answer("a1", "x", milliseconds: 3_000), user("u2"), answer("a2", "y", milliseconds: 100), user("u3")],
            speech: ["u1": speech(1, 0, 1_000), "u2": speech(1, 1_000, 500), "u3": speech(1, 1_900, 500)],
            times: [0..<1_000, 1_000..<4_000, 4_000..<4_500, 4_500..<4_600, 4_900..<5_400]),
        Row(
            testDescription: "a later connection counts from 0, and goes on where the one before had got",
            items: [user("u1"), answer("a1", "x", milliseconds: 500), user("u2"), user("u3")],
            speech: ["u1": speech(1, 9_000, 1_000), "u2": speech(2, 200, 300), "u3": speech(2, 800, 100)],
            times: [9_000..<10_000, 10_000..<10_500, 10_700..<11_000, 11_300..<11_400]),
        Row(
            testDescription: "an answer that was cut ends there, and the one who spoke up begins where it was cut",
            items: [user("u1"), answer("a1", "x", milliseconds: 9_000, cutAt: 1_200), user("u2")],
            speech: ["u1": speech(1, 0, 1_000), "u2": speech(1, 2_200, 500)],
            times: [0..<1_000, 1_000..<2_200, 2_200..<2_700]),
        Row(
            testDescription: "what is typed has no time, nor what was never timed, and neither takes any",
            items: [typed("t1", "hi"), answer("a1", "x", milliseconds: 400), user("untimed"), answer("a2", "y", milliseconds: 100)],
            speech: [:], times: [nil, 0..<400, nil, 400..<500]),
        Row(
            testDescription: "a deleted item keeps its time",
            items: [user("u1", isDeleted: true), answer("a1", "x", milliseconds: 400)], speech: ["u1": speech(1, 0, 1_000)],
            times: [1_000..<1_400]),
        Row(
            testDescription: "speech that was given to the session has a length only",
            items: [user("u1"), user("u2")], speech: ["u1": speech(0, nil, 1_000), "u2": speech(1, 50, 10)],
            times: [0..<1_000, 1_050..<1_060]),
        Row(
            testDescription: "cut before anything was heard",
            items: [answer("a1", "x", milliseconds: 900, cutAt: 0), answer("a2", "y", milliseconds: 100, cutAt: 500)], speech: [:],
            times: [0..<0, 0..<100]),
    ]

    @Test(arguments: rows)
    func theTimeLineIsTheSoundEndToEnd(row: Row) {
        let transcript = Transcript(of: row.items, speech: row.speech, output: .pcm16)
        #expect(transcript.entries.map(\.milliseconds) == row.times)
        #expect(transcript.lengthMilliseconds == row.times.compactMap { $0?.upperBound }.max() ?? 0)
        let starts = row.times.compactMap { $0?.lowerBound }
        #expect(starts == starts.sorted())
    }

    @Test func wordsAreThoseThatWereHeard() throws {
        let items = [
            Self.user("u1"), Self.user("u2", transcript: "what time is it"), Self.typed("s", "be brief", role: "system"),
            Self.answer("a1", "it is four o'clock now", milliseconds: 2_000, cutAt: 1_000, type: "output_audio"),
            Self.answer("a2", "good bye", milliseconds: 500, cutAt: 500), Self.typed("t", "thanks"),
            ItemRecord(
                id: "f", createdSeq: 1, previousItemID: nil, json: Array(#"{"id":"f","type":"function_call","call_id":"c"}"#.utf8),
                status: nil, responseID: nil),
            ItemRecord(id: "bad", createdSeq: 1, previousItemID: nil, json: Array("{".utf8), status: nil, responseID: nil),
        ]
        let entries = Transcript(of: items, speech: [:], output: .pcm16).entries
        #expect(entries.map(\.itemID) == ["u1", "u2", "a1", "a2", "t"])
        #expect(entries.map(\.text) == [nil, "what time is it", "it is four", "good bye", "thanks"])
        #expect(entries.map(\.isSpoken) == [true, true, true, true, false])
        #expect(entries.map(\.isCut) == [false, false, true, false, false])
    }

    // MARK: What the ledger says

    @Test func aCommitTellsWhenItsAudioWasHeard() {
        var ledger = InputAudioLedger(format: .pcm16)
        ledger.appended([UInt8](repeating: 0, count: 4_800))
        #expect(ledger.heard(itemID: "a", at: ledger.position) == 0..<100)
        _ = ledger.committed(itemID: "a", at: ledger.position)
        ledger.appended([UInt8](repeating: 0, count: 9_600))
        let marker = ledger.position
        ledger.appended([UInt8](repeating: 0, count: 9_600))
        // What was appended after the commit was written is not in it.
        #expect(ledger.heard(itemID: "b", at: marker) == 100..<300)
        _ = ledger.committed(itemID: "b", at: marker)
        ledger.speechStarted(itemID: "c", startMilliseconds: 350)
        #expect(ledger.heard(itemID: "c", at: nil) == nil)
        ledger.speechStopped(itemID: "c", endMilliseconds: 450)
        #expect(ledger.heard(itemID: "c", at: nil) == 350..<450)
        #expect(ledger.heard(itemID: "unknown", at: nil) == nil)
        _ = ledger.committed(itemID: "c", at: nil)
        // Long speech is not kept, and timed all the same.
        ledger.speechStarted(itemID: "d", startMilliseconds: 450)
        ledger.appended([UInt8](repeating: 0, count: 200 * 48_000))
        ledger.speechStopped(itemID: "d", endMilliseconds: 200_000)
        #expect(ledger.heard(itemID: "d", at: nil) == 450..<200_000)
        #expect(ledger.committed(itemID: "d", at: nil) == nil)
    }
}
