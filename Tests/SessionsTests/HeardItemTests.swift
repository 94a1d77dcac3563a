import EventLog
import Realtime
import Testing

@testable import Sessions

/// The words of an item whose audio was cut.
@Suite struct HeardItemTests {
    private static func item(_ content: String, producedMilliseconds: Int, cutAt: Int?) -> ItemRecord {
        var item = ItemRecord(
            id: "a", createdSeq: 1, previousItemID: nil,
            json: Array(#"{"id":"a", "type":"message","role":"assistant","content":\#(content)}"#.utf8),
            status: "completed", responseID: "r")
        item.producedAudioBytes = producedMilliseconds * 48
        item.truncatedAtMilliseconds = cutAt
        return item
    }

    @Test(
        arguments: [
            (#"[{"type":"audio","transcript":"one two three four"}]"#, 100, 50, #"[{"type":"audio","transcript":"one two"}]"#),
            (#"[{"type":"output_audio", "transcript":"one two"}]"#, 100, 0, #"[{"type":"output_audio", "transcript":""}]"#),
            (
                #"[{"type":"audio","transcript":"one two "},{"type":"audio","transcript":"three four"}]"#, 100, 30,
                #"[{"type":"audio","transcript":"one"},{"type":"audio","transcript":""}]"#
            ),
            // What was written beside it stays.
            (
                #"[{"type":"text","text":"written"},{"type":"audio","transcript":"one two"}]"#, 100, 1,
                #"[{"type":"text","text":"written"},{"type":"audio","transcript":""}]"#
            ),
            // Not known, and no words.
            (#"[{"type":"audio","transcript":null},{"type":"audio"}]"#, 100, 50, nil),
            // Nothing was cut.
            (#"[{"type":"audio","transcript":"one  two"}]"#, 100, 100, nil),
            (#"[{"type":"audio","transcript":"one two"}]"#, 100, nil, nil),
            // Text by now, or always.
            (#"[{"type":"text","text":"one two"}]"#, 0, 50, nil),
        ] as [(String, Int, Int?, String?)])
    func areThoseThatWereHeardAndAllElseIsAsItWas(content: String, produced: Int, cutAt: Int?, heard: String?) {
        let item = Self.item(content, producedMilliseconds: produced, cutAt: cutAt)
        let expected = Self.item(heard ?? content, producedMilliseconds: produced, cutAt: cutAt).json
        #expect(String(decoding: item.asHeard(.pcm16), as: UTF8.self) == String(decoding: expected, as: UTF8.self))
    }
}
