/// What a handshake that opened no session says about the upstream.
enum HandshakeVerdict: Sendable, Equatable {
    /// Trying later may help: counts against the upstream.
    case trouble
    /// It is there and says no, to this credential, model or request.
    case refusal
    /// It may be there, but not for us as we are set up.
    case unclear
    /// Nobody waited for the answer.
    case givenUp

    init(_ code: UpstreamError.Code) {
        self =
            switch code {
            case .dnsFailed, .unreachable, .handshakeTimeout, .closed: .trouble
            // A proxy that cannot reach the upstream says 502 or the like; that it wants other credentials is no fault of the upstream's.
            case .refusedByProxy(let status): status == 429 || status >= 500 ? .trouble : .unclear
            case .refusedAtHandshake(let status): status == 429 || status >= 500 ? .trouble : .refusal
            // RFC 6455 section 7.4.1: internal error, service restart, try again later.
            case .refused(closeCode: 1011?, _, _), .refused(closeCode: 1012?, _, _), .refused(closeCode: 1013?, _, _): .trouble
            case .refused: .refusal
            case .tlsFailed, .badUpgrade, .invalidEndpoint, .messageTooLarge, .circuitOpen: .unclear
            case .cancelled: .givenUp
            }
    }
}
