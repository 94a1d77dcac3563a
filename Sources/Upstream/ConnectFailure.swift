import Foundation
import NIOCore
import NIOPosix

/// Names failures of the network in words that tell what to change.
package enum ConnectFailure {
    static func refused(by server: String, status: Int) -> UpstreamError {
        let advice =
            switch status {
            case 300..<400: "a redirect, which is not followed; configure the final address as the upstream URL"
            case 400: "it does not understand the request; check path and query of the upstream URL (model, api-version, deployment)"
            case 401: "the credentials were not accepted; check the key and the header that carries it"
            case 403: "the credentials are known but may not use this model or endpoint; check the key's project and permissions"
            case 404: "no Realtime server at this path, or no such model; /v1/realtime is usual"
            case 426: "it wants another kind of upgrade; check that the URL names the Realtime endpoint"
            case 429: "too many connections or requests; try again later"
            case 500...: "it has trouble of its own; try again later"
            default: "101 was expected; check that the URL names a WebSocket endpoint"
            }
        return UpstreamError(.refusedAtHandshake(status: status), "\(server) answered \(status): \(advice)")
    }

    static func notConnected(_ limit: Duration, to place: String) -> UpstreamError {
        UpstreamError(.handshakeTimeout, "\(place) was not reached within \(limit); check its host and port, and firewalls on the way")
    }

    static func unanswered(by server: String, _ limit: Duration) -> UpstreamError {
        UpstreamError(.handshakeTimeout, "\(server) did not answer the WebSocket handshake within \(limit); check host and port of its URL")
    }

    /// - Parameter place: whom we connect to: an upstream or a proxy.
    static func toConnect(_ error: any Error, limit: Duration, place: String) -> UpstreamError {
        if case ChannelError.connectTimeout = error { return notConnected(limit, to: place) }
        guard let error = error as? NIOConnectionError else {
            return UpstreamError(.unreachable, "\(place) cannot be reached: \(shortReason(error))", cause: error)
        }
        if let first = error.connectionErrors.first {
            return UpstreamError(.unreachable, "\(place) cannot be reached: \(shortReason(first.error))", cause: error)
        }
        return UpstreamError(.dnsFailed, "\(place) cannot be reached: the name \(error.host) cannot be resolved", cause: error)
    }

    /// After TCP stood, before the 101 was through.
    static func duringHandshake(_ error: any Error) -> UpstreamError {
        switch error {
        case let error as UpstreamError: error
        default:
            UpstreamError(.unreachable, "the connection broke during the handshake: \(shortReason(error))", cause: error)
        }
    }

    package static func shortReason(_ error: any Error) -> String {
        switch error {
        case let error as IOError:
            switch error.errnoCode {
            case ECONNREFUSED: "connection refused"
            case ECONNRESET, EPIPE: "connection reset"
            case EHOSTUNREACH, ENETUNREACH: "no route to the host"
            case ETIMEDOUT: "no answer from the host"
            default: "system error \(error.errnoCode)"
            }
        case let error as UpstreamError: error.message
        case ChannelError.ioOnClosedChannel, ChannelError.alreadyClosed, ChannelError.eof: "connection closed"
        default: "connection failed"
        }
    }
}
