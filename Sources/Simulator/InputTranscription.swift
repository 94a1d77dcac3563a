import Realtime

/// The transcript of one committed turn, beside the response.
///
/// The simulator cannot understand speech and says so: the text is `[1.8 s of speech]` or `[0.5 s of silence]`. A transcription model
/// whose name contains `fail` fails. `whisper` models send one delta with a newline at its end, others a delta for each word.
struct InputTranscription: Sendable {
    enum Step {
        case delta(String)
        case completed(String, usage: JSONValue)
        case failed
    }

    let itemID: String
    let milliseconds: Int
    var dueAt: Duration
    private let text: String
    private let deltas: [String]
    private let isWhisper: Bool
    private let fails: Bool
    private var position = 0
    private(set) var isFinished = false

    init(itemID: String, model: String, milliseconds: Int, isSpeech: Bool, dueAt: Duration) {
        self.itemID = itemID
        self.milliseconds = milliseconds
        self.dueAt = dueAt
        isWhisper = model.hasPrefix("whisper")
        fails = model.contains("fail")
        let plain = "[\(Answer.seconds(milliseconds)) s of \(isSpeech ? "speech" : "silence")]"
        text = isWhisper ? plain + "\n" : plain
        deltas = fails ? [] : isWhisper ? [text] : Pieces.of(plain)
    }

    mutating func next() -> Step {
        if position < deltas.count {
            position += 1
            return .delta(deltas[position - 1])
        }
        isFinished = true
        if fails { return .failed }
        let input = Tokens.heard(milliseconds: milliseconds)
        let output = Tokens.text(text.utf8.count)
        let usage: JSONValue =
            isWhisper
            ? ["type": "duration", "seconds": .double(Double(milliseconds) / 1000)]
            : [
                "type": "tokens", "total_tokens": .int(input + output), "input_tokens": .int(input), "output_tokens": .int(output),
                "input_token_details": ["text_tokens": 0, "audio_tokens": .int(input)],
            ]
        return .completed(text, usage: usage)
    }
}
