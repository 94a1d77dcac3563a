/// What the event log could not do.
package struct EventLogError: Error, CustomStringConvertible {
    package enum Code: Sendable, Equatable {
        /// Another process holds the folder. Retrying helps once that process is gone.
        case locked
        /// The store cannot read or write now: disk full, I/O error, busy. Retrying later helps.
        case unavailable
        /// The store holds, or was asked to hold, what cannot be. Retrying does not help.
        case corrupt
        /// The log, or this session's history, was closed. Retrying does not help.
        case closed
        /// A session of this id exists.
        case duplicateSession
    }

    package let code: Code
    /// Fit for a stranger: names settings and folders, never content.
    package let message: String
    /// For the operator's log only.
    package let cause: (any Error)?

    package init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }

    package var description: String { message }

    static var duplicateSession: EventLogError { EventLogError(.duplicateSession, "A session of this id exists.") }
    static var logClosed: EventLogError { EventLogError(.closed, "The event log is closed.") }
    static var sessionDeleted: EventLogError { EventLogError(.closed, "The session was deleted.") }
}
