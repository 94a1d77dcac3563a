/// Turns samples of one channel, -1 to 1, into bytes; what is louder is clipped.
enum SampleWriter {
    /// - Parameter encoding: one that upstream servers take.
    static func bytes(_ samples: some Collection<Float>, as encoding: SoundFormat.Encoding) -> [UInt8] {
        switch encoding {
        case .muLaw: samples.map { G711.encodeMuLaw(whole($0)) }
        case .aLaw: samples.map { G711.encodeALaw(whole($0)) }
        case .pcm16:
            [UInt8](unsafeUninitializedCapacity: 2 * samples.count) { out, count in
                for sample in samples {
                    let value = UInt16(bitPattern: whole(sample))
                    out[count] = UInt8(truncatingIfNeeded: value)
                    out[count + 1] = UInt8(truncatingIfNeeded: value >> 8)
                    count += 2
                }
            }
        case .pcm8, .pcm24, .pcm32, .float32: preconditionFailure("no upstream takes \(encoding)")
        }
    }

    private static func whole(_ sample: Float) -> Int16 {
        Int16(max(-32_768, min(32_767, (sample * 32_768).rounded())))
    }
}
