import Audio
import Foundation

/// A sine of half the full scale, in any format; and what is left of it after it went somewhere.
struct Tone {
    static let hertz = 1_000.0
    static let amplitude = 0.5

    /// The same in all channels.
    static func bytes(_ format: SoundFormat, moments: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(moments * format.bytesPerFrame)
        for moment in 0..<moments {
            let value = amplitude * sin(2 * .pi * hertz * Double(moment) / Double(format.rate))
            let sample = encoded(value, format.encoding)
            for _ in 0..<format.channels { bytes += sample }
        }
        return bytes
    }

    private static func encoded(_ value: Double, _ encoding: SoundFormat.Encoding) -> [UInt8] {
        switch encoding {
        case .pcm8: [UInt8(128 + (value * 127).rounded())]
        case .pcm16: little(UInt16(bitPattern: Int16((value * 32_768).rounded())), 2)
        case .pcm24: little(UInt32(bitPattern: Int32((value * 8_388_608).rounded())), 3)
        case .pcm32: little(UInt32(bitPattern: Int32((value * 2_147_483_648).rounded())), 4)
        case .float32: little(Float(value).bitPattern, 4)
        case .muLaw: [G711.encodeMuLaw(Int16((value * 32_768).rounded()))]
        case .aLaw: [G711.encodeALaw(Int16((value * 32_768).rounded()))]
        }
    }

    private static func little(_ value: some FixedWidthInteger, _ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }

    /// What a listener would hear; of PCM, 8 and 16 bits.
    static func samples(_ bytes: [UInt8], _ encoding: SoundFormat.Encoding) -> [Double] {
        switch encoding {
        case .muLaw: bytes.map { Double(G711.muLawSamples[Int($0)]) / 32_768 }
        case .aLaw: bytes.map { Double(G711.aLawSamples[Int($0)]) / 32_768 }
        case .pcm8: bytes.map { (Double($0) - 128) / 128 }
        default:
            stride(from: 0, to: bytes.count - 1, by: 2).map {
                Double(Int16(bitPattern: UInt16(bytes[$0]) | UInt16(bytes[$0 + 1]) << 8)) / 32_768
            }
        }
    }

    struct Measure {
        /// Against what was put in.
        let levelDecibels: Double
        /// All that is not the tone (THD+N over the whole band), against the tone. A tone of another frequency is all noise.
        let noiseDecibels: Double
    }

    /// The tone is fitted by least squares, with any phase and a constant beside it, to all but the first and last 20 ms, where filters swing
    /// in.
    static func measure(_ samples: [Double], rate: Int) -> Measure {
        let edge = rate / 50
        let middle = Array(samples[edge..<samples.count - edge])
        let rows = middle.indices.map { index in
            let angle = 2 * .pi * hertz * Double(index) / Double(rate)
            return [sin(angle), cos(angle), 1]
        }
        var sums = [[Double]](repeating: [0, 0, 0, 0], count: 3)
        for (row, sample) in zip(rows, middle) {
            for line in 0..<3 {
                for column in 0..<3 { sums[line][column] += row[line] * row[column] }
                sums[line][3] += row[line] * sample
            }
        }
        let fit = solved(sums)
        var rest = 0.0
        for (row, sample) in zip(rows, middle) {
            let left = sample - fit[0] * row[0] - fit[1] * row[1] - fit[2]
            rest += left * left
        }
        let power = (fit[0] * fit[0] + fit[1] * fit[1]) / 2
        return Measure(
            levelDecibels: 20 * log10((2 * power).squareRoot() / amplitude),
            noiseDecibels: 10 * log10(max(rest / Double(middle.count), 1e-20) / power))
    }

    /// Three equations in three unknowns, by elimination.
    private static func solved(_ equations: [[Double]]) -> [Double] {
        var lines = equations
        for pivot in 0..<3 {
            for line in 0..<3 where line != pivot {
                let factor = lines[line][pivot] / lines[pivot][pivot]
                for column in 0..<4 { lines[line][column] -= factor * lines[pivot][column] }
            }
        }
        return (0..<3).map { lines[$0][3] / lines[$0][$0] }
    }

    /// What a coding alone leaves of the tone; nil for one that is finer than 16 bits need.
    static func noise(of encoding: SoundFormat.Encoding, rate: Int) -> Double? {
        guard [.pcm8, .muLaw, .aLaw].contains(encoding) else { return nil }
        let coded = bytes(SoundFormat(encoding, rate: rate), moments: rate / 5)
        return measure(samples(coded, encoding), rate: rate).noiseDecibels
    }
}
