import Audio
import Foundation
import Testing

@Suite struct SoundConverterTests {
    static let targets = [
        SoundFormat(.pcm16, rate: 24_000), SoundFormat(.pcm16, rate: 16_000), SoundFormat(.muLaw, rate: 8_000),
        SoundFormat(.aLaw, rate: 8_000),
    ]
    static let rates = [4_000, 8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000, 192_000]

    private static func convert(_ bytes: [UInt8], _ converter: SoundConverter, cuts: () -> Int = { 4_096 }) throws -> [UInt8] {
        var rest = bytes[...]
        var converted: [UInt8] = []
        while !rest.isEmpty {
            let cut = cuts()
            converted += converter.convert(rest.prefix(cut))
            rest = rest.dropFirst(cut)
        }
        return try converted + converter.finish()
    }

    /// -60 dB, or what the coarse codings on the way leave by themselves (8 bits; G.711 at 1 kHz and 8 kHz, where the tone meets few of its
    /// steps, 34 dB), and a decibel and a half more.
    private static func noiseLimit(_ source: SoundFormat, _ target: SoundFormat) -> Double {
        let own = [Tone.noise(of: source.encoding, rate: source.rate), Tone.noise(of: target.encoding, rate: target.rate)]
        let power = own.reduce(0) { $0 + ($1.map { pow(10, $0 / 10) } ?? 0) }
        return max(-60, 10 * log10(max(power, 1e-12)) + 1.5)
    }

    @Test(arguments: SoundFormat.Encoding.allCases, targets)
    func aToneKeepsItsFrequencyItsLevelAndItsPurity(encoding: SoundFormat.Encoding, target: SoundFormat) throws {
        var worst = (level: 0.0, noise: -200.0)
        for rate in Self.rates {
            let limit = Self.noiseLimit(SoundFormat(encoding, rate: rate), target)
            for channels in [1, 2] {
                let source = SoundFormat(encoding, rate: rate, channels: channels)
                let moments = rate / 5
                let converter = try SoundConverter(from: source, to: target)
                let bytes = try Self.convert(Tone.bytes(source, moments: moments), converter)
                #expect(bytes.count == target.rate / 5 * target.bytesPerFrame, "\(source)")
                let measure = Tone.measure(Tone.samples(bytes, target.encoding), rate: target.rate)
                #expect(abs(measure.levelDecibels) < 0.5, "\(source) \(measure)")
                #expect(measure.noiseDecibels < limit, "\(source) \(measure)")
                worst = (max(worst.level, abs(measure.levelDecibels)), max(worst.noise, measure.noiseDecibels))
            }
        }
        let text = String(format: "level within %.2f dB, noise below %.1f dB", worst.level, worst.noise)
        FileHandle.standardError.write(Data("\(encoding) to \(target.encoding) \(target.rate): \(text)\n".utf8))
    }

    @Test(arguments: SoundFormat.Encoding.allCases, targets)
    func theCutsOfTheUploadChangeNothing(encoding: SoundFormat.Encoding, target: SoundFormat) throws {
        let source = SoundFormat(encoding, rate: 22_050, channels: 2)
        let bytes = Tone.bytes(source, moments: 2_205)
        let whole = Tone.samples(try Self.convert(bytes, SoundConverter(from: source, to: target)) { bytes.count }, target.encoding)
        for cuts in [{ 1 }, { 7 }, { Int.random(in: 1...3_000) }] {
            let pieces = Tone.samples(try Self.convert(bytes, SoundConverter(from: source, to: target), cuts: cuts), target.encoding)
            #expect(pieces.count == whole.count)
            // Float arithmetic in another order may round a sample the other way.
            let step = target.encoding == .pcm16 ? 2.0 / 32_768 : 0.04
            #expect(zip(pieces, whole).allSatisfy { abs($0 - $1) <= step })
        }
    }

