import COpenSSL

/// What all connections under the same ``UpstreamTLS`` share: the trusted authorities and the versions spoken. Owns one `SSL_CTX`.
///
/// Sendable: the `SSL_CTX` is changed in `init` only; afterwards it is only handed to `SSL_new`, which takes it under OpenSSL's own lock and
/// counts references atomically (openssl-threads(7)).
final class TLSContext: @unchecked Sendable {
    let pointer: OpaquePointer
    let settings: UpstreamTLS

    /// Reads the trusted authorities, so it blocks for some milliseconds: not on an event loop or the cooperative pool.
    init(_ settings: UpstreamTLS) throws(UpstreamError) {
        ERR_clear_error()
        guard let pointer = SSL_CTX_new(TLS_client_method()) else { throw TLSFailure.library("no TLS context") }
        self.pointer = pointer
        self.settings = settings
        let loaded =
            if let file = settings.caFile {
                SSL_CTX_load_verify_locations(pointer, file, nil)
            } else {
                SSL_CTX_set_default_verify_paths(pointer)
            }
        guard loaded == 1 else {
            throw settings.caFile.map {
                TLSFailure.library("the file of trusted authorities (\(settings.caSetting)), \($0), cannot be read as PEM certificates")
            }
                ?? TLSFailure.library("this machine's store of trusted authorities cannot be read; name a file with \(settings.caSetting)")
        }
        if let certificate = settings.certificateFile {
            try Self.showCertificate(certificate, key: settings.keyFile ?? certificate, pointer)
        } else if let key = settings.keyFile {
            throw UpstreamError(.tlsFailed, "there is a client key, \(key), but no client certificate; both are needed")
        }
        // 2 asks for keys of 112 bits (RSA 2048) and forbids SHA-1 signatures, and is what OpenSSL 3.2 begins with. A stricter machine stays stricter.
        SSL_CTX_set_security_level(pointer, max(2, SSL_CTX_get_security_level(pointer)))
        guard bridge_ssl_ctx_require_tls12(pointer) == 1 else { throw TLSFailure.library("TLS 1.2 is not available") }
        SSL_CTX_set_verify(pointer, SSL_VERIFY_PEER, nil)
        bridge_ssl_ctx_forbid_renegotiation(pointer)
        // An idle session costs 34 KiB less.
        bridge_ssl_ctx_release_idle_buffers(pointer)
        // One length-prefixed name. "SSL_CTX_set_alpn_protos() […] return 0 on success" (SSL_CTX_set_alpn_select_cb(3)).
        let protocols = [UInt8(8)] + "http/1.1".utf8
        guard SSL_CTX_set_alpn_protos(pointer, protocols, UInt32(protocols.count)) == 0 else {
            throw TLSFailure.library("ALPN is not available")
        }
    }

    deinit {
        SSL_CTX_free(pointer)
    }

    private static func showCertificate(_ certificate: String, key: String, _ context: OpaquePointer) throws(UpstreamError) {
        guard SSL_CTX_use_certificate_chain_file(context, certificate) == 1 else {
            throw TLSFailure.library("the client certificate \(certificate) cannot be used as a chain of PEM certificates")
        }
        var isEncrypted = false
        let used = withUnsafeMutablePointer(to: &isEncrypted) { isEncrypted in
            SSL_CTX_set_default_passwd_cb(context, refuseToAskForPassword)
            // Unretained: the pointer is taken back before it ends.
            SSL_CTX_set_default_passwd_cb_userdata(context, isEncrypted)
            defer { SSL_CTX_set_default_passwd_cb_userdata(context, nil) }
            return SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM)
        }
        guard !isEncrypted else {
            throw TLSFailure.library(
                "the client key \(key) is encrypted; write it without a password, in a file that only the bridge can read")
        }
        // A key of another kind than the certificate's is taken without a word, and only found missing by the check.
        guard used == 1, SSL_CTX_check_private_key(context) == 1 else { throw TLSFailure.clientKey(key, certificate) }
    }
}

/// Without this, OpenSSL would ask on the terminal for the password of an encrypted key. Notes in `isEncrypted`, a `Bool`, that it was needed.
private func refuseToAskForPassword(_: UnsafeMutablePointer<CChar>?, _: Int32, _: Int32, isEncrypted: UnsafeMutableRawPointer?) -> Int32 {
    isEncrypted?.assumingMemoryBound(to: Bool.self).pointee = true
    return -1
}
