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
        var stream: StreamBody?
        var task: Task<Void, Never>?

        mutating func takeReader() -> CheckedContinuation<Void, Never>? {
            defer { reader = nil }
            return reader
        }
    }

    /// Why 256 KiB: what a fast uplink brings while a handler waits a few milliseconds.
    private static let bodyBufferBytes = 256 * 1024
    /// Refused bodies up to this size are cheaper to read than a connection is to open again.
    private static let drainableAnnouncementBytes = 64 * 1024

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
        let (connection, begins, isCut) = state.withLockedValue { state in
            defer { state.hasBegun = true }
            return (state.connection, !state.hasBegun, !state.hasBegun && state.machine.serverEnds)
        }
        guard let connection, !isCut else { return .NO }
        if begins { return headArrived(method: method, version: version, on: connection) }
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
            state.machine.headArrived(hasBody: head.hasBody)
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
        start { exchange in
            let response = await exchange.context.handler.respond(to: Request(head: head, body: RequestBody(exchange: exchange)))
            await exchange.answer(with: response, to: head)
        }
        return .YES
    }

    private func refuse(_ refusal: Response, head: RequestHead, on connection: MHDConnection) -> MHD_Result {
        let clientWaits = head.headers["expect"]?.equalsIgnoringASCIICase("100-continue") ?? false
        if head.hasBody, clientWaits || (head.contentLength ?? 0) > Self.drainableAnnouncementBytes {
            return answerEarly(refusal, head: head, on: connection)
        }
        guard let answer = prepare(refusal, for: head) else { return .NO }
        if deliver(answer) { start { exchange in await exchange.limitDrain() } }
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

    private func bytesArrived(_ bytes: UnsafeRawBufferPointer, left: UnsafeMutablePointer<Int>) -> MHD_Result {
        let (action, reader) = state.withLockedValue { state in
            let action = state.machine.bytesArrived(bytes.count)
            guard case .take(let taken, let suspend, let wakeReader) = action else {
                return (action, nil as CheckedContinuation<Void, Never>?)
            }
            state.buffer.append(contentsOf: bytes.prefix(taken))
            // Under the lock: the reader's resume must find the connection suspended.
            if suspend { state.connection?.suspend() }
            return (action, wakeReader ? state.takeReader() : nil)
        }
        reader?.resume()
        switch action {
        case .take(let taken, _, _):
            left.pointee = bytes.count - taken
            return .YES
        case .drop:
            left.pointee = 0
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
            case .queueAnswer:
                (answer, head) = (state.answer, state.head)
                (state.answer, state.head) = (nil, nil)
                state.target = ""
                state.stream = answer?.stream
                if state.machine.serverEnds { answer?.stream?.endNow() }
            case .queueShuttingDown:
                head = state.head
                state.head = nil
            case .cut: break
            }
            return (action, answer, head, reader)
        }
        reader?.resume()
        switch action {
        case .suspend: return .YES
        case .cut: return .NO
        case .queueAnswer, .queueShuttingDown:
            guard let head, let answer = answer ?? prepare(.shuttingDown(head), for: head) else {
                return .NO
            }
            if head.hasBody { connection.setIdleTimeout(context.configuration.idleTimeout) }
            return queue(answer, head: head, on: connection)
        }
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

    /// libmicrohttpd queues no answer in the middle of a body and closes the socket right after its timeout's callback. Nothing of this
    /// exchange has been written, so the answer may be put on the socket here; if it does not fit at once the client does without.
    private func sayTimedOut(_ head: RequestHead, on connection: MHDConnection) {
        let response = Response.uploadTimedOut
        guard case .bytes(let body) = response.body else { return }
        var text = "HTTP/1.1 \(response.status) Request Timeout\r\nContent-Length: \(body.count)\r\n"
        for field in response.headers.fields { text += "\(field.name): \(field.value)\r\n" }
        let bytes = Array((text + "\r\n").utf8) + body
        context.handler.answered(head, status: response.status)
        _ = bytes.withUnsafeBytes { send(connection.descriptor, $0.baseAddress, $0.count, Int32(MSG_DONTWAIT | MSG_NOSIGNAL)) }
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
                guard case .deliver(let resume) = action else { return (action, [UInt8]()) }
                if resume { state.connection?.resume() }
                defer { state.buffer = [] }
                return (action, state.buffer)
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
        if deliver(answer) { await limitDrain() }
    }

    /// Stores the answer for libmicrohttpd's next call. True if the rest of the body has to be dropped first.
    private func deliver(_ answer: PreparedResponse) -> Bool {
        state.withLockedValue { state in
            switch state.machine.answerArrived() {
            case .discard:
                return false
            case .store(let resume, let limitDrain):
                state.answer = answer
                state.buffer = []
                if resume { state.connection?.resume() }
                return limitDrain
            }
        }
    }

    /// The task is cancelled when the body has ended in time or the connection is gone.
    private func limitDrain() async {
        do {
            try await Task.sleep(for: context.configuration.drainTime)
        } catch {
            return
        }
        state.withLockedValue { state in
            if state.machine.drainEnds() { state.connection?.shutDown() }
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
