import EventLog
import NIOConcurrencyHelpers
import Realtime

/// One page of a session's events as a list object; an empty one can wait for its first event.
enum EventPage {
    /// A page ends early at so many bytes of events, or after passing over so many that the filter hides; `has_more` then says so.
    private static let maximumBytes = 1024 * 1024
    private static let maximumScanned = 10_000
    private static let readBytes = 256 * 1024

    private struct Scan {
        var entries: [[UInt8]] = []
        var bytes = 0
        var firstID: String?
        /// Of the last frame looked at; hidden ones too, so that the next page does not pass over them again.
        var lastID: FrameID?
        /// Where the page started.
        let startID: String
        var scanned = 0
        var after: EventPosition
        /// How many frames of the next event are still to be given; nil: all.
        var remaining: Int?

        func isFull(_ limit: Int) -> Bool {
            entries.count >= limit || bytes >= EventPage.maximumBytes || scanned >= EventPage.maximumScanned
        }
    }

    /// - Throws: ``StreamRefusal`` if it has to wait and there are too many streams; ``EventLogError`` from the store.
    static func read(_ request: StreamRequest, of view: HistoryView, registry: StreamRegistry) async throws -> [UInt8] {
        let history = view.history
        let start = StreamStart(request.cursor, in: history)
        var scan = Scan(startID: start.primedID, after: start.after, remaining: start.remaining)
        if let gap = start.gap { append(gap, to: &scan, history, registry) }
        try await go(on: &scan, request, view, registry)
        if scan.entries.isEmpty, request.wait > .zero, !scan.isFull(request.limit) {
            let bell = EventBell(history, seat: try registry.admit(session: history.sessionID), for: request.wait)
            defer { bell.close() }
            // Once more first: what came before the bell was hung did not ring it.
            try await go(on: &scan, request, view, registry)
            while scan.entries.isEmpty, !scan.isFull(request.limit), !isAtEnd(scan, history), await bell.rings() {
                try await go(on: &scan, request, view, registry)
            }
        }
        return json(of: scan, hasMore: scan.remaining != nil || scan.after.seq < history.tail.seq)
    }

    private static func go(
        on scan: inout Scan, _ request: StreamRequest, _ view: HistoryView, _ registry: StreamRegistry
    ) async throws {
        let history = view.history
        while !scan.isFull(request.limit) {
            try Task.checkCancellation()
            let events = try await events(after: scan.after.seq, request, history)
            guard !events.isEmpty else {
                guard case .gap(let why, let resumeAfter) = history.check(scan.after) else { return }
                append(StreamGap(why: why, resumeAfter: resumeAfter, in: history), to: &scan, history, registry)
                continue
            }
            for event in events {
                guard event.position.seq == scan.after.seq + 1 else { throw EventLogError(.corrupt, "Events are out of order.") }
                scan.scanned += 1
                take(event, into: &scan, request, view)
                if scan.isFull(request.limit) { return }
            }
        }
    }

    /// A page can end between two frames of an event.
    private static func take(_ event: LoggedEvent, into scan: inout Scan, _ request: StreamRequest, _ view: HistoryView) {
        let entries = view.frames(of: event, .entry)
        let heads = request.filter.isOpen ? [] : view.heads(of: event)
        let first = scan.remaining.map { max(0, entries.count - $0) } ?? 0
        for index in first..<entries.count {
            let id = FrameID(event.position, remaining: entries.count - 1 - index)
            guard !scan.isFull(request.limit) else {
                scan.remaining = id.remaining + 1
                return
            }
            scan.lastID = id
            guard request.filter.isOpen || request.filter.shows(heads[index]) else { continue }
            if scan.firstID == nil { scan.firstID = id.description }
            scan.bytes += entries[index].count
            scan.entries.append(entries[index])
        }
        scan.remaining = nil
        scan.after = event.position
        scan.lastID = FrameID(event.position)
    }

    private static func events(
        after seq: Int, _ request: StreamRequest, _ history: SessionHistory
    ) async throws(EventLogError) -> [LoggedEvent] {
        switch history.window(after: seq, maximumBytes: readBytes) {
        case .events(let events): events
        case .caughtUp, .ended: []
        case .behind: try await history.page(after: seq, limit: request.filter.isOpen ? request.limit : 1000, maximumBytes: readBytes)
        }
    }

    private static func isAtEnd(_ scan: Scan, _ history: SessionHistory) -> Bool {
        if case .ended = history.window(after: scan.after.seq, maximumBytes: 1) { true } else { false }
    }

    private static func append(_ gap: StreamGap, to scan: inout Scan, _ history: SessionHistory, _ registry: StreamRegistry) {
        let entry = StreamEncoder.entry(
            id: nil, createdAt: registry.unixSeconds(), frame: gap.frame(session: history.sessionID))
        scan.entries.append(entry)
        scan.bytes += entry.count
        scan.after = gap.resumeAfter
        scan.remaining = nil
        scan.lastID = FrameID(gap.resumeAfter)
    }

    private static func json(of scan: Scan, hasMore: Bool) -> [UInt8] {
        JSONValue.object([
            ("object", "list"), ("data", .array(scan.entries.map(JSONValue.raw))), ("first_id", .string(orNull: scan.firstID)),
            ("last_id", .string(scan.lastID?.description ?? scan.startID)), ("has_more", .bool(hasMore)),
        ]).bytes
    }
}

/// Tells a waiting page of new events, of the end of its time, and of the drain.
private final class EventBell: StreamMember {
    private let history: SessionHistory
    private let seat: StreamSeat
    private let endsAt: ContinuousClock.Instant
    private let rung: AsyncStream<Void>
    private let ringer: AsyncStream<Void>.Continuation
    private let subscription: SubscriptionToken

    /// The newest ring is enough: whoever hears it looks at the history.
    init(_ history: SessionHistory, seat: StreamSeat, for wait: Duration) {
        self.history = history
        self.seat = seat
        endsAt = seat.now() + wait
        let (rung, ringer) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        self.rung = rung
        self.ringer = ringer
        subscription = history.subscribe { ringer.yield() }
        seat.attach(self, nextTick: endsAt)
    }

    /// False once the time is over, the server drains, or the task is cancelled.
    func rings() async -> Bool {
        for await _ in rung { return true }
        return false
    }

    func tick(_ now: ContinuousClock.Instant) -> ContinuousClock.Instant? {
        guard now >= endsAt else { return endsAt }
        ringer.finish()
        return nil
    }

    func drain() { ringer.finish() }

    func close() {
        history.unsubscribe(subscription)
        ringer.finish()
        seat.leave()
    }
}
