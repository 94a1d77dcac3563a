import Dispatch
import EventLog
import HTTPServer
import Logging
import NIOConcurrencyHelpers
import Realtime
import Testing

@testable import BridgeAPI

/// A session of a log, in memory unless said.
struct TestSession {
    let log: EventLog
    let history: SessionHistory

    /// - Parameter folder: of a log on SQLite, in which the session may exist already.
    init(id: String = "rts_1", windowBytes: Int = 256 * 1024, retainedBytes: Int = 256 * 1024 * 1024, folder: String? = nil) async throws {
        var configuration = EventLogConfiguration(storage: folder.map { .directory($0) } ?? .memory)
        configuration.windowBytesPerSession = windowBytes
        configuration.retainedBytesPerSession = retainedBytes
        log = try EventLog.open(configuration, logger: quiet)
        if let stored = try await log.history(of: id) {
            history = stored
            return
        }
        history = try await log.createSession(
            SessionRecord(
                id: id, owner: nil, createdAt: 1, model: nil, dialect: .beta, upstreamName: "u", status: .active, metadata: [],
                settings: [], upstreamDialect: .ga))
    }

    /// Returns when all are visible.
    func append(_ frames: [String]) async {
        guard !frames.isEmpty else { return }
        await withCheckedContinuation { continuation in
            let first = history.tail.seq + 1
            for (offset, frame) in frames.enumerated() {
                let isLast = offset == frames.count - 1
                history.append(
                    LogEntry(seq: first + offset, frame: Array(frame.utf8), createdAtMilliseconds: 1_700_000_000_000 + offset) { _ in
                        if isLast { continuation.resume() }
                    })
            }
        }
    }

    func append(_ frames: String...) async { await append(frames) }

    /// What ends a session: its last event, and the word that it is the last.
    func end() async {
        await append(#"{"type":"bridge.session.closed","reason":"test"}"#)
        history.markEnded()
    }

    /// As upstream spells it, unless said.
    func view(in dialect: Dialect = .ga) -> HistoryView {
        HistoryView(history: history, dialects: DialectView(of: .ga, in: dialect))
    }

    func body(
        _ request: StreamRequest, in dialect: Dialect = .ga, registry: StreamRegistry = StreamRegistry()
    ) throws -> HistoryBody {
        HistoryBody(
            request, from: StreamStart(request.cursor, in: history), of: view(in: dialect),
            seat: try registry.admit(session: history.sessionID),
            logger: quiet)
    }
}

let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

func delta(_ number: Int, response: String = "resp_1") -> String {
    #"{"type":"response.text.delta","response_id":"\#(response)","delta":"\#(number)"}"#
}

struct TestProblem: Error, CustomStringConvertible {
    let description: String
}

/// Pulls a body as the server does, through a buffer of a given size, and sleeps until it is woken.
final class TestPuller: Sendable {
    private struct State {
        var received: [UInt8] = []
        var isFinished = false
        var hasFailed = false
    }

    private let body: any ResponseStream
    private let bufferBytes: Int
    private let bell = DispatchSemaphore(value: 0)
    private let state = NIOLockedValueBox(State())

    init(_ body: any ResponseStream, bufferBytes: Int = 20 * 1024) {
        self.body = body
        self.bufferBytes = bufferBytes
        let bell = bell
        body.opened(StreamWaker { bell.signal() })
    }

    var text: String { state.withLockedValue { String(decoding: $0.received, as: UTF8.self) } }
    var bytes: [UInt8] { state.withLockedValue { $0.received } }
    var isFinished: Bool { state.withLockedValue { $0.isFinished } }
    var hasFailed: Bool { state.withLockedValue { $0.hasFailed } }

    func close() { body.closed() }

    /// One pull.
    func pull() -> StreamPull {
        withUnsafeTemporaryAllocation(byteCount: bufferBytes, alignment: 1) { buffer in
            let pull = body.pull(into: buffer)
            state.withLockedValue { state in
                if case .wrote(let count) = pull {
                    precondition(1...bufferBytes ~= count)
                    state.received += buffer[..<count]
                }
                if pull == .finished { state.isFinished = true }
                if pull == .failed { state.hasFailed = true }
            }
            return pull
        }
    }

    /// Pulls until the body has nothing more.
    @discardableResult
    func drain() -> String {
        while case .wrote = pull() {}
        return text
    }

    /// Pulls and sleeps until the condition holds or the body ends; on a thread that may block.
    @discardableResult
    func read(within seconds: Double = 20, until isEnough: @escaping @Sendable (String) -> Bool = { _ in false }) async throws -> String {
        let isTimely: Bool = await withCheckedContinuation { continuation in
            DispatchQueue(label: "puller").async {
                let deadline = DispatchTime.now() + seconds
                while true {
                    let text = self.drain()
                    if self.isFinished || self.hasFailed || isEnough(text) { return continuation.resume(returning: true) }
                    guard self.bell.wait(timeout: deadline) == .success else { return continuation.resume(returning: false) }
                }
            }
        }
        guard isTimely else { throw TestProblem(description: "timed out after: \(text.suffix(300))") }
        return text
    }
}

/// A clock that only moves when it is told to.
final class TestClock: Sendable {
    private let box = NIOLockedValueBox(ContinuousClock.now)
    var now: ContinuousClock.Instant { box.withLockedValue { $0 } }
    func advance(by duration: Duration) { box.withLockedValue { $0 += duration } }
}

/// What a browser's EventSource makes of a stream's bytes (WHATWG HTML, section 9.2.6).
struct TestEventSource {
    struct Message: Equatable {
        var type: String
        var data: String
        var lastEventID: String
    }

    private(set) var messages: [Message] = []
    private(set) var lastEventID = ""
    private(set) var retryMilliseconds: Int?
    private var line: [UInt8] = []
    private var type = ""
    private var data: String?
    private var idBuffer: String

    /// - Parameter lastEventID: what an earlier connection left.
    init(lastEventID: String = "") {
        self.lastEventID = lastEventID
        idBuffer = lastEventID
    }

    /// Our streams end lines with LF only.
    mutating func feed(_ bytes: some Sequence<UInt8>) {
        for byte in bytes {
            guard byte == UInt8(ascii: "\n") else {
                line.append(byte)
                continue
            }
            take(String(decoding: line, as: UTF8.self))
            line = []
        }
    }

    /// What was not dispatched yet is dropped.
    mutating func disconnect() {
        (line, type, data, idBuffer) = ([], "", nil, lastEventID)
    }

    private mutating func take(_ line: String) {
        guard !line.isEmpty else {
            lastEventID = idBuffer
            if let data { messages.append(Message(type: type.isEmpty ? "message" : type, data: data, lastEventID: lastEventID)) }
            (type, data) = ("", nil)
            return
        }
        let name = line.prefix { $0 != ":" }
        var value = line[name.endIndex...].dropFirst()
        if value.first == " " { value = value.dropFirst() }
        switch name {
        case "event": type = String(value)
        case "data": data = data.map { $0 + "\n" + value } ?? String(value)
        case "id": idBuffer = String(value)
        case "retry": retryMilliseconds = Int(value)
        default: break
        }
    }
}

/// When a member was told of time.
final class Ticks: Sendable {
    private let box = NIOLockedValueBox<[ContinuousClock.Instant]>([])
    var count: Int { box.withLockedValue { $0.count } }
    func add(_ instant: ContinuousClock.Instant) { box.withLockedValue { $0.append(instant) } }
}
