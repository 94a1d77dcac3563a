import HTTPServer
import NIOConcurrencyHelpers

/// Sound that is in memory whole, as the store keeps it: what a caller gave for an item.
final class GivenBody: ResponseStream {
    private struct State {
        var rest: ArraySlice<UInt8> = []
        var isClosed = false
    }

    private let bytes: [UInt8]
    private let budget: BodyBudget
    private let seat: StreamSeat
    private let state = NIOLockedValueBox(State())

    /// Counts against the budget until the body is let go.
    /// - Throws: 503 if all bodies together are too large.
    init(_ bytes: [UInt8], budget: BodyBudget, seat: StreamSeat) throws(APIError) {
        try budget.take(bytes.count)
        self.bytes = bytes
        self.budget = budget
        self.seat = seat
    }

    deinit { budget.giveBack(bytes.count) }

    /// Before it is opened.
    func send(_ part: SoundFile.Part) {
        let whole = part.data == bytes.indices && part.prefix.isEmpty && part.suffix.isEmpty
        state.withLockedValue { $0.rest = whole ? bytes[...] : (part.prefix + bytes[part.data] + part.suffix)[...] }
    }

    func opened(_ waker: StreamWaker) {}

    func pull(into buffer: UnsafeMutableRawBufferPointer) -> StreamPull {
        state.withLockedValue { state in
            let count = min(state.rest.count, buffer.count)
            guard count > 0 else { return .finished }
            buffer.copyBytes(from: state.rest.prefix(count))
            state.rest = state.rest.dropFirst(count)
            return .wrote(count)
        }
    }

    func closed() {
        state.withLockedValue { $0.rest = [] }
        seat.leave()
    }
}
