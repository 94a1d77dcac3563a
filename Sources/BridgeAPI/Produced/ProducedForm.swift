import Audio

/// A form in which a response is given besides JSON and events: only its words, or only its speech.
enum ProducedForm: Sendable, Equatable {
    /// Its text and its transcripts, as UTF-8.
    case words
    case speech(SoundContainer)

    /// The form that `Accept` wants most; nil if that is JSON or events, or nothing of all that.
    init?(_ accept: Accept) {
        switch accept.first(of: accept.responseTypes) {
        case "text/plain"?: self = .words
        case "audio/pcm"?: self = .speech(.raw)
        case let name? where SoundContainer.wavNames.contains(name): self = .speech(.wav)
        default: return nil
        }
    }
}

extension Accept {
    /// All that a response can be given as.
    fileprivate var responseTypes: [String] {
        ["application/json", "text/event-stream", "text/plain"] + SoundContainer.wavNames + ["audio/pcm"]
    }

    /// A response is to be given as its events.
    var wantsResponsesEvents: Bool { first(of: responseTypes) == "text/event-stream" }
}

/// What samples are put in.
enum SoundContainer: String, Sendable {
    case wav
    /// Nothing: the samples alone, in the session's format.
    case raw

    /// `audio/wav` is in no standard, so it has several names; a player that takes any sound is given this one.
    static let wavNames = ["audio/wav", "audio/x-wav", "audio/wave", "audio/vnd.wave", "audio/*"]

    /// WAV unless raw samples are wanted more.
    init(_ accept: Accept) {
        self = accept.first(of: Self.wavNames + ["audio/pcm"]) == "audio/pcm" ? .raw : .wav
    }

    func contentType(_ format: SoundFormat) -> String {
        switch (self, format.encoding) {
        case (.wav, _): "audio/wav"
        case (.raw, .muLaw): "audio/pcmu;rate=\(format.rate);channels=\(format.channels)"
        case (.raw, .aLaw): "audio/pcma;rate=\(format.rate);channels=\(format.channels)"
        case (.raw, _): "audio/pcm;rate=\(format.rate);channels=\(format.channels)"
        }
    }

    /// What stands before the samples.
    /// - Parameter dataBytes: of samples; nil while they are still being produced.
    func header(_ format: SoundFormat, dataBytes: Int?) -> [UInt8] {
        self == .wav ? WAVHeader.bytes(format, dataBytes: dataBytes) : []
    }
}

extension SoundFormat {
    /// Where a cut lies, after whole samples of all channels. Upstream's numbers are not trusted with arithmetic.
    func bytes(ofMilliseconds milliseconds: Int) -> Int {
        min(max(0, milliseconds), Int(Int32.max)) * rate / 1_000 * bytesPerFrame
    }
}
