import EventLog
import Realtime

/// Responses that are owed to turns of tool calls: each is asked for once every call of its turn has its output.
///
/// Upstream never goes on by itself after a call (PROTOCOL.md section 6), and a response that begins with an output missing is told half
/// of what it asked for. In memory only: a turn that waits when the process ends goes on with the next output, or when it is asked to;
/// of webhooks' outputs the record remembers it (`SessionRecord.owesOutputs`).
struct ToolTurns: Sendable {
    struct Turn: Sendable {
        /// See `Projection.turn(ofCall:)`.
        let id: String
        /// The `response.create`, to be sent when its time has come.
        let request: Command
        /// Those whose outputs were given with the wish to go on.
        fileprivate(set) var calls: Set<String>
        fileprivate var collisions = 0
    }

    /// In the order in which they were begun.
    private(set) var waiting: [Turn] = []
    /// The one that was asked for last; there is one at a time in a conversation.
    private var asked: Turn?

    /// More turns than anybody leaves half answered.
    static let maximumWaiting = 16
    /// How often the answer to a voice may come first.
    private static let maximumCollisions = 3

    /// What will be sent for a turn that waits.
    func request(of id: String) -> Command? { waiting.first { $0.id == id }?.request }

    /// An output for one of the turn's calls is on its way.
    mutating func add(_ call: String, to id: String, request: Command) {
        if let index = waiting.firstIndex(where: { $0.id == id }) {
            waiting[index].calls.insert(call)
        } else {
            waiting.append(Turn(id: id, request: request, calls: [call]))
        }
    }

    /// An output was refused: on its account nothing goes on.
    /// - Returns: what nobody asks for any more.
    mutating func remove(_ call: String) -> Command? {
        guard let index = waiting.firstIndex(where: { $0.calls.contains(call) }) else { return nil }
        waiting[index].calls.remove(call)
        return waiting[index].calls.isEmpty ? waiting.remove(at: index).request : nil
    }

    mutating func take(where isDue: (Turn) -> Bool) -> Command? {
        guard let index = waiting.firstIndex(where: isDue) else { return nil }
        let turn = waiting.remove(at: index)
        asked = turn
        return turn.request
    }

    mutating func removeAll() -> [Command] {
        defer { self = ToolTurns() }
        return waiting.map(\.request)
    }

    /// Keeps a request waiting that came too late, since voice detection had a response begin meanwhile.
    /// - Returns: the matches that are to be told.
    mutating func settle(_ matches: [ReplyMatcher.Match]) -> [ReplyMatcher.Match] {
        guard var turn = asked, let match = matches.first(where: { $0.command.id == turn.request.id }) else { return matches }
        asked = nil
        guard case .refused(let error) = match.stage, error.code == SessionError.Code.responseActive.rawValue,
            turn.collisions < Self.maximumCollisions
        else { return matches }
        turn.collisions += 1
        waiting.insert(turn, at: 0)
        return matches.filter { $0.command.id != turn.request.id }
    }
}

extension SessionStateMachine {
    /// Asks for the response of a turn whose calls all have their outputs, once no response is in progress.
    mutating func continueTurns(at now: Int) -> [Action] {
        guard !turns.waiting.isEmpty, (try? refuseSecondActiveResponse()) != nil else { return [] }
        let open = projection.pendingCalls.subtracting(missingCalls).compactMap { projection.turn(ofCall: $0) }
        let answered = projection.answeredCalls
        guard let request = turns.take(where: { !open.contains($0.id) && !$0.calls.isDisjoint(with: answered) }) else { return [] }
        do throws(SessionError) {
            return try take(request, at: now)
        } catch {
            return [.fail([request.id], error)]
        }
    }

    /// A turn does not go on by an output that upstream has refused.
    mutating func forgone(_ matches: [ReplyMatcher.Match]) -> [Action] {
        matches.compactMap { match in
            guard case .refused(let error) = match.stage, let call = match.command.answersCall, let request = turns.remove(call) else {
                return nil
            }
            return .fail([request.id], SessionError(.refusedByUpstream, error.message, upstream: error))
        }
    }

    /// The calls that were made together with one and have no output.
    func callsWaitedFor(afterCall call: String) -> [String] {
        let turn = projection.turn(ofCall: call)
        return projection.pendingCalls.subtracting(missingCalls).filter { projection.turn(ofCall: $0) == turn }.sorted()
    }
}
