/// What stands before the samples of a WAV file (RIFF; "Multimedia Programming Interface and Data Specifications 1.0", and the format tags
/// of RFC 2361).
package enum WAVHeader {
    /// - Parameter dataBytes: of samples that follow; nil if that is not known yet. Players then read to the end, whatever the sizes say.
    package static func bytes(_ format: SoundFormat, dataBytes: Int?) -> [UInt8] {
        let unknown = UInt32.max
        let isPCM = format.encoding != .muLaw && format.encoding != .aLaw && format.encoding != .float32
        var chunks: [UInt8] = []
        chunks += Array("fmt ".utf8) + little(UInt32(isPCM ? 16 : 18))
        chunks += little(tag(format.encoding)) + little(UInt16(format.channels)) + little(UInt32(format.rate))
        chunks += little(UInt32(format.bytesPerSecond)) + little(UInt16(format.bytesPerFrame))
        chunks += little(UInt16(8 * format.encoding.bytesPerSample))
        if !isPCM {
            // The size of what else is said of the format, and how many moments there are.
            chunks += little(UInt16(0))
            let moments = dataBytes.map { UInt32(clamping: $0 / format.bytesPerFrame) } ?? unknown
            chunks += Array("fact".utf8) + little(UInt32(4)) + little(moments)
        }
        let data = dataBytes.map { UInt32(clamping: $0) } ?? unknown
        chunks += Array("data".utf8) + little(data)
        let riff = dataBytes.map { UInt32(clamping: 4 + chunks.count + $0 + $0 % 2) } ?? unknown
        return Array("RIFF".utf8) + little(riff) + Array("WAVE".utf8) + chunks
    }

    private static func tag(_ encoding: SoundFormat.Encoding) -> UInt16 {
        switch encoding {
        case .pcm8, .pcm16, .pcm24, .pcm32: 1
        case .float32: 3
        case .aLaw: 6
        case .muLaw: 7
        }
    }

    private static func little<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
        withUnsafeBytes(of: number.littleEndian) { Array($0) }
    }
}
