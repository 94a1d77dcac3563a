/// What upstream does by itself with what it takes for speech in the input audio (`turn_detection`).
package enum VoiceDetection: Sendable {
    case off
    /// Commits it.
    case commits
    /// Commits it and answers.
    case answers
}
