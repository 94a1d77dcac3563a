import Realtime
import Upstream

extension SessionError {
    /// Why no upstream session could be had, in the words of the one who has to change something.
    init(_ error: UpstreamError) {
        let upstream = error.upstreamError.flatMap(ServerEvent.init).map { RealtimeError($0.json["error"]) }
        self.init(Self.code(for: error.code), error.message, upstream: upstream, retryAfterMilliseconds: Self.retryAfter(error.code))
    }

    private static func retryAfter(_ code: UpstreamError.Code) -> Int? {
        if case .circuitOpen(let milliseconds) = code { milliseconds } else { nil }
    }

    private static func code(for code: UpstreamError.Code) -> Code {
        switch code {
        case .refused(closeCode: 3000, _, _), .refused(_, _, errorCode: "invalid_api_key"), .refusedAtHandshake(status: 401),
            .refusedAtHandshake(status: 403):
            .upstreamUnauthorized
        case .refused(closeCode: 4004, _, _), .refused(_, _, errorCode: "model_not_found"):
            .upstreamModelNotFound
        // Too early, too many, or trouble of the server's own: all pass. RFC 9110 section 15.6, RFC 8470, RFC 6585.
        case .refusedByProxy(status: 500...599), .refusedByProxy(status: 429), .refusedAtHandshake(status: 500...599),
            .refusedAtHandshake(status: 408),
            .refusedAtHandshake(status: 425), .refusedAtHandshake(status: 429):
            .upstreamUnavailable
        case .refused(let closeCode, let errorType, let errorCode)
        where LossPolicy.passes(closeCode: closeCode, errorType: errorType, errorCode: errorCode):
            .upstreamUnavailable
        // Trying again helps against none of these: something has to be changed first.
        case .refused, .refusedAtHandshake, .refusedByProxy, .invalidEndpoint, .tlsFailed, .badUpgrade:
            .upstreamRefused
        case .dnsFailed, .unreachable, .handshakeTimeout, .closed, .messageTooLarge, .circuitOpen, .cancelled:
            .upstreamUnavailable
        }
    }
}
