/// Finds the samples in a WAV file that arrives in pieces (RIFF; format tags of RFC 2361; EBU Tech 3306 for RF64).
///
/// Chunks may come in any order as long as the format comes before the samples, and unknown ones are passed over. Programs that write to a
/// pipe cannot know the sizes they announce: 0 (GStreamer), just below 2 GiB (arecord, sox) and 0xFFFFFFFF (ffmpeg) stand for samples up
/// to the end of the file. Holds at most 40 bytes, whatever it is fed.
package struct WAVParser: Sendable {
    private enum State: Sendable {
        case riff
        case chunk
        case format(size: Int)
        case wideSizes(size: Int)
        case passing(bytes: Int)
        case samples(left: Int, mayEndEarly: Bool)
        /// What follows the samples says nothing about them.
        case ended
    }

    /// Known once samples are given out.
    package private(set) var format: SoundFormat?
    private var state = State.riff
    private var pending: [UInt8] = []
    private var passedBytes = 0
    /// Of an RF64 file, whose data chunk has no room for it.
    private var wideDataBytes: Int?

    /// Pictures and texts in front of the samples; more is no sound file.
    private static let maximumHeaderBytes = 16 << 20
    private static let smallestUnknownSize = 0x7FFF_0000

    package init() {}

    /// The samples among the next bytes of the file; empty while its header comes, and after the samples.
    package mutating func samples(in bytes: ArraySlice<UInt8>) throws(SoundFault) -> ArraySlice<UInt8> {
        var rest = bytes
        while true {
            switch state {
            case .riff:
                guard fill(12, from: &rest) else { return [] }
                try readRIFF()
                state = .chunk
            case .chunk:
                guard fill(8, from: &rest) else { return [] }
                try beginChunk()
            case .format(let size):
                guard fill(min(size, 40), from: &rest) else { return [] }
                format = try Self.format(pending)
                state = .passing(bytes: size + size % 2 - pending.count)
            case .wideSizes(let size):
                guard fill(16, from: &rest) else { return [] }
                let bytes = Self.number(pending, 8, 4) | Self.number(pending, 12, 4) << 32
                wideDataBytes = bytes > 0 ? bytes : nil
                state = .passing(bytes: size + size % 2 - pending.count)
            case .passing(let bytes):
                let passed = min(bytes, rest.count)
                rest = rest.dropFirst(passed)
                passedBytes += passed
                guard passed == bytes else {
                    state = .passing(bytes: bytes - passed)
                    return []
                }
                pending = []
                state = .chunk
            case .samples(let left, let mayEndEarly):
                let taken = rest.prefix(left)
                state = taken.count == left ? .ended : .samples(left: left - taken.count, mayEndEarly: mayEndEarly)
                return taken
            case .ended:
                return []
            }
        }
    }

    /// To be called when the file is over.
    /// - Throws: `.truncated` if there should have been more of it.
    package func end() throws(SoundFault) {
        switch state {
        case .ended, .samples(_, mayEndEarly: true): return
        case .samples(let left, _): throw SoundFault(.truncated, "The WAV file ends \(left) bytes before the end of its samples.")
        case .riff where pending.isEmpty: throw SoundFault(.truncated, "The body is empty.")
        case .chunk where pending.isEmpty && format != nil: throw SoundFault(.truncated, "The WAV file has no data chunk.")
        default: throw SoundFault(.truncated, "The WAV file ends inside of its header.")
        }
    }

    /// Moves bytes over until `count` of the present part of the header are there.
    private mutating func fill(_ count: Int, from rest: inout ArraySlice<UInt8>) -> Bool {
        let missing = count - pending.count
        pending += rest.prefix(missing)
        rest = rest.dropFirst(missing)
        return pending.count == count
    }

    private mutating func readRIFF() throws(SoundFault) {
        let kind = Self.text(pending, 0)
        guard kind != "RIFX" else { throw SoundFault(.unsupported, "The WAV file is big-endian (RIFX).") }
        guard ["RIFF", "RF64", "BW64"].contains(kind), Self.text(pending, 8) == "WAVE" else {
            throw SoundFault(.malformed, "The body is not a WAV file: it does not begin with RIFF and WAVE.")
        }
        pending = []
    }

    private mutating func beginChunk() throws(SoundFault) {
        let (name, size) = (Self.text(pending, 0), Self.number(pending, 4, 4))
        pending = []
        switch name {
        case "data":
            guard format != nil else { throw SoundFault(.malformed, "The WAV file's samples come before their format.") }
            let isUnknown = size == 0 || size == Int(UInt32.max)
            if isUnknown, let wideDataBytes {
                state = .samples(left: wideDataBytes, mayEndEarly: false)
            } else {
                state = .samples(left: isUnknown ? .max : size, mayEndEarly: isUnknown || size >= Self.smallestUnknownSize)
            }
        case "fmt ":
            guard format == nil else { throw SoundFault(.malformed, "The WAV file has two formats.") }
            guard (16...4_096).contains(size) else {
                throw SoundFault(.malformed, "The WAV file's format takes \(size) bytes, which no format does.")
            }
            state = .format(size: size)
        case "ds64" where size >= 28:
            state = .wideSizes(size: size)
        default:
            state = .passing(bytes: size + size % 2)
        }
        // Looked at when a chunk begins, so that nobody waits for the end of what is too large.
        if case .passing(let bytes) = state, passedBytes + bytes > Self.maximumHeaderBytes {
            throw SoundFault(.malformed, "The WAV file has more than \(Self.maximumHeaderBytes >> 20) MiB in front of its samples.")
        }
    }

    /// - Parameter bytes: the chunk's first 16 to 40.
    private static func format(_ bytes: [UInt8]) throws(SoundFault) -> SoundFormat {
        var tag = number(bytes, 0, 2)
        let (channels, rate) = (number(bytes, 2, 2), number(bytes, 4, 4))
        let (frameBytes, bits) = (number(bytes, 12, 2), number(bytes, 14, 2))
        if tag == 0xFFFE {
            guard bytes.count >= 40 else { throw SoundFault(.malformed, "The WAV file's extensible format is cut short.") }
            guard Array(bytes[26..<40]) == subformatTail else {
                throw SoundFault(.unsupported, "The WAV file is of a vendor's own format.")
            }
            tag = number(bytes, 24, 2)
        }
        guard channels > 0, frameBytes > 0, frameBytes.isMultiple(of: channels) else {
            throw SoundFault(.malformed, "The WAV file says \(frameBytes) bytes for \(channels) channels.")
        }
        // The bytes are what counts: 20 bits stand in three of them.
        let width = frameBytes / channels
        guard bits <= 8 * width, bits > 8 * (width - 1) || tag != 1 else {
            throw SoundFault(.malformed, "The WAV file says \(bits) bits in \(width) bytes.")
        }
        let encoding: SoundFormat.Encoding
        switch (tag, width) {
        case (1, 1): encoding = .pcm8
        case (1, 2): encoding = .pcm16
        case (1, 3): encoding = .pcm24
        case (1, 4): encoding = .pcm32
        case (3, 4): encoding = .float32
        case (6, 1): encoding = .aLaw
        case (7, 1): encoding = .muLaw
        default:
            throw SoundFault(.unsupported, "The WAV file is of format \(tag) with \(8 * width) bits.")
        }
        return SoundFormat(encoding, rate: rate, channels: channels)
    }

    /// What follows the tag in the GUID of a known format (`KSDATAFORMAT_SUBTYPE_*`).
    private static let subformatTail: [UInt8] = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71]

    private static func number(_ bytes: [UInt8], _ offset: Int, _ count: Int) -> Int {
        bytes[offset..<offset + count].reversed().reduce(0) { $0 << 8 | Int($1) }
    }

    private static func text(_ bytes: [UInt8], _ offset: Int) -> String {
        String(decoding: bytes[offset..<offset + 4], as: UTF8.self)
    }
}
