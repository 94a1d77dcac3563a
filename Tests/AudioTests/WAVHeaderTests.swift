import Audio
import Testing

struct WAVHeaderTests {
    private func number(_ bytes: [UInt8], _ offset: Int, _ count: Int) -> Int {
        (0..<count).reduce(0) { $0 | Int(bytes[offset + $1]) << (8 * $1) }
    }

    @Test func pcmHas44BytesBeforeItsSamples() {
        let header = WAVHeader.bytes(SoundFormat(.pcm16, rate: 24_000), dataBytes: 48_000)
        #expect(header.count == 44)
        #expect(String(decoding: header[0..<4] + header[8..<16], as: UTF8.self) == "RIFFWAVEfmt ")
        #expect(number(header, 4, 4) == 36 + 48_000 && number(header, 40, 4) == 48_000)
        #expect(number(header, 20, 2) == 1 && number(header, 22, 2) == 1 && number(header, 24, 4) == 24_000)
        #expect(number(header, 28, 4) == 48_000 && number(header, 32, 2) == 2 && number(header, 34, 2) == 16)
    }

    @Test(arguments: [(SoundFormat.Encoding.muLaw, 7), (.aLaw, 6), (.float32, 3)])
    func otherEncodingsSayWhatTheyAre(encoding: SoundFormat.Encoding, tag: Int) {
        let format = SoundFormat(encoding, rate: 8_000, channels: 2)
        let header = WAVHeader.bytes(format, dataBytes: 160 * format.bytesPerFrame)
        #expect(header.count == 58 && number(header, 16, 4) == 18 && number(header, 20, 2) == tag)
        #expect(String(decoding: header[38..<42], as: UTF8.self) == "fact" && number(header, 46, 4) == 160)
        #expect(number(header, 4, 4) == 50 + 160 * format.bytesPerFrame)
    }

    @Test func aStreamDoesNotKnowItsEnd() {
        let header = WAVHeader.bytes(SoundFormat(.pcm16, rate: 24_000), dataBytes: nil)
        #expect(number(header, 4, 4) == 0xFFFF_FFFF && number(header, 40, 4) == 0xFFFF_FFFF)
    }
}
