import Audio
import EventLog
import HTTPServer
import Realtime
import Sessions

/// What each room's errors are over HTTP (API.md sections 2, 7 and 8). The only place where codes become statuses.
enum ErrorTable {
    /// Nil for what no room is known to throw, which is a mistake of ours.
    /// - Parameter passesBearer: the upstream credential is the caller's own, so what upstream refuses is the caller's to mend.
    static func knownAnswer(to error: any Error, passesBearer: Bool) -> APIError? {
        switch error {
        case let error as APIError: error
        case let error as SessionError: answer(to: error, passesBearer: passesBearer)
        case let error as EventLogError: answer(toLog: error)
        case let error as RequestBodyError: answer(toBody: error)
        case let error as StreamRefusal: answer(toStream: error)
        case let error as SoundFault: answer(toSound: error)
        case let error as JSONError: APIError(.badRequest, code: "invalid_json", "The body is not acceptable JSON: \(error).")
        default: nil
        }
    }

    /// - Parameters:
    ///   - wasTaken: the session had taken the command, so that it may have been sent.
    ///   - eventID: the id of the client event, as the bridge sent it.
    static func answer(to error: SessionError, passesBearer: Bool, wasTaken: Bool = false, eventID: String? = nil) -> APIError {
        let code = error.code.rawValue
        func made(_ status: APIError.Status, _ retry: APIError.Retry = .unsaid) -> APIError {
            APIError(status, code: code, error.message, param: error.param, eventID: eventID.map(callers), retry: retry)
        }
        switch error.code {
        case .sessionNotFound, .itemNotFound, .responseNotFound, .callNotFound:
            return made(.notFound)
        case .invalidValue, .missingRequiredParameter, .stringAboveMaxLength, .invalidAudio, .unknownUpstream:
            return made(.badRequest)
        case .duplicateItem, .callAlreadyAnswered, .responseActive, .cancelNotActive, .upstreamDialectChanged, .sessionIsOneShot,
            .outcomeUnknown:
            return made(.conflict, .never)
        case .sessionClosed, .sessionFailed:
            return made(.gone)
        case .tooManyCommands, .responseQueueFull:
            return made(.tooManyRequests, .after(seconds: 1))
        case .sessionLimit:
            return made(.tooManyRequests, .after(seconds: 10))
        case .storeUnavailable:
            return made(.serviceUnavailable, wasTaken ? .never : .after(seconds: 1))
        case .shuttingDown:
            return made(.serviceUnavailable, .after(seconds: 5))
        case .responseQueueTimeout:
            return made(.serviceUnavailable, .after(seconds: 1))
        case .upstreamUnavailable:
            return made(.serviceUnavailable, .after(seconds: error.retryAfterMilliseconds.map { max(1, ($0 + 999) / 1000) } ?? 2))
        case .upstreamTimeout:
            return made(.gatewayTimeout, .never)
        case .upstreamLost:
            return made(.badGateway, .never)
        case .upstreamUnauthorized:
            return made(passesBearer ? .unauthorized : .badGateway)
        case .upstreamModelNotFound:
            return made(passesBearer ? .notFound : .badGateway)
        case .upstreamRefused:
            // Without words of upstream's it was a proxy or the like that refused, which is nothing the caller can mend.
            return made(passesBearer && error.upstream != nil ? .badRequest : .badGateway)
        case .refusedByUpstream:
            let upstream = error.upstream ?? RealtimeError(type: nil, code: nil, message: error.message, param: error.param)
            return answer(to: upstream, status: status(ofRefusal: upstream), eventID: eventID)
        }
    }

    /// Upstream's own words, with the caller's event id.
    static func answer(to upstream: RealtimeError, status: APIError.Status, eventID: String?) -> APIError {
        APIError(
            status, type: upstream.type, code: upstream.code ?? SessionError.Code.refusedByUpstream.rawValue, upstream.message,
            param: upstream.param, eventID: (eventID ?? upstream.eventID).map(callers), retry: status == .conflict ? .never : .unsaid)
    }

    /// A response that ended as `failed`: never a 200 that hides it, and never to be repeated without being asked, since it was paid.
    /// - Parameter eventID: of the client event that asked for it; nil if that is not what is being answered.
    static func answer(toFailedResponse error: RealtimeError, eventID: String?) -> APIError {
        if error.code == SessionError.Code.upstreamLost.rawValue {
            return APIError(
                .badGateway, type: error.type, code: SessionError.Code.upstreamLost.rawValue, error.message,
                eventID: eventID.map(callers), retry: .never)
        }
        var answer = answer(to: error, status: isLimit(error) ? .tooManyRequests : .badGateway, eventID: eventID)
        answer.retry = .never
        return answer
    }

    /// The id the caller knows an event by: its own if it gave one.
    static func callers(_ eventID: String) -> String {
        BridgeEventID.callers(in: eventID) ?? eventID
    }

    private static func status(ofRefusal error: RealtimeError) -> APIError.Status {
        let code = error.code ?? ""
        if code.hasSuffix("_invalid_item_id") { return .notFound }
        if isLimit(error) { return .tooManyRequests }
        switch code {
        case "conversation_already_has_active_response", "response_cancel_not_active", "item_create_duplicate_item_id": return .conflict
        default: return .badRequest
        }
    }

    private static func isLimit(_ error: RealtimeError) -> Bool {
        [error.code, error.type].contains { $0 == "insufficient_quota" || $0?.hasSuffix("rate_limit_exceeded") == true }
    }

    private static func answer(toLog error: EventLogError) -> APIError {
        switch error.code {
        case .unavailable, .closed:
            APIError(.serviceUnavailable, code: "store_unavailable", error.message, retry: .after(seconds: 1))
        case .locked, .corrupt, .duplicateSession:
            APIError(.internalError, code: "internal_error", "The bridge's store has a fault.", retry: .never)
        }
    }

    private static func answer(toStream refusal: StreamRefusal) -> APIError {
        APIError(
            refusal.status == 503 ? .serviceUnavailable : .tooManyRequests, code: refusal.code, refusal.description,
            retry: .after(seconds: refusal.retryAfterSeconds))
    }

    private static func answer(toSound fault: SoundFault) -> APIError {
        switch fault.code {
        case .malformed, .truncated: APIError(.badRequest, code: SessionError.Code.invalidAudio.rawValue, fault.message)
        case .unsupported: SoundType.unsupported(fault.message)
        }
    }

    private static func answer(toBody error: RequestBodyError) -> APIError {
        switch error {
        case .tooLarge(let limit):
            APIError(.payloadTooLarge, code: "request_too_large", "The body is larger than \(limit) bytes (setting --max-body).")
        case .idleTimeout:
            APIError(.requestTimeout, code: "request_timeout", "The body stopped arriving.")
        case .disconnected:
            APIError(.requestTimeout, code: "request_cancelled", "The client went away before its body had come.")
        }
    }
}
