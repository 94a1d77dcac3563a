/// Audio and transcript of one content part while they go out: the transcript runs ahead by at most one phrase.
struct SpokenPart: Sendable {
    enum Step: Equatable {
        case transcript(String)
        case audio(ArraySlice<UInt8>)
        /// The sound of this phrase is needed now.
        case request(String)
        /// Waits for the sound asked for.
        case blocked
        case end
    }

    /// Clients see many deltas for an ordinary answer, and a frame stays below 16 KB.
    static let chunkMilliseconds = 200
    private static let longestPhrase = 12

    private let pieces: [String]
    /// For every phrase the position after its last piece.
    private let phraseEnds: [Int]
    private let chunkBytes: Int
    private var nextPiece = 0
    private var phrase = 0
    private var isRequested = false
    private var sound: [UInt8]?
    private var soundOffset = 0
    private var transcriptCameLast = false
    private(set) var sentBytes = 0

    init(text: String, format: AudioFormat) {
        pieces = Pieces.of(text)
        chunkBytes = Self.chunkMilliseconds * format.bytesPerMillisecond
        var ends: [Int] = []
        var start = 0
        for (index, piece) in pieces.enumerated() {
            let endsSentence = piece.last.map { ".!?;:".contains($0) } ?? false
            guard endsSentence || index + 1 - start >= Self.longestPhrase || index + 1 == pieces.count else { continue }
            ends.append(index + 1)
            start = index + 1
        }
        phraseEnds = ends
    }

    /// What was sent of the transcript.
    var transcript: String { pieces[..<nextPiece].joined() }

    mutating func soundArrived(_ bytes: [UInt8]) {
        sound = bytes
        soundOffset = 0
    }

    mutating func next() -> Step {
        if phrase < phraseEnds.count, !isRequested {
            isRequested = true
            let start = phrase == 0 ? 0 : phraseEnds[phrase - 1]
            return .request(pieces[start..<phraseEnds[phrase]].joined())
        }
        let mayTranscribe = !phraseEnds.isEmpty && nextPiece < phraseEnds[min(phrase + 1, phraseEnds.count - 1)]
        if let sound, !(mayTranscribe && !transcriptCameLast) {
            let end = min(soundOffset + chunkBytes, sound.count)
            let chunk = sound[soundOffset..<end]
            soundOffset = end
            sentBytes += chunk.count
            transcriptCameLast = false
            if end == sound.count {
                self.sound = nil
                phrase += 1
                isRequested = false
            }
            return .audio(chunk)
        }
        if mayTranscribe {
            transcriptCameLast = true
            nextPiece += 1
            return .transcript(pieces[nextPiece - 1])
        }
        return phrase < phraseEnds.count ? .blocked : .end
    }
}
