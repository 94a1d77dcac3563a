import Audio
import Sessions

extension SoundFormat {
    /// How the samples of a session's audio are laid out.
    init(_ format: AudioFormat) {
        let encoding: Encoding =
            switch format.name {
            case "g711_ulaw", "audio/pcmu": .muLaw
            case "g711_alaw", "audio/pcma": .aLaw
            default: .pcm16
            }
        self.init(encoding, rate: format.samplesPerSecond)
    }
}
