import Audio
import Testing

@Suite struct WAVParserTests {
    /// A file put together chunk by chunk.
    struct File: Sendable, CustomTestStringConvertible {
        let name: String
        let bytes: [UInt8]
        let format: SoundFormat
        let samples: [UInt8]

        var testDescription: String { name }
    }

    private static func little(_ value: Int, _ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }

    private static func chunk(_ name: String, _ bytes: [UInt8], size: Int? = nil) -> [UInt8] {
        Array(name.utf8) + little(size ?? bytes.count, 4) + bytes + (bytes.count % 2 == 1 ? [0] : [])
    }

    private static func format(
        _ tag: Int, channels: Int = 1, rate: Int = 24_000, bytes: Int = 2, bits: Int? = nil, more: [UInt8] = []
    ) -> [UInt8] {
        chunk(
            "fmt ",
            little(tag, 2) + little(channels, 2) + little(rate, 4) + little(rate * channels * bytes, 4) + little(channels * bytes, 2)
                + little(bits ?? 8 * bytes, 2) + more)
    }

    private static func extensible(_ tag: Int, tail: [UInt8] = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71]) -> [UInt8] {
        little(22, 2) + little(16, 2) + little(4, 4) + little(tag, 2) + tail
    }

    private static func riff(_ chunks: [UInt8], kind: String = "RIFF", size: Int? = nil) -> [UInt8] {
        Array(kind.utf8) + little(size ?? 4 + chunks.count, 4) + Array("WAVE".utf8) + chunks
    }

    private static let sound: [UInt8] = (0..<600).map { UInt8($0 & 0xFF) }
    private static let pcm = SoundFormat(.pcm16, rate: 24_000)
    private static let list = chunk("LIST", Array("INFOISFT".utf8) + little(5, 4) + Array("Lavf0".utf8))

    static let files: [File] = [
        File(name: "plain", bytes: riff(format(1) + chunk("data", sound)), format: pcm, samples: sound),
        File(
            name: "other chunks around", bytes: riff(list + format(1) + chunk("fact", little(300, 4)) + list + chunk("data", sound) + list),
            format: pcm, samples: sound),
        File(
            name: "odd chunk with its pad byte", bytes: riff(chunk("odd ", [1, 2, 3]) + format(1) + chunk("data", sound)), format: pcm,
            samples: sound),
        File(name: "format of 18 bytes", bytes: riff(format(1, more: [0, 0]) + chunk("data", sound)), format: pcm, samples: sound),
        File(
            name: "extensible", bytes: riff(format(0xFFFE, channels: 2, more: extensible(1)) + chunk("data", sound)),
            format: SoundFormat(.pcm16, rate: 24_000, channels: 2), samples: sound),
        File(
            name: "extensible float", bytes: riff(format(0xFFFE, rate: 48_000, bytes: 4, more: extensible(3)) + chunk("data", sound)),
            format: SoundFormat(.float32, rate: 48_000), samples: sound),
        File(
            name: "20 bits in three bytes", bytes: riff(format(1, bytes: 3, bits: 20) + chunk("data", sound)),
            format: SoundFormat(.pcm24, rate: 24_000), samples: sound),
        File(
            name: "8 bits", bytes: riff(format(1, rate: 8_000, bytes: 1) + chunk("data", sound)), format: SoundFormat(.pcm8, rate: 8_000),
            samples: sound),
        File(
            name: "mu-law", bytes: riff(format(7, rate: 8_000, bytes: 1) + chunk("data", sound)), format: SoundFormat(.muLaw, rate: 8_000),
            samples: sound),
        File(
            name: "A-law", bytes: riff(format(6, rate: 8_000, bytes: 1) + chunk("data", sound)), format: SoundFormat(.aLaw, rate: 8_000),
            samples: sound),
        File(
            name: "a pipe of ffmpeg", bytes: riff(format(1) + list + chunk("data", sound, size: 0xFFFF_FFFF), size: 0xFFFF_FFFF),
            format: pcm,
            samples: sound),
        File(
            name: "a pipe of arecord", bytes: riff(format(1) + chunk("data", sound, size: 0x7FFF_FF00), size: 0x7FFF_FF24), format: pcm,
            samples: sound),
        File(name: "a pipe of GStreamer", bytes: riff(format(1) + chunk("data", sound, size: 0), size: 0), format: pcm, samples: sound),
        File(
            name: "RF64",
            bytes: riff(
                chunk("ds64", little(1_000, 8) + little(600, 8) + little(300, 8) + little(0, 4)) + format(1)
                    + chunk("data", sound, size: 0xFFFF_FFFF) + list, kind: "RF64", size: 0xFFFF_FFFF), format: pcm, samples: sound),
        File(name: "nothing but a header", bytes: riff(format(1) + chunk("data", [])), format: pcm, samples: []),
        File(name: "our own", bytes: WAVHeader.bytes(pcm, dataBytes: sound.count) + sound, format: pcm, samples: sound),
        File(name: "our own, endless", bytes: WAVHeader.bytes(pcm, dataBytes: nil) + sound, format: pcm, samples: sound),
    ]

    /// - Returns: the samples, and the parser after the end.
    private static func parse(_ bytes: [UInt8], cuts: () -> Int) throws -> (samples: [UInt8], format: SoundFormat?) {
        var parser = WAVParser()
        var rest = bytes[...]
        var samples: [UInt8] = []
        while !rest.isEmpty {
            let cut = cuts()
            samples += try parser.samples(in: rest.prefix(cut))
            rest = rest.dropFirst(cut)
        }
        try parser.end()
        return (samples, parser.format)
    }

    @Test(arguments: files)
    func theSamplesAreFoundHoweverTheFileComes(file: File) throws {
        for cuts in [{ file.bytes.count }, { 1 }, { 2 }, { 5 }, { Int.random(in: 1...40) }, { Int.random(in: 1...400) }] {
            let parsed = try Self.parse(file.bytes, cuts: cuts)
            #expect(parsed.samples == file.samples)
            #expect(parsed.format == file.format)
        }
    }

    struct Bad: Sendable, CustomTestStringConvertible {
        let name: String
        let bytes: [UInt8]
        let code: SoundFault.Code

        var testDescription: String { name }
    }

    static let bad: [Bad] = [
        Bad(name: "nothing", bytes: [], code: .truncated),
        Bad(name: "a header cut short", bytes: Array("RIFF\0\0".utf8), code: .truncated),
        Bad(name: "cut in its format", bytes: Array(riff(format(1)).prefix(30)), code: .truncated),
        Bad(name: "no data", bytes: riff(format(1)), code: .truncated),
        Bad(name: "fewer samples than announced", bytes: riff(format(1) + chunk("data", sound, size: 602)), code: .truncated),
        Bad(name: "not a WAV file", bytes: Array("Hello, this is not sound.".utf8), code: .malformed),
        Bad(name: "an AVI file", bytes: Array("RIFF\0\0\0\0AVI ".utf8), code: .malformed),
        Bad(name: "data before its format", bytes: riff(chunk("data", sound) + format(1)), code: .malformed),
        Bad(name: "two formats", bytes: riff(format(1) + format(1) + chunk("data", sound)), code: .malformed),
        Bad(name: "a format of 4 bytes", bytes: riff(chunk("fmt ", [1, 0, 1, 0]) + chunk("data", sound)), code: .malformed),
        Bad(name: "a format of 4 GiB", bytes: riff(chunk("fmt ", [1, 0], size: 0xFFFF_FFFF)), code: .malformed),
        Bad(name: "a chunk of 4 GiB", bytes: riff(chunk("LIST", [1, 0], size: 0xFFFF_FFFF)), code: .malformed),
        Bad(name: "no channels", bytes: riff(format(1, channels: 0)), code: .malformed),
        Bad(
            name: "half a byte a channel", bytes: riff(format(1, channels: 2, bytes: 2).replacingBytes(at: 20, with: [3, 0])),
            code: .malformed),
        Bad(name: "more bits than bytes", bytes: riff(format(1, bytes: 2, bits: 24)), code: .malformed),
        Bad(name: "an extensible format cut short", bytes: riff(format(0xFFFE) + chunk("data", sound)), code: .malformed),
        Bad(
            name: "a vendor's own", bytes: riff(format(0xFFFE, more: extensible(1, tail: Array(repeating: 7, count: 14)))),
            code: .unsupported),
        Bad(name: "ADPCM", bytes: riff(format(0x11, bytes: 1)), code: .unsupported),
        Bad(name: "MP3 in WAV", bytes: riff(format(0x55, bytes: 1)), code: .unsupported),
        Bad(name: "64-bit floats", bytes: riff(format(3, bytes: 8)), code: .unsupported),
        Bad(name: "big-endian", bytes: riff(format(1), kind: "RIFX"), code: .unsupported),
    ]

    @Test(arguments: bad)
    func aBadFileIsRefusedHoweverItComes(bad: Bad) {
        for cuts in [{ max(1, bad.bytes.count) }, { 1 }, { Int.random(in: 1...20) }] {
            let error = #expect(throws: SoundFault.self) { try Self.parse(bad.bytes, cuts: cuts) }
            #expect(error?.code == bad.code, "\(String(describing: error))")
        }
    }

    @Test func whatStandsInFrontOfTheSamplesIsBoundedTogether() throws {
        var parser = WAVParser()
        let half = 9 << 20
        _ = try parser.samples(in: Array("RIFF....WAVEjunk".utf8)[...])
        _ = try parser.samples(in: withUnsafeBytes(of: UInt32(half).littleEndian, Array.init)[...])
        _ = try parser.samples(in: [UInt8](repeating: 0, count: half)[...])
        _ = try parser.samples(in: Array("junk".utf8)[...])
        #expect(throws: SoundFault.self) {
            try parser.samples(in: withUnsafeBytes(of: UInt32(half).littleEndian, Array.init)[...])
        }
    }

    @Test func randomBytesNeitherStopItNorGiveMoreThanTheyAre() {
        for round in 0..<3_000 {
            let file = Self.files[round % Self.files.count]
            var bytes = file.bytes
            for _ in 0..<Int.random(in: 1...8) { bytes[Int.random(in: 0..<min(80, bytes.count))] = UInt8.random(in: 0...255) }
            if round % 3 == 0 { bytes.removeSubrange(Int.random(in: 0..<bytes.count)...) }
            if round % 7 == 0 { bytes = (0..<200).map { _ in UInt8.random(in: 0...255) } }
            guard let parsed = try? Self.parse(bytes, cuts: { Int.random(in: 1...100) }) else { continue }
            #expect(parsed.samples.count <= bytes.count)
        }
    }
}

extension [UInt8] {
    fileprivate func replacingBytes(at offset: Int, with bytes: [UInt8]) -> [UInt8] {
        Array(self[..<offset]) + bytes + self[(offset + bytes.count)...]
    }
}
