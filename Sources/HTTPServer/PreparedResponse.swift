import CMicroHTTPD
import Logging

/// A response as libmicrohttpd holds it, for one request. Made off its threads, since copying a body may take milliseconds.
///
/// `@unchecked Sendable`: libmicrohttpd locks the response itself; the only change we make, ``closeConnectionAfter()``, comes before it is
/// queued.
final class PreparedResponse: @unchecked Sendable {
    let pointer: OpaquePointer
    let status: Int
    /// To be opened before queueing; nil for other bodies, and where only the headers are sent.
    let stream: StreamBody?

    /// Nil if memory is short.
    init?(_ response: Response, to method: String, isHTTP10: Bool, logger: Logger) {
        status = response.status
        let hasBody = method != "HEAD" && status != 204 && status != 304
        switch response.body {
        case .none:
            stream = nil
            guard let made = MHD_create_response_from_buffer(0, nil, .RESPMEM_PERSISTENT) else { return nil }
            pointer = made
        case .bytes(let bytes):
            stream = nil
            let made = bytes.withUnsafeBytes { bytes in
                // Not written to: the manual says that libmicrohttpd makes its copy before it returns.
                MHD_create_response_from_buffer(bytes.count, UnsafeMutableRawPointer(mutating: bytes.baseAddress), .RESPMEM_MUST_COPY)
            }
            guard let made else { return nil }
            pointer = made
        case .stream(let source):
            let body = StreamBody(source)
            // Chunked bodies are pulled straight into the connection's own memory; only HTTP/1.0's pass through this block.
            guard let made = Self.make(body, bytes: bridge_mhd_size_unknown, blockBytes: isHTTP10 ? Self.blockBytes : 1) else { return nil }
            // libmicrohttpd ends a chunked body that it did not send with the last chunk all the same, which the client would take for the
            // next response. Without chunked coding there is none, at the cost of the connection.
            if !hasBody { bridge_mhd_disable_chunked(made) }
            stream = hasBody ? body : nil
            pointer = made
        case .sizedStream(let source, let bytes):
            let body = StreamBody(source)
            guard let made = Self.make(body, bytes: UInt64(bytes), blockBytes: Self.blockBytes) else { return nil }
            stream = hasBody ? body : nil
            pointer = made
        }
        for field in response.headers.fields where !Self.isFraming(field.name) {
            if MHD_add_response_header(pointer, field.name, field.value) == .NO {
                logger.error("response header refused", metadata: ["bridge.http_header": "\(field.name)"])
            }
        }
    }

    private static let blockBytes = 32 * 1024

    private static func make(_ body: StreamBody, bytes: UInt64, blockBytes: Int) -> OpaquePointer? {
        // Retained; `releaseStreamBody` takes it back when libmicrohttpd destroys the response.
        let context = Unmanaged.passRetained(body)
        guard let made = MHD_create_response_from_callback(bytes, blockBytes, pullStreamBody, context.toOpaque(), releaseStreamBody)
        else {
            context.release()
            body.release()
            return nil
        }
        return made
    }

    deinit {
        // libmicrohttpd has a reference of its own from queueing on.
        MHD_destroy_response(pointer)
    }

    /// Before queueing only.
    func closeConnectionAfter() {
        _ = MHD_add_response_header(pointer, "Connection", "close")
    }

    private static func isFraming(_ name: String) -> Bool {
        name.equalsIgnoringASCIICase("content-length") || name.equalsIgnoringASCIICase("transfer-encoding")
    }
}

private func pullStreamBody(
    _ context: UnsafeMutableRawPointer?, _ position: UInt64, _ buffer: UnsafeMutablePointer<CChar>?, _ capacity: Int
) -> Int {
    // The response that carries this context keeps it retained.
    guard let context, let buffer else { return bridge_mhd_end_with_error }
    let body = Unmanaged<StreamBody>.fromOpaque(context).takeUnretainedValue()
    return body.pull(into: UnsafeMutableRawBufferPointer(start: buffer, count: capacity))
}

private func releaseStreamBody(_ context: UnsafeMutableRawPointer?) {
    guard let context else { return }
    Unmanaged<StreamBody>.fromOpaque(context).takeRetainedValue().release()
}
