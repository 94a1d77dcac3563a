import Audio

/// How audio bytes of one direction are to be read.
enum AudioFormat: Sendable, Hashable, CaseIterable {
    /// 16-bit signed little-endian samples at 24 kHz, one channel.
    case pcm16
    case muLaw
    case aLaw

    var samplesPerSecond: Int { self == .pcm16 ? 24_000 : 8_000 }

    var bytesPerSample: Int { self == .pcm16 ? 2 : 1 }

    var bytesPerMillisecond: Int { samplesPerSecond * bytesPerSample / 1000 }

    func milliseconds(ofBytes count: Int) -> Int { count / bytesPerMillisecond }

    /// Reads whole samples; a trailing half sample is left out.
    func samples(_ bytes: ArraySlice<UInt8>) -> [Int16] {
        switch self {
        case .pcm16:
            return bytes.withUnsafeBytes { raw in
                (0..<raw.count / 2).map { Int16(littleEndian: raw.loadUnaligned(fromByteOffset: $0 * 2, as: Int16.self)) }
            }
        case .muLaw: return bytes.map { G711.muLawSamples[Int($0)] }
        case .aLaw: return bytes.map { G711.aLawSamples[Int($0)] }
        }
    }

    /// Writes samples of 24 kHz in this format; the telephone formats keep the mean of every three samples.
    func bytes(of samples: [Int16]) -> [UInt8] {
        switch self {
        case .pcm16:
            var out: [UInt8] = []
            out.reserveCapacity(samples.count * 2)
            for sample in samples {
                out.append(UInt8(truncatingIfNeeded: sample))
                out.append(UInt8(truncatingIfNeeded: sample >> 8))
            }
            return out
        case .muLaw: return AudioFormat.everyThird(samples).map(G711.encodeMuLaw)
        case .aLaw: return AudioFormat.everyThird(samples).map(G711.encodeALaw)
        }
    }

    private static func everyThird(_ samples: [Int16]) -> [Int16] {
        stride(from: 0, to: samples.count - 2, by: 3).map { start -> Int16 in
            let sum = Int(samples[start]) + Int(samples[start + 1]) + Int(samples[start + 2])
            return Int16(sum / 3)
        }
    }
}
