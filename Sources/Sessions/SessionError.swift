package import Realtime

/// Why a session could not do what it was asked. Every message is fit for the caller.
package struct SessionError: Error, Sendable, Equatable, CustomStringConvertible {
    package enum Code: String, Sendable, CaseIterable {
        // The caller's mistakes; nothing was sent.
        case sessionNotFound = "session_not_found"
        case itemNotFound = "item_not_found"
        case responseNotFound = "response_not_found"
        case callNotFound = "function_call_not_found"
        case invalidValue = "invalid_value"
        case missingRequiredParameter = "missing_required_parameter"
        case stringAboveMaxLength = "string_above_max_length"
        case invalidAudio = "invalid_audio"
        case unknownUpstream = "unknown_upstream"
        // The conversation's state forbids it; nothing was sent.
        case duplicateItem = "item_create_duplicate_item_id"
        case callAlreadyAnswered = "function_call_already_answered"
        case responseActive = "conversation_already_has_active_response"
        case cancelNotActive = "response_cancel_not_active"
        case sessionClosed = "session_closed"
        case sessionFailed = "session_failed"
        /// It was made for one response.
        case sessionIsOneShot = "session_is_one_shot"
        case upstreamDialectChanged = "upstream_dialect_changed"
        // Not now; nothing was sent.
        case tooManyCommands = "too_many_commands"
        /// Of responses that wait for their turn.
        case responseQueueFull = "response_queue_full"
        /// The caller's time was over before its turn came; it is out of the queue again.
        case responseQueueTimeout = "response_queue_timeout"
        case sessionLimit = "session_limit_exceeded"
        case storeUnavailable = "store_unavailable"
        case shuttingDown = "shutting_down"
        // It was sent by an earlier request, in another run or on a connection that is lost.
        case outcomeUnknown = "idempotency_outcome_unknown"
        // Upstream's answer, or none.
        /// An `error` event for this command; ``upstream`` has it.
        case refusedByUpstream = "refused_by_upstream"
        /// The connection was lost after the command was written, before its answer.
        case upstreamLost = "upstream_lost"
        /// Written, but not answered in time.
        case upstreamTimeout = "upstream_timeout"
        /// No connection could be made for now: not there, no such name, no answer in time.
        case upstreamUnavailable = "upstream_unavailable"
        /// The credential was refused.
        case upstreamUnauthorized = "upstream_unauthorized"
        /// The model is not there or not open to this credential.
        case upstreamModelNotFound = "upstream_model_not_found"
        /// Refused for another reason when the connection was opened, or not to be trusted.
        case upstreamRefused = "upstream_refused"
    }

    package let code: Code
    package let message: String
    package let param: String?
    /// What upstream said, if it did.
    package let upstream: RealtimeError?
    /// How long trying again is known to be of no use; nil: nothing is known.
    package let retryAfterMilliseconds: Int?

    package init(
        _ code: Code, _ message: String, param: String? = nil, upstream: RealtimeError? = nil, retryAfterMilliseconds: Int? = nil
    ) {
        self.code = code
        self.message = message
        self.param = param
        self.upstream = upstream
        self.retryAfterMilliseconds = retryAfterMilliseconds
    }

    package var description: String { "\(code.rawValue): \(message)" }

    /// The same for a caller of another dialect than upstream's: what it names is where the caller has it.
    package func shown(in view: DialectView) -> SessionError {
        guard !view.isNative, var upstream, let path = upstream.param else { return self }
        upstream.param = view.parameter(path)
        upstream.message = view.message(upstream.message, naming: path)
        return SessionError(
            code, view.message(message, naming: path), param: param, upstream: upstream, retryAfterMilliseconds: retryAfterMilliseconds)
    }
}

extension SessionError.Code {
    /// It may be another word in a moment, without anybody's doing.
    package var passes: Bool {
        switch self {
        case .tooManyCommands, .storeUnavailable, .upstreamLost, .upstreamTimeout, .upstreamUnavailable, .upstreamRefused: true
        default: false
        }
    }
}
