package import EventLog
import Realtime

/// A step of a request that is carried out once, where the step is a command.
package struct CommandStep: Sendable {
    package let id: StepID
    /// The ids that the bridge puts on the command are made of it.
    let mark: UInt64

    /// - Parameter mark: from ``newMark()``.
    package init(id: StepID, mark: String) {
        self.id = id
        // Only a damaged store has another one, and then nothing is sent with it.
        self.mark = BridgeEventID.random(in: mark) ?? 0
    }

    /// What the command can be recognised by on the stream: the `event_id` it will have, without the caller's.
    package static func newMark() -> String { BridgeEventID.make(random: .random(in: .min ... .max), callers: nil) }
}
