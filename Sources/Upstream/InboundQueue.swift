import NIOConcurrencyHelpers
import NIOCore

/// The frames that the session has not read yet: the event loop puts in, one task takes out.
///
/// Bounded by not reading the socket: over the limit `mustHoldRead` holds the next read back, below half of it `resumeReading` runs. What one
/// read brings (at most 256 KiB of socket bytes, or one message) still comes in.
final class InboundQueue: Sendable {
    private struct State {
        var buffer = InboundBuffer()
        /// Present while the consumer sleeps.
        var consumer: CheckedContinuation<UpstreamInbound, Never>?
        /// Whom to tell of the end: the pool, once.
        var watchers: [@Sendable () -> Void] = []
    }

    private let state = NIOLockedValueBox(State())
    private let resumeReading: @Sendable () -> Void

    init(resumeReading: @escaping @Sendable () -> Void) {
        self.resumeReading = resumeReading
    }

    func put(_ frame: [UInt8]) {
        let consumer = state.withLockedValue { state in
            guard let consumer = state.consumer.take() else {
                state.buffer.append(frame)
                return nil as CheckedContinuation<UpstreamInbound, Never>?
            }
            return consumer
        }
        consumer?.resume(returning: .frame(frame))
    }

    /// The frames before it can still be taken. A second end is ignored.
    func end(_ end: UpstreamEnd) {
        let (consumer, watchers) = state.withLockedValue { state in
            state.buffer.end = state.buffer.end ?? end
            defer { state.watchers = [] }
            return (state.consumer.take(), state.watchers)
        }
        consumer?.resume(returning: .ended(end))
        for watcher in watchers { watcher() }
    }

    var hasEnded: Bool { state.withLockedValue { $0.buffer.end != nil } }

    /// Calls the body at the end, or now if that has come.
    func onEnd(_ body: @escaping @Sendable () -> Void) {
        let hasEnded = state.withLockedValue { state in
            if state.buffer.end == nil { state.watchers.append(body) }
            return state.buffer.end != nil
        }
        if hasEnded { body() }
    }

    func next() async -> UpstreamInbound {
        await withCheckedContinuation { continuation in
            let taken: (UpstreamInbound, resumesReading: Bool)? = state.withLockedValue { state in
                if let taken = state.buffer.take() { return taken }
                precondition(state.consumer == nil, "two tasks read one connection")
                state.consumer = continuation
                return nil
            }
            guard let (inbound, resumesReading) = taken else { return }
            continuation.resume(returning: inbound)
            if resumesReading { self.resumeReading() }
        }
    }

    /// The frames that are here, without waiting.
    func takeUnread() -> [[UInt8]] {
        let (frames, resumesReading) = state.withLockedValue { state in
            precondition(state.consumer == nil, "a connection is looked at that somebody reads")
            return state.buffer.takeFrames()
        }
        if resumesReading { self.resumeReading() }
        return frames
    }

    func mustHoldRead() -> Bool {
        state.withLockedValue { $0.buffer.holdReadIfFull() }
    }
}

/// The queue's contents and its bound.
struct InboundBuffer {
    static let maximumBytes = 1 << 20
    static let maximumFrames = 1024

    private var frames = CircularBuffer<[UInt8]>()
    private var bytes = 0
    private var holdsRead = false
    var end: UpstreamEnd?

    mutating func append(_ frame: [UInt8]) {
        frames.append(frame)
        bytes += frame.count
    }

    /// The next frame, else the end, else nil. `resumesReading` once, when half of the bound is free again.
    mutating func take() -> (UpstreamInbound, resumesReading: Bool)? {
        guard let frame = frames.popFirst() else { return end.map { (.ended($0), false) } }
        bytes -= frame.count
        let resumes = holdsRead && bytes <= Self.maximumBytes / 2 && frames.count <= Self.maximumFrames / 2
        if resumes { holdsRead = false }
        return (.frame(frame), resumes)
    }

    mutating func takeFrames() -> ([[UInt8]], resumesReading: Bool) {
        defer {
            frames = CircularBuffer()
            bytes = 0
            holdsRead = false
        }
        return (Array(frames), holdsRead)
    }

    mutating func holdReadIfFull() -> Bool {
        if bytes > Self.maximumBytes || frames.count > Self.maximumFrames { holdsRead = true }
        return holdsRead
    }
}
