/// How long voice detection is waited for once an upload's last byte was sent, by what it has said so far.
///
/// Upstream acknowledges no audio. It says where a speech begins and where it has ended, on a clock that counts the audio it was sent
/// (`audio_start_ms`, `audio_end_ms`). What has been sent is known, so what it has yet to listen to is known as well; and so is the
/// silence at the end, in which there is no turn to be found.
struct UploadHearing {
    /// What upstream may need for its words beside the sound's own length.
    private static let grace = Duration.milliseconds(500)
    /// Less audio than this is committed by no server, so it is no turn.
    private static let leastTurn = 100

    /// Where the upload ends in the audio of its connection, in milliseconds.
    let end: Int
    let milliseconds: Int
    /// Of silence at its end.
    let quiet: Int
    /// How much of it upstream needs to see a turn's end.
    let turnSilence: Int

    /// From upstream's last word on, or from the upload's end. An upstream that listens no faster than one speaks is waited for.
    func patience(_ turns: VoiceTurns) -> Duration {
        let heard = turns.heard ?? end - milliseconds
        let unheard = Duration.milliseconds(max(0, end - heard))
        if turns.isSpeaking {
            // Without enough silence the turn has no end: who asks for the commit is to give it one.
            return quiet >= turnSilence ? unheard + Self.grace : Self.grace
        }
        if heard >= end - quiet - Self.leastTurn {
            return turns.committed == nil ? Self.grace : .zero
        }
        return unheard + Self.grace
    }
}
