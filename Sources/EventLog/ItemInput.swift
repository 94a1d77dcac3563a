/// What a caller gave for an item and upstream never gives back: an item's own object keeps neither its audio nor its images, so a new
/// upstream conversation could not be given them again.
package enum ItemInput: Sendable, Equatable {
    /// Audio committed from the input buffer, decoded, and a name for how its bytes are to be read, which is the keeper's to choose: the
    /// session's input format may have changed by the time somebody wants it back.
    case audio([UInt8], format: String)
    /// The caller's `item` object of a `conversation.item.create` that holds audio or images, as the caller spelt it.
    case item([UInt8])

    package var bytes: [UInt8] {
        switch self {
        case .audio(let bytes, _), .item(let bytes): bytes
        }
    }

    /// What a row is counted as beside its bytes, roughly what it takes in the file.
    static let overheadBytes = 64
}
