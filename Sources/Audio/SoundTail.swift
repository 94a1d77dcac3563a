/// How long it has been quiet at the end of a sound that comes in pieces.
///
/// Quiet is what lies 24 dB below the loudest so far, judged in windows of 20 ms: one voice's words differ by less, and the noise of a
/// usable recording lies further below.
package struct SoundTail: Sendable {
    private static let windowsPerSecond = 50
    /// Of power, 24 dB.
    private static let range: Float = 256
    /// Of full scale, -66 dB: nobody takes less for speech.
    private static let leastPower: Float = 2.5e-7
    /// Read at once, since the samples take up to four times as much.
    private static let sliceBytes = 16 << 10

    private let rate: Int
    private let windowSamples: Int
    private var reader: SampleReader
    private var loudest = leastPower * range
    /// Of the window that is being heard.
    private var energy: Float = 0
    private var samples = 0
    private var quietSamples = 0

    package init(_ format: SoundFormat) {
        rate = format.rate
        windowSamples = max(1, format.rate / Self.windowsPerSecond)
        reader = SampleReader(format, isBigEndian: false)
    }

    package mutating func hear(_ bytes: ArraySlice<UInt8>) {
        var rest = bytes
        while !rest.isEmpty {
            for sample in reader.read(rest.prefix(Self.sliceBytes)) {
                energy += sample * sample
                samples += 1
                if samples == windowSamples { judge() }
            }
            rest = rest.dropFirst(Self.sliceBytes)
        }
    }

    private mutating func judge() {
        let power = energy / Float(windowSamples)
        loudest = max(loudest, power)
        quietSamples = power * Self.range < loudest ? quietSamples + windowSamples : 0
        energy = 0
        samples = 0
    }

    /// All of it, if nothing could be heard.
    package var quietMilliseconds: Int { (quietSamples + samples) * 1_000 / rate }
}
