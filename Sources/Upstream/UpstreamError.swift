/// Why there is no connection, or no longer one.
package struct UpstreamError: Error, Sendable, CustomStringConvertible, CustomDebugStringConvertible {
    package enum Code: Sendable, Equatable {
        /// The URL or a header cannot be used at all. A mistake in the configuration.
        case invalidEndpoint
        case dnsFailed
        /// No TCP connection: refused, no route, or reset before the server had answered.
        case unreachable
        /// No trusted TLS: an untrusted, expired or foreign certificate, or no TLS spoken there. A change of settings helps, a retry seldom.
        case tlsFailed
        /// ``UpstreamEndpoint/handshakeTimeout`` passed before the session's first event, or before the handshake's turn came.
        case handshakeTimeout
        /// The proxy answered, but opened no tunnel; 0 if it was no HTTP answer at all. Also the code of a proxy that wants credentials (407).
        case refusedByProxy(status: Int)
        /// An HTTP answer other than 101.
        case refusedAtHandshake(status: Int)
        /// A 101 that is none: wrong `Sec-WebSocket-Accept`, an extension nobody asked for, or no HTTP at all.
        case badUpgrade
        /// The server accepted the WebSocket and then said no, by an `error` event, a close, or both.
        case refused(closeCode: UInt16?, errorType: String?, errorCode: String?)
        /// The connection has ended.
        case closed
        /// The message is longer than ``UpstreamEndpoint/maximumMessageBytes``; the connection goes on.
        case messageTooLarge
        /// Nothing was tried: the server has failed several times in a row, and is left alone for that long.
        case circuitOpen(retryAfterMilliseconds: Int)
        /// The calling task was cancelled.
        case cancelled
    }

    package var code: Code
    /// Fit for a caller: no keys, no body of a handshake answer.
    package var message: String
    /// The server's `error` event with key-like text masked; nil if there was none or it is longer than 64 KiB.
    package var upstreamError: [UInt8]?
    /// For the operator.
    package var cause: (any Error)?

    package init(_ code: Code, _ message: String, upstreamError: [UInt8]? = nil, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.upstreamError = upstreamError
        self.cause = cause
    }

    package var description: String { message }

    /// For a log line: the message, and what OpenSSL says where it failed. Other causes say no more than the message has taken from them.
    var logText: String {
        (cause as? TLSLibraryError).map { "\(message) (\(Secrets.masked($0.description)))" } ?? message
    }

    package var debugDescription: String {
        guard let cause else { return "\(code): \(message)" }
        return "\(code): \(message) (\(Secrets.masked(String(describing: cause))))"
    }
}
