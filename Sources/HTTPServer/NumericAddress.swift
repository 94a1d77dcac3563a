// Both, because the socket headers belong to whichever C module the compiler reads first.
import CMicroHTTPD
import Glibc

/// Socket addresses as text.
enum NumericAddress {
    /// Nil for anything but IPv4 and IPv6.
    static func text(of address: UnsafePointer<sockaddr>) -> (host: String, port: UInt16)? {
        switch Int32(address.pointee.sa_family) {
        case AF_INET:
            address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { address in
                var bytes = address.pointee.sin_addr
                return (host(AF_INET, &bytes), UInt16(bigEndian: address.pointee.sin_port))
            }
        case AF_INET6:
            address.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { address in
                var bytes = address.pointee.sin6_addr
                let text = host(AF_INET6, &bytes)
                let mapped = "::ffff:"
                let isMapped = text.hasPrefix(mapped) && text.contains(".")
                return (isMapped ? String(text.dropFirst(mapped.count)) : text, UInt16(bigEndian: address.pointee.sin6_port))
            }
        default:
            nil
        }
    }

    private static func host(_ family: Int32, _ bytes: UnsafeRawPointer) -> String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(INET6_ADDRSTRLEN)) { buffer in
            guard let text = inet_ntop(family, bytes, buffer.baseAddress, socklen_t(buffer.count)) else { return "" }
            return String(cString: text)
        }
    }
}
