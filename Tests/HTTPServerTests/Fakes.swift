import HTTPServer
import Logging
import NIOConcurrencyHelpers

/// A handler made of closures that keeps a list of what was answered.
final class TestHandler: HTTPHandler {
    private let refuse: @Sendable (RequestHead) -> Response?
    private let answer: @Sendable (Request) async -> Response
    private let log = NIOLockedValueBox<[String]>([])

    init(
        answer: @escaping @Sendable (Request) async -> Response = { _ in .text("ok") },
        refuse: @escaping @Sendable (RequestHead) -> Response? = { _ in nil }
    ) {
        self.refuse = refuse
        self.answer = answer
    }

    var answered: [String] { log.withLockedValue { $0 } }

    func refusal(of head: RequestHead) -> Response? { refuse(head) }

    func respond(to request: Request) async -> Response { await answer(request) }

    func answered(_ head: RequestHead, status: Int) {
        log.withLockedValue { $0.append("\(head.method) \(head.target) \(status)") }
    }
}

extension Response {
    static func text(_ text: String, status: Int = 200) -> Response {
        Response(status: status, headers: ["content-type": "text/plain"], body: .bytes(Array(text.utf8)))
    }

    static func stream(_ stream: any ResponseStream) -> Response {
        Response(status: 200, headers: ["content-type": "text/event-stream"], body: .stream(stream))
    }
}

/// A body that is fed by the test and counts the server's calls.
final class TestStream: ResponseStream {
    struct Counts: Equatable {
        var opened = 0
        var closed = 0
    }

    private struct State {
        var bytes: [UInt8] = []
        var isFinished = false
        var hasFailed = false
        var counts = Counts()
        var pulls = 0
        var waker: StreamWaker?
    }

    private let state = NIOLockedValueBox(State())
    let openedLatch = Latch()
    let closedLatch = Latch()
    /// Opens at each pull that finds nothing.
    let waitingLatch = Latch()

    var counts: Counts { state.withLockedValue { $0.counts } }
    var pulls: Int { state.withLockedValue { $0.pulls } }

    func feed(_ text: String, wake: Bool = true) {
        let waker = state.withLockedValue { state in
            state.bytes += Array(text.utf8)
            return state.waker
        }
        if wake { waker?.wake() }
    }

    func finish() {
        let waker = state.withLockedValue { state in
            state.isFinished = true
            return state.waker
        }
        waker?.wake()
    }

    func fail() {
        let waker = state.withLockedValue { state in
            state.hasFailed = true
            return state.waker
        }
        waker?.wake()
    }

    func wake() { state.withLockedValue { $0.waker }?.wake() }

    func opened(_ waker: StreamWaker) {
        state.withLockedValue { state in
            state.counts.opened += 1
            state.waker = waker
        }
        openedLatch.open()
    }

    func pull(into buffer: UnsafeMutableRawBufferPointer) -> StreamPull {
        let pull = state.withLockedValue { state -> StreamPull in
            state.pulls += 1
            let count = min(buffer.count, state.bytes.count)
            guard count > 0 else { return state.hasFailed ? .failed : state.isFinished ? .finished : .waiting }
            buffer.copyBytes(from: state.bytes[..<count])
            state.bytes.removeFirst(count)
            return .wrote(count)
        }
        if pull == .waiting { waitingLatch.open() }
        return pull
    }

    func closed() {
        state.withLockedValue { $0.counts.closed += 1 }
        closedLatch.open()
    }
}

/// Runs a server on a free port around a client's script, which may block.
func withServer(
    _ handler: any HTTPHandler, configure: (inout HTTPServerConfiguration) -> Void = { _ in },
    script: @escaping @Sendable (ListenAddress) throws -> Void
) async throws {
    var configuration = HTTPServerConfiguration(listen: [.tcp(host: "127.0.0.1", port: 0)])
    configuration.connectionLimit = 4_000
    configure(&configuration)
    let server = HTTPServer(configuration: configuration, handler: handler, logger: Logger(label: "test"))
    let addresses = try server.start()
    let outcome: Result<Void, any Error>
    do {
        outcome = .success(try await offPool { try script(addresses[0]) })
    } catch {
        outcome = .failure(error)
    }
    await server.stop(within: .zero)
    try outcome.get()
}
