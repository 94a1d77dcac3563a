package import EventLog
import Realtime

extension ItemRecord {
    /// How much there was of its audio, and how much of that is left where it was cut.
    /// - Parameter output: the format in which it was produced.
    func audioMilliseconds(_ output: AudioFormat) -> (heard: Int, produced: Int) {
        let produced = output.milliseconds(bytes: producedAudioBytes)
        return (min(produced, max(0, truncatedAtMilliseconds ?? produced)), produced)
    }

    /// The item as its conversation has it: of an answer that was cut, with the words that were heard.
    ///
    /// Upstream cuts its own item and does not say what is left of the words, so that is reckoned as for the transcript (``HeardText``).
    /// - Parameter output: the format in which its audio was produced.
    package func asHeard(_ output: AudioFormat) -> [UInt8] {
        let (heard, produced) = audioMilliseconds(output)
        guard heard < produced, let item = object else { return json }
        let parts = item["content"]?.elements ?? []
        let left = HeardText.cut(
            parts.map { $0.isSpokenPart ? $0["transcript"]?.string ?? "" : "" }, heardMilliseconds: heard, producedMilliseconds: produced)
        var splice = JSONSplice(item)
        for (part, words) in zip(parts, left) where part.isSpokenPart && part["transcript"]?.string != nil {
            splice.set("transcript", of: part, to: JSONValue.string(words).bytes)
        }
        return splice.bytes
    }
}

extension JSON {
    /// A content part that is audio, in either spelling of the protocol.
    var isSpokenPart: Bool { ["audio", "input_audio", "output_audio"].contains(self["type"]?.string) }
}
