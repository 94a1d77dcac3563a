/// What became of one item of the history when a new upstream conversation was given it.
struct ItemNote: Sendable, Equatable {
    let id: String
    /// An ``ItemLoss`` or ``ItemAlteration`` as it is spelt, or the code of the error by which upstream refused the item.
    let why: String

    init(id: String, why: String) {
        self.id = id
        self.why = why
    }
}

/// Why a new upstream conversation does not hold an item (`items_lost` of `bridge.upstream.switched`).
enum ItemLoss: String, Sendable, CaseIterable {
    /// A client may not create items of this kind: MCP items, and what the bridge does not know.
    case notReplayable = "not_replayable"
    /// The protocol's limit for ids of clients' making is 32 characters; servers may make longer ones.
    case idTooLong = "id_too_long"
    /// The caller's audio is not there any more, or is in a format that the connection does not take now, and it has no transcript.
    case audioNotKept = "audio_not_kept"
    case imageNotKept = "image_not_kept"
    /// Nothing was said in it.
    case empty
    /// It was cut before any of it was heard.
    case notHeard = "not_heard"
    /// A function call that never got its arguments.
    case incomplete
    /// The output of a function call that the new conversation does not hold.
    case callNotCarried = "call_not_carried"
    /// The conversation is longer than the estimate allows; the oldest go first.
    case tokenLimit = "token_limit"
    /// Upstream refused it and gave no code.
    case refused
}

/// How an item that a new upstream conversation holds differs from what it was (`items_altered` of `bridge.upstream.switched`).
///
/// What is missing goes before what is only in another form: an item has one. The two that name something missing are spelt as the loss
/// of the part would be: `audio_not_kept`, `image_not_kept`, `not_replayable`.
enum ItemAlteration: String, Sendable, CaseIterable {
    /// The caller's audio, as the text of its transcript.
    case audioAsTranscript = "audio_as_transcript"
    /// The assistant's audio, which clients cannot create, as the text of its transcript.
    case audioAsText = "audio_as_text"
    /// The assistant's audio as text, up to where it was cut.
    case cutWhereHeard = "cut_where_heard"
}
