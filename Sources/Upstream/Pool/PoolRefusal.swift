/// Why the pool gives a caller no connection and does not even try.
enum PoolRefusal: Sendable, Equatable {
    case circuitOpen(retryAfterMilliseconds: Int, failures: Int, last: String?)
    /// Too many wait already.
    case crowded
    /// Its turn did not come within ``UpstreamEndpoint/handshakeTimeout``.
    case turnTooLate
    case cancelled
    case stopped

    func error(for endpoint: UpstreamEndpoint) -> UpstreamError {
        switch self {
        case .circuitOpen(let wait, let failures, let last):
            let seconds = (wait + 999) / 1000
            let reason = last.map { " (\($0))" } ?? ""
            return UpstreamError(
                .circuitOpen(retryAfterMilliseconds: wait),
                "the upstream \(endpoint.name) failed \(failures) times in a row\(reason); it is tried again in \(seconds) s")
        case .crowded:
            return UpstreamError(.handshakeTimeout, "too many connections to upstream servers are being opened at once; try again later")
        case .turnTooLate:
            return UpstreamError(
                .handshakeTimeout,
                "so many connections to upstream servers were being opened that this one was not begun within \(endpoint.handshakeTimeout)")
        case .cancelled: return UpstreamError(.cancelled, "connecting to upstream was cancelled")
        case .stopped: return UpstreamError(.cancelled, "the bridge is stopping and opens no more upstream connections")
        }
    }
}
