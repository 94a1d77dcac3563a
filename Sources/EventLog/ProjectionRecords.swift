package import Realtime

/// One conversation item as the events so far describe it.
package struct ItemRecord: Sendable, Equatable {
    package let id: String
    /// The seq of the event that first named it; orders items that were inserted at one place.
    package let createdSeq: Int
    /// The item it was put behind; nil when first in the conversation. Upstream's word, except where a switch had lost items right behind
    /// the one that upstream named: then it is the last of those.
    package var previousItemID: String?
    /// The item object as upstream last spelt it; of one that its response left unfinished, with the text that was produced of it.
    package var json: [UInt8]
    /// The seq of the event that last changed it.
    package var updatedSeq: Int
    package var status: String?
    /// The response that produced it; nil for the caller's and VAD's items.
    package var responseID: String?
    /// Bytes of assistant audio produced so far, in the session's output format, counted from the deltas.
    package var producedAudioBytes: Int
    /// Where `conversation.item.truncated` has cut its audio, the earliest of several; nil if it was not.
    package var truncatedAtMilliseconds: Int?
    /// Deleted items stay in the chain, so that their ids are not used again and their successors keep their place.
    package var isDeleted: Bool

    /// The status of one that is being produced.
    static let inProgress = "in_progress"

    package init(id: String, createdSeq: Int, previousItemID: String?, json: [UInt8], status: String?, responseID: String?) {
        self.id = id
        self.createdSeq = createdSeq
        self.previousItemID = previousItemID
        self.json = json
        self.updatedSeq = createdSeq
        self.status = status
        self.responseID = responseID
        self.producedAudioBytes = 0
        self.truncatedAtMilliseconds = nil
        self.isDeleted = false
    }

    /// ``json``, read as leniently as the event that it came in.
    package var object: JSON? { try? JSON.parse(json, maximumDepth: 256, refusingDuplicates: false) }
}

/// One response as the events so far describe it.
package struct ResponseRecord: Sendable, Equatable {
    package let id: String
    /// The seq of its `response.created`.
    package let createdSeq: Int
    /// The seq of its `response.done`; nil while it is in progress.
    package var doneSeq: Int?
    package var status: String
    /// The response object as upstream last spelt it (the bridge's, if the terminal is the bridge's).
    package var json: [UInt8]
    /// The bridge's correlation token in its `metadata`; nil if the server started it (VAD).
    package var token: String?
    /// Not part of the default conversation (`conversation: "none"`).
    package var isOutOfBand: Bool

    package init(id: String, createdSeq: Int, status: String, json: [UInt8], token: String?, isOutOfBand: Bool) {
        self.id = id
        self.createdSeq = createdSeq
        self.doneSeq = nil
        self.status = status
        self.json = json
        self.token = token
        self.isOutOfBand = isOutOfBand
    }
}

/// A row that an event made or changed; committed in the event's own transaction.
package enum ProjectionChange: Sendable, Equatable {
    /// A deleted item takes its input with it.
    case item(ItemRecord)
    case response(ResponseRecord)
    /// What the caller gave for an item of this session, in the place of what was kept of it before. The item need not be known yet;
    /// for a deleted one nothing is kept.
    case input(itemID: String, ItemInput)
    /// An item of this session, which need not be known yet, was made of audio.
    case speech(itemID: String, ItemSpeech)
    /// What is kept for an item of another session is kept for the item of the same id in this one too, copied inside the store, and how
    /// long it was spoken. If nothing is kept there (any more), nothing is copied.
    case inputCopied(itemID: String, fromSession: String)
}
