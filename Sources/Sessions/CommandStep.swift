package import EventLog
import Realtime

/// A step of a request that is carried out once, where the step is a command.
package struct CommandStep: Sendable {
    package let id: StepID
    /// The ids that the bridge puts on the command are made of it.
    let mark: UInt64
    /// By an earlier request: it is not taken again, only told of.
    package let wasBegun: Bool
    /// Its caller was told that it had been sent.
    let wasAccepted: Bool
    /// There was nothing to do.
    let wasNeedless: Bool

    /// - Parameter mark: from ``newMark()``.
    package init(id: StepID, mark: String, wasBegun: Bool = false, wasAccepted: Bool = false, wasNeedless: Bool = false) {
        self.id = id
        self.wasBegun = wasBegun
        self.wasAccepted = wasAccepted
        self.wasNeedless = wasNeedless
        // Only a damaged store has another one, and then nothing is sent with it.
        self.mark = BridgeEventID.random(in: mark) ?? 0
    }

    /// What the command can be recognised by on the stream: the `event_id` it will have, without the caller's.
    package static func newMark() -> String { BridgeEventID.make(random: .random(in: .min ... .max), callers: nil) }
}
