/// Decides, for one request, what happens to its body's bytes, when its connection sleeps and wakes, and when its answer is queued.
///
/// Holds counts, not bytes. The connection is asleep exactly between an action that says `suspend` and one that says `resume`, so an action
/// is carried out under the lock around the machine: resuming a connection that is not suspended is undefined.
struct RequestStateMachine {
    private enum Upload: Equatable { case arriving, complete, broken(RequestBodyError) }
    /// `said`: put on the socket in the middle of the body, where none can be queued.
    private enum Answer { case awaited, ready, queued, said }
    private enum Connection { case awake, asleepBeforeBody, asleepForRoom, asleepForAnswer, gone }

    private let bufferLimitBytes: Int
    private let drainLimitBytes: Int
    private var upload = Upload.arriving
    private var answer = Answer.awaited
    private var connection = Connection.awake
    private var bufferedBytes = 0
    private var drainedBytes = 0
    /// Of the body that was announced; nil if no length was.
    private var missingBytes: Int?
    private var readerWaits = false
    /// The client waits to be told to send its body, and has not been.
    private(set) var isHeld = false
    /// The server is past its grace.
    private(set) var serverEnds = false
    private var drainTimeIsUp = false

    init(bufferLimitBytes: Int, drainLimitBytes: Int) {
        self.bufferLimitBytes = bufferLimitBytes
        self.drainLimitBytes = drainLimitBytes
    }

    /// - Parameter announcedBytes: nil if the head does not say the body's length.
    mutating func headArrived(hasBody: Bool, announcedBytes: Int? = nil) {
        if !hasBody, upload == .arriving { upload = .complete }
        missingBytes = announcedBytes
    }

    /// The client waits to be told to send its body: whether the connection is to sleep until the handler asks for that, or answers.
    mutating func holdBody() -> Bool {
        guard !serverEnds else { return false }
        isHeld = true
        connection = .asleepBeforeBody
        return true
    }

    enum ReleaseAction: Equatable {
        /// The client is to send its body.
        case goOn
        /// In place of the body.
        case queueAnswer
        case queueShuttingDown
        /// The client did not wait. What it sends has to be dropped first, within limits, or closing would take the answer from it.
        case drain
    }

    /// The connection is awake again and could still be answered before the body.
    mutating func released(clientHasBegun: Bool) -> ReleaseAction {
        precondition(connection == .awake && isHeld, "libmicrohttpd goes on with a connection that is held")
        isHeld = false
        switch answer {
        case .awaited where serverEnds:
            answeredEarly()
            return .queueShuttingDown
        case .awaited:
            return .goOn
        case .ready where clientHasBegun:
            return .drain
        case .ready, .queued, .said:
            answeredEarly()
            return .queueAnswer
        }
    }

    enum BytesAction: Equatable {
        /// Keep the first `bytes`; what is left makes the connection sleep in the same call.
        case take(bytes: Int, suspend: Bool, wakeReader: Bool)
        case drop
        /// Drop them; and as there is more to come than is worth waiting for, the answer goes onto the socket now, and then the connection ends.
        case answerAmidst
        case cut
    }

    /// `count` bytes of body can be taken, at least 1.
    ///
    /// Sleeping only with bytes left is libmicrohttpd's rule: had all been taken it might call again while suspended.
    mutating func bytesArrived(_ count: Int) -> BytesAction {
        precondition(connection == .awake, "libmicrohttpd brought bytes of a suspended connection")
        guard !serverEnds, !drainTimeIsUp else { return .cut }
        guard case .awaited = answer else {
            drainedBytes += count
            missingBytes? -= count
            guard answer == .ready, drainedBytes + (missingBytes ?? 0) > drainLimitBytes else { return .drop }
            answer = .said
            return .answerAmidst
        }
        let taken = min(count, bufferLimitBytes - bufferedBytes)
        bufferedBytes += taken
        missingBytes? -= taken
        let full = taken < count
        if full { connection = .asleepForRoom }
        return .take(bytes: taken, suspend: full, wakeReader: taken > 0 && takeReader())
    }

    enum EndAction: Equatable {
        case queueAnswer
        /// The server ends and the handler has not answered.
        case queueShuttingDown
        case suspend(wakeReader: Bool)
        case cut
    }

