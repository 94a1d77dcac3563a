/// Companding of telephone audio, ITU-T G.711: one byte for each sample of 8 kHz.
package enum G711 {
    package static func encodeMuLaw(_ sample: Int16) -> UInt8 {
        let bias = 0x84
        let clip = 32635
        let sign: Int = sample < 0 ? 0x80 : 0
        let magnitude = min(abs(Int(sample)), clip) + bias
        // The bias puts the highest set bit at 7 or above.
        let exponent = (Int.bitWidth - 1 - magnitude.leadingZeroBitCount) - 7
        let mantissa = magnitude >> (exponent + 3) & 0x0F
        return ~UInt8(sign | exponent << 4 | mantissa)
    }

    package static func decodeMuLaw(_ byte: UInt8) -> Int16 {
        let value = Int(~byte)
        let exponent = value >> 4 & 7
        let magnitude = ((value & 0x0F) << 3 + 0x84) << exponent - 0x84
        return Int16(value & 0x80 != 0 ? -magnitude : magnitude)
    }

    package static func encodeALaw(_ sample: Int16) -> UInt8 {
        let sign: Int = sample >= 0 ? 0x80 : 0
        let magnitude = min(sample >= 0 ? Int(sample) : -Int(sample) - 1, 32767) >> 3
        let code: Int
        if magnitude < 32 {
            code = magnitude >> 1
        } else {
            let exponent = (Int.bitWidth - 1 - magnitude.leadingZeroBitCount) - 4
            code = exponent << 4 | magnitude >> exponent & 0x0F
        }
        return UInt8(sign | code) ^ 0x55
    }

    package static func decodeALaw(_ byte: UInt8) -> Int16 {
        let value = Int(byte ^ 0x55)
        let exponent = value >> 4 & 7
        let mantissa = value & 0x0F
        let magnitude = exponent == 0 ? mantissa << 4 + 8 : (mantissa << 4 + 0x108) << (exponent - 1)
        return Int16(value & 0x80 != 0 ? magnitude : -magnitude)
    }

    /// For every code its sample; decoding is the hot path of voice activity detection and of uploads.
    package static let muLawSamples: [Int16] = (0...255).map { decodeMuLaw(UInt8($0)) }
    package static let aLawSamples: [Int16] = (0...255).map { decodeALaw(UInt8($0)) }
}
