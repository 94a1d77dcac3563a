import CEpoll
import Foundation
import Glibc
import NIOConcurrencyHelpers

/// The least that any fan-out does: one thread, woken by a timer, writes the same bytes to every socket.
///
/// It has no store, no HTTP and no cursors; what a server takes beyond it is the price of those.
final class BareServer: Sendable {
    struct Result: Sendable {
        var writes = 0
        var failed = 0
        /// Of its thread, in nanoseconds.
        var processor = 0
    }

    private let sockets: [Int32]
    /// The other ends, for a reader, who owns them.
    let clients: [Int32]

    init(connections: Int) throws {
        let (listener, port) = try Sockets.listen(backlog: 128)
        defer { close(listener) }
        var sockets: [Int32] = []
        var clients: [Int32] = []
        for _ in 0..<connections {
            clients.append(try Sockets.connect(port: port))
            let socket = accept(listener, nil, nil)
            guard socket >= 0 else { throw SystemError("accept") }
            Sockets.makeNonblocking(socket)
            Sockets.set(socket, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
            sockets.append(socket)
        }
        self.sockets = sockets
        self.clients = clients
    }

    deinit { for socket in sockets { close(socket) } }

    /// Blocks for the whole run, with the work on a thread of its own.
    func run(_ bytes: [UInt8], perSecond: Int, seconds: Int) throws -> Result {
        let poller = epoll_create1(0)
        let timer = timerfd_create(CLOCK_MONOTONIC, 0)
        guard poller >= 0, timer >= 0 else { throw SystemError("epoll_create1") }
        defer {
            close(timer)
            close(poller)
        }
        var event = epoll_event()
        event.events = EPOLLIN.rawValue
        guard epoll_ctl(poller, EPOLL_CTL_ADD, timer, &event) == 0 else { throw SystemError("epoll_ctl") }
        let interval = timespec(tv_sec: perSecond == 1 ? 1 : 0, tv_nsec: perSecond == 1 ? 0 : 1_000_000_000 / perSecond)
        var period = itimerspec(it_interval: interval, it_value: interval)
        guard timerfd_settime(timer, 0, &period, nil) == 0 else { throw SystemError("timerfd_settime") }
        let result = NIOLockedValueBox(Result())
        let done = DispatchSemaphore(value: 0)
        let sockets = sockets
        Thread.detachNewThread {
            let outcome = Self.write(bytes, to: sockets, times: perSecond * seconds, poller: poller, timer: timer)
            result.withLockedValue { $0 = outcome }
            done.signal()
        }
        done.wait()
        return result.withLockedValue { $0 }
    }

    private static func write(_ bytes: [UInt8], to sockets: [Int32], times: Int, poller: Int32, timer: Int32) -> Result {
        var result = Result()
        var ready = epoll_event()
        var expired = UInt64(0)
        var left = times
        let begin = Clock.thread()
        while left > 0 {
            guard epoll_wait(poller, &ready, 1, 2_000) == 1, read(timer, &expired, 8) == 8 else { continue }
            for _ in 0..<min(Int(expired), left) {
                left -= 1
                for socket in sockets {
                    result.writes += 1
                    if send(socket, bytes, bytes.count, Int32(MSG_NOSIGNAL)) != bytes.count { result.failed += 1 }
                }
            }
        }
        result.processor = Clock.thread() - begin
        return result
    }
}
