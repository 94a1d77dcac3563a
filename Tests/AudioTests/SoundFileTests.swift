import Audio
import CSndFile
import Foundation
import Testing

/// Compressed files, made by libsndfile, decoded as the bridge's child does and converted as an upload is.
@Suite struct SoundFileTests {
    enum Kind: String, Sendable, CaseIterable {
        case flac, vorbis, opus, mp3

        fileprivate var format: Int {
            switch self {
            case .flac: Int(SF_FORMAT_FLAC) | Int(SF_FORMAT_PCM_16)
            case .vorbis: Int(SF_FORMAT_OGG) | Int(SF_FORMAT_VORBIS)
            case .opus: Int(SF_FORMAT_OGG) | Int(SF_FORMAT_OPUS)
            case .mp3: Int(SF_FORMAT_MPEG) | Int(SF_FORMAT_MPEG_LAYER_III)
            }
        }

        /// Opus knows five rates.
        var rates: [Int] { self == .opus ? [8_000, 16_000, 24_000, 48_000] : [8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000] }
    }

    private static func file(_ kind: Kind, rate: Int, channels: Int, moments: Int) throws -> Data {
        let url = FileManager.default.temporaryDirectory.appending(path: "tone-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: url) }
        var info = SF_INFO()
        info.samplerate = Int32(rate)
        info.channels = Int32(channels)
        info.format = Int32(kind.format)
        let file = try #require(sf_open(url.path, Int32(SFM_WRITE), &info), "\(String(cString: sf_strerror(nil)))")
        var quality = 0.9
        if kind == .vorbis { sf_command(file, Int32(SFC_SET_VBR_ENCODING_QUALITY), &quality, Int32(MemoryLayout<Double>.size)) }
        if kind == .mp3 {
            var level = 0.0
            sf_command(file, Int32(SFC_SET_COMPRESSION_LEVEL), &level, Int32(MemoryLayout<Double>.size))
        }
        let samples = (0..<moments).flatMap { moment in
            let value = Tone.amplitude * sin(2 * .pi * Tone.hertz * Double(moment) / Double(rate))
            return [Float](repeating: Float(value), count: channels)
        }
        #expect(sf_writef_float(file, samples, sf_count_t(moments)) == sf_count_t(moments))
        sf_close(file)
        return try Data(contentsOf: url)
    }

    private static func decode(_ file: Data) throws -> [UInt8] {
        let folder = FileManager.default.temporaryDirectory
        let (input, output) = (folder.appending(path: "in-\(UUID().uuidString)"), folder.appending(path: "out-\(UUID().uuidString)"))
        defer { for url in [input, output] { try? FileManager.default.removeItem(at: url) } }
        try file.write(to: input)
        try Data().write(to: output)
        let (reader, writer) = (try FileHandle(forReadingFrom: input), try FileHandle(forWritingTo: output))
        try SoundFile.decode(from: reader.fileDescriptor, to: writer.fileDescriptor)
        return Array(try Data(contentsOf: output))
    }

    @Test(arguments: Kind.allCases)
    func aToneKeepsItsFrequencyItsLevelAndItsPurity(kind: Kind) throws {
        var worst = (level: 0.0, noise: -200.0)
        for target in [SoundFormat(.pcm16, rate: 24_000), SoundFormat(.pcm16, rate: 16_000)] {
            for rate in kind.rates {
                for channels in [1, 2] {
                    let wav = try Self.decode(try Self.file(kind, rate: rate, channels: channels, moments: rate))
                    var parser = WAVParser()
                    let samples = try parser.samples(in: wav[...])
                    let format = try #require(parser.format)
                    #expect(format.channels == channels)
                    // What the codec has left of the tone; the conversion must not add to it.
                    let decoded = stride(from: 0, to: samples.count, by: 4 * channels).map { offset in
                        let bits = (0..<4).reduce(UInt32(0)) { $0 | UInt32(samples[samples.startIndex + offset + $1]) << (8 * $1) }
                        return Double(Float(bitPattern: bits))
                    }
                    let own = Tone.measure(decoded, rate: rate).noiseDecibels
                    let converter = try SoundConverter(from: format, to: target)
                    let bytes = try converter.convert(samples) + converter.finish()
                    #expect(bytes.count == target.bytesPerSecond, "\(rate) \(channels)")
                    let measure = Tone.measure(Tone.samples(bytes, .pcm16), rate: target.rate)
                    #expect(abs(measure.levelDecibels) < 0.5, "\(rate) \(channels) \(measure)")
                    #expect(measure.noiseDecibels < max(-60, own + 1), "\(rate) \(channels) \(measure), the codec alone \(own)")
                    worst = (max(worst.level, abs(measure.levelDecibels)), max(worst.noise, measure.noiseDecibels))
                }
            }
        }
        let text = String(format: "level within %.2f dB, noise below %.1f dB", worst.level, worst.noise)
        FileHandle.standardError.write(Data("\(kind): \(text)\n".utf8))
    }

    @Test(arguments: Kind.allCases)
    func whatIsNoFileIsAFault(kind: Kind) throws {
        let whole = try Self.file(kind, rate: 16_000, channels: 1, moments: 16_000)
        for file in [Data(), Data("no sound".utf8), whole.prefix(3)] {
            #expect(throws: SoundFault.self) { try Self.decode(file) }
        }
    }

    /// Its head says how long it is, unless its writer could not know: then the file is as long as it is.
    @Test(arguments: [true, false])
    func aFLACFileThatEndsBeforeItsEndIsAFault(saysItsLength: Bool) throws {
        var whole = try Self.file(.flac, rate: 16_000, channels: 1, moments: 64_000)
        if !saysItsLength {
            // The last 36 of the 64 bits behind the sizes in STREAMINFO, which is the first block (RFC 9639 section 8.2).
            whole[21] &= 0xF0
            for index in 22..<26 { whole[index] = 0 }
        }
        let cut = whole.prefix(whole.count * 3 / 4)
        #expect(try Self.decode(whole).count == WAVHeader.bytes(SoundFormat(.float32, rate: 16_000), dataBytes: nil).count + 4 * 64_000)
        if saysItsLength {
            let fault = #expect(throws: SoundFault.self) { try Self.decode(cut) }
            #expect(fault?.code == .truncated)
        } else {
            #expect(try Self.decode(cut).count > 0)
        }
    }

    /// libsndfile reads many more kinds, whose parsers are older than they are used.
    @Test(arguments: [SF_FORMAT_AU, SF_FORMAT_AIFF, SF_FORMAT_W64, SF_FORMAT_VOC])
    func otherKindsAreNotDecoded(kind: Int) throws {
        let url = FileManager.default.temporaryDirectory.appending(path: "other-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: url) }
        var info = SF_INFO()
        info.samplerate = 8_000
        info.channels = 1
        info.format = Int32(kind) | Int32(SF_FORMAT_PCM_16)
        let file = try #require(sf_open(url.path, Int32(SFM_WRITE), &info))
        sf_close(file)
        #expect(throws: SoundFault.self) { try Self.decode(try Data(contentsOf: url)) }
    }
}
