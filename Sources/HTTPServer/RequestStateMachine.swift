/// Decides, for one request, what happens to its body's bytes, when its connection sleeps and wakes, and when its answer is queued.
///
/// Holds counts, not bytes. The connection is asleep exactly between an action that says `suspend` and one that says `resume`, so an action
/// is carried out under the lock around the machine: resuming a connection that is not suspended is undefined.
struct RequestStateMachine {
    private enum Upload: Equatable { case arriving, complete, broken(RequestBodyError) }
    private enum Answer { case awaited, ready, queued }
    private enum Connection { case awake, asleepForRoom, asleepForAnswer, gone }

    private let bufferLimitBytes: Int
    private let drainLimitBytes: Int
    private var upload = Upload.arriving
    private var answer = Answer.awaited
    private var connection = Connection.awake
    private var bufferedBytes = 0
    private var drainedBytes = 0
    private var readerWaits = false
    /// The server is past its grace.
    private(set) var serverEnds = false
    private var drainTimeIsUp = false

    init(bufferLimitBytes: Int, drainLimitBytes: Int) {
        self.bufferLimitBytes = bufferLimitBytes
        self.drainLimitBytes = drainLimitBytes
    }

    mutating func headArrived(hasBody: Bool) {
        if !hasBody, upload == .arriving { upload = .complete }
    }

    enum BytesAction: Equatable {
        /// Keep the first `bytes`; what is left makes the connection sleep in the same call.
        case take(bytes: Int, suspend: Bool, wakeReader: Bool)
        case drop
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
            return drainedBytes > drainLimitBytes ? .cut : .drop
        }
        let taken = min(count, bufferLimitBytes - bufferedBytes)
        bufferedBytes += taken
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
        case .queued:
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
        case wait
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
        return .wait
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
        return .store(resume: resume, limitDrain: upload == .arriving)
    }

    /// The time for dropping the rest of the body is over. True if the connection has to be shut down.
    mutating func drainEnds() -> Bool {
        guard connection != .gone, case .ready = answer, upload == .arriving else { return false }
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
