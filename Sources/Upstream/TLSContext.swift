import COpenSSL

/// What all connections under the same ``UpstreamTLS`` share: the trusted authorities and the versions spoken. Owns one `SSL_CTX`.
///
/// Sendable: the `SSL_CTX` is changed in `init` only; afterwards it is only handed to `SSL_new`, which takes it under OpenSSL's own lock and
/// counts references atomically (openssl-threads(7)).
final class TLSContext: @unchecked Sendable {
    let pointer: OpaquePointer

    /// Reads the trusted authorities, so it blocks for some milliseconds: not on an event loop or the cooperative pool.
    init(_ settings: UpstreamTLS) throws(UpstreamError) {
        ERR_clear_error()
        guard let pointer = SSL_CTX_new(TLS_client_method()) else { throw TLSFailure.library("no TLS context") }
        self.pointer = pointer
        let loaded =
            if let file = settings.caFile {
                SSL_CTX_load_verify_locations(pointer, file, nil)
            } else {
                SSL_CTX_set_default_verify_paths(pointer)
            }
        guard loaded == 1 else {
            throw settings.caFile == nil
                ? TLSFailure.library("this machine's store of trusted authorities cannot be read")
                : TLSFailure.library("the file of trusted authorities (--upstream-ca) cannot be read as PEM certificates")
        }
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
}
