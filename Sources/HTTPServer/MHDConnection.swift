import CMicroHTTPD
import Glibc

/// A libmicrohttpd connection, borrowed: valid until the request's completion callback has returned.
///
/// `@unchecked Sendable`: the pointer is only an address, and it is used either on the connection's own thread, inside its callbacks, or
/// under the lock that its holder empties in the completion callback.
struct MHDConnection: @unchecked Sendable {
    let pointer: OpaquePointer

    /// Only on the connection's thread, and never twice without a resume between.
    func suspend() { MHD_suspend_connection(pointer) }

    /// From any thread, only after a suspend.
    func resume() { MHD_resume_connection(pointer) }

    /// Bytes of request line and headers.
    var headBytes: Int { bridge_mhd_head_bytes(pointer) }

    /// Valid as long as the connection.
    var descriptor: Int32 { bridge_mhd_descriptor(pointer) }

    /// Whether the client has sent more than was read so far.
    var hasUnreadBytes: Bool {
        var byte: UInt8 = 0
        return recv(descriptor, &byte, 1, Int32(MSG_PEEK | MSG_DONTWAIT)) > 0
    }

    /// From any thread. libmicrohttpd then reads the connection's end, as if the client had left.
    func shutDown() { _ = Glibc.shutdown(descriptor, Int32(SHUT_RDWR)) }

    /// Only on the connection's thread. Connections whose timeout is not the daemon's are walked at every turn of its loop.
    func setIdleTimeout(_ timeout: Duration) { bridge_mhd_set_idle_timeout(pointer, timeout.wholeSeconds) }

    /// Only on the connection's thread, in the access callback's first or last call of a request.
    func queue(_ response: PreparedResponse) -> MHD_Result {
        MHD_queue_response(pointer, UInt32(clamping: response.status), response.pointer)
    }

    /// The request's header fields in order.
    var headers: HTTPHeaders {
        var fields: [(name: String, value: String)] = []
        withUnsafeMutablePointer(to: &fields) { fields in
            _ = MHD_get_connection_values_n(pointer, .HEADER_KIND, collectField, fields)
        }
        return HTTPHeaders(fields)
    }

    /// The client's numeric address, nil on Unix sockets. IPv4 clients of an IPv6 socket are written as IPv4.
    var remoteAddress: String? {
        guard let address = bridge_mhd_client_address(pointer) else { return nil }
        return NumericAddress.text(of: address)?.host
    }
}

extension Duration {
    /// libmicrohttpd counts timeouts in seconds, and 0 means none.
    var wholeSeconds: UInt32 { UInt32(clamping: max(1, components.seconds)) }
}

private func collectField(
    _ context: UnsafeMutableRawPointer?, _ kind: MHD_ValueKind,
    _ name: UnsafePointer<CChar>?, _ nameBytes: Int, _ value: UnsafePointer<CChar>?, _ valueBytes: Int
) -> MHD_Result {
    // The context is the array that `headers` keeps alive around this call.
    guard let fields = context?.assumingMemoryBound(to: [(name: String, value: String)].self) else { return .NO }
    fields.pointee.append((string(name, nameBytes), string(value, valueBytes)))
    return .YES
}

private func string(_ start: UnsafePointer<CChar>?, _ bytes: Int) -> String {
    String(decoding: UnsafeRawBufferPointer(start: start, count: start == nil ? 0 : bytes), as: UTF8.self)
}
