import EventLog
import NIOConcurrencyHelpers
import Realtime
import Sessions

/// What is done, and was done before, of a request with an `Idempotency-Key`.
///
/// A handler does what must not be done twice in steps, and asks ``next(mark:)`` before each. The same request walks through the same
/// steps whenever it comes: those that were begun are not done again but have the outcome that is recorded of them, and the first one
/// that was never begun is done now. So a repetition answers as the first request did, and goes on where that one was cut off.
final class IdempotentRequest: Sendable {
    /// What no event tells of a step.
    enum Note: Equatable, Sendable {
        /// Its caller was told that it was done, or sent.
        case accepted
        /// There was nothing to do, and will not be.
        case needless
        /// It was not done.
        case refused(SessionError)
    }

    enum Step: Sendable {
        case new(StepID, mark: String)
        case begun(StepID, mark: String, Note?)
    }

    private struct State {
        var recorded: [RecordedStep]
        var next = 0
        var begun = 0
        var notes: [Int: Note] = [:]
        /// Done, and then done away with.
        var undone: Set<Int> = []
        /// Begun now, and not sent for a reason that passes.
        var unsent: Set<Int> = []

        /// One more than the last step that was begun, now or before.
        var end: Int { max(next, recorded.map { $0.number + 1 }.max() ?? 0) }

        /// Nothing is left of it, as far as this request knows: of a step that was begun before only if it was walked to and found so.
        func isVoid(_ step: Int) -> Bool {
            if undone.contains(step) || unsent.contains(step) { return true }
            if case .refused = notes[step] { return true }
            return false
        }
    }

    static let exhausted = "idempotency_keys_exhausted"

    private let key: IdempotencyKey
    private let log: EventLog
    private let state: NIOLockedValueBox<State>

    /// - Parameter recorded: nil for a request that is not remembered.
    init(_ key: IdempotencyKey, recorded: RecordedRequest?, log: EventLog) {
        self.key = key
        self.log = log
        state = NIOLockedValueBox(State(recorded: recorded?.steps ?? []))
    }

    /// It was begun before.
    var isRepetition: Bool { state.withLockedValue { !$0.recorded.isEmpty } }

    /// Nothing was done that was not done before.
    var isReplay: Bool { state.withLockedValue { !$0.recorded.isEmpty && $0.begun == 0 && $0.next == $0.end } }

    /// The next step in the handler's order. A new one is committed when this returns: it must not be begun before.
    /// - Parameter mark: what a new step can be recognised by.
    /// - Throws: 429 if no more can be remembered; `.unavailable`.
    func next(mark: String) async throws -> Step {
        let (number, step) = state.withLockedValue { state in
            defer { state.next += 1 }
            return (state.next, state.recorded.first { $0.number == state.next })
        }
        let id = StepID(request: key.request, number: number)
        if let step { return .begun(id, mark: step.mark, step.note.flatMap(Note.init)) }
        guard try await log.begin(id, mark: mark, opening: isRepetition || number > 0 ? nil : key.fingerprint) else {
            throw APIError(
                .tooManyRequests, code: Self.exhausted,
                "As many keys of the last hours are kept as may be; try again later, or send the request without one.",
                retry: .after(seconds: 60))
        }
        state.withLockedValue { $0.begun += 1 }
        return .new(id, mark: mark)
    }

    /// Forgets what was begun, of which nothing is left, and begins anew.
    func restart(mark: String) async throws -> Step {
        state.withLockedValue { $0 = State(recorded: []) }
        return try await next(mark: mark)
    }

    func note(_ note: Note, of step: StepID) {
        state.withLockedValue { state in
            guard state.recorded.first(where: { $0.number == step.number })?.note != note.bytes else { return }
            state.notes[step.number] = note
        }
    }

    /// How many steps were begun before.
    var recordedSteps: Int { state.withLockedValue { $0.recorded.count } }

    /// They could not be sent, and may be by a repetition.
    func unsent(_ steps: [StepID]) {
        state.withLockedValue { state in
            for step in steps { state.unsent.insert(step.number) }
        }
    }

    /// Nothing is left of what was done so far, or will be if the request fails.
    func undoneSoFar() {
        state.withLockedValue { $0.undone = Set(0..<$0.next) }
    }

    /// These were done, and then done away with, so that they may be done again.
    func undone(_ steps: [StepID]) {
        state.withLockedValue { state in
            for step in steps { state.undone.insert(step.number) }
        }
    }

    /// Commits what no event told, before the answer leaves.
    ///
    /// Steps that could not be sent are forgotten, so that a repetition carries them out; of a request that failed, or of which nothing was
    /// done at all, also the last ones that were refused here, or of which nothing is left.
    /// - Throws: `.unavailable`; nothing may be answered then that a repetition would not be.
    func finish(hasFailed: Bool) async throws(EventLogError) {
        let (notes, forgotten) = state.withLockedValue { state in
            let isNothing = (0..<state.end).allSatisfy { state.isVoid($0) }
            var kept = state.end
            while hasFailed || isNothing, kept > 0, state.isVoid(kept - 1) { kept -= 1 }
            let forgotten = state.unsent.union(kept..<state.end)
            return (state.notes.filter { !forgotten.contains($0.key) }, forgotten.sorted())
        }
        guard !notes.isEmpty || !forgotten.isEmpty else { return }
        try await log.note(notes.mapValues(\.bytes), forgetting: forgotten, of: key.request)
    }
}

extension IdempotentRequest.Note {
    /// As it is stored.
    fileprivate var bytes: [UInt8] {
        switch self {
        case .accepted: []
        case .needless: Array("null".utf8)
        case .refused(let error): Self.bytes(of: error)
        }
    }

    private static func bytes(of error: SessionError) -> [UInt8] {
        JSONValue.object([
            ("code", .string(error.code.rawValue)), ("message", .string(error.message)), ("param", .string(orNull: error.param)),
        ]).bytes
    }

    fileprivate init?(_ bytes: [UInt8]) {
        guard !bytes.isEmpty else {
            self = .accepted
            return
        }
        guard let json = try? JSON.parse(bytes) else { return nil }
        if json.isNull {
            self = .needless
            return
        }
        guard let code = json["code"]?.string.flatMap(SessionError.Code.init) else { return nil }
        self = .refused(SessionError(code, json["message"]?.string ?? "", param: json["param"]?.string))
    }
}
