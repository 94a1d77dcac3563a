import EventLog
import Realtime

/// What upstream does by itself with what it takes for speech in the input audio (`turn_detection`).
package enum VoiceDetection: Sendable {
    case off
    /// Commits it.
    case commits
    /// Commits it and answers.
    case answers
}

extension Session {
    package var voiceDetection: VoiceDetection {
        machine.isAnsweringVoice ? .answers : machine.isDetectingVoice ? .commits : .off
    }

    /// The kind of its voice detection, `server_vad` or `semantic_vad`; nil if it is off, or not known.
    package var voiceDetectionType: String? { turnDetection?["type"]?.string }

    /// How long it has to be quiet, in milliseconds, until voice detection is sure to call a turn ended. Where the session does not say,
    /// as documented: 500; for semantic detection the longest wait of its eagerness.
    package var turnSilenceMilliseconds: Int {
        let detection = turnDetection
        guard detection?["type"]?.string == "semantic_vad" else { return detection?["silence_duration_ms"]?.int ?? 500 }
        return switch detection?["eagerness"]?.string {
        case "high": 2_000
        case "low": 8_000
        default: 4_000
        }
    }

    /// How much audio its upstream connection was sent, with what waits to be: the clock of upstream's `audio_start_ms` and `audio_end_ms`.
    package var inputAudioMilliseconds: Int { machine.inputAudioMilliseconds }

    private var turnDetection: JSON? {
        let session = record.configuration.flatMap { try? JSON.parse($0, maximumDepth: 256, refusingDuplicates: false) }
        return session?["audio"]?["input"]?["turn_detection"] ?? session?["turn_detection"]
    }
}
