import EventLog
import Realtime
import Testing

@testable import Sessions

/// The audio of committed turns, as it goes into the store.
@Suite struct KeptAudioTests {
    @Test func committedAudioIsKeptWithTheFormatThatItWasSpokenIn() throws {
        var driver = MachineDriver()
        for (item, format, encoding, heard) in [
            ("a", "pcm16", "pcm16/24000", 0..<100), ("b", "g711_ulaw", "g711_ulaw/8000", 100..<700),
        ] {
            driver.receive(
                "{\"type\":\"session.updated\",\"session\":{\"turn_detection\":null,\"input_audio_format\":\"\(format)\"}}")
            let bytes = [UInt8](repeating: 7, count: 4_800)
            try driver.take(
                "{\"type\":\"input_audio_buffer.append\",\"audio\":\"\(String(decoding: Base64.encoded(bytes[...]), as: UTF8.self))\"}")
            try driver.take(#"{"type":"input_audio_buffer.commit"}"#)
            driver.write()
            let frame = "{\"type\":\"input_audio_buffer.committed\",\"item_id\":\"\(item)\"}"
            let actions = driver.machine.received(Array(frame.utf8), on: driver.links[0], at: driver.now)
            let changes = actions.flatMap { action in
                if case .append(let append) = action { append.changes } else { [] as [ProjectionChange] }
            }
            let speech = ItemSpeech(generation: 1, startMilliseconds: heard.lowerBound, milliseconds: heard.count)
            #expect(changes == [.speech(itemID: item, speech), .input(itemID: item, .audio(bytes, format: encoding))])
            driver.act(actions)
        }
    }
}
