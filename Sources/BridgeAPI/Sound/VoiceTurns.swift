import EventLog
import Realtime

/// What upstream's voice detection makes of the sound of one upload, by the session's events since it began.
struct VoiceTurns {
    struct Item: Equatable {
        let id: String
        let previous: String?
    }

    /// The last one that voice detection committed, unless somebody speaks again.
    var committed: Item? { isSpeaking ? nil : lastCommitted }
    /// Somebody has begun, and is not committed.
    var isSpeaking: Bool { speaking != nil }
    /// Up to where in the connection's audio upstream is known to have listened, in milliseconds; nil if it has said nothing.
    private(set) var heard: Int?
    /// The response that upstream began by itself after the last commit.
    private(set) var response: (event: ServerEvent, position: EventPosition)?
    private(set) var done: ServerEvent?

    private var lastCommitted: Item?
    private var speaking: String?
    private var ended: String?

    /// - Returns: whether it is something that upstream says of what it hears.
    @discardableResult
    mutating func take(_ event: ServerEvent, at position: EventPosition) -> Bool {
        switch event.name {
        case .inputAudioBufferSpeechStarted:
            speaking = event.itemID
            hears(event.json["audio_start_ms"])
            return true
        case .inputAudioBufferSpeechStopped, .inputAudioBufferTimeoutTriggered:
            ended = event.itemID
            hears(event.json["audio_end_ms"])
            return true
        case .inputAudioBufferCommitted:
            // One that was not announced is a caller's.
            guard let id = event.itemID, id == ended else { return false }
            lastCommitted = Item(id: id, previous: event.previousItemID)
            if speaking == id { speaking = nil }
            response = nil
            done = nil
            return true
        case .responseCreated:
            guard lastCommitted != nil, let object = event.json["response"], CorrelationToken.read(from: object) == nil else {
                return false
            }
            response = (event, position)
            done = nil
        case .responseDone:
            guard let id = event.responseID, id == response?.event.responseID else { return false }
            if !isSpeaking, event.isInterrupted {
                // By the speech that is committed since: it was an answer to an earlier turn, and upstream was late to say that it began.
                response = nil
            } else {
                done = event
            }
        case nil where event.type == BridgeEvent.switchedType:
            // The next connection is given what no item holds yet, and counts from there.
            speaking = nil
            heard = 0
        default:
            break
        }
        return false
    }

    private mutating func hears(_ place: JSON?) {
        // One that does not say where has heard all, so that nothing more is waited for.
        heard = max(heard ?? 0, place?.int ?? .max)
    }
}

extension ServerEvent {
    fileprivate var isInterrupted: Bool {
        let response = json["response"]
        return response?["status"]?.string == "cancelled" && response?["status_details"]?["reason"]?.string == "turn_detected"
    }
}
