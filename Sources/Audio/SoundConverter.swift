/// Turns sound that arrives in pieces into the one format that an upstream server takes.
///
/// Equal formats pass through byte for byte. Lasts as long as the sound: what comes out has the duration of what went in, to the sample.
package final class SoundConverter {
    package static let rates = 4_000...192_000
    package static let channels = 1...8

    private let source: SoundFormat
    private let target: SoundFormat
    private var reader: SampleReader
    private let resampler: Resampler?
    /// Of sound that passes through.
    private var passedBytes = 0
    private let passesThrough: Bool
    private var momentsIn = 0
    private var momentsOut = 0

    /// - Parameters:
    ///   - isBigEndian: of 16-bit samples.
    ///   - target: one channel, 16-bit PCM or G.711.
    /// - Throws: `.unsupported`.
    package init(from source: SoundFormat, isBigEndian: Bool = false, to target: SoundFormat) throws(SoundFault) {
        guard Self.rates.contains(source.rate) else {
            throw SoundFault(
                .unsupported,
                "The sound has \(source.rate) samples a second; \(Self.rates.lowerBound) to \(Self.rates.upperBound) are converted.")
        }
        guard Self.channels.contains(source.channels) else {
            throw SoundFault(
                .unsupported,
                "The sound has \(source.channels) channels; \(Self.channels.lowerBound) to \(Self.channels.upperBound) are converted.")
        }
        self.source = source
        self.target = target
        reader = SampleReader(source, isBigEndian: isBigEndian)
        passesThrough = source == target && !isBigEndian
        resampler = source.rate == target.rate ? nil : Resampler(from: source.rate, to: target.rate)
    }

    /// As much as can be said so far.
    package func convert(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        guard !passesThrough else {
            passedBytes += bytes.count
            return Array(bytes)
        }
        let samples = reader.read(bytes)
        guard !samples.isEmpty else { return [] }
        momentsIn += samples.count
        let converted = resampler?.process(samples, isLast: false) ?? samples
        momentsOut += converted.count
        return SampleWriter.bytes(converted, as: target.encoding)
    }

    /// The rest; nothing can be converted afterwards.
    /// - Throws: `.truncated` if the bytes ended inside of a sample. All before it has been given out.
    package func finish() throws(SoundFault) -> [UInt8] {
        let odd = passesThrough ? passedBytes % source.bytesPerFrame : reader.partial.count
        guard odd == 0 else {
            throw SoundFault(
                .truncated, "The sound ends inside of a sample: \(odd) bytes are left over from samples of \(source.bytesPerFrame).")
        }
        guard let resampler else { return [] }
        var rest = resampler.process([], isLast: true)
        // The filter's own count may be one off.
        let missing = (momentsIn * target.rate + source.rate / 2) / source.rate - momentsOut
        if rest.count > missing { rest.removeLast(min(rest.count, rest.count - missing)) }
        while rest.count < missing { rest.append(0) }
        return SampleWriter.bytes(rest, as: target.encoding)
    }
}
