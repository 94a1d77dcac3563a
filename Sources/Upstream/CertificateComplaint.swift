import COpenSSL

/// What is wrong with a server's certificate and who can change it, to be read after "the certificate of HOST".
enum CertificateComplaint {
    /// - Parameters:
    ///   - verification: `SSL_get_verify_result`, not `X509_V_OK`.
    ///   - caSetting: what the operator calls the setting for authorities to trust.
    static func text(_ verification: Int, caSetting: String) -> String {
        switch Int32(truncatingIfNeeded: verification) {
        case X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH:
            "is for another host; check the host in the upstream URL"
        case X509_V_ERR_CERT_HAS_EXPIRED:
            "has expired, or one in its chain; the server needs a new one, unless this machine's clock is wrong"
        case X509_V_ERR_CERT_NOT_YET_VALID:
            "is not valid yet; check this machine's clock"
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
            "is self-signed, so no authority vouches for it; to trust it, name its file in \(caSetting)"
        case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
            "was issued by an authority this machine does not trust; to trust it, name its file in \(caSetting)"
        // The two cannot be told apart: nobody knows what a certificate that was not sent would have been.
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
            "was issued by an authority this machine does not trust (name its file in \(caSetting)), "
                + "or the server does not send the certificates between its own and a trusted authority's"
        case X509_V_ERR_EE_KEY_TOO_SMALL, X509_V_ERR_CA_KEY_TOO_SMALL:
            "or one in its chain has a key too short to be safe; the server needs RSA of 2048 bits or more, or an elliptic curve"
        case X509_V_ERR_CA_MD_TOO_WEAK:
            "or one in its chain is signed with a hash too weak to be safe; the server needs SHA-256 or better"
        case X509_V_ERR_INVALID_PURPOSE:
            "is not meant for servers; the server needs another one"
        default:
            "was not accepted: \(X509_verify_cert_error_string(verification).map { String(cString: $0) } ?? "unknown reason")"
        }
    }
}
