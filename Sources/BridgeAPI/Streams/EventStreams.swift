import EventLog
import HTTPServer
import Logging
import Realtime

/// Opens streams over sessions' histories: the door of this folder to the route handlers.
///
/// From: `GET` and `POST /v1/sessions/{id}/events`, and responses that are streamed. To: ``HistoryBody``, ``EventPage``.
struct EventStreams: Sendable {
    let registry: StreamRegistry
    let logger: Logger

    /// The answer to a request for events, of any format. Headers leave with the first bytes, at once.
    ///
    /// A page may wait for ``StreamRequest/wait``; the others do not wait. 204 stops an EventSource whose session or request is over.
    /// - Throws: ``StreamRefusal`` if there are too many streams; ``EventLogError`` from reading the store.
    func respond(to request: StreamRequest, of view: HistoryView) async throws -> Response {
        switch request.format {
        case .page:
            let page = try await EventPage.read(request, of: view, registry: registry)
            return Response(
                status: 200, headers: ["content-type": "application/json", "cache-control": "no-store"], body: .bytes(page))
        case .lines:
            return stream(request, of: view, in: try seat(in: view.history))
        case .eventStream:
            switch try await answer(to: request, of: view) {
            case .noContent:
                return Response(status: 204, headers: ["cache-control": "no-store"])
            case .stream(let start):
                return stream(request, from: start, of: view, in: try seat(in: view.history))
            }
        }
    }

    /// A place for a stream that is opened later, or not at all.
    /// - Throws: ``StreamRefusal``.
    func seat(in history: SessionHistory) throws(StreamRefusal) -> StreamSeat {
        try registry.admit(session: history.sessionID)
    }

    /// The stream itself, without asking whether there is anything to show.
    /// - Parameter request: of the format `.eventStream` or `.lines`.
    func stream(_ request: StreamRequest, of view: HistoryView, in seat: StreamSeat) -> Response {
        stream(request, from: StreamStart(request.cursor, in: view.history), of: view, in: seat)
    }

    private func stream(
        _ request: StreamRequest, from start: StreamStart, of view: HistoryView, in seat: StreamSeat
    ) -> Response {
        Response(
            status: 200, headers: Self.headers(contentType: request.format == .lines ? "application/x-ndjson" : "text/event-stream"),
            body: .stream(HistoryBody(request, from: start, of: view, seat: seat, logger: logger)))
    }

    // MARK: Several sessions

    /// The answer to a request for the events of several sessions, as a stream or lines. 204 if all of them are over for this client.
    /// - Parameters:
    ///   - request: its cursor is a ``SessionsCursor``.
    ///   - views: of the sessions, sorted by their ids.
    /// - Throws: ``StreamRefusal`` if there are too many streams; ``EventLogError`` from reading the store.
    func respond(to request: StreamRequest, of views: [HistoryView]) async throws -> Response {
        let sessions = views.map(\.history.sessionID)
        let cursors = request.cursorText.flatMap { SessionsCursor($0, sessions: sessions)?.cursors }
        var starts: [(start: StreamStart?, cursor: String)] = []
        for (index, view) in views.enumerated() {
            var own = request
            if let cursors {
                own.cursor = FrameID(cursors[index]).map(StreamRequest.Cursor.after) ?? .unknown
            } else if request.cursorText != nil {
                own.cursor = .unknown
            }
            switch try await answer(to: own, of: view) {
            case .stream(let start): starts.append((start, start.primedID))
            case .noContent where request.format == .lines: starts.append((StreamStart(own.cursor, in: view.history), ""))
            case .noContent: starts.append((nil, cursors?[index] ?? view.history.tail.description))
            }
        }
        guard starts.contains(where: { $0.start != nil }) else {
            return Response(status: 204, headers: ["cache-control": "no-store"])
        }
        let body = HistoryBody(request, from: starts, of: views, seat: try registry.admit(sessions: sessions), logger: logger)
        return Response(
            status: 200, headers: Self.headers(contentType: request.format == .lines ? "application/x-ndjson" : "text/event-stream"),
            body: .stream(body))
    }

    enum Answer: Equatable {
        case stream(StreamStart)
        case noContent
    }

    /// Whether there is, or will be, anything to show.
    func answer(to request: StreamRequest, of view: HistoryView) async throws(EventLogError) -> Answer {
        let history = view.history
        let start = StreamStart(request.cursor, in: history)
        let tail = history.tail
        if case .after(let id) = request.cursor, id.position.epoch == tail.epoch, id.position.seq > tail.seq,
            case .ended = history.window(after: tail.seq, maximumBytes: 1)
        {
            // No id of this epoch will ever follow it.
            return .noContent
        }
        guard start.gap == nil else { return .stream(start) }
        if case .ended = history.window(after: start.after.seq, maximumBytes: 1) { return .noContent }
        // A first request may well ask for the next `response.done` after one.
        guard request.isReconnect, let until = request.until, case .after(let id) = request.cursor,
            let event = try await Self.event(id.position.seq, of: history)
        else { return .stream(start) }
        let heads = view.heads(of: event)
        let index = heads.count - 1 - id.remaining
        guard heads.indices.contains(index), until.matches(heads[index].type), request.filter.concernsResponse(heads[index]) else {
            return .stream(start)
        }
        return .noContent
    }

    private static func event(_ seq: Int, of history: SessionHistory) async throws(EventLogError) -> LoggedEvent? {
        guard seq > 0 else { return nil }
        if case .events(let events) = history.window(after: seq - 1, maximumBytes: 1) { return events.first }
        return try await history.page(after: seq - 1, limit: 1, maximumBytes: 1).first
    }

    private static func headers(contentType: String) -> HTTPHeaders {
        // nginx and its kin hold answers back without the last one.
        ["content-type": contentType, "cache-control": "no-store, no-transform", "x-accel-buffering": "no"]
    }

    // MARK: Refusals

    /// Whether a refusal with that status is told to an EventSource by ``passingRefusal(code:)``: any other answer than 200 would stop it
    /// for good.
    static func isForEventSource(accept: String?, status: Int) -> Bool {
        accept == "text/event-stream" && (status == 429 || status == 503)
    }

    /// A stream that only says to come back, and why in a comment.
    /// - Parameter code: of the refusal; visible ASCII.
    func passingRefusal(code: String) -> Response {
        let retry = StreamEncoder.retry(milliseconds: registry.jitteredRetry(Self.refusalRetryMilliseconds))
        return Response(
            status: 200, headers: Self.headers(contentType: "text/event-stream"), body: .bytes(retry + Array(": \(code)\n\n".utf8)))
    }

    private static let refusalRetryMilliseconds = 5_000
}
