import EventLog
import HTTPServer
import Logging
import NIOConcurrencyHelpers

/// One answer that is speech or words: a cursor over a session's history that the server pulls bytes from, while they are produced or later.
///
/// Nothing is queued for it. A pull decodes the deltas between the cursor and the tail, from the history's window or, for a reader that fell
/// behind, from the page of the store it holds. From: `SessionHistory`. To: `HTTPServer`, which sleeps while nothing is there.
final class ProducedBody: ResponseStream {
    private struct State {
        var machine: ProducedMachine
        /// The events next in line, and how many of them were taken.
        var held: [LoggedEvent] = []
        var taken = 0
        /// What is being copied, and how much of it was.
        var fragment: [UInt8]
        var copied = 0
        /// What follows the last delta.
        var suffix: [UInt8]
        var wake: (@Sendable () -> Void)?
        var subscription: SubscriptionToken?
        var reader: Task<Void, Never>?
        var isClosed = false
    }

    /// Of frames in the page that a reader behind the window holds; the bound of what waits for a slow client.
    static let pageBytes = 64 * 1024
    static let pageEvents = 1_000

    private let history: SessionHistory
    private let selection: ProducedSelection
    private let seat: StreamSeat
    private let logger: Logger
    private let state: NIOLockedValueBox<State>

    /// - Parameters:
    ///   - prefix: what is sent before the content.
    ///   - suffix: what is sent after it, if it ended well.
    init(
        _ machine: ProducedMachine, of selection: ProducedSelection, in history: SessionHistory, prefix: [UInt8] = [],
        suffix: [UInt8] = [], seat: StreamSeat, logger: Logger
    ) {
        self.history = history
        self.selection = selection
        self.seat = seat
        self.logger = logger
        state = NIOLockedValueBox(State(machine: machine, fragment: prefix, suffix: suffix))
    }

    // MARK: The server's calls

    func opened(_ waker: StreamWaker) {
        opened { waker.wake() }
    }

    func opened(_ wake: @escaping @Sendable () -> Void) {
        state.withLockedValue { $0.wake = wake }
        let subscription = history.subscribe(wake)
        state.withLockedValue { $0.subscription = subscription }
    }

    func pull(into buffer: UnsafeMutableRawBufferPointer) -> StreamPull {
        let (pull, page) = state.withLockedValue { fill(buffer, from: &$0) }
        if let page { read(after: page) }
        return pull
    }

    func closed() {
        let (subscription, reader) = state.withLockedValue { state in
            state.isClosed = true
            state.held = []
            state.fragment = []
            state.wake = nil
            return (state.subscription, state.reader)
        }
        reader?.cancel()
        if let subscription { history.unsubscribe(subscription) }
        seat.leave()
    }

    // MARK: One pull

    /// Writes until the buffer is full or nothing is left; the second result is the seq to read on after.
    private func fill(_ buffer: UnsafeMutableRawBufferPointer, from state: inout State) -> (StreamPull, page: Int?) {
        var written = 0
        func result(orElse pull: StreamPull, page: Int? = nil) -> (StreamPull, page: Int?) {
            written > 0 ? (.wrote(written), page) : (pull, page)
        }
        while true {
            written += Self.copy(from: &state, into: buffer, at: written)
            if written == buffer.count { return result(orElse: .waiting) }
            switch state.machine.next() {
            case .wait: return result(orElse: .waiting)
            case .fail: return result(orElse: .failed)
            case .finish:
                guard !state.suffix.isEmpty else { return result(orElse: .finished) }
                swap(&state.fragment, &state.suffix)
            case .event(let seq):
                if state.taken < state.held.count, state.held[state.taken].position.seq == seq + 1 {
                    offer(state.held[state.taken], to: &state)
                    state.taken += 1
                    continue
                }
                state.taken = 0
                state.held = []
                let absence: ProducedMachine.Absence
                switch history.window(after: seq, maximumBytes: Self.pageBytes) {
                case .events(let events):
                    state.held = events
                    continue
                case .caughtUp: absence = .caughtUp
                case .behind: absence = .behind
                case .ended: absence = .ended
                }
                switch state.machine.found(absence) {
                case .wait: return result(orElse: .waiting)
                case .read(let seq): return result(orElse: .waiting, page: seq)
                case .goOn: continue
                }
            }
        }
    }

    private static func copy(from state: inout State, into buffer: UnsafeMutableRawBufferPointer, at offset: Int) -> Int {
        let count = min(state.fragment.count - state.copied, buffer.count - offset)
        guard count > 0 else { return 0 }
        UnsafeMutableRawBufferPointer(rebasing: buffer[offset...])
            .copyBytes(from: state.fragment[state.copied..<state.copied + count])
        state.copied += count
        if state.copied == state.fragment.count {
            state.fragment = []
            state.copied = 0
        }
        return count
    }

    private func offer(_ event: LoggedEvent, to state: inout State) {
        let read = selection.read(event)
        guard case .write(let range) = state.machine.offered(event.position.seq, read), case .delta(_, let delta) = read else { return }
        guard let bytes = delta.bytes(), range.upperBound <= bytes.count else {
            state.machine.fail()
            logger.warning(
                "a delta of audio is no base64",
                metadata: ["bridge.session": "\(history.sessionID)", "bridge.position": "\(event.position)"])
            return
        }
        state.fragment = range.count == bytes.count ? bytes : Array(bytes[range])
    }

    // MARK: Behind the window

    /// Fetches one page; the body is asleep or sending meanwhile. Ends with the body.
    private func read(after seq: Int) {
        let reader = Task {
            let outcome: Result<[LoggedEvent], EventLogError>
            do throws(EventLogError) {
                outcome = .success(try await history.page(after: seq, limit: Self.pageEvents, maximumBytes: Self.pageBytes))
            } catch {
                outcome = .failure(error)
            }
            let wake = state.withLockedValue { state in
                arrived(outcome, in: &state)
                return state.wake
            }
            if case .failure(let error) = outcome {
                logger.warning(
                    "an answer cannot read the event log",
                    metadata: ["bridge.session": "\(history.sessionID)", "bridge.cause": "\(error)"])
            }
            wake?()
        }
        let isTooLate = state.withLockedValue { state in
            state.reader = reader
            return state.isClosed
        }
        if isTooLate { reader.cancel() }
    }

    private func arrived(_ outcome: Result<[LoggedEvent], EventLogError>, in state: inout State) {
        guard !state.isClosed else { return }
        switch outcome {
        case .success(let events) where !events.isEmpty:
            state.held = events
            state.taken = 0
            state.machine.readEvents()
        case .success, .failure:
            state.machine.fail()
        }
    }
}
