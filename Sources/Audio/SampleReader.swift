/// Turns bytes of any ``SoundFormat`` into samples of one channel, -1 to 1: several channels are averaged.
struct SampleReader: Sendable {
    private let format: SoundFormat
    private let isBigEndian: Bool
    /// The beginning of a moment whose other bytes have not come.
    private(set) var partial: [UInt8] = []

    init(_ format: SoundFormat, isBigEndian: Bool) {
        self.format = format
        self.isBigEndian = isBigEndian
    }

    mutating func read(_ bytes: ArraySlice<UInt8>) -> [Float] {
        let all = partial.isEmpty ? bytes : partial[...] + bytes
        let moments = all.count / format.bytesPerFrame
        partial = Array(all.dropFirst(moments * format.bytesPerFrame))
        return all.withUnsafeBytes { bytes in
            switch format.encoding {
            case .pcm8: mixed(bytes, moments) { (Float(bytes[$0]) - 128) / 128 }
            case .muLaw: mixed(bytes, moments) { Float(G711.muLawSamples[Int(bytes[$0])]) / 32_768 }
            case .aLaw: mixed(bytes, moments) { Float(G711.aLawSamples[Int(bytes[$0])]) / 32_768 }
            case .pcm16:
                if isBigEndian {
                    mixed(bytes, moments) { Float(Int16(bigEndian: bytes.loadUnaligned(fromByteOffset: $0, as: Int16.self))) / 32_768 }
                } else {
                    mixed(bytes, moments) { Float(Int16(littleEndian: bytes.loadUnaligned(fromByteOffset: $0, as: Int16.self))) / 32_768 }
                }
            case .pcm24:
                mixed(bytes, moments) { offset in
                    // At the top of 32 bits, where the sign is.
                    let value = Int32(bytes[offset]) << 8 | Int32(bytes[offset + 1]) << 16 | Int32(bytes[offset + 2]) << 24
                    return Float(value) / 2_147_483_648
                }
            case .pcm32:
                mixed(bytes, moments) {
                    Float(Int32(littleEndian: bytes.loadUnaligned(fromByteOffset: $0, as: Int32.self))) / 2_147_483_648
                }
            case .float32:
                mixed(bytes, moments) { offset in
                    let bits = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
                    let value = Float(bitPattern: bits)
                    // One that is no number would silence the resampler for good.
                    return value.isFinite ? min(1, max(-1, value)) : 0
                }
            }
        }
    }

    /// - Parameter sample: the value at a byte offset.
    @inline(__always)
    private func mixed(_ bytes: UnsafeRawBufferPointer, _ moments: Int, _ sample: (Int) -> Float) -> [Float] {
        let (channels, width) = (format.channels, format.encoding.bytesPerSample)
        return [Float](unsafeUninitializedCapacity: moments) { out, count in
            var offset = 0
            for moment in 0..<moments {
                var sum: Float = 0
                for _ in 0..<channels {
                    sum += sample(offset)
                    offset += width
                }
                out[moment] = sum / Float(channels)
            }
            count = moments
        }
    }
}
