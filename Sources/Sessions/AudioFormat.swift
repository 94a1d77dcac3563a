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

    /// - Parameter encoding: as stored with kept audio.
    package init?(encoding: String) {
        let parts = encoding.split(separator: "/")
        guard parts.count == 2, let rate = Int(parts[1]), (1...768_000).contains(rate) else { return nil }
        switch parts[0] {
        case "g711_ulaw", "g711_alaw": self.init(name: String(parts[0]), bytesPerSample: 1, samplesPerSecond: rate)
        case "pcm16": self.init(name: "pcm16", bytesPerSample: 2, samplesPerSecond: rate)
        default: return nil
        }
    }

    init(name: String, bytesPerSample: Int, samplesPerSecond: Int) {
        self.name = name
        self.bytesPerSample = bytesPerSample
        self.samplesPerSecond = samplesPerSecond
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

    /// The output format that a session or response object states; nil if it states none.
    static func output(statedBy object: JSON?, _ profile: UpstreamProfile) -> AudioFormat? {
        object.flatMap { format(statedBy: $0, beta: "output_audio_format", ga: "output", usualRate: profile.outputRate) }
    }

    private static func format(of record: SessionRecord, beta: String, ga: String, usualRate: Int) -> AudioFormat {
        record.configuration.flatMap { try? JSON.parse($0, maximumDepth: 256, refusingDuplicates: false) }
            .flatMap { format(statedBy: $0, beta: beta, ga: ga, usualRate: usualRate) }
            ?? AudioFormat(name: "pcm16", bytesPerSample: 2, samplesPerSecond: usualRate)
    }

    private static func format(statedBy object: JSON, beta: String, ga: String, usualRate: Int) -> AudioFormat? {
        let nested = object["audio"]?[ga]?["format"]
        switch object[beta]?.string ?? nested?["type"]?.string {
        case let name? where name == "g711_ulaw" || name == "g711_alaw" || name == "audio/pcmu" || name == "audio/pcma":
            return AudioFormat(name: name, bytesPerSample: 1, samplesPerSecond: 8_000)
        case let name?:
            // Upstream's word is not trusted with arithmetic: a rate that no sound has counts as the usual one.
            let stated = nested?["rate"]?.int ?? usualRate
            return AudioFormat(name: name, bytesPerSample: 2, samplesPerSecond: (1...768_000).contains(stated) ? stated : usualRate)
        case nil:
            return nil
        }
    }
}
