import CMicroHTTPD
import Glibc
import Logging
import NIOConcurrencyHelpers

/// One request and its answer, from the request line to libmicrohttpd's completion callback.
///
/// libmicrohttpd's calls come in by ``proceed(method:version:bytes:count:)`` and ``ended(timedOut:)`` on the connection's thread, the handler
/// in its own task; ``RequestStateMachine`` decides between them.
/// From: libmicrohttpd's callbacks. To: ``HTTPHandler``, ``StreamBody``.
final class Exchange: Sendable {
    private struct State {
        var machine: RequestStateMachine
        /// Nil once the completion callback has come.
        var connection: MHDConnection?
        var target: String
        /// Set by the first access callback, dropped once answered: a stream may last for hours.
        var head: RequestHead?
        var hasBegun = false
        var buffer: [UInt8] = []
        var reader: CheckedContinuation<Void, Never>?
        var answer: PreparedResponse?
        /// A client that said it would wait has sent some of its body.
        var clientHasBegun = false
        /// Of a request with a body: what it was made of.
        var response: Response?
        var stream: StreamBody?
        var task: Task<Void, Never>?

        mutating func takeAnswer() -> (PreparedResponse?, RequestHead?) {
            defer { (answer, response, head, target) = (nil, nil, nil, "") }
            stream = answer?.stream
            if machine.serverEnds { answer?.stream?.endNow() }
            return (answer, head)
        }

        /// The answer is due and the body does not end. The lock knows the connection alive. Nil if the connection is of no more use.
        func sayLastWord() -> (head: RequestHead, status: Int)? {
            guard let connection, let head, let response, LastWord(response, to: head)?.say(on: connection) == true else { return nil }
            return (head, response.status)
        }

        mutating func takeReader() -> CheckedContinuation<Void, Never>? {
            defer { reader = nil }
            return reader
        }
    }

    /// Why 256 KiB: what a fast uplink brings while a handler waits a few milliseconds.
    private static let bodyBufferBytes = 256 * 1024

    private let context: ListenerContext
    private let state: NIOLockedValueBox<State>

    init(context: ListenerContext, connection: MHDConnection, target: String) {
        self.context = context
        let machine = RequestStateMachine(
            bufferLimitBytes: Self.bodyBufferBytes, drainLimitBytes: context.configuration.drainLimitBytes)
        state = NIOLockedValueBox(State(machine: machine, connection: connection, target: target))
    }

    // MARK: libmicrohttpd's side

    /// libmicrohttpd's access callback: first the head alone, then for each piece of body, then for the answer.
    func proceed(
        method: UnsafePointer<CChar>?, version: UnsafePointer<CChar>?, bytes: UnsafePointer<CChar>?, count: UnsafeMutablePointer<Int>?
    ) -> MHD_Result {
        let (connection, begins, isHeld, isCut) = state.withLockedValue { state in
            defer { state.hasBegun = true }
            return (state.connection, !state.hasBegun, state.machine.isHeld, !state.hasBegun && state.machine.serverEnds)
        }
        guard let connection, !isCut else { return .NO }
        if begins { return headArrived(method: method, version: version, on: connection) }
        if isHeld { return released(on: connection) }
        if let bytes, let count, count.pointee > 0 {
            return bytesArrived(UnsafeRawBufferPointer(start: bytes, count: count.pointee), left: count)
        }
        return answerWanted(on: connection)
    }

