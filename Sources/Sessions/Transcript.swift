package import EventLog
import Realtime

/// What was said in a conversation, in the order in which it was said, with times where there was sound.
///
/// The time line is the conversation's sound laid end to end, in milliseconds from its first one. Who speaks into the session is heard
/// where upstream counted it in the audio of that connection (its silence included); an answer begins where what was said before it
/// ended, and takes as long as it was produced, or heard if it was cut. Nobody begins before the one before has ended: what would, moves
/// back, and with it what that connection hears later. So an answer that plays while the input stands still takes its own time, and a
/// further connection, whose audio is counted from 0 again, goes on where the one before had got. Times never run backwards along the
/// items, and a deleted item keeps its time.
package struct Transcript: Sendable, Equatable {
    package struct Entry: Sendable, Equatable {
        package let itemID: String
        /// `user` or `assistant`.
        package let role: String
        /// Nil if nobody knows (yet) what was said. Of an answer that was cut, what was heard.
        package let text: String?
        package let status: String?
        package let responseID: String?
        package let isSpoken: Bool
        /// When it sounds, in milliseconds on the session's time line; nil without sound, or if how long it was is not known.
        package let milliseconds: Range<Int>?
        /// It was longer.
        package let isCut: Bool
    }

    package let entries: [Entry]
    /// Where the last sound ends.
    package let lengthMilliseconds: Int

    /// - Parameters:
    ///   - items: in conversation order, deleted ones too.
    ///   - speech: when those were spoken that were made of input audio.
    ///   - output: the format in which answers were produced.
    package init(of items: [ItemRecord], speech: [String: ItemSpeech], output: AudioFormat) {
        var line = TimeLine()
        entries = items.compactMap { item in
            // As lenient as the event was that it came in.
            guard let json = try? JSON.parse(item.json, maximumDepth: 256, refusingDuplicates: false), json["type"]?.string == "message",
                let role = json["role"]?.string, role == "user" || role == "assistant"
            else { return nil }
            let words = Words(json)
            let (heard, produced) = item.audioMilliseconds(output)
            let milliseconds: Range<Int>? =
                if let speech = speech[item.id] {
                    line.heard(speech)
                } else if item.producedAudioBytes > 0 {
                    line.answered(heard)
                } else {
                    nil
                }
            guard !item.isDeleted else { return nil }
            return Entry(
                itemID: item.id, role: role, text: heard < produced ? words.text(heard: heard, of: produced) : words.text,
                status: item.status, responseID: item.responseID, isSpoken: milliseconds != nil || words.areSpoken,
                milliseconds: milliseconds, isCut: heard < produced)
        }
        lengthMilliseconds = line.end
    }
}

/// The session's one time line, item by item.
private struct TimeLine {
    private(set) var end = 0
    /// Where the present connection's audio began.
    private var base = 0
    private var generation: Int?

    mutating func heard(_ speech: ItemSpeech) -> Range<Int> {
        guard let start = speech.startMilliseconds else { return answered(speech.milliseconds) }
        if generation != speech.generation {
            generation = speech.generation
            base = end
        }
        base += max(0, end - (base + start))
        end = base + start + max(0, speech.milliseconds)
        return (base + start)..<end
    }

    mutating func answered(_ milliseconds: Int) -> Range<Int> {
        defer { end += milliseconds }
        return end..<(end + milliseconds)
    }
}

/// The words of a message's parts, in both spellings of the protocol.
private struct Words {
    private struct Part {
        let words: String?
        let isSpoken: Bool
    }

    private let parts: [Part]

    init(_ item: JSON) {
        parts = (item["content"]?.elements ?? []).compactMap { part in
            part.isSpokenPart
                ? Part(words: part["transcript"]?.string, isSpoken: true) : part["text"]?.string.map { Part(words: $0, isSpoken: false) }
        }
    }

    var areSpoken: Bool { parts.contains { $0.isSpoken } }

    var text: String? { joined(parts.map(\.words)) }

    /// What of the spoken ones was heard before the cut.
    func text(heard: Int, of produced: Int) -> String? {
        guard text != nil else { return nil }
        let spoken = HeardText.cut(
            parts.map { $0.isSpoken ? $0.words ?? "" : "" }, heardMilliseconds: heard, producedMilliseconds: produced)
        return joined(zip(parts, spoken).map { $0.isSpoken ? $1 : $0.words })
    }

    private func joined(_ words: [String?]) -> String? {
        let known = words.compactMap { $0 }
        return known.isEmpty ? nil : known.filter { !$0.isEmpty }.joined(separator: " ")
    }
}
