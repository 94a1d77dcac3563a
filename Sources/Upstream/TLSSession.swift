import COpenSSL
import NIOCore

/// One TLS connection without a socket: ciphertext goes in and out through memory, plaintext on the other side. Owns one `SSL`.
///
/// Stays on one thread. "The current thread's error queue must be empty before the TLS/SSL I/O operation is attempted, or SSL_get_error()
/// will not work reliably" (SSL_get_error(3)), so each operation clears it first.
final class TLSSession {
    private let context: TLSContext
    private let session: OpaquePointer
    /// Both belong to `session`, which frees them.
    private let incoming: OpaquePointer
    private let outgoing: OpaquePointer
    private let host: String

    /// - Parameter host: the name or IP address that the certificate must be for; a name is also sent to the server (SNI).
    init(_ context: TLSContext, host: String) throws(UpstreamError) {
        self.context = context
        self.host = host
        ERR_clear_error()
        guard let session = SSL_new(context.pointer) else { throw TLSFailure.library("no TLS session") }
        self.session = session
        guard let incoming = BIO_new(BIO_s_mem()) else {
            SSL_free(session)
            throw TLSFailure.library("no TLS session")
        }
        guard let outgoing = BIO_new(BIO_s_mem()) else {
            BIO_free(incoming)
            SSL_free(session)
            throw TLSFailure.library("no TLS session")
        }
        self.incoming = incoming
        self.outgoing = outgoing
        SSL_set_bio(session, incoming, outgoing)
        SSL_set_connect_state(session)
        try expectHost()
    }

    deinit {
        SSL_free(session)
    }

    private func expectHost() throws(UpstreamError) {
        if (try? SocketAddress(ipAddress: host, port: 0)) != nil {
            guard X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session), host) == 1 else {
                throw TLSFailure.library("the address cannot be checked")
            }
            return
        }
        // A trailing dot says that the name is absolute; certificates and SNI leave it out.
        let name = host.hasSuffix(".") ? String(host.dropLast()) : host
        SSL_set_hostflags(session, UInt32(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT))
        guard SSL_set1_host(session, name) == 1, bridge_ssl_set_server_name(session, name) == 1 else {
            throw TLSFailure.library("the host name cannot be checked")
        }
    }

    // MARK: Ciphertext

    func receive(_ ciphertext: ByteBuffer) {
        ciphertext.withUnsafeReadableBytes { bytes in
            // A memory BIO takes everything; one read of a socket is far below Int32.max.
            _ = BIO_write(incoming, bytes.baseAddress, Int32(bytes.count))
        }
    }

    /// What has to go to the socket now; nil if nothing.
    func takeCiphertext(_ allocator: ByteBufferAllocator) -> ByteBuffer? {
        guard BIO_ctrl_pending(outgoing) > 0 else { return nil }
        var ciphertext = allocator.buffer(capacity: BIO_ctrl_pending(outgoing))
        moveCiphertext(to: &ciphertext)
        return ciphertext
    }

    private func moveCiphertext(to ciphertext: inout ByteBuffer) {
        while true {
            let pending = min(BIO_ctrl_pending(outgoing), Int(Int32.max))
            guard pending > 0 else { return }
            ciphertext.writeWithUnsafeMutableBytes(minimumWritableBytes: pending) { bytes in
                max(0, Int(BIO_read(outgoing, bytes.baseAddress, Int32(pending))))
            }
        }
    }

    // MARK: Plaintext

    enum Progress {
        case complete
        case wouldBlock
        /// The peer's close-notify: there will be no more plaintext.
        case closed
        case failed(UpstreamError)
    }

    /// Also after a failure there can be ciphertext to send: the alert.
    func handshake() -> Progress {
        ERR_clear_error()
        let result = SSL_do_handshake(session)
        return result == 1 ? .complete : progress(after: result, isHandshake: true)
    }

    /// Appends all plaintext there is. Never `.complete`: ends with why there is no more.
    func decrypt(into plaintext: inout ByteBuffer) -> Progress {
        while true {
            var outcome: Int32 = 0
            plaintext.writeWithUnsafeMutableBytes(minimumWritableBytes: Self.recordBytes) { bytes in
                var count = 0
                ERR_clear_error()
                outcome = SSL_read_ex(session, bytes.baseAddress, bytes.count, &count)
                return outcome == 1 ? count : 0
            }
            if outcome != 1 { return progress(after: outcome, isHandshake: false) }
        }
    }

    /// All of `plaintext` as ciphertext for the socket.
    func encrypt(_ plaintext: ByteBuffer, _ allocator: ByteBufferAllocator) throws(UpstreamError) -> ByteBuffer {
        var rest = plaintext
        // A record adds 22 bytes with TLS 1.3 and the usual ciphers; more only costs a reallocation.
        var ciphertext = allocator.buffer(capacity: rest.readableBytes + (rest.readableBytes / Self.recordBytes + 1) * 32)
        // In parts, so that the memory BIO stays small however long the message is.
        while let part = rest.readSlice(length: min(rest.readableBytes, 4 * Self.recordBytes)), part.readableBytes > 0 {
            let written = part.withUnsafeReadableBytes { bytes in
                var count = 0
                ERR_clear_error()
                return SSL_write_ex(session, bytes.baseAddress, bytes.count, &count)
            }
            guard written == 1 else { throw failure(isHandshake: false) }
            moveCiphertext(to: &ciphertext)
        }
        return ciphertext
    }

    /// Makes our close-notify. The peer's is not waited for: WebSocket's own closing handshake has come before.
    func shutDown() {
        ERR_clear_error()
        _ = SSL_shutdown(session)
        ERR_clear_error()
    }

    private static let recordBytes = 16 << 10

    private func progress(after result: Int32, isHandshake: Bool) -> Progress {
        switch SSL_get_error(session, result) {
        case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE: .wouldBlock
        case SSL_ERROR_ZERO_RETURN: .closed
        default: .failed(failure(isHandshake: isHandshake))
        }
    }

    private func failure(isHandshake: Bool) -> UpstreamError {
        TLSFailure.during(handshake: isHandshake, of: session, host: host, settings: context.settings)
    }
}