    private func headArrived(
        method: UnsafePointer<CChar>?, version: UnsafePointer<CChar>?, on connection: MHDConnection
    ) -> MHD_Result {
        let method = method.map { String(cString: $0) } ?? ""
        let isHTTP10 = version.map { String(cString: $0) } == "HTTP/1.0"
        let rawHeaders = connection.headers
        let rawTarget = state.withLockedValue { $0.target }

        let target: RequestTarget?
        var refusal: Response?
        do {
            target = try RequestTarget(parsing: rawTarget)
        } catch {
            target = nil
            refusal = .badRequest(error.message)
        }
        let framing: RequestFraming?
        do {
            framing = try RequestFraming(headers: rawHeaders, isHTTP10: isHTTP10, authority: target?.authority)
        } catch {
            framing = nil
            refusal = .badRequest(error.message)
        }
        let head = RequestHead(
            method: method, target: rawTarget, path: target?.path ?? rawTarget, segments: target?.segments ?? [],
            query: target?.query.map { ($0.name, $0.value) } ?? [], headers: rawHeaders.trimmed, isHTTP10: isHTTP10,
            remoteAddress: connection.remoteAddress, listener: context.address,
            contentLength: framing?.contentLength, hasBody: framing?.hasBody ?? true)
        state.withLockedValue { state in
            state.machine.headArrived(hasBody: head.hasBody, announcedBytes: head.contentLength)
            state.head = head
        }
        // Where a body's end is in doubt, or the head too large to go on with, the connection must not be used again: answered before the
        // body, which makes libmicrohttpd close it.
        if framing == nil, let refusal { return answerEarly(refusal.called(head), head: head, on: connection) }
        if connection.headBytes > context.configuration.maximumHeadBytes {
            let refusal = Response.headTooLarge(limitBytes: context.configuration.maximumHeadBytes)
            return answerEarly(refusal.called(head), head: head, on: connection)
        }
        if let refusal = refusal?.called(head) ?? context.handler.refusal(of: head) {
            return refuse(refusal, head: head, on: connection)
        }
        if head.hasBody { connection.setIdleTimeout(context.configuration.bodyIdleTimeout) }
        // Before the handler can wake it. libmicrohttpd calls again as for the first time after a resume, and sends `100 Continue` only after a
        // first call that neither suspends nor answers (0.9.75, `connection.c`, MHD_CONNECTION_HEADERS_PROCESSED).
        if head.clientWaits { state.withLockedValue { if $0.machine.holdBody() { connection.suspend() } } }
        start { exchange in
            let response = await exchange.context.handler.respond(to: Request(head: head, body: RequestBody(exchange: exchange)))
            await exchange.answer(with: response, to: head)
        }
        return .YES
    }

    private func refuse(_ refusal: Response, head: RequestHead, on connection: MHDConnection) -> MHD_Result {
        if head.clientWaits, !connection.hasUnreadBytes { return answerEarly(refusal, head: head, on: connection) }
        guard let answer = prepare(refusal, for: head) else { return .NO }
        if deliver(answer, refusal, to: head) { start { exchange in await exchange.limitDrain() } }
        return .YES
    }

    private func answerEarly(_ response: Response, head: RequestHead, on connection: MHDConnection) -> MHD_Result {
        guard let answer = prepare(response, for: head) else { return .NO }
        state.withLockedValue { state in
            state.machine.answeredEarly()
            state.head = nil
            state.stream = answer.stream
        }
        return queue(answer, head: head, on: connection)
    }

    /// The first call once more, for a client that waits: the handler has asked for the body, or answered, or the server ends.
    private func released(on connection: MHDConnection) -> MHD_Result {
        let hasUnreadBytes = connection.hasUnreadBytes
        let (action, answer, head) = state.withLockedValue { state in
            let action = state.machine.released(clientHasBegun: hasUnreadBytes || state.clientHasBegun)
            switch action {
            case .goOn, .drain: return (action, nil as PreparedResponse?, nil as RequestHead?)
            case .queueAnswer, .queueShuttingDown:
                let (answer, head) = state.takeAnswer()
                return (action, answer, head)
            }
        }
        switch action {
        case .goOn: return .YES
        case .drain:
            start { exchange in await exchange.limitDrain() }
            return .YES
        case .queueAnswer, .queueShuttingDown: return queue(answer, head: head, on: connection)
        }
    }

