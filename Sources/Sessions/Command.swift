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
        /// Never acknowledged (audio appends, events the bridge does not know).
        case unacknowledged
    }

    let id: CommandID
    let kind: Kind
    let event: ClientEvent
    /// The `session` object of a `session.update`, to be kept once upstream has confirmed it.
    var configuration: [UInt8]? = nil
    /// The call that a `function_call_output` item answers.
    var answersCall: String? = nil

    var isAcknowledged: Bool { kind != .unacknowledged }
}
