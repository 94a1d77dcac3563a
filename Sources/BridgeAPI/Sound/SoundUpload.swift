import Audio
import HTTPServer
import Realtime
import Sessions

/// One body of sound on its way into a session: read as it arrives, converted, and appended upstream in pieces of 100 ms.
///
/// From: `RequestBody`, which stops reading the socket while nobody asks for more. To: `Session.submit`, which waits while 1 MiB waits for
/// upstream. So the pace of a slow upstream reaches the client, and nothing grows with the length of the sound.
struct SoundUpload {
    /// Converted at once: enough to be cheap, and little to hold when it grows twelvefold.
    private static let sliceBytes = 16 << 10
    private static let piecesPerSecond = 10

    private let commands: Commands
    private let body: BodyReader
    private let format: AudioFormat
    private var waiting: [UInt8] = []
    private var tail: SoundTail
    private(set) var appendedBytes = 0
    private(set) var appends = 0
    private(set) var last: CommandReceipt?
    /// The body was read to its end.
    private(set) var isRead = false

    init(_ commands: Commands) async {
        self.commands = commands
        body = commands.call.body
        format = await commands.session.inputFormat
        tail = SoundTail(SoundFormat(format))
    }

    var milliseconds: Int { format.milliseconds(bytes: appendedBytes) }
    var quietMilliseconds: Int { tail.quietMilliseconds }

    /// Returns when the last piece was taken.
    /// - Parameter beginning: what was read of the body.
    mutating func run(_ type: SoundType, beginning: [UInt8]) async throws {
        switch type {
        case .wav:
            var file = WAVReader(to: SoundFormat(format))
            try await read(from: beginning) { upload, bytes in try await upload.append(file.convert(bytes)) }
            try await append(file.finish())
        case .raw(let raw):
            let target = SoundFormat(format)
            let converter = try SoundConverter(from: raw.format(like: target), isBigEndian: raw.isBigEndian, to: target)
            try await read(from: beginning) { upload, bytes in try await upload.append(converter.convert(bytes)) }
            try await append(converter.finish())
        case .compressed:
            try await decode(beginning)
        case .json, .unsaid:
            preconditionFailure("\(type) is no sound")
        }
        try await appendRest()
    }

    /// Hands over the body in slices.
    private mutating func read(
        from beginning: [UInt8], _ take: (inout SoundUpload, ArraySlice<UInt8>) async throws -> Void
    ) async throws {
        var next: [UInt8]? = beginning
        while let bytes = next {
            var rest = bytes[...]
            while !rest.isEmpty {
                try await take(&self, rest.prefix(Self.sliceBytes))
                rest = rest.dropFirst(Self.sliceBytes)
            }
            next = try await body.next()
        }
        isRead = true
    }

    private mutating func decode(_ beginning: [UInt8]) async throws {
        guard let decoder = commands.api.soundFiles else { throw SoundType.unsupported("Compressed sound is not taken here.") }
        do {
            if let bytes = commands.call.head.contentLength, bytes > decoder.maximumFileBytes {
                throw SoundFileError.tooLarge(limitBytes: decoder.maximumFileBytes)
            }
            let decode = try await decoder.open()
            do {
                try await read(from: beginning) { _, bytes in try await decode.write(Array(bytes)) }
                var file = WAVReader(to: SoundFormat(format))
                while let bytes = try await decode.next() { try await append(file.convert(bytes[...])) }
                try await append(file.finish())
            } catch {
                await decode.close()
                throw error
            }
            await decode.close()
        } catch let error as SoundFileError {
            throw Self.answer(to: error)
        }
    }

    // MARK: Appending

    private mutating func append(_ bytes: [UInt8]) async throws {
        waiting += bytes
        let pieceBytes = max(1, format.samplesPerSecond / Self.piecesPerSecond) * format.bytesPerSample
        var start = 0
        while waiting.count - start >= pieceBytes {
            try await send(waiting[start..<start + pieceBytes])
            start += pieceBytes
        }
        waiting.removeFirst(start)
    }

    private mutating func appendRest() async throws {
        if !waiting.isEmpty { try await send(waiting[...]) }
        waiting = []
        guard appendedBytes > 0 else { throw SoundFault(.truncated, "There is no sound in the body.") }
    }

    private mutating func send(_ piece: ArraySlice<UInt8>) async throws {
        guard await commands.session.inputFormat == format else {
            throw APIError(
                .conflict, code: "input_format_changed", "The session's input format was changed while its sound was being sent.",
                retry: .never)
        }
        let audio = JSONValue.raw([UInt8(ascii: "\"")] + Base64.encoded(piece) + [UInt8(ascii: "\"")])
        last = try await commands.submit(ClientEventBody.make(.inputAudioBufferAppend, [("audio", audio)]))
        tail.hear(piece)
        appendedBytes += piece.count
        appends += 1
    }

    private static func answer(to error: SoundFileError) -> any Error {
        switch error {
        case .busy:
            APIError(
                .serviceUnavailable, code: "sound_decoders_busy", "As many compressed files as may be are being decoded; try again soon.",
                retry: .after(seconds: 1))
        case .tooLarge(let limit):
            APIError(
                .payloadTooLarge, code: "request_too_large",
                "Compressed sound has at most \(limit >> 20) MiB; WAV and raw samples have no limit.")
        case .undecodable(let message): SoundFault(.malformed, message)
        case .interrupted(let signal):
            APIError(
                .serviceUnavailable, code: "sound_decoder_interrupted",
                "The process that decodes the body was ended from outside (signal \(signal)); the file is not to blame.",
                retry: .after(seconds: 1))
        case .unavailable: error
        }
    }
}

/// The samples of a WAV file that arrives in pieces, in the format of a session.
private struct WAVReader {
    private var parser = WAVParser()
    private var converter: SoundConverter?
    private let target: SoundFormat

    init(to target: SoundFormat) { self.target = target }

    mutating func convert(_ bytes: ArraySlice<UInt8>) throws(SoundFault) -> [UInt8] {
        let samples = try parser.samples(in: bytes)
        // As soon as it is known, so that what cannot be converted is refused before the samples come.
        if converter == nil, let format = parser.format { converter = try SoundConverter(from: format, to: target) }
        return converter?.convert(samples) ?? []
    }

    mutating func finish() throws(SoundFault) -> [UInt8] {
        try parser.end()
        return try converter?.finish() ?? []
    }
}
