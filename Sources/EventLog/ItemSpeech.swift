/// When an item was spoken that was made of input audio.
///
/// Upstream's events say it only of what voice detection found, and not where a connection's audio stands in the session's, so it is
/// stored when the item is committed (`input_audio_buffer.committed`). From: `InputAudioLedger`. To: `Transcript`.
package struct ItemSpeech: Sendable, Equatable {
    /// Which upstream connection of the session heard it, counted from 1; 0 in a session that was given the item.
    package let generation: Int
    /// Counted in the audio of that connection; nil in a session that was given the item.
    package let startMilliseconds: Int?
    package let milliseconds: Int

    package init(generation: Int, startMilliseconds: Int?, milliseconds: Int) {
        self.generation = generation
        self.startMilliseconds = startMilliseconds
        self.milliseconds = milliseconds
    }

    /// The same for another session, whose time line it is not part of.
    var elsewhere: ItemSpeech { ItemSpeech(generation: 0, startMilliseconds: nil, milliseconds: milliseconds) }
}
