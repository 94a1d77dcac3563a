import CMicroHTTPD
import NIOConcurrencyHelpers

/// Runs one pulled body: its source on one side, libmicrohttpd's pulls on the other, wakes from anywhere.
final class StreamBody: Sendable {
    private struct State {
        var machine = StreamStateMachine()
        /// Set from the opening until the connection is gone.
        var connection: MHDConnection?
        /// Nil once closed, which also breaks the circle source, waker, body, source.
        var source: (any ResponseStream)?
    }

    private let state: NIOLockedValueBox<State>

    init(_ source: any ResponseStream) {
        state = NIOLockedValueBox(State(source: source))
    }

    /// On the connection's thread, before the response is queued.
    func open(on connection: MHDConnection) {
        let source = state.withLockedValue { state in
            state.machine.opened()
            state.connection = connection
            return state.source
        }
        source?.opened(StreamWaker { self.wake() })
    }

    /// On the connection's thread: the bytes written, 0 after suspending the connection, or one of libmicrohttpd's ends.
    func pull(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        while true {
            let source = state.withLockedValue { $0.machine.pullBegins() ? $0.source : nil }
            guard let source else { return bridge_mhd_end_with_error }
            switch source.pull(into: buffer) {
            case .wrote(let count):
                precondition(1...buffer.count ~= count, "a body wrote \(count) bytes into \(buffer.count)")
                return count
            case .finished:
                state.withLockedValue { $0.machine.finished() }
                return bridge_mhd_end_of_stream
            case .failed:
                state.withLockedValue { $0.machine.finished() }
                return bridge_mhd_end_with_error
            case .waiting:
                let action = state.withLockedValue { state in
                    let action = state.machine.pullFoundNothing()
                    // Under the lock, so that a wake finds the connection suspended if and only if the machine sleeps.
                    if action == .sleep { state.connection?.suspend() }
                    return action
                }
                switch action {
                case .sleep: return 0
                case .pullAgain: continue
                case .cut: return bridge_mhd_end_with_error
                }
            }
        }
    }

    func wake() {
        state.withLockedValue { state in
            if state.machine.wake() == .resume { state.connection?.resume() }
        }
    }

    /// The server is past its grace: the next pull cuts the connection, and it does not sleep again.
    func endNow() {
        state.withLockedValue { state in
            if state.machine.endNow() == .resume { state.connection?.resume() }
        }
    }

    /// In the completion callback; the connection's pointer is dead afterwards.
    func connectionGone() {
        state.withLockedValue { state in
            state.machine.connectionGone()
            state.connection = nil
        }
    }

    /// When libmicrohttpd destroys the response, once.
    func release() {
        let source = state.withLockedValue { state in
            defer { state.source = nil }
            return state.source
        }
        source?.closed()
    }
}
