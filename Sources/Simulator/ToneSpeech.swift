import Foundation

/// Speech for machines without a speech synthesiser: every word is a tone of a pentatonic scale, as long as the word.
enum ToneSpeech {
    static let samplesPerSecond = 24_000
    private static let scale = [261.63, 293.66, 329.63, 392.00, 440.00, 523.25, 587.33, 659.25]

    /// Samples at 24 kHz; the same text sounds the same.
    static func samples(for text: String, speed: Double = 1) -> [Int16] {
        var samples: [Int16] = []
        for word in text.split(whereSeparator: \.isWhitespace) {
            let letters = word.filter { $0.isLetter || $0.isNumber }
            let hash = letters.lowercased().unicodeScalars.reduce(UInt32(7)) { $0 &* 31 &+ $1.value }
            let frequency = scale[Int(hash % UInt32(scale.count))]
            let milliseconds = Double(80 + 45 * min(letters.count, 12)) / speed
            appendTone(frequency, count: Int(milliseconds * 24), to: &samples)
            let pause = word.last.map { ".!?".contains($0) } ?? false ? 300.0 : 60.0
            samples.append(contentsOf: repeatElement(0, count: Int(pause / speed) * 24))
        }
        return samples
    }

    private static func appendTone(_ frequency: Double, count: Int, to samples: inout [Int16]) {
        let step = 2 * Double.pi * frequency / Double(samplesPerSecond)
        // 10 ms up and down, so that tones do not click.
        let ramp = 240.0
        for index in 0..<count {
            let envelope = min(1, Double(index) / ramp, Double(count - index) / ramp)
            let phase = step * Double(index)
            samples.append(Int16((sin(phase) * 0.8 + sin(2 * phase) * 0.2) * envelope * 9000))
        }
    }
}
