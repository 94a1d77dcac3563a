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

    mutating func began(_ call: String) {
        underWay.insert(call)
        ends[call] = nil
    }

    mutating func ended(_ call: String, _ end: End) {
        underWay.remove(call)
        if case .answered = end { ends[call] = nil } else { ends[call] = end }
    }
}

// Function calls that the bridge answers by calling a webhook.
extension SessionStateMachine {
    /// Follows ``owedCalls``; to be called after the projection and the webhooks are what they are from now on.
    mutating func noteOwedCalls(after event: ServerEvent) {
        switch event.name {
        case .conversationItemCreated, .conversationItemAdded, .conversationItemDone, .conversationItemDeleted, .responseOutputItemDone,
            .responseDone, .sessionUpdated, .transcriptionSessionUpdated:
            owedCalls = callsOfWebhooks()
        default:
            // Most are deltas, and change nothing about it.
            break
        }
        record.owesOutputs = !owedCalls.isEmpty && !record.status.hasEnded
    }

    /// Calls whose tools have a webhook, in the order in which they were made: pending, of a response that has ended as `completed`, and never
    /// given an output, not even one that was deleted.
    ///
    /// Those of a response that was cancelled, or is incomplete, are left to whoever looks on: the model did not mean the turn to end so.
    /// Those that a fork brought along are the other session's. Nor one whose id upstream would not take back with an output, as some
    /// OpenAI-compatible servers make them: its tool would act for nothing.
    func callsOfWebhooks() -> [String] {
        guard !webhooks.isEmpty else { return [] }
        let calls = projection.pendingCalls.compactMap { call -> (id: String, item: ItemRecord)? in
            guard call.count <= CommandBuilder.maximumIDCharacters, !projection.isGivenOutput(call: call), let item = projection.call(call),
                let response = item.responseID,
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

    /// Whether a call still wants an output.
    func isOpen(call: String) -> Bool {
        !record.status.hasEnded && projection.pendingCalls.contains(call) && !unanswered.contains { $0.answersCall == call }
    }
}
