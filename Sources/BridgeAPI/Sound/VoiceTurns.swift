import EventLog
import Realtime

/// What upstream's voice detection makes of the sound of one upload, by the session's events since it began.
struct VoiceTurns {
    struct Item: Equatable {
        let id: String
        let previous: String?
    }

    /// The last one that voice detection committed, unless somebody speaks again.
    var committed: Item? { speaking == nil ? lastCommitted : nil }
    /// The response that upstream began by itself after the last commit.
    private(set) var response: (event: ServerEvent, position: EventPosition)?
    private(set) var done: ServerEvent?

    private var lastCommitted: Item?
    /// Began and is not committed.
    private var speaking: String?
    private var ended: String?

    mutating func take(_ event: ServerEvent, at position: EventPosition) {
        switch event.name {
        case .inputAudioBufferSpeechStarted:
            speaking = event.itemID
        case .inputAudioBufferSpeechStopped, .inputAudioBufferTimeoutTriggered:
            ended = event.itemID
        case .inputAudioBufferCommitted:
            // One that was not announced is a caller's.
            guard let id = event.itemID, id == ended else { return }
            lastCommitted = Item(id: id, previous: event.previousItemID)
            if speaking == id { speaking = nil }
            response = nil
            done = nil
        case .responseCreated:
            guard lastCommitted != nil, let object = event.json["response"], CorrelationToken.read(from: object) == nil else { return }
            response = (event, position)
            done = nil
        case .responseDone:
            if let id = event.responseID, id == response?.event.responseID { done = event }
        default:
            break
        }
    }
}
