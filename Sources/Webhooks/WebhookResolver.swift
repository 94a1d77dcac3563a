import Foundation
import NIOConcurrencyHelpers
package import NIOCore
import NIOPosix

/// Looks a host's addresses up.
package protocol WebhookResolving: Sendable {
    /// All addresses of the name, in the order in which they are to be tried. May take as long as it likes; the attempt's limit is kept elsewhere.
    /// - Parameters:
    ///   - host: with the dot at its end if it is absolute.
    ///   - isWanted: false once nobody waits for the answer; then it need not be looked for. Asked on any thread.
    func addresses(
        of host: String, port: Int, on loop: any EventLoop, while isWanted: @escaping @Sendable () -> Bool
    ) -> EventLoopFuture<[SocketAddress]>
}

/// The system's resolver, on threads of its own, and one lookup at a time for each name: a name whose server does not answer holds up one
/// thread, whoever asks for it and however often.
package final class SystemWebhookResolver: WebhookResolving {
    /// As many as calls run at a time. They begin with the first lookup and are the process's: one that hangs must not keep it from ending.
    private static let threads: NIOThreadPool = {
        let threads = NIOThreadPool(numberOfThreads: Webhooks.maximumRunning)
        threads.start()
        return threads
    }()

    private struct Waiter {
        let port: Int
        let isWanted: @Sendable () -> Bool
        let promise: EventLoopPromise<[SocketAddress]>
    }

    private let threads: NIOThreadPool
    private let lookUp: @Sendable (String) throws -> [SocketAddress]
    /// Who waits for each lookup that is under way or waits for a thread. The names are those of the allow-list.
    private let underWay = NIOLockedValueBox<[String: [Waiter]]>([:])

    package convenience init() { self.init(threads: Self.threads, lookUp: Self.lookUp) }

    /// - Parameter lookUp: blocks. The ports of its answer do not matter.
    init(threads: NIOThreadPool, lookUp: @escaping @Sendable (String) throws -> [SocketAddress]) {
        (self.threads, self.lookUp) = (threads, lookUp)
    }

    package func addresses(
        of host: String, port: Int, on loop: any EventLoop, while isWanted: @escaping @Sendable () -> Bool
    ) -> EventLoopFuture<[SocketAddress]> {
        let waiter = Waiter(port: port, isWanted: isWanted, promise: loop.makePromise())
        let (isFirst, left) = underWay.withLockedValue { underWay in
            guard var waiting = underWay[host] else {
                underWay[host] = [waiter]
                return (true, [Waiter]()[...])
            }
            // Those whose time was over do not pile up behind a lookup that hangs.
            let left = waiting.partition { !$0.isWanted() }
            underWay[host] = waiting[..<left] + [waiter]
            return (false, waiting[left...])
        }
        for waiter in left { waiter.promise.fail(NotFound()) }
        if isFirst { threads.submit { self.run(host, isActive: $0 == .active) } }
        return waiter.promise.futureResult
    }

    private func run(_ host: String, isActive: Bool) {
        // Asked and left under one lock: who comes later begins a lookup of its own.
        let unwanted = underWay.withLockedValue { underWay in
            isActive && underWay[host]?.contains { $0.isWanted() } == true ? nil : underWay.removeValue(forKey: host)
        }
        if let unwanted {
            for waiter in unwanted { waiter.promise.fail(NotFound()) }
            return
        }
        let found = Result { try lookUp(host) }
        for waiter in underWay.withLockedValue({ $0.removeValue(forKey: host) }) ?? [] {
            waiter.promise.completeWith(
                found.map { addresses in
                    addresses.map { address in
                        var address = address
                        address.port = waiter.port
                        return address
                    }
                })
        }
    }

    struct NotFound: Error {}

    @Sendable private static func lookUp(_ host: String) throws -> [SocketAddress] {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_protocol = Int32(IPPROTO_TCP)
        // Addresses of a family that this machine has none of cannot be reached.
        hints.ai_flags = AI_ADDRCONFIG
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, nil, &hints, &list) == 0 else { throw NotFound() }
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
