import EventLog
import Realtime
import Webhooks

/// The function calls of one session that the bridge answers by itself, as far as the projection does not tell: it knows which ones wait for
/// an output, also after a restart.
struct WebhookRuns: Sendable {
    /// What a run has led to.
    enum End: Sendable {
        /// The call has its output, from here or from elsewhere, or wants none any more.
        case answered
        /// Upstream was to be had neither on the connection of this generation nor on the way to the next one. The call stays pending, and is
        /// made again, under the same id, on another connection.
        case notGiven(generation: Int)
        /// Upstream does not take an output.
        case refused
    }

    /// A response that is to follow the outputs of one turn, until any response was created that has read them.
    struct Owed: Sendable {
        /// One of the calls; it has its output.
        let call: String
        /// See `Projection.turn(ofCall:)`.
        let turn: String
        /// Somebody waits for what becomes of it.
        var isAsked: Bool
        /// How often it was lost before it was created.
        var losses = 0
    }

    /// In the record as `owesOutputs` too, so that the next start knows that somebody wanted it.
    var response: Owed?
    /// Pending calls whose tools have a webhook, which is not called for them.
    var unowed: Set<String> = []
    /// Calls whose outputs are on their way, with a response to follow.
    private var given: Set<String> = []
    private var underWay: Set<String> = []
    /// Of calls that are pending all the same.
    private var ends: [String: End] = [:]

    /// Under way at a time; others wait in the conversation, and take no place from other sessions.
    static let maximumUnderWay = 8

    var count: Int { underWay.count }
    var isFull: Bool { count >= Self.maximumUnderWay }

    /// - Parameter generation: of the connection that is open; nil without one.
    func mayBegin(_ call: String, generation: Int?) -> Bool {
        guard !underWay.contains(call) else { return false }
        return switch ends[call] {
        case nil, .answered: true
        case .notGiven(let failed): generation.map { $0 > failed } ?? false
        case .refused: false
        }
    }

    /// Nobody answers the call, unless a client thinks of it.
    func isForgone(_ call: String) -> Bool {
        guard !underWay.contains(call) else { return false }
        if case .refused = ends[call] { return true }
        return unowed.contains(call)
    }

    mutating func began(_ call: String) {
        underWay.insert(call)
        ends[call] = nil
    }

    mutating func ended(_ call: String, _ end: End) {
        underWay.remove(call)
        given.remove(call)
        if case .answered = end { ends[call] = nil } else { ends[call] = end }
    }

    // MARK: The response that follows

    /// A call's output was sent, and a response asked for.
    mutating func gave(_ call: String) { given.insert(call) }

    /// - Parameter answered: calls that have their outputs now.
    mutating func noteOutputs(_ answered: Set<String>, turn: (String) -> String?) {
        // Nobody goes on from an output that was deleted.
        if let owed = response, !answered.contains(owed.call) { response = nil }
        for call in given.intersection(answered).sorted() {
            given.remove(call)
            guard response == nil, let turn = turn(call) else { continue }
            response = Owed(call: call, turn: turn, isAsked: true)
        }
    }

    /// So that it is asked for again twice, as a voice's answer is.
    private static let maximumLosses = 3

    /// It was not created.
    /// - Parameter isLost: upstream did not refuse it.
    mutating func responseFailed(after call: String, isLost: Bool) {
        guard var owed = response, owed.call == call else { return }
        owed.losses += 1
        owed.isAsked = false
        response = isLost && owed.losses < Self.maximumLosses ? owed : nil
    }
}

// Function calls that the bridge answers by calling a webhook.
extension SessionStateMachine {
    /// Follows ``owedCalls``; to be called after the projection and the webhooks are what they are from now on.
    mutating func noteOwedCalls(after event: ServerEvent) {
        switch event.name {
        case .responseCreated:
            if projection.activeResponse != nil { webhookRuns.response = nil }
        case .conversationItemCreated, .conversationItemAdded, .conversationItemDone, .conversationItemDeleted, .responseOutputItemDone,
            .responseDone, .sessionUpdated, .transcriptionSessionUpdated:
            noteCallsOfWebhooks()
            webhookRuns.noteOutputs(projection.answeredCalls) { projection.turn(ofCall: $0) }
        default:
            // Most are deltas, and change nothing about it.
            break
        }
        noteOwing()
    }

    mutating func noteCallsOfWebhooks() {
        owedCalls = callsOfWebhooks()
        guard !webhooks.isEmpty else { return webhookRuns.unowed = [] }
        webhookRuns.unowed = projection.pendingCalls.subtracting(owedCalls).filter {
            projection.call($0)?.object?["name"]?.string.flatMap(webhooks.url) != nil
        }
    }

