import Audio
import Sessions

extension AudioFormat {
    /// How its samples are laid out.
    var sound: SoundFormat {
        switch name {
        case "g711_ulaw", "audio/pcmu": SoundFormat(.muLaw, rate: samplesPerSecond)
        case "g711_alaw", "audio/pcma": SoundFormat(.aLaw, rate: samplesPerSecond)
        default: SoundFormat(.pcm16, rate: samplesPerSecond)
        }
    }
}
