import Audio
import Sessions

/// What a body of `…/input_audio` holds: said by its content type, or shown by its first bytes.
enum SoundType: Sendable, Equatable {
    case json
    case wav
    case raw(RawSound)
    /// FLAC, Ogg or MP3.
    case compressed
    /// To be seen from the first bytes: curl says nothing with `-T`, and that it is a form with `-d` and `--data-binary`.
    case unsaid

    /// - Throws: 415 for what cannot be sent, 400 for a wrong parameter.
    init(_ type: ContentType?) throws(APIError) {
        guard let type, !type.name.isEmpty, !type.isForm, type.name != "application/octet-stream" else {
            self = .unsaid
            return
        }
        if type.saysJSON {
            self = .json
            return
        }
        switch type.name {
        case "audio/wav", "audio/x-wav", "audio/wave", "audio/vnd.wave":
            self = .wav
        case "audio/pcm":
            self = .raw(try RawSound(type, RawSound()))
        case "audio/l16":
            // RFC 2586: network byte order, and the rate has to be said.
            let sound = try RawSound(type, RawSound(encoding: .pcm16, isBigEndian: true))
            guard sound.rate != nil else {
                throw APIError(
                    .badRequest, code: "missing_required_parameter", "audio/L16 says its rate: audio/L16;rate=24000.", param: "content-type"
                )
            }
            self = .raw(sound)
        case "audio/pcmu", "audio/basic":
            self = .raw(try RawSound(type, RawSound(encoding: .muLaw, rate: 8_000)))
        case "audio/pcma":
            self = .raw(try RawSound(type, RawSound(encoding: .aLaw, rate: 8_000)))
        case "audio/flac", "audio/x-flac", "audio/ogg", "application/ogg", "audio/mpeg", "audio/mp3", "audio/x-mp3":
            self = .compressed
        default:
            throw Self.unsupported("'\(type.name.prefix(64))' is not taken here.")
        }
    }

    /// How many bytes have to be there for ``init(beginning:)``.
    static let beginningBytes = 12

    /// - Parameter beginning: the body's first bytes, fewer only if that is all.
    init(beginning: [UInt8]) throws(APIError) {
        let first = beginning.first { $0 > 0x20 }
        if first == nil || first == UInt8(ascii: "{") {
            self = .json
        } else if ["RIFF", "RIFX", "RF64", "BW64"].contains(where: { beginning.starts(with: $0.utf8) }) {
            self = .wav
        } else if ["fLaC", "OggS", "ID3"].contains(where: { beginning.starts(with: $0.utf8) }) || Self.isMPEG(beginning) {
            self = .compressed
        } else {
            throw Self.unsupported(
                "The body's first bytes are those of no file that can be sent, and its content-type does not say what it is.")
        }
    }

    /// The head of a frame of layer III: eleven set bits, the layer, and a bit rate and sample rate that exist.
    private static func isMPEG(_ bytes: [UInt8]) -> Bool {
        bytes.count >= 3 && bytes[0] == 0xFF && bytes[1] & 0xE6 == 0xE2 && bytes[2] & 0xF0 != 0xF0 && bytes[2] & 0x0C != 0x0C
    }

    static func unsupported(_ message: String) -> APIError {
        APIError(.unsupportedMediaType, code: "unsupported_media_type", message + " " + kinds, param: "content-type")
    }

    /// Of a body that says of no kind that it is.
    static let empty = APIError(.badRequest, code: SessionError.Code.invalidAudio.rawValue, "The body is empty. " + kinds)

    private static let kinds =
        "Send WAV (audio/wav; 8- to 32-bit or float PCM, mu-law, A-law); raw samples (audio/pcm, and "
        + "';rate=16000;channels=1;encoding=s16le' where they are not in the session's input format; audio/L16, audio/pcmu, audio/pcma); "
        + "FLAC (audio/flac), Ogg (audio/ogg), MP3 (audio/mpeg); or application/json with {\"audio\":\"<base64>\"}."
}

/// Samples without a file around them, as far as their content type describes them.
struct RawSound: Sendable, Equatable {
    var encoding: SoundFormat.Encoding?
    var rate: Int?
    var channels: Int?
    var isBigEndian = false

    /// What is said by no parameter is as the session's input.
    func format(like session: SoundFormat) -> SoundFormat {
        guard encoding != nil || rate != nil || channels != nil else { return session }
        return SoundFormat(encoding ?? .pcm16, rate: rate ?? session.rate, channels: channels ?? 1)
    }
}

extension RawSound {
    /// - Parameter usual: what the type's name alone means.
    fileprivate init(_ type: ContentType, _ usual: RawSound) throws(APIError) {
        self = usual
        var seen: Set<String> = []
        for (name, value) in type.parameters {
            guard seen.insert(name).inserted else { throw Self.wrong("The parameter '\(name.prefix(64))' is given twice.") }
            switch name {
            case "rate": rate = try Self.number(name, value, in: SoundConverter.rates)
            case "channels": channels = try Self.number(name, value, in: SoundConverter.channels)
            case "encoding" where usual.encoding == nil:
                guard let found = Self.encodings[value] else {
                    throw Self.wrong("'encoding' must be s16le, s16be, u8, s24le, s32le, f32le, mulaw or alaw.")
                }
                encoding = found.encoding
                isBigEndian = found.isBigEndian
            default:
                throw Self.wrong(
                    "The parameter '\(name.prefix(64))' is not known for \(type.name); there is rate, channels"
                        + (usual.encoding == nil ? ", encoding." : "."))
            }
        }
    }

    /// As ffmpeg and arecord call them.
    private static let encodings: [String: (encoding: SoundFormat.Encoding, isBigEndian: Bool)] = [
        "u8": (.pcm8, false), "s16le": (.pcm16, false), "s16_le": (.pcm16, false), "s16be": (.pcm16, true), "s16_be": (.pcm16, true),
        "s24le": (.pcm24, false), "s24_3le": (.pcm24, false), "s32le": (.pcm32, false), "s32_le": (.pcm32, false),
        "f32le": (.float32, false), "float_le": (.float32, false), "mulaw": (.muLaw, false), "mu_law": (.muLaw, false),
        "alaw": (.aLaw, false), "a_law": (.aLaw, false),
    ]

    private static func number(_ name: String, _ value: String, in range: ClosedRange<Int>) throws(APIError) -> Int {
        guard let number = Int(value), range.contains(number) else {
            throw wrong("'\(name)' must be a whole number from \(range.lowerBound) to \(range.upperBound).")
        }
        return number
    }

    private static func wrong(_ message: String) -> APIError {
        APIError(.badRequest, code: "invalid_value", message, param: "content-type")
    }
}