    private mutating func noteOwing() {
        record.owesOutputs = (!owedCalls.isEmpty || webhookRuns.response != nil) && !record.status.hasEnded
    }

    // MARK: The response that follows

    /// The end of a process, or of the store, came between an output and its response: the call whose output no response has read.
    ///
    /// To be asked only where the record says that something is owed: clients may give outputs and want no response.
    func lostResponse() -> WebhookRuns.Owed? {
        let last = projection.responses.values.filter { !$0.isOutOfBand }.map(\.createdSeq).max() ?? 0
        let outputs = projection.items.values.filter { $0.createdSeq > last && !$0.isDeleted }.sorted { $0.createdSeq < $1.createdSeq }
        for output in outputs.reversed() {
            guard let json = output.object, json["type"]?.string == "function_call_output", let call = json["call_id"]?.string,
                let item = projection.call(call), let turn = item.responseID,
                item.object?["name"]?.string.flatMap(webhooks.url) != nil
            else { continue }
            // Those that are made again ask for it as well, if they are of another turn.
            guard owedCalls.allSatisfy({ projection.call($0)?.responseID == turn }) else { return nil }
            return WebhookRuns.Owed(call: call, turn: turn, isAsked: false)
        }
        return nil
    }

    /// The call to go on from; nil if there is none, or its response may yet come: on the next connection, or by somebody else's doing.
    var callToGoOnFrom: String? {
        guard let owed = webhookRuns.response, !owed.isAsked, !record.status.hasEnded, turns.request(of: owed.turn) == nil,
            !owesVoiceAnswer, (try? refuseSecondActiveResponse()) != nil
        else { return nil }
        // No connection is made for what was lost with one; it waits for the next.
        return owed.losses == 0 || link.isOpen ? owed.call : nil
    }

    /// A response follows as soon as upstream gives it: nothing else is waited for.
    var isResponseDue: Bool {
        guard let owed = webhookRuns.response, !link.isNone, !link.isEnded else { return false }
        return !projection.pendingCalls.subtracting(missingCalls).contains { projection.turn(ofCall: $0) == owed.turn }
    }

    mutating func responseFailed(after call: String, isLost: Bool) {
        webhookRuns.responseFailed(after: call, isLost: isLost)
        noteOwing()
    }

    // MARK: Calls

    /// Calls whose tools have a webhook, in the order in which they were made: pending, of a response that has ended as `completed`, and never
    /// given an output, not even one that was deleted.
    ///
    /// Those of a response that was cancelled, or is incomplete, are left to whoever looks on: the model did not mean the turn to end so.
    /// Those that a fork brought along are the other session's.
    func callsOfWebhooks() -> [String] {
        guard !webhooks.isEmpty else { return [] }
        let calls = projection.pendingCalls.compactMap { call -> (id: String, item: ItemRecord)? in
            guard !projection.isGivenOutput(call: call), let item = projection.call(call), let response = item.responseID,
                projection.responses[response]?.status == "completed", projection.responses[response]?.doneSeq != nil,
                item.object?["name"]?.string.flatMap(webhooks.url) != nil
            else { return nil }
            return (call, item)
        }
        return calls.sorted { ($0.item.createdSeq, $0.id) < ($1.item.createdSeq, $1.id) }.map(\.id)
    }

    /// Calls that are to be made now; from now on they are under way.
    mutating func beginWebhooks() -> [WebhookCall] {
        guard record.owesOutputs else { return [] }
        let generation = link.isOpen ? record.generation : nil
        var begun: [WebhookCall] = []
        for call in owedCalls where !webhookRuns.isFull && webhookRuns.mayBegin(call, generation: generation) {
            guard isOpen(call: call), !missingCalls.contains(call), let item = projection.call(call), let made = webhookCall(call, item)
            else {
                continue
            }
            webhookRuns.began(call)
            begun.append(made)
        }
        return begun
    }

    private func webhookCall(_ id: String, _ item: ItemRecord) -> WebhookCall? {
        guard let json = item.object, let name = json["name"]?.string, let url = webhooks.url(ofTool: name) else { return nil }
        return WebhookCall(
            sessionID: record.id, callID: id, name: name, arguments: json["arguments"].map { JSONValue($0) } ?? "",
            responseID: item.responseID, itemID: item.id, metadata: record.metadata, url: url)
    }

    /// Whether a call still wants an output: it has none, and never had one, not even one that was deleted.
    func isOpen(call: String) -> Bool {
        !record.status.hasEnded && projection.pendingCalls.contains(call) && !projection.isGivenOutput(call: call)
            && !unanswered.contains { $0.answersCall == call }
    }
}
