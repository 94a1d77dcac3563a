import Glibc
import TestSupport

/// A blocking TCP connection to 127.0.0.1 with bounded waits, for threads of a test's own.
///
/// Written with read(2), because Foundation's readers hold bytes back until they have as many as were asked for.
final class Socket: Sendable {
    private let descriptor: Int32

    init(port: UInt16) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw SocketError("socket") }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(INADDR_LOOPBACK).bigEndian
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else {
            let error = SocketError("connect")
            close(descriptor)
            throw error
        }
    }

    deinit { close(descriptor) }

    func write(_ bytes: [UInt8]) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard count > 0 else { throw SocketError("send") }
            rest = rest.dropFirst(count)
        }
    }

    /// The next bytes as they come; none at the end.
    /// - Throws: `WaitedTooLong`; ``SocketError`` also when the peer has reset the connection.
    func read(within seconds: Int) throws -> [UInt8] {
        var limit = timeval(tv_sec: seconds, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var buffer = [UInt8](repeating: 0, count: 64 * 1024)
        while true {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            if count >= 0 { return Array(buffer[..<count]) }
            if errno == EINTR { continue }
            throw errno == EAGAIN ? WaitedTooLong(what: "bytes from the bridge") : SocketError("read")
        }
    }

    /// Ends both directions; a ``read(within:)`` that waits on another thread returns.
    func cut() {
        shutdown(descriptor, Int32(SHUT_RDWR))
    }
}

/// A failed call with what `errno` said.
struct SocketError: Error, CustomStringConvertible {
    let description: String

    init(_ call: String) { description = "\(call): \(String(cString: strerror(errno)))" }
}
