/// Every event of the protocol: its name, who sends it, which spelling has it, and what it is called in the other one.
///
/// Names that are not here are passed on untouched. `openapi.json` has one schema for each event and dialect that is listed, and the
/// table of the documentation one line; tests hold all three together.
package enum EventCatalog {
    package enum Direction: Sendable {
        /// To the Realtime server.
        case client
        /// From it.
        case server
    }

    package struct Event: Sendable, Equatable {
        package let name: String
        package let direction: Direction
        /// The spellings whose published description lists it, whether or not a server still sends or takes it.
        package let dialects: Set<Dialect>
        /// One of the 9 and 28 that the project began with.
        package let isInSourceDocuments: Bool
        fileprivate let counterparts: [Dialect: [String]]

        /// What stands for it in that spelling, in the order of the frames; empty if nothing does.
        package func counterparts(in dialect: Dialect) -> [String] {
            counterparts[dialect] ?? (dialects.contains(dialect) ? [name] : [])
        }
    }

    /// The client's events first, each part by name.
    package static let all: [Event] = ClientEventName.allCases.map(\.catalogued) + ServerEventName.allCases.map(\.catalogued)

    /// The event of that name and direction; nil for vendors' own and future ones.
    package static func event(_ name: String, _ direction: Direction) -> Event? {
        switch direction {
        case .client: ClientEventName(rawValue: name)?.catalogued
        case .server: ServerEventName(rawValue: name)?.catalogued
        }
    }
}

extension ClientEventName {
    fileprivate var catalogued: EventCatalog.Event {
        let isLater =
            switch self {
            case .conversationItemRetrieve, .outputAudioBufferClear, .transcriptionSessionUpdate: true
            default: false
            }
        return EventCatalog.Event(
            name: rawValue, direction: .client, dialects: [.beta, .ga], isInSourceDocuments: !isLater,
            // The servers of the newer spelling refuse the name.
            counterparts: self == .transcriptionSessionUpdate ? [.ga: [ClientEventName.sessionUpdate.rawValue]] : [:])
    }
}

extension ServerEventName {
    /// The event's name in a dialect, if all that differs between the two is the name; else its own.
    func renamed(in dialect: Dialect) -> ServerEventName {
        let (beta, ga): (ServerEventName, ServerEventName)
        switch self {
        case .responseTextDelta, .responseOutputTextDelta: (beta, ga) = (.responseTextDelta, .responseOutputTextDelta)
        case .responseTextDone, .responseOutputTextDone: (beta, ga) = (.responseTextDone, .responseOutputTextDone)
        case .responseAudioDelta, .responseOutputAudioDelta: (beta, ga) = (.responseAudioDelta, .responseOutputAudioDelta)
        case .responseAudioDone, .responseOutputAudioDone: (beta, ga) = (.responseAudioDone, .responseOutputAudioDone)
        case .responseAudioTranscriptDelta, .responseOutputAudioTranscriptDelta:
            (beta, ga) = (.responseAudioTranscriptDelta, .responseOutputAudioTranscriptDelta)
        case .responseAudioTranscriptDone, .responseOutputAudioTranscriptDone:
            (beta, ga) = (.responseAudioTranscriptDone, .responseOutputAudioTranscriptDone)
        default: return self
        }
        return dialect == .beta ? beta : ga
    }

    fileprivate var catalogued: EventCatalog.Event {
        EventCatalog.Event(
            name: rawValue, direction: .server, dialects: dialects, isInSourceDocuments: isInSourceDocuments, counterparts: counterparts)
    }

    private var dialects: Set<Dialect> {
        switch self {
        case .responseTextDelta, .responseTextDone, .responseAudioDelta, .responseAudioDone, .responseAudioTranscriptDelta,
            .responseAudioTranscriptDone, .transcriptionSessionCreated:
            [.beta]
        case .responseOutputTextDelta, .responseOutputTextDone, .responseOutputAudioDelta, .responseOutputAudioDone,
            .responseOutputAudioTranscriptDelta, .responseOutputAudioTranscriptDone, .conversationItemAdded, .conversationItemDone,
            .inputAudioBufferDtmfEventReceived, .inputAudioBufferTimeoutTriggered:
            [.ga]
        default:
            [.beta, .ga]
        }
    }

    private var counterparts: [Dialect: [String]] {
        func names(_ events: ServerEventName...) -> [String] { events.map(\.rawValue) }
        return switch self {
        case .conversationItemCreated: [.ga: names(.conversationItemAdded, .conversationItemDone)]
        case .conversationItemAdded: [.beta: names(.conversationItemCreated)]
        case .transcriptionSessionCreated: [.ga: names(.sessionCreated)]
        case .transcriptionSessionUpdated: [.ga: names(.sessionUpdated)]
        case _ where renamed(in: .beta) != renamed(in: .ga): [.beta: names(renamed(in: .beta)), .ga: names(renamed(in: .ga))]
        default: [:]
        }
    }

    private var isInSourceDocuments: Bool {
        switch self {
        case .conversationItemInputAudioTranscriptionDelta, .conversationItemInputAudioTranscriptionSegment, .conversationItemRetrieved,
            .mcpListToolsInProgress, .mcpListToolsCompleted, .mcpListToolsFailed, .outputAudioBufferStarted, .outputAudioBufferStopped,
            .outputAudioBufferCleared, .responseMCPCallInProgress, .responseMCPCallCompleted, .responseMCPCallFailed,
            .responseMCPCallArgumentsDelta, .responseMCPCallArgumentsDone, .transcriptionSessionCreated, .transcriptionSessionUpdated:
            false
        default:
            dialects.contains(.beta)
        }
    }
}
