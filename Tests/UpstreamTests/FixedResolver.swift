import Logging
import NIOCore
import NIOPosix
import Upstream

/// Answers every question with the same addresses, whatever the name: a DNS that a test can make up.
struct FixedResolver: Resolver, Sendable {
    var v4: [SocketAddress] = []
    var v6: [SocketAddress] = []
    /// The AAAA question gets no answer until this is kept; nil: at once.
    var v6Answer: EventLoopFuture<[SocketAddress]>?

    func initiateAQuery(host: String, port: Int) -> EventLoopFuture<[SocketAddress]> {
        MultiThreadedEventLoopGroup.singleton.next().makeSucceededFuture(v4)
    }

    func initiateAAAAQuery(host: String, port: Int) -> EventLoopFuture<[SocketAddress]> {
        v6Answer ?? MultiThreadedEventLoopGroup.singleton.next().makeSucceededFuture(v6)
    }

    func cancelQueries() {}

    var connector: NIOUpstreamConnector {
        NIOUpstreamConnector(group: MultiThreadedEventLoopGroup.singleton, logger: Logger(label: "test"), resolver: self)
    }
}
