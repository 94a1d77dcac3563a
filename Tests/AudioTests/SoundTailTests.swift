import Foundation
import Testing

@testable import Audio

@Suite struct SoundTailTests {
    /// A tone that lasts so many milliseconds at each of the levels.
    private static func sound(_ parts: [(decibels: Double, milliseconds: Int)], _ format: SoundFormat) -> [UInt8] {
        parts.flatMap { part in
            let peak = 32_767 * pow(10, part.decibels / 20)
            return (0..<format.rate * part.milliseconds / 1_000).flatMap { moment -> [UInt8] in
                let sample = Int16((peak * sin(2 * .pi * 1_000 * Double(moment) / Double(format.rate))).rounded())
                return switch format.encoding {
                case .muLaw: [G711.encodeMuLaw(sample)]
                case .aLaw: [G711.encodeALaw(sample)]
                default: [UInt8(truncatingIfNeeded: sample), UInt8(truncatingIfNeeded: sample >> 8)]
                }
            }
        }
    }

    @Test(arguments: [
        SoundFormat(.pcm16, rate: 24_000), SoundFormat(.pcm16, rate: 16_000), SoundFormat(.muLaw, rate: 8_000),
        SoundFormat(.aLaw, rate: 8_000),
    ])
    func theEndOfTheLastSoundIsFound(format: SoundFormat) {
        let rows: [(parts: [(decibels: Double, milliseconds: Int)], quiet: Int)] = [
            ([(-6, 200)], 0),
            ([(-6, 200), (-120, 500)], 500),
            // Between two words, and behind them.
            ([(-6, 200), (-120, 500), (-12, 200), (-120, 300)], 300),
            // Noise under the voice is none; a voice that is not as loud is one.
            ([(-6, 200), (-36, 500)], 500),
            ([(-6, 200), (-26, 500)], 0),
            // What comes before the voice is as quiet as what comes after it.
            ([(-30, 400), (-3, 200), (-30, 400)], 400),
            // Without a voice nothing can be told from noise that could be one.
            ([(-40, 400)], 0),
            ([(-120, 250)], 250),
        ]
        for row in rows {
            let bytes = Self.sound(row.parts, format)
            var whole = SoundTail(format)
            whole.hear(bytes[...])
            #expect(whole.quietMilliseconds == row.quiet, "\(row.parts)")
            var pieces = SoundTail(format)
            var rest = bytes[...]
            while !rest.isEmpty {
                pieces.hear(rest.prefix(333))
                rest = rest.dropFirst(333)
            }
            #expect(pieces.quietMilliseconds == row.quiet, "\(row.parts)")
        }
    }
}