    /// The body is complete and an answer could be queued; called again after each wake until one is.
    mutating func answerWanted() -> EndAction {
        precondition(connection == .awake, "libmicrohttpd wants the answer of a suspended connection")
        if case .arriving = upload { upload = .complete }
        switch answer {
        case .ready:
            answer = .queued
            return .queueAnswer
        case .awaited where serverEnds:
            answer = .queued
            return .queueShuttingDown
        case .awaited:
            connection = .asleepForAnswer
            return .suspend(wakeReader: takeReader())
        case .queued, .said:
            return .cut
        }
    }

    /// An answer was queued before the body: libmicrohttpd reads no more of it and closes the connection afterwards.
    mutating func answeredEarly() {
        answer = .queued
        upload = .complete
    }

    enum ReadAction: Equatable {
        /// All that is buffered.
        case deliver(resume: Bool)
        case end
        case fail(RequestBodyError)
        case wait(resume: Bool)
    }

    /// The handler asks for bytes.
    mutating func readerAsks() -> ReadAction {
        precondition(!readerWaits, "two readers of one request body")
        if case .broken(let error) = upload { return .fail(error) }
        // A task that the handler left behind: what it did not read in time is dropped.
        guard case .awaited = answer else { return .fail(.disconnected) }
        if bufferedBytes > 0 {
            bufferedBytes = 0
            return .deliver(resume: wakeFromFull())
        }
        if upload == .complete { return .end }
        readerWaits = true
        guard connection == .asleepBeforeBody else { return .wait(resume: false) }
        connection = .awake
        return .wait(resume: true)
    }

    /// False if it was woken between its asking and its waiting.
    var isReaderWaiting: Bool { readerWaits }

    /// The waiting reader was cancelled. False if it was woken already.
    mutating func readerLeft() -> Bool {
        takeReader()
    }

    enum AnswerAction: Equatable {
        case store(resume: Bool, limitDrain: Bool)
        case discard
    }

    /// The handler, or a refusal, has the answer. What is buffered of the body is not wanted any more.
    mutating func answerArrived() -> AnswerAction {
        guard connection != .gone, case .awaited = answer, !serverEnds else { return .discard }
        answer = .ready
        bufferedBytes = 0
        let resume = connection != .awake
        connection = .awake
        return .store(resume: resume, limitDrain: upload == .arriving && !isHeld)
    }

    /// The time for dropping the rest of the body is over. True if the answer has to go onto the socket in the middle of it.
    mutating func drainEnds() -> Bool {
        guard connection != .gone, answer == .ready, upload == .arriving else { return false }
        answer = .said
        return true
    }

    /// So is the time for a client that was answered to stop sending. True if the connection has to be shut down.
    mutating func lingerEnds() -> Bool {
        guard connection != .gone, answer == .said, upload == .arriving else { return false }
        drainTimeIsUp = true
        return true
    }

    /// Whether bytes of the body are missing that an unanswered handler may still want.
    var isUploading: Bool { upload == .arriving && answer == .awaited }

    struct WakeAction: Equatable {
        var resume = false
        var wakeReader = false
    }

    /// The connection is forgotten by libmicrohttpd; its pointer is dead.
    mutating func connectionGone(_ reason: RequestBodyError) -> WakeAction {
        precondition(connection == .awake, "libmicrohttpd ended a suspended connection")
        connection = .gone
        // Bytes that were not read go with the connection; a reader must not take what is left for the whole.
        if upload == .arriving || bufferedBytes > 0 { upload = .broken(reason) }
        bufferedBytes = 0
        return WakeAction(wakeReader: takeReader())
    }

    /// The server is past its grace: from here on the connection never sleeps again.
    mutating func endNow() -> WakeAction {
        guard connection != .gone else { return WakeAction() }
        serverEnds = true
        if upload == .arriving { upload = .broken(.disconnected) }
        let resume = connection != .awake
        connection = .awake
        return WakeAction(resume: resume, wakeReader: takeReader())
    }

    private mutating func wakeFromFull() -> Bool {
        guard connection == .asleepForRoom else { return false }
        connection = .awake
        return true
    }

    private mutating func takeReader() -> Bool {
        defer { readerWaits = false }
        return readerWaits
    }
}
