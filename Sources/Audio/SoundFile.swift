import CSndFile
import Glibc

/// FLAC, Ogg (Vorbis, Opus) and MP3, by libsndfile (http://libsndfile.github.io/libsndfile/api.html).
///
/// Decoders of hostile bytes have a history of faults: this is to run in a process that may crash.
package enum SoundFile {
    /// Reads one file to its end and writes it as a WAV file of floats, its length left open. Blocks.
    /// - Parameters:
    ///   - input: a descriptor that can be sought. Stays open.
    ///   - output: a pipe or file. Stays open.
    /// - Throws: `.malformed` for what is no such file; `.truncated` if it ends before the end that it announces, or the output takes no more.
    package static func decode(from input: Int32, to output: Int32) throws(SoundFault) {
        var info = SF_INFO()
        guard let file = sf_open_fd(input, Int32(SFM_READ), &info, 0) else { throw unreadable }
        defer { sf_close(file) }
        // libsndfile reads two dozen kinds; what was not asked for is not let near it further than its header.
        guard [SF_FORMAT_FLAC, SF_FORMAT_OGG, SF_FORMAT_MPEG].contains(where: { Int(info.format) & Int(SF_FORMAT_TYPEMASK) == Int($0) }),
            (1...1_024).contains(info.channels), info.samplerate > 0
        else { throw unreadable }
        let format = SoundFormat(.float32, rate: Int(info.samplerate), channels: Int(info.channels))
        try write(WAVHeader.bytes(format, dataBytes: nil), to: output)
        let moments = max(1, 16_384 / format.channels)
        var samples = [Float](repeating: 0, count: moments * format.channels)
        var read: sf_count_t = 0
        while true {
            let count = sf_readf_float(file, &samples, sf_count_t(moments))
            guard count > 0 else { break }
            read += count
            let bytes = samples.prefix(Int(count) * format.channels).withUnsafeBytes { Array($0) }
            try write(bytes, to: output)
        }
        // FLAC's head has the exact length, or 0 if its writer did not know it (RFC 9639 section 8.2), for which libsndfile says the largest
        // number. Of the others it is reckoned from what is there.
        if Int(info.format) & Int(SF_FORMAT_TYPEMASK) == Int(SF_FORMAT_FLAC), info.frames < sf_count_t.max, read < info.frames {
            throw SoundFault(.truncated, "The FLAC file ends before the end of its sound, or is damaged.")
        }
        guard Int(sf_error(file)) == Int(SF_ERR_NO_ERROR) else { throw unreadable }
    }

    private static let unreadable = SoundFault(.malformed, "The body cannot be decoded as FLAC, Ogg (Vorbis or Opus) or MP3.")

    private static func write(_ bytes: [UInt8], to output: Int32) throws(SoundFault) {
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes { Glibc.write(output, $0.baseAddress! + written, bytes.count - written) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw SoundFault(.truncated, "nobody takes the samples") }
            written += count
        }
    }
}
