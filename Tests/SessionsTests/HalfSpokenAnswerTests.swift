import Realtime
import Testing

@testable import Sessions

/// Upstream is lost in the middle of an answer: what the user has heard of it, the model goes on knowing.
@Suite struct HalfSpokenAnswerTests {
    @Test(arguments: [
        ("audio_transcript", [ItemNote(id: "a", why: "audio_as_text")]), ("text", []),
    ])
    func itIsGivenToTheNextConnection(delta: String, altered: [ItemNote]) throws {
        var driver = MachineDriver()
        driver.receive(#"{"type":"response.created","response":{"id":"r","status":"in_progress","conversation_id":"c"}}"#)
        let item = #"{"id":"a","type":"message","status":"in_progress","role":"assistant","content":[]}"#
        driver.receive(#"{"type":"response.output_item.added","response_id":"r","item":\#(item)}"#)
        driver.receive(#"{"type":"conversation.item.created","previous_item_id":null,"item":\#(item)}"#)
        for text in ["It is ", "half"] {
            driver.receive(
                #"{"type":"response.\#(delta).delta","response_id":"r","item_id":"a","content_index":0,"delta":"\#(text)"}"#)
            driver.receive(#"{"type":"response.audio.delta","response_id":"r","item_id":"a","content_index":0,"delta":"AAAA"}"#)
        }
        driver.lose()
        driver.open()
        let created = try JSON.parse(try #require(driver.sent.last).frame)
        #expect(created["type"]?.string == "conversation.item.create")
        #expect(
            created["item"].map { String(decoding: $0.lexeme, as: UTF8.self) }
                == #"{"id":"a","type":"message","role":"assistant","content":[{"type":"text","text":"It is half"}]}"#)
        driver.receive(#"{"type":"conversation.item.created","item":{"id":"a"}}"#)
        let switched = try JSON.parse(try #require(driver.frames.last))
        #expect(switched["type"]?.string == BridgeEvent.switchedType)
        #expect(switched["items_lost"]?.elements.isEmpty == true)
        #expect(switched["items_altered"]?.elements.map { $0["how"]?.string } == altered.map(\.why))
    }
}
