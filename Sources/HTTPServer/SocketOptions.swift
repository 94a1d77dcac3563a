// Both, because the socket headers belong to whichever C module the compiler reads first.
import CMicroHTTPD
import Glibc

/// Options of TCP sockets.
enum SocketOptions {
    /// Suspended connections are not polled, so a client that vanished is found by the kernel: keep-alive after 30 s of silence, every 10 s,
    /// 3 times, and unacknowledged bytes within 120 s. Small events must not wait for the acknowledgement of the last.
    static func setOnAccepted(_ descriptor: Int32) {
        set(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1)
        set(descriptor, Int32(IPPROTO_TCP), TCP_KEEPIDLE, 30)
        set(descriptor, Int32(IPPROTO_TCP), TCP_KEEPINTVL, 10)
        set(descriptor, Int32(IPPROTO_TCP), TCP_KEEPCNT, 3)
        set(descriptor, Int32(IPPROTO_TCP), TCP_USER_TIMEOUT, 120_000)
        set(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
    }

    static func set(_ descriptor: Int32, _ level: Int32, _ option: Int32, _ value: Int32) {
        var value = value
        // Failing is no reason to refuse a client: it costs promptness only.
        _ = setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
    }
}
