import Testing
import Upstream

@testable import Sessions

/// Which refusals of a connection end a session, and which are asked again (PROTOCOL.md section 9).
struct UpstreamRefusalTests {
    @Test(arguments: [
        (UpstreamError.Code.refusedAtHandshake(status: 503), SessionError.Code.upstreamUnavailable),
        (.refusedAtHandshake(status: 500), .upstreamUnavailable), (.refusedAtHandshake(status: 429), .upstreamUnavailable),
        (.refusedAtHandshake(status: 408), .upstreamUnavailable), (.refusedAtHandshake(status: 400), .upstreamRefused),
        (.refusedAtHandshake(status: 404), .upstreamRefused), (.refusedAtHandshake(status: 302), .upstreamRefused),
        (.refusedAtHandshake(status: 401), .upstreamUnauthorized),
        (.refused(closeCode: 1013, errorType: "server_error", errorCode: nil), .upstreamUnavailable),
        (.refused(closeCode: 1011, errorType: nil, errorCode: nil), .upstreamUnavailable),
        (.refused(closeCode: nil, errorType: "server_error", errorCode: nil), .upstreamUnavailable),
        (.refused(closeCode: 4000, errorType: "invalid_request_error", errorCode: "rate_limit_exceeded"), .upstreamRefused),
        (.refused(closeCode: 1013, errorType: "invalid_request_error", errorCode: "insufficient_quota"), .upstreamRefused),
        (.refused(closeCode: nil, errorType: "invalid_request_error", errorCode: "unknown_parameter"), .upstreamRefused),
        (.refused(closeCode: 4004, errorType: "invalid_request_error", errorCode: "model_not_found"), .upstreamModelNotFound),
        (.refused(closeCode: 3000, errorType: "invalid_request_error", errorCode: nil), .upstreamUnauthorized),
    ])
    func whatPassesIsAskedAgain(refusal: UpstreamError.Code, code: SessionError.Code) {
        let error = SessionError(UpstreamError(refusal, "refused"))
        #expect(error.code == code)
    }
}
