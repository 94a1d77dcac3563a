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

    static func clientKey(_ key: String, _ certificate: String) -> UpstreamError {
        let (reason, cause) = drainQueue()
        let complaint =
            switch reason {
            case X509_R_KEY_VALUES_MISMATCH, X509_R_KEY_TYPE_MISMATCH, SSL_R_NO_CERTIFICATE_ASSIGNED:
                "does not belong to the client certificate \(certificate)"
            default: "cannot be used as a PEM private key"
            }
        return UpstreamError(.tlsFailed, "the client key \(key) \(complaint)", cause: cause)
    }

    /// - Parameter session: the `SSL` whose operation failed; borrowed for the call.
    static func during(
        handshake isHandshake: Bool, of session: OpaquePointer, host: String, settings: UpstreamTLS
    ) -> UpstreamError {
        let (reason, cause) = drainQueue()
        let verification = SSL_get_verify_result(session)
        if verification != X509_V_OK {
            return UpstreamError(
                .tlsFailed, "the certificate of \(host) \(CertificateComplaint.text(verification, caSetting: settings.caSetting))",
                cause: cause)
        }
        let wasAsked = bridge_ssl_was_asked_for_certificate(session) > 0
        // With TLS 1.3 a server looks at our certificate after our handshake is over, so this may come as an answer to the first bytes.
        if let complaint = refusalOfClient(reason, wasAsked: wasAsked, settings.certificateFile) {
            return UpstreamError(.tlsFailed, "\(host) \(complaint)", cause: cause)
        }
        return UpstreamError(.tlsFailed, isHandshake ? "\(host) \(refusal(reason))" : "TLS with \(host) broke: \(cause)", cause: cause)
    }

    static func cutOff(host: String) -> UpstreamError {
        UpstreamError(.unreachable, "\(host) cut the connection without a TLS close-notify")
    }

    static func endedDuringHandshake(host: String) -> UpstreamError {
        UpstreamError(.tlsFailed, "\(host) closed the connection during the TLS handshake; does it speak TLS on this port?")
    }

    static func stalled(_ limit: Duration, host: String) -> UpstreamError {
        UpstreamError(
            .handshakeTimeout,
            "\(host) took the connection but did not finish the TLS handshake within \(limit); does it speak TLS on this port?")
    }

    private static func refusalOfClient(_ reason: Int32, wasAsked: Bool, _ certificate: String?) -> String? {
        switch (reason, certificate) {
        case (SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED, nil):
            return "asks for a client certificate; configure one for this upstream (its settings certificate and key)"
        // Before TLS 1.3 there is no alert of its own for a missing certificate.
        case (SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE, nil), (SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, nil):
            return wasAsked ? "asks for a client certificate; configure one for this upstream (its settings certificate and key)" : nil
        default: break
        }
        // These alerts speak of the peer's certificate, and the server's peer is this client.
        let alerts = [
            SSL_R_TLSV1_ALERT_UNKNOWN_CA: "it was issued by an authority that the server does not know",
            SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED: "it has expired",
            SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED: "it was revoked",
            SSL_R_SSLV3_ALERT_BAD_CERTIFICATE: "it is not valid there",
            SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE: "it is not of a kind that the server takes",
            SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN: "the server does not say why",
            SSL_R_TLSV1_ALERT_ACCESS_DENIED: "it is valid, but may not be used here",
        ]
        guard let why = alerts[reason] else { return nil }
        return certificate.map { "did not accept the client certificate \($0): \(why)" }
            ?? "asks for a client certificate; configure one for this upstream (its settings certificate and key)"
    }

    private static func refusal(_ reason: Int32) -> String {
        switch reason {
        case SSL_R_WRONG_VERSION_NUMBER, SSL_R_PACKET_LENGTH_TOO_LONG, SSL_R_UNEXPECTED_MESSAGE, SSL_R_BAD_PACKET_LENGTH,
            SSL_R_RECORD_LENGTH_MISMATCH:
            "does not speak TLS on this port; is ws:// meant?"
        case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, SSL_R_UNSUPPORTED_PROTOCOL: "does not offer TLS 1.2 or later"
        case SSL_R_TLSV1_UNRECOGNIZED_NAME: "is refused by this server, which does not know the name; check the host in the upstream URL"
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