    @Test(arguments: [
        // Rates and moments in, moments out.
        (44_100, 24_000, 44_100, 24_000), (44_100, 24_000, 1, 1), (44_100, 24_000, 441, 240), (8_000, 24_000, 1, 3), (8_000, 24_000, 7, 21),
        (48_000, 8_000, 1, 0), (48_000, 8_000, 3, 1), (48_000, 8_000, 100_000, 16_667), (22_050, 16_000, 22_051, 16_001),
        (4_000, 24_000, 0, 0),
        (192_000, 8_000, 192_013, 8_001),
    ])
    func durationsAreExact(from: Int, to: Int, momentsIn: Int, momentsOut: Int) throws {
        let source = SoundFormat(.pcm16, rate: from)
        let bytes = try Self.convert(
            Tone.bytes(source, moments: momentsIn), SoundConverter(from: source, to: SoundFormat(.pcm16, rate: to)))
        #expect(bytes.count == 2 * momentsOut)
    }

    /// A click at the very end must not stay in the filter.
    @Test func theTailIsNotLost() throws {
        let source = SoundFormat(.pcm16, rate: 48_000)
        var bytes = [UInt8](repeating: 0, count: 2 * 48_000)
        for index in stride(from: bytes.count - 960, to: bytes.count, by: 2) { bytes[index + 1] = 0x40 }
        let target = SoundFormat(.pcm16, rate: 24_000)
        let samples = Tone.samples(try Self.convert(bytes, SoundConverter(from: source, to: target)), .pcm16)
        #expect(samples.count == 24_000)
        #expect(samples.suffix(200).prefix(150).allSatisfy { $0 > 0.4 })
    }

    @Test func equalFormatsPassByteForByte() throws {
        for format in Self.targets {
            let bytes = (0..<1_000).map { _ in UInt8.random(in: 0...255) }
            #expect(try Self.convert(bytes, SoundConverter(from: format, to: format)) { 3 } == bytes)
        }
    }

    @Test func channelsAreMixedNotPicked() throws {
        let source = SoundFormat(.pcm16, rate: 24_000, channels: 2)
        // Left 1000, right -400.
        let bytes = Array(repeatElement([0xE8, 0x03, 0x70, 0xFE] as [UInt8], count: 10).joined())
        let converted = try Self.convert(bytes, SoundConverter(from: source, to: SoundFormat(.pcm16, rate: 24_000)))
        #expect(converted == Array(repeatElement([0x2C, 0x01] as [UInt8], count: 10).joined()))
    }

    @Test func bigEndianSamplesAreTurned() throws {
        let format = SoundFormat(.pcm16, rate: 24_000)
        let converter = try SoundConverter(from: format, isBigEndian: true, to: format)
        #expect(converter.convert([0x12, 0x34, 0x80, 0x00]) == [0x34, 0x12, 0x00, 0x80])
    }

    @Test func whatIsTooLoudOrNoNumberIsTamed() throws {
        let source = SoundFormat(.float32, rate: 24_000)
        let values: [Float] = [2, -3, .infinity, -.infinity, .nan, 1, -1, 0.5]
        let bytes = values.flatMap { value in (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * $0)) } }
        let samples = Tone.samples(try Self.convert(bytes, SoundConverter(from: source, to: SoundFormat(.pcm16, rate: 24_000))), .pcm16)
        let top = 32_767.0 / 32_768
        #expect(samples == [top, -1, 0, 0, 0, top, -1, 0.5])
    }

    @Test(arguments: SoundFormat.Encoding.allCases.filter { $0.bytesPerSample > 1 })
    func aSampleCutInTwoIsSaid(encoding: SoundFormat.Encoding) throws {
        for target in [SoundFormat(encoding, rate: 24_000), SoundFormat(.pcm16, rate: 24_000)] where target.encoding == .pcm16 {
            let converter = try SoundConverter(from: SoundFormat(encoding, rate: 24_000), to: target)
            _ = converter.convert(ArraySlice(repeating: 0, count: 2 * encoding.bytesPerSample + 1))
            #expect(throws: SoundFault.self) { try converter.finish() }
        }
    }

    @Test(arguments: [(3_999, 1), (192_001, 1), (0, 1), (24_000, 0), (24_000, 9), (4_294_967_295, 65_535)])
    func whatCannotBeConvertedIsRefused(rate: Int, channels: Int) {
        let error = #expect(throws: SoundFault.self) {
            try SoundConverter(from: SoundFormat(.pcm16, rate: rate, channels: channels), to: SoundFormat(.pcm16, rate: 24_000))
        }
        #expect(error?.code == .unsupported)
    }
}
