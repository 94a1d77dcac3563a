import CEpoll
import Foundation
import Glibc
import NIOConcurrencyHelpers

/// Reads many event streams on one thread and counts what comes.
final class StreamReaders: Sendable {
    struct Counts: Sendable {
        var events = 0
        var reads = 0
        var bytes = 0
        /// Streams that the other side ended.
        var ended = 0
        /// When the newest event came.
        var lastEventAt = 0

        static func - (left: Counts, right: Counts) -> Counts {
            Counts(
                events: left.events - right.events, reads: left.reads - right.reads, bytes: left.bytes - right.bytes,
                ended: left.ended - right.ended, lastEventAt: left.lastEventAt)
        }
    }

    private let descriptors: [Int32]
    private let poller: Int32
    private let state = NIOLockedValueBox((counts: Counts(), isStopping: false))
    private let done = DispatchSemaphore(value: 0)

    /// Owns the sockets; their heads have been read.
    init(_ descriptors: [Int32]) throws {
        self.descriptors = descriptors
        poller = epoll_create1(0)
        guard poller >= 0 else { throw SystemError("epoll_create1") }
        for (index, descriptor) in descriptors.enumerated() {
            Sockets.makeNonblocking(descriptor)
            var event = epoll_event()
            event.events = EPOLLIN.rawValue
            event.data.u64 = UInt64(index)
            guard epoll_ctl(poller, EPOLL_CTL_ADD, descriptor, &event) == 0 else { throw SystemError("epoll_ctl") }
        }
        Thread.detachNewThread { self.run() }
    }

    var counts: Counts { state.withLockedValue(\.counts) }

    /// Closes all streams.
    func stop() {
        state.withLockedValue { $0.isStopping = true }
        done.wait()
        for descriptor in descriptors { close(descriptor) }
        close(poller)
    }

    /// Blocks until so many events have come.
    /// - Returns: false if they did not in time.
    func wait(forEvents count: Int, seconds: Double) -> Bool {
        let deadline = Clock.monotonic() + Int(seconds * 1e9)
        while counts.events < count {
            guard Clock.monotonic() < deadline else { return false }
            Clock.sleep(seconds: 0.005)
        }
        return true
    }

    private func run() {
        var counters = [EventCounter](repeating: EventCounter(), count: descriptors.count)
        var ready = [epoll_event](repeating: epoll_event(), count: 256)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 * 1024, alignment: 16)
        defer {
            buffer.deallocate()
            done.signal()
        }
        while !state.withLockedValue(\.isStopping) {
            let count = epoll_wait(poller, &ready, Int32(ready.count), 50)
            guard count > 0 else { continue }
            var round = Counts()
            for event in ready[..<Int(count)] {
                let index = Int(event.data.u64)
                let bytes = recv(descriptors[index], buffer.baseAddress, buffer.count, 0)
                guard bytes > 0 else {
                    if bytes == 0 || (errno != EAGAIN && errno != EINTR) {
                        _ = epoll_ctl(poller, EPOLL_CTL_DEL, descriptors[index], nil)
                        round.ended += 1
                    }
                    continue
                }
                round.reads += 1
                round.bytes += bytes
                round.events += counters[index].add(UnsafeRawBufferPointer(rebasing: buffer[..<bytes]))
            }
            let now = Clock.monotonic()
            state.withLockedValue { state in
                state.counts.events += round.events
                state.counts.reads += round.reads
                state.counts.bytes += round.bytes
                state.counts.ended += round.ended
                if round.events > 0 { state.counts.lastEventAt = now }
            }
        }
    }
}
