/// How samples of sound are laid out in bytes. Multi-byte samples are little-endian; the channels of one moment stand side by side.
package struct SoundFormat: Sendable, Hashable {
    package enum Encoding: Sendable, Hashable, CaseIterable {
        /// One unsigned byte, 128 is silence, as WAV files have it.
        case pcm8
        case pcm16, pcm24, pcm32, float32
        /// ITU-T G.711, one byte a sample.
        case muLaw, aLaw

        package var bytesPerSample: Int {
            switch self {
            case .pcm8, .muLaw, .aLaw: 1
            case .pcm16: 2
            case .pcm24: 3
            case .pcm32, .float32: 4
            }
        }
    }

    package var encoding: Encoding
    /// Moments a second.
    package var rate: Int
    package var channels: Int

    package init(_ encoding: Encoding, rate: Int, channels: Int = 1) {
        self.encoding = encoding
        self.rate = rate
        self.channels = channels
    }

    /// Of one moment, all channels.
    package var bytesPerFrame: Int { encoding.bytesPerSample * channels }
    package var bytesPerSecond: Int { bytesPerFrame * rate }
}
