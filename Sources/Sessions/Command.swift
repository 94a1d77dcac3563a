import Realtime

/// What identifies a taken command inside its session.
typealias CommandID = Int

/// One client event on its way upstream, and what will answer it.
struct Command: Equatable, Sendable {
    enum Kind: Equatable, Sendable {
        case sessionUpdate
        case itemCreate(itemID: String)
        case itemDelete(itemID: String)
        case itemTruncate(itemID: String)
        case itemRetrieve(itemID: String)
        case audioCommit
        case audioClear
        case responseCreate(token: String, isOutOfBand: Bool)
        /// Nil: upstream's own choice, when a response was asked for but not yet created.
        case responseCancel(responseID: String?)
        /// Never acknowledged: the event of an append.
        case audioAppend
        /// Never acknowledged: events that the bridge does not know, or that upstream only acts on.
        case unacknowledged
    }

    let id: CommandID
    let kind: Kind
    let event: ClientEvent
    /// The `session` object of a `session.update`, to be kept once upstream has confirmed it.
    var configuration: [UInt8]? = nil
    /// With ``configuration``: the webhooks of its tools; nil if it names no tools.
    var webhooks: ToolWebhooks? = nil
    /// A response outside of the conversation, with nothing of it going on behind its end.
    var isPlainResponse = false
    /// The call that a `function_call_output` item answers.
    var answersCall: String? = nil
    /// The `item` object, if upstream does not give back what is in it (audio, images), to be kept once upstream has confirmed it.
    var input: [UInt8]? = nil
    /// The decoded audio of an append, until it is sent.
    var audio: [UInt8]? = nil
    /// Where it stands in the audio of its connection: the bytes that were appended before it. Nil until it is sent.
    var audioPosition: Int? = nil
    /// How many connections it was sent on.
    var sendings = 0
    /// When it last was; in milliseconds since 1970.
    var sentAt = 0
    /// False while it is certain that upstream has not got it from the connection it was last sent on.
    var isWritten = false
    /// Its caller was answered when it was taken.
    var isAccepted = false
    /// Audio that the connection before this one was sent already.
    var isKeptAudio = false

    var isAcknowledged: Bool { kind != .unacknowledged && kind != .audioAppend }

    /// Something that never answers must not be sent over and over, connection after connection.
    private static let maximumSendings = 3

    /// Whether the next connection may be sent it when this one is lost (API.md section 8): what was not written, and what does the
    /// same thing again. A second `response.create` would be paid twice.
    var mayBeSentAgain: Bool {
        guard sendings < Self.maximumSendings else { return false }
        guard isWritten else { return true }
        return switch kind {
        case .sessionUpdate, .itemCreate, .itemDelete, .itemTruncate, .itemRetrieve, .audioCommit, .audioClear: true
        case .responseCreate, .responseCancel, .audioAppend, .unacknowledged: false
        }
    }
}
