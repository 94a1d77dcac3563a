import EventLog
import Realtime
import Upstream

/// How a session's audio is laid out: what lengths in bytes mean in time.
package struct AudioFormat: Sendable, Equatable {
    package let name: String
    package let bytesPerSample: Int
    package let samplesPerSecond: Int

    package static let pcm16 = AudioFormat(name: "pcm16", bytesPerSample: 2, samplesPerSecond: 24_000)

    package var bytesPerSecond: Int { bytesPerSample * samplesPerSecond }

    /// How its bytes are to be read: equal for formats that are the same sound under several names. Stored with kept audio.
    ///
    /// All samples of two bytes are the same PCM, called `pcm16`, `audio/pcm` or what a vendor likes; those of one byte are not.
    var encoding: String {
        switch name {
        case "g711_ulaw", "audio/pcmu": "g711_ulaw/\(samplesPerSecond)"
        case "g711_alaw", "audio/pcma": "g711_alaw/\(samplesPerSecond)"
        default: "pcm\(8 * bytesPerSample)/\(samplesPerSecond)"
        }
    }

    package func milliseconds(bytes: Int) -> Int {
        bytes * 1_000 / bytesPerSecond
    }

    static func input(of record: SessionRecord, _ profile: UpstreamProfile) -> AudioFormat {
        format(of: record, beta: "input_audio_format", ga: "input", usualRate: profile.inputRate)
    }

    static func output(of record: SessionRecord, _ profile: UpstreamProfile) -> AudioFormat {
        format(of: record, beta: "output_audio_format", ga: "output", usualRate: profile.outputRate)
    }

    private static func format(of record: SessionRecord, beta: String, ga: String, usualRate: Int) -> AudioFormat {
        let pcm16 = AudioFormat(name: "pcm16", bytesPerSample: 2, samplesPerSecond: usualRate)
        guard let session = record.configuration.flatMap({ try? JSON.parse($0, maximumDepth: 256, refusingDuplicates: false) }) else {
            return pcm16
        }
        let nested = session["audio"]?[ga]?["format"]
        switch session[beta]?.string ?? nested?["type"]?.string {
        case let name? where name == "g711_ulaw" || name == "g711_alaw" || name == "audio/pcmu" || name == "audio/pcma":
            return AudioFormat(name: name, bytesPerSample: 1, samplesPerSecond: 8_000)
        case let name?:
            // Upstream's word is not trusted with arithmetic: a rate that no sound has counts as the usual one.
            let stated = nested?["rate"]?.int ?? usualRate
            return AudioFormat(name: name, bytesPerSample: 2, samplesPerSecond: (1...768_000).contains(stated) ? stated : usualRate)
        case nil:
            return pcm16
        }
    }
}