    private func bytesArrived(_ bytes: UnsafeRawBufferPointer, left: UnsafeMutablePointer<Int>) -> MHD_Result {
        typealias Outcome = (RequestStateMachine.BytesAction, CheckedContinuation<Void, Never>?, said: (head: RequestHead, status: Int)?)
        let (action, reader, said) = state.withLockedValue { state -> Outcome in
            let action = state.machine.bytesArrived(bytes.count)
            switch action {
            case .take(let taken, let suspend, let wakeReader):
                state.buffer.append(contentsOf: bytes.prefix(taken))
                // Under the lock: the reader's resume must find the connection suspended.
                if suspend { state.connection?.suspend() }
                return (action, wakeReader ? state.takeReader() : nil, nil)
            case .answerAmidst: return (action, nil, state.sayLastWord())
            case .drop, .cut: return (action, nil, nil)
            }
        }
        reader?.resume()
        switch action {
        case .take(let taken, _, _):
            left.pointee = bytes.count - taken
            return .YES
        case .drop:
            left.pointee = 0
            return .YES
        case .answerAmidst:
            left.pointee = 0
            guard let said else { return .NO }
            context.handler.answered(said.head, status: said.status)
            return .YES
        case .cut:
            return .NO
        }
    }

    private func answerWanted(on connection: MHDConnection) -> MHD_Result {
        let (action, answer, head, reader) = state.withLockedValue { state in
            let action = state.machine.answerWanted()
            var answer: PreparedResponse?
            var head: RequestHead?
            var reader: CheckedContinuation<Void, Never>?
            switch action {
            case .suspend(let wakeReader):
                state.connection?.suspend()
                reader = wakeReader ? state.takeReader() : nil
            case .queueAnswer, .queueShuttingDown: (answer, head) = state.takeAnswer()
            case .cut: break
            }
            return (action, answer, head, reader)
        }
        reader?.resume()
        switch action {
        case .suspend: return .YES
        case .cut: return .NO
        case .queueAnswer, .queueShuttingDown: return queue(answer, head: head, on: connection)
        }
    }

    /// - Parameter answer: nil if the server ends.
    private func queue(_ answer: PreparedResponse?, head: RequestHead?, on connection: MHDConnection) -> MHD_Result {
        guard let head, let answer = answer ?? prepare(.shuttingDown(head), for: head) else { return .NO }
        if head.hasBody { connection.setIdleTimeout(context.configuration.idleTimeout) }
        return queue(answer, head: head, on: connection)
    }

    private func prepare(_ response: Response, for head: RequestHead) -> PreparedResponse? {
        PreparedResponse(response, to: head.method, isHTTP10: head.isHTTP10, logger: context.logger)
    }

    private func queue(_ answer: PreparedResponse, head: RequestHead, on connection: MHDConnection) -> MHD_Result {
        if context.live.isStopping { answer.closeConnectionAfter() }
        context.handler.answered(head, status: answer.status)
        answer.stream?.open(on: connection)
        return connection.queue(answer)
    }

    /// libmicrohttpd's completion callback. The connection's pointer is dead when it returns.
    func ended(timedOut: Bool) {
        struct Leftovers {
            var reader: CheckedContinuation<Void, Never>?
            var answer: PreparedResponse?
            var stream: StreamBody?
            var task: Task<Void, Never>?
            var lateAnswer: (connection: MHDConnection, head: RequestHead)?
        }
        let left = state.withLockedValue { state in
            var left = Leftovers(answer: state.answer, stream: state.stream, task: state.task)
            if timedOut, state.machine.isUploading, let connection = state.connection, let head = state.head {
                left.lateAnswer = (connection, head)
            }
            let action = state.machine.connectionGone(timedOut ? .idleTimeout : .disconnected)
            if action.wakeReader { left.reader = state.takeReader() }
            state.connection = nil
            state.head = nil
            state.answer = nil
            state.response = nil
            state.stream = nil
            state.task = nil
            state.buffer = []
            return left
        }
        if let (connection, head) = left.lateAnswer { sayTimedOut(head, on: connection) }
        left.stream?.connectionGone()
        left.reader?.resume()
        left.task?.cancel()
        context.live.exchangeEnded(self)
    }

    /// libmicrohttpd closes the socket right after its timeout's callback. Nothing of this exchange has been written, so the answer may be put
    /// on the socket here; if it does not fit at once the client does without.
    private func sayTimedOut(_ head: RequestHead, on connection: MHDConnection) {
        let response = Response.uploadTimedOut
        context.handler.answered(head, status: response.status)
        _ = LastWord(response, to: head)?.say(on: connection)
    }

