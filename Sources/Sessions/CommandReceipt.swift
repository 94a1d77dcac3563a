package import EventLog
package import Realtime

/// How one stage of a command ended.
package enum CommandOutcome: Sendable {
    /// The upstream event that confirms it, committed to the log at this position.
    case confirmed(ServerEvent, EventPosition)
    /// Written to upstream, which never acknowledges commands of this kind.
    case accepted
    case failed(SessionError)
}

/// A command that was taken: what to look for on the stream, and its stages to wait for.
///
/// Nobody has to wait, and giving up changes nothing: the command stays with its session until upstream answers it or is lost.
package struct CommandReceipt: Sendable {
    /// The `event_id` it has on its way upstream.
    package let eventID: String
    package let type: String
    /// The id of the item it creates, deletes or cuts.
    package internal(set) var itemID: String?
    /// What `audio_end_ms` the caller gave, if it lay beyond the audio that was produced.
    package let clampedFrom: Int?
    /// Frames it was split into; 1 for all but large appends.
    package let frames: Int

    /// Fields of the caller's event that upstream was not sent, since its dialect has no counterpart.
    package var leftOut: [LeftOutField] = []

    /// The steps of requests that it is; none if nobody asked for it to be done once. Several requests can wait for one response.
    package var steps: [StepID] = []

    /// Whether upstream may have got any of it.
    package var wasSent: Bool { frames > 1 || sentPromise.isFulfilled }

    /// It, or the last of its frames, is being handed to the socket; of a response, also the item that is added for it.
    let sentPromise = Promise<Void>()
    let writtenPromise = Promise<CommandOutcome>()
    let confirmedPromise = Promise<CommandOutcome>()
    let finishedPromise = Promise<CommandOutcome>()

    /// The (last) frame was handed to the upstream socket, or could not be. Nil after `limit`.
    package func written(within limit: Duration) async -> CommandOutcome? {
        await writtenPromise.value(within: limit)
    }

    /// Upstream confirmed or refused it (for a `response.create`: `response.created`). Nil after `limit`.
    package func confirmed(within limit: Duration) async -> CommandOutcome? {
        await confirmedPromise.value(within: limit)
    }

    /// A response's `response.done`, whatever its status, for `response.create` and `response.cancel`; for all others the same as
    /// ``confirmed(within:)``. Nil after `limit`.
    package func finished(within limit: Duration) async -> CommandOutcome? {
        await finishedPromise.value(within: limit)
    }
}
