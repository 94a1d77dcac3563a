import COpenSSL

/// OpenSSL's reason strings, for the operator.
struct TLSLibraryError: Error, CustomStringConvertible {
    var description: String
}

/// Makes sentences of OpenSSL's error queue. Called right after the failed operation, on its thread: the queue is per thread.
enum TLSFailure {
    static func library(_ message: String) -> UpstreamError {
        let (_, cause) = drainQueue()
        return UpstreamError(.tlsFailed, message, cause: cause)
    }

    /// - Parameter session: the `SSL` whose operation failed; borrowed for the call.
    static func during(handshake isHandshake: Bool, of session: OpaquePointer, host: String) -> UpstreamError {
        let (reason, cause) = drainQueue()
        let verification = SSL_get_verify_result(session)
        if verification != X509_V_OK {
            return UpstreamError(.tlsFailed, "the certificate of \(host) \(complaint(verification))", cause: cause)
        }
        return UpstreamError(.tlsFailed, isHandshake ? "\(host) \(refusal(reason))" : "TLS with \(host) broke: \(cause)", cause: cause)
    }

    static func cutOff(host: String) -> UpstreamError {
        UpstreamError(.unreachable, "\(host) cut the connection without a TLS close-notify")
    }

    static func endedDuringHandshake(host: String) -> UpstreamError {
        UpstreamError(.tlsFailed, "\(host) closed the connection during the TLS handshake; does it speak TLS on this port?")
    }

    private static func complaint(_ verification: Int) -> String {
        switch Int32(truncatingIfNeeded: verification) {
        case X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH: "is for another host"
        case X509_V_ERR_CERT_HAS_EXPIRED: "has expired"
        case X509_V_ERR_CERT_NOT_YET_VALID: "is not valid yet; check this machine's clock"
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT,
            X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
            "was issued by an authority this machine does not trust (use --upstream-ca FILE)"
        default: "was not accepted: \(X509_verify_cert_error_string(verification).map { String(cString: $0) } ?? "unknown reason")"
        }
    }

    private static func refusal(_ reason: Int32) -> String {
        switch reason {
        case SSL_R_WRONG_VERSION_NUMBER, SSL_R_PACKET_LENGTH_TOO_LONG, SSL_R_UNEXPECTED_MESSAGE, SSL_R_BAD_PACKET_LENGTH,
            SSL_R_RECORD_LENGTH_MISMATCH:
            "does not speak TLS on this port; is ws:// meant?"
        case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, SSL_R_UNSUPPORTED_PROTOCOL: "does not offer TLS 1.2 or later"
        case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED: "asks for a client certificate"
        case SSL_R_TLSV1_UNRECOGNIZED_NAME: "does not know this host name"
        default:
            "ended the TLS handshake: \(ERR_reason_error_string(UInt(reason)).map { String(cString: $0) } ?? "reason \(reason)")"
        }
    }

    /// The first error is the cause, later ones are its consequences.
    private static func drainQueue() -> (reason: Int32, cause: TLSLibraryError) {
        let first = ERR_get_error()
        ERR_clear_error()
        let text = ERR_reason_error_string(first).map { String(cString: $0) } ?? "no reason given"
        return (ERR_GET_REASON(first), TLSLibraryError(description: text))
    }
}