    /// The server is past its grace.
    func endNow() {
        let (reader, stream, task) = state.withLockedValue { state in
            let action = state.machine.endNow()
            if action.resume { state.connection?.resume() }
            return (action.wakeReader ? state.takeReader() : nil, state.stream, state.task)
        }
        stream?.endNow()
        reader?.resume()
        task?.cancel()
    }

    // MARK: The handler's side

    var announcedBodyBytes: Int? {
        state.withLockedValue { $0.head?.contentLength }
    }

    func nextBodyBytes() async throws(RequestBodyError) -> [UInt8]? {
        while true {
            let (action, bytes) = state.withLockedValue { state in
                let action = state.machine.readerAsks()
                switch action {
                case .deliver(let resume):
                    if resume { state.connection?.resume() }
                    defer { state.buffer = [] }
                    return (action, state.buffer)
                case .wait(let resume):
                    if resume { state.connection?.resume() }
                    return (action, [])
                case .end, .fail: return (action, [])
                }
            }
            switch action {
            case .deliver: return bytes
            case .end: return nil
            case .fail(let error): throw error
            case .wait: try await waitForBytes()
            }
        }
    }

    /// Between the machine's `.wait` and the storing of the continuation bytes may arrive, so the machine is asked again when it is stored.
    private func waitForBytes() async throws(RequestBodyError) {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOutdated = state.withLockedValue { state in
                    guard state.machine.isReaderWaiting, !Task.isCancelled else { return true }
                    state.reader = continuation
                    return false
                }
                if isOutdated { continuation.resume() }
            }
        } onCancel: {
            state.withLockedValue { $0.takeReader() }?.resume()
        }
        // Cancelled and still waiting; if it was woken as well, the machine knows better why.
        if state.withLockedValue({ $0.machine.readerLeft() }) { throw .disconnected }
    }

    private func answer(with response: Response, to head: RequestHead) async {
        guard let answer = prepare(response, for: head) else {
            cut()
            return
        }
        if deliver(answer, response, to: head) { await limitDrain() }
    }

    /// Stores the answer for libmicrohttpd's next call. True if the rest of the body has to be dropped first.
    private func deliver(_ answer: PreparedResponse, _ response: Response, to head: RequestHead) -> Bool {
        state.withLockedValue { state in
            // libmicrohttpd reads as soon as the connection is awake.
            if state.machine.isHeld, state.connection?.hasUnreadBytes == true { state.clientHasBegun = true }
            switch state.machine.answerArrived() {
            case .discard:
                return false
            case .store(let resume, let limitDrain):
                state.answer = answer
                if head.hasBody { state.response = response }
                state.buffer = []
                if resume { state.connection?.resume() }
                return limitDrain
            }
        }
    }

    /// Ends in two steps what does not end: first by the answer, which tells a client that looks to stop, then by the connection's end.
    /// The task is cancelled when the body has ended in time or the connection is gone.
    private func limitDrain() async {
        do {
            try await Task.sleep(for: context.configuration.drainTime)
            let said = state.withLockedValue { state -> (head: RequestHead, status: Int)? in
                guard state.machine.drainEnds() else { return nil }
                let said = state.sayLastWord()
                if said == nil { state.connection?.shutDown() }
                return said
            }
            if let said { context.handler.answered(said.head, status: said.status) }
            try await Task.sleep(for: context.configuration.drainTime)
        } catch {
            return
        }
        state.withLockedValue { state in
            if state.machine.lingerEnds() { state.connection?.shutDown() }
        }
    }

    private func cut() {
        state.withLockedValue { state in
            state.connection?.shutDown()
            if state.machine.endNow().resume { state.connection?.resume() }
        }
    }

    /// Runs the exchange's one task. ``LiveExchanges`` counts it, the completion callback or the server's stop cancels it.
    private func start(_ operation: @escaping @Sendable (Exchange) async -> Void) {
        context.live.taskBegan()
        let task = Task {
            await operation(self)
            context.live.taskEnded()
        }
        state.withLockedValue { $0.task = task }
    }
}
