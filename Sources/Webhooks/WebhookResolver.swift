import Foundation
package import NIOCore
import NIOPosix

/// Looks a host's addresses up.
package protocol WebhookResolving: Sendable {
    /// All addresses of the name, in the order in which they are to be tried. May take as long as it likes; the attempt's limit is kept elsewhere.
    func addresses(of host: String, port: Int, on loop: any EventLoop) -> EventLoopFuture<[SocketAddress]>
}

/// The system's resolver, on threads of its own: a name server that does not answer holds up other webhooks at most, and nothing else.
package struct SystemWebhookResolver: WebhookResolving {
    /// As many as calls run at a time. They begin with the first lookup and are the process's: one that hangs must not keep it from ending.
    private static let threads: NIOThreadPool = {
        let threads = NIOThreadPool(numberOfThreads: Webhooks.maximumRunning)
        threads.start()
        return threads
    }()

    package init() {}

    package func addresses(of host: String, port: Int, on loop: any EventLoop) -> EventLoopFuture<[SocketAddress]> {
        Self.threads.runIfActive(eventLoop: loop) { try Self.lookUp(host, port) }
    }

    struct NotFound: Error {}

    private static func lookUp(_ host: String, _ port: Int) throws -> [SocketAddress] {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_protocol = Int32(IPPROTO_TCP)
        // Addresses of a family that this machine has none of cannot be reached.
        hints.ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, String(port), &hints, &list) == 0 else { throw NotFound() }
        defer { freeaddrinfo(list) }
        var addresses: [SocketAddress] = []
        var next = list
        while let entry = next?.pointee {
            next = entry.ai_next
            guard let address = entry.ai_addr else { continue }
            switch entry.ai_family {
            case AF_INET:
                address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { addresses.append(SocketAddress($0.pointee)) }
            case AF_INET6:
                address.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { addresses.append(SocketAddress($0.pointee)) }
            default: continue
            }
        }
        return addresses
    }
}
