/// A response body that is pulled: events as they happen, audio as it is made.
///
/// The server makes all three calls, never two at once for one body, from its own threads, so none of them may block. The server holds the
/// stream until ``closed()`` has returned.
package protocol ResponseStream: AnyObject, Sendable {
    /// Comes before the first pull, if there is one: HEAD requests and clients that have gone open nothing.
    func opened(_ waker: StreamWaker)

    /// Fills the front of the buffer, about 20 KiB by default, with the next bytes.
    func pull(into buffer: UnsafeMutableRawBufferPointer) -> StreamPull

    /// Comes exactly once, also for a body that was never opened: it finished, the client is gone, or the server stops.
    func closed()
}

/// What a pull found.
package enum StreamPull: Sendable, Equatable {
    /// That many bytes, at least 1 and at most the buffer's size. They leave at once.
    case wrote(Int)
    /// Nothing now. The body is pulled again after ``StreamWaker/wake()``.
    case waiting
    /// The body is complete.
    case finished
    /// The rest cannot be had. The connection is cut, so that the client does not take for all what it has.
    case failed
}

/// Has a sleeping body pulled again.
package struct StreamWaker: Sendable {
    private let action: @Sendable () -> Void

    /// For the server, and for streams that are pulled without one.
    package init(_ action: @escaping @Sendable () -> Void) {
        self.action = action
    }

    /// From any thread, as often as wanted, also after the end. A wake that comes while a pull is about to return `.waiting` is not lost:
    /// the body is pulled once more. Costs a lock, and a system call if the body sleeps.
    package func wake() {
        action()
    }
}
